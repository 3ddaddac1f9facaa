"""In the place of a station: somebody who speaks the pilot link and does as told, for tests of the pilot alone."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from typing import Any

from pilotwire.firmware.kernel import bands, faults, lease, table
from pilotwire.firmware.shell.pilot_port import Line
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.station import PilotState, StationLink

MODES = {
    "none": lease.MODE_NONE,
    "ac": lease.MODE_AC,
    "ac_hlc": lease.MODE_AC_HLC,
    "dc": lease.MODE_DC,
    "bpt": lease.MODE_BPT,
}
REQUESTS = {
    "clear": lease.REQUEST_CLEAR,
    "unlock": lease.REQUEST_UNLOCK,
    "stop": lease.REQUEST_STOP,
    "step_ef": lease.REQUEST_STEP_EF,
    "step_x1": lease.REQUEST_STEP_X1,
}
LETTERS = {bands.INVALID: "?", bands.A: "A", bands.B: "B", bands.C: "C", bands.D: "D", bands.E: "E", bands.F: "F"}
KEPT = 100_000
WATCHED = (
    "pilot",
    "phase",
    "faults",
    "conditions",
    "duty_permyriad",
    "limit_ma",
    "contacts_closed",
    "phases_closed",
    "simplified",
    "bcb_sequences",
    "cable_ma",
)


class BareHost:
    """One host on an open line; call tick() about every 20 ms."""

    def __init__(self, line: Line, session: int) -> None:
        self.link = StationLink("bare host", session)
        self.states: deque[dict[str, Any]] = deque(maxlen=KEPT)
        """Every state of the pilot that differs from the one before in any of WATCHED."""
        self._line = line
        os.set_blocking(line.fileno(), False)

    def tick(self, now_ms: int) -> None:
        """Read, answer, write."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._line.fileno(), 4096)
            if data:
                self.link.receive(data, now_ms)
        self.link.tick(now_ms)
        out = self.link.data_to_send()
        if out:
            with contextlib.suppress(BlockingIOError):
                os.write(self._line.fileno(), out)
        while (event := self.link.next_event()) is not None:
            if isinstance(event, PilotState):
                self._note(event)

    def _note(self, state: PilotState) -> None:
        row = self.row(state)
        if not self.states or any(self.states[-1][key] != row[key] for key in WATCHED):
            self.states.append(row)

    @staticmethod
    def row(state: PilotState) -> dict[str, Any]:
        """A STATE in words and units."""
        return {
            "t_ms": state.at_ms,
            "pilot": LETTERS[state.pilot],
            "phase": table.PHASE_NAMES[state.phase],
            "cp_high_mv": state.cp_high_mv,
            "cp_low_mv": state.cp_low_mv,
            "duty_permyriad": state.duty,
            "limit_ma": state.limit_ma,
            "lease_left_ms": state.lease_left_ms,
            "faults": faults.names(state.faults),
            "conditions": [name for bit, name in enumerate(table.CONDITION_NAMES) if state.conditions >> bit & 1],
            "cycles": state.cycles,
            "cable_ma": state.cable_ma,
            "bcb_sequences": state.bcb_sequences,
            "bcb_pulses": state.bcb_pulses,
            "contacts_closed": state.contacts_closed,
            "phases_closed": bool(state.inputs & messages.IN_PHASES),
            "simplified": bool(state.inputs & messages.IN_SIMPLIFIED),
        }

    def now(self) -> dict[str, Any] | None:
        """The pilot's newest state; None while it has not answered or is lost."""
        return self.row(self.link.state) if self.link.online and self.link.state is not None else None

    def close(self) -> None:
        """Fall silent."""
        self._line.close()
