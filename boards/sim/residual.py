"""A residual current device with two trip outputs, for smooth direct and for alternating current, and an input for its self-test.

As in real hardware its outputs do two things: the pilot reads them, and they cut the coils' supply without asking the pilot.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DC_TRIP_MA = 6.0
AC_TRIP_MA = 30.0
DELAY_MS = 20
RELEASE_MS = 200
TEST_MS = 80


@dataclass(slots=True)
class TripOutput:
    """One output. It trips after a cause has lasted, and releases after the cause has been away. `stuck`: it stays as it is."""

    tripped: bool = False
    stuck: bool = False
    _present_ms: int = 0
    _absent_ms: int = 0

    @property
    def stirred(self) -> bool:
        """Whether it is tripped, or a cause was there a millisecond ago."""
        return self.tripped or self._present_ms > 0

    def step(self, cause: bool, delay_ms: int, release_ms: int) -> None:
        """Pass one millisecond with or without a cause."""
        if cause:
            self._present_ms += 1
            self._absent_ms = 0
        else:
            self._present_ms = 0
            self._absent_ms += 1
        if self.stuck:
            return
        if cause and self._present_ms >= delay_ms:
            self.tripped = True
        elif not cause and self._absent_ms >= release_ms:
            self.tripped = False


@dataclass(slots=True)
class ResidualDevice:
    """The device. A tester sets the residual currents dc_ma and ac_ma.

    They flow all the time, or with `behind_contacts` only while the contacts are closed. `test_dead`: the test input does nothing.
    """

    dc_ma: float = 0.0
    ac_ma: float = 0.0
    behind_contacts: bool = False
    dc_trip_ma: float = DC_TRIP_MA
    ac_trip_ma: float = AC_TRIP_MA
    delay_ms: int = DELAY_MS
    release_ms: int = RELEASE_MS
    test_ms: int = TEST_MS
    test_dead: bool = False
    dc: TripOutput = field(default_factory=TripOutput)
    ac: TripOutput = field(default_factory=TripOutput)
    _test_held_ms: int = 0

    @property
    def tripped(self) -> bool:
        """Whether the coils' supply is cut."""
        return self.dc.tripped or self.ac.tripped

    def step(self, test: bool, contacts_closed: bool) -> None:
        """Pass one millisecond."""
        quiet = not test and self.dc_ma < self.dc_trip_ma and self.ac_ma < self.ac_trip_ma
        if quiet and not (self._test_held_ms or self.dc.stirred or self.ac.stirred):
            return  # nothing to count
        self._test_held_ms = self._test_held_ms + 1 if test and not self.test_dead else 0
        tested = self._test_held_ms >= self.test_ms
        flows = contacts_closed or not self.behind_contacts
        delay_ms = 1 if tested else self.delay_ms
        self.dc.step(tested or (flows and self.dc_ma >= self.dc_trip_ma), delay_ms, self.release_ms)
        self.ac.step(tested or (flows and self.ac_ma >= self.ac_trip_ma), delay_ms, self.release_ms)
