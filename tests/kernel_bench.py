"""A safety kernel at its pins, without circuit and link: voltages are set by hand, contacts follow the command.

For what a whole simulated world cannot be made to do: exact levels, exact ticks, any clock, a lease of any kind.
"""

from __future__ import annotations

from collections.abc import Callable

from pilotwire.firmware.kernel import duty, params, table, variants
from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.kernel.kernel import Kernel
from pilotwire.firmware.kernel.lease import MODE_AC
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD

LEVEL_A = 12000
LEVEL_B = 8980
LEVEL_C = 6000
LEVEL_D = 2930
LEVEL_E = 0
LEVEL_F = -12000
LEVEL_UNDEFINED = -5000

# Nothing but contactor and pilot wire, and no rest between closings: what is added is said by the test.
BARE = ((params.FITTED, 0), (params.MIN_OFF_MS, 0), (params.FAULT_OFF_MS, 0))


def block(*changes: tuple[int, int]) -> tuple[int, ...]:
    """A block of parameters: IEC, bare, with these (index, value) changes."""
    values = variants.IEC
    for index, value in (*BARE, *changes):
        values = params.changed(values, index, value)
    return values


def parameters(*changes: tuple[int, int]) -> params.Parameters:
    """The same, sealed."""
    values = block(*changes)
    return params.Parameters(values, params.seal(values))


class KernelBench:
    """One kernel. `now_ms` counts on without end; the kernel gets it modulo 2**30.

    `inputs` may be set freely, but for the pilot wire's levels, which follow level_mv and low_mv, and the contacts, which follow
    the commands (`contacts`, `phase_contacts`) unless `stuck_open` or `welded`.
    """

    def __init__(self, *changes: tuple[int, int], start_ms: int = 0) -> None:
        self.kernel = Kernel(parameters(*changes))
        self.inputs = Inputs()
        self.now_ms = start_ms
        self.level_mv = LEVEL_A
        self.low_mv = -12000
        """The negative level while there is PWM; -12000 is a car with its diode."""
        self.contacts = False
        self.phase_contacts = False
        self.contact_delay_ms = 20
        self.stuck_open = False
        self.welded = False
        self.granted_ma: int | None = None
        """While not None: a lease of ttl_ms is granted every 100 ms, as a station does."""
        self.mode = MODE_AC
        self.phases = 0
        self.ttl_ms = 1000
        self._granted_at_ms = start_ms - 1000
        self._moving_ms = 0
        self._phases_moving_ms = 0

    @property
    def clock_ms(self) -> int:
        """What the kernel is told as time."""
        return self.now_ms % TICKS_PERIOD

    @property
    def missing(self) -> list[str]:
        """Names of the kernel's conditions that do not hold, for messages."""
        return [name for bit, name in enumerate(table.CONDITION_NAMES) if not self.kernel.conditions >> bit & 1]

    def tick(self, ms: int = 5) -> None:
        """Pass ms and step the kernel once."""
        self.now_ms += ms
        kernel, inputs = self.kernel, self.inputs
        self.contacts, self._moving_ms = self._moved(kernel.close, self.contacts, self._moving_ms + ms)
        self.phase_contacts, self._phases_moving_ms = self._moved(
            kernel.close_phases, self.phase_contacts, self._phases_moving_ms + ms
        )
        inputs.cp_high_mv = LEVEL_F if kernel.duty == duty.DUTY_F else LEVEL_A if kernel.cp_off else self.level_mv
        inputs.cp_low_mv = inputs.cp_high_mv if kernel.duty in (duty.DUTY_F, duty.DUTY_X1) else self.low_mv
        inputs.contacts_closed = self.contacts
        inputs.phases_closed = self.phase_contacts
        kernel.step(self.clock_ms, inputs)
        if self.granted_ma is not None and self.now_ms - self._granted_at_ms >= 100:
            self.grant(self.granted_ma)

    def grant(self, limit_ma: int) -> bool:
        """One lease of ttl_ms in `mode`, issued now."""
        self._granted_at_ms = self.now_ms
        return self.kernel.lease(self.mode, limit_ma, self.ttl_ms, self.phases, self.clock_ms)

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

    def _moved(self, command: bool, contacts: bool, moving_ms: int) -> tuple[bool, int]:
        if command == contacts:
            return contacts, 0
        if moving_ms < self.contact_delay_ms:
            return contacts, moving_ms
        if command:
            return not self.stuck_open, 0
        return self.welded, 0
