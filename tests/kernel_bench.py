"""A safety kernel at its pins, without circuit and link: voltages are set by hand, contacts follow the command.

For what a whole simulated world cannot be made to do: exact levels, exact ticks, any clock, a lease of any kind.
"""

from __future__ import annotations

from collections.abc import Callable

from pilotwire.firmware.kernel import duty
from pilotwire.firmware.kernel.kernel import MODE_AC, Inputs, Kernel
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD

LEVEL_A = 12000
LEVEL_B = 8980
LEVEL_C = 6000
LEVEL_D = 2930
LEVEL_E = 0
LEVEL_F = -12000
LEVEL_UNDEFINED = -5000


class KernelBench:
    """One kernel. `now_ms` counts on without end; the kernel gets it modulo 2**30."""

    def __init__(self, max_ma: int = 32000, start_ms: int = 0) -> None:
        self.kernel = Kernel(max_ma)
        self.now_ms = start_ms
        self.level_mv = LEVEL_A
        self.low_mv = -12000
        """The negative level while there is PWM; -12000 is a car with its diode."""
        self.contacts = False
        self.contact_delay_ms = 20
        self.stuck_open = False
        self.welded = False
        self.granted_ma: int | None = None
        """While not None: a lease of ttl_ms is granted every 100 ms, as a station does."""
        self.ttl_ms = 1000
        self._inputs = Inputs()
        self._granted_at_ms = start_ms - 1000
        self._moving_ms = 0

    @property
    def clock_ms(self) -> int:
        """What the kernel is told as time."""
        return self.now_ms % TICKS_PERIOD

    def tick(self, ms: int = 5) -> None:
        """Pass ms and step the kernel once."""
        self.now_ms += ms
        self._move_contacts(ms)
        kernel = self.kernel
        inputs = self._inputs
        inputs.cp_high_mv = LEVEL_F if kernel.duty == duty.DUTY_F else self.level_mv
        inputs.cp_low_mv = inputs.cp_high_mv if kernel.duty in (duty.DUTY_F, duty.DUTY_X1) else self.low_mv
        inputs.contacts_closed = self.contacts
        kernel.step(self.clock_ms, inputs)
        if self.granted_ma is not None and self.now_ms - self._granted_at_ms >= 100:
            self.grant(self.granted_ma)

    def grant(self, limit_ma: int) -> bool:
        """One lease of ttl_ms, issued now."""
        self._granted_at_ms = self.now_ms
        return self.kernel.lease(MODE_AC, limit_ma, self.ttl_ms, self.clock_ms)

    def run(self, ms: int, tick_ms: int = 5) -> None:
        """Pass time in equal ticks."""
        until = self.now_ms + ms
        while self.now_ms < until:
            self.tick(tick_ms)

    def run_until(self, what: str, condition: Callable[[], object], within_ms: int, tick_ms: int = 5) -> int:
        """Pass time until condition() holds; returns how long it took. Fails the test after within_ms."""
        started_ms = self.now_ms
        while not condition():
            assert self.now_ms - started_ms < within_ms, f"waited {within_ms} ms in vain for: {what}"
            self.tick(tick_ms)
        return self.now_ms - started_ms

    def never(self, what: str, condition: Callable[[], object], ms: int, tick_ms: int = 5) -> None:
        """Pass time; fails the test when condition() ever holds."""
        until = self.now_ms + ms
        while self.now_ms < until:
            self.tick(tick_ms)
            assert not condition(), f"{what} at {self.now_ms} ms"

    def charging(self, limit_ma: int = 16000) -> KernelBench:
        """Bring the kernel to Closed with the contacts closed, under a renewed lease; returns itself."""
        self.level_mv = LEVEL_C
        self.granted_ma = limit_ma
        self.run_until("contacts closed", lambda: self.kernel.contacts_closed, 3000)
        return self

    def _move_contacts(self, ms: int) -> None:
        if self.kernel.close == self.contacts:
            self._moving_ms = 0
            return
        self._moving_ms += ms
        if self._moving_ms < self.contact_delay_ms:
            return
        self._moving_ms = 0
        if self.kernel.close and not self.stuck_open:
            self.contacts = True
        elif not self.kernel.close and not self.welded:
            self.contacts = False
