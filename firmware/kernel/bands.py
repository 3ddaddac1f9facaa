"""From the voltages of the control pilot to its state: bands with hysteresis, then evidence over time.

Thresholds stand in the gaps between the detection windows of IEC 61851-1 (A 11..13, B 8..10, C 5..7, D 2..4, E -1..1,
F -13..-11 V, as usually quoted [K]); numbers from the project's fact sheet, sections 1 and 8.
"""

from . import times
from .ticks import less

INVALID = 0
A = 1
B = 2
C = 3
D = 4
E = 5
F = 6

# Lower edge of each band in mV, highest band first. A reading above TOP_MV or in no band is invalid.
TOP_MV = 13000
EDGES_MV = ((A, 10500), (B, 7500), (C, 4500), (D, 1500), (E, -1500))
F_MAX_MV = -10000
HYSTERESIS_MV = 200


def band(high_mv: int, present: int) -> int:
    """Band of the positive level high_mv; the edges of the band `present` are widened by the hysteresis."""
    if _inside(high_mv, present, HYSTERESIS_MV):
        return present
    for row in EDGES_MV:
        if _inside(high_mv, row[0], 0):
            return row[0]
    return F if high_mv <= F_MAX_MV else INVALID


def _inside(high_mv: int, wanted: int, margin_mv: int) -> bool:
    upper_mv = TOP_MV - margin_mv  # the top of A is a limit of plausibility and gets no margin
    for row in EDGES_MV:
        if row[0] == wanted:
            return row[1] - margin_mv <= high_mv <= upper_mv + margin_mv
        upper_mv = row[1]
    return False


def asks(state: int) -> bool:
    """Whether a car in this state has closed S2."""
    return state == C or state == D


def evidence_ms(present: int, seen: int, to_c_ms: int) -> int:
    """How long `seen` must last before it replaces `present`. To C slowly, away from it fast."""
    if seen == INVALID:
        return times.INVALID_MS
    if asks(present):
        return times.FROM_C_MS
    return to_c_ms if asks(seen) else times.OTHER_MS


class PilotState:
    """The debounced state of the control pilot; INVALID until the first evidence is in."""

    def __init__(self) -> None:
        self.state = INVALID
        self.undefined_ms = 0  # for how long the level has been in no band at all
        self._seen = INVALID
        self._seen_for_ms = 0

    def update(self, high_mv: int, passed_ms: int, to_c_ms: int) -> int:
        """Take one sample that stands for the last passed_ms milliseconds; returns the debounced state."""
        seen = band(high_mv, self.state)
        if seen != INVALID:
            self.undefined_ms = less(self.undefined_ms, passed_ms)
        elif self.undefined_ms < times.INVALID_MS:
            self.undefined_ms += passed_ms
        if seen == self.state:
            # A sample of C takes back as much evidence as it lasted, no more: a level that is in C only now and then has left it.
            self._seen_for_ms = less(self._seen_for_ms, passed_ms) if asks(seen) else 0
            return self.state
        # In C all evidence against C adds up, whatever the level wanders through: the car has left C, wherever it goes.
        if seen != self._seen and not asks(self.state):
            self._seen_for_ms = 0
        self._seen = seen
        self._seen_for_ms += passed_ms
        if self._seen_for_ms >= evidence_ms(self.state, seen, to_c_ms):
            self.state = seen
            self._seen_for_ms = 0
        return self.state

    def forget(self) -> None:
        """Start again from nothing, for example after time has been lost."""
        self.state = INVALID
        self.undefined_ms = 0
        self._seen_for_ms = 0
