"""From the voltages of the control pilot to its state: bands with hysteresis, then evidence over time.

Thresholds stand in the gaps between the detection windows of IEC 61851-1 (A 11..13, B 8..10, C 5..7, D 2..4, E -1..1,
F -13..-11 V, as usually quoted); numbers from the project's fact sheet, sections 1 and 8.
"""

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

# How long a new band must be seen before it counts. To C slowly (closing may take 3 s), away from C fast: contacts must be open
# 100 ms after the car leaves C, mechanics included.
TO_C_MS = 250
FROM_C_MS = 25
OTHER_MS = 50
INVALID_MS = 200


def band(high_mv: int, present: int) -> int:
    """Band of the positive level high_mv; the edges of the band `present` are widened by the hysteresis."""
    if _inside(high_mv, present, HYSTERESIS_MV):
        return present
    for state, _ in EDGES_MV:
        if _inside(high_mv, state, 0):
            return state
    return F if high_mv <= F_MAX_MV else INVALID


def _inside(high_mv: int, wanted: int, margin_mv: int) -> bool:
    upper_mv = TOP_MV - margin_mv  # the top of A is a limit of plausibility and gets no margin
    for state, lower_mv in EDGES_MV:
        if state == wanted:
            return lower_mv - margin_mv <= high_mv <= upper_mv + margin_mv
        upper_mv = lower_mv
    return False


def evidence_ms(present: int, seen: int) -> int:
    """How long `seen` must last before it replaces `present`."""
    if seen == INVALID:
        return INVALID_MS
    if present == C:
        return FROM_C_MS
    if seen == C:
        return TO_C_MS
    return OTHER_MS


def _less(total_ms: int, passed_ms: int) -> int:
    return total_ms - passed_ms if total_ms > passed_ms else 0


class PilotState:
    """The debounced state of the control pilot; INVALID until the first evidence is in."""

    def __init__(self) -> None:
        self.state = INVALID
        self.undefined_ms = 0  # for how long the level has been in no band at all
        self._seen = INVALID
        self._seen_for_ms = 0

    def update(self, high_mv: int, passed_ms: int) -> int:
        """Take one sample that stands for the last passed_ms milliseconds; returns the debounced state."""
        seen = band(high_mv, self.state)
        if seen != INVALID:
            self.undefined_ms = _less(self.undefined_ms, passed_ms)
        elif self.undefined_ms < INVALID_MS:
            self.undefined_ms += passed_ms
        if seen == self.state:
            # A sample of C takes back as much evidence as it lasted, no more: a level that is in C only now and then has left it.
            self._seen_for_ms = _less(self._seen_for_ms, passed_ms) if seen == C else 0
            self._seen = seen
            return self.state
        # In C all evidence against C adds up, whatever the level wanders through: the car has left C, wherever it goes.
        if seen != self._seen and self.state != C:
            self._seen_for_ms = 0
        self._seen = seen
        self._seen_for_ms += passed_ms
        if self._seen_for_ms >= evidence_ms(self.state, seen):
            self.state = seen
            self._seen_for_ms = 0
        return self.state

    def forget(self) -> None:
        """Start again from nothing, for example after time has been lost."""
        self.state = INVALID
        self.undefined_ms = 0
        self._seen = INVALID
        self._seen_for_ms = 0
