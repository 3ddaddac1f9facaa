"""A kernel on a board that has everything, and waiting that is exact to the millisecond.

Lock and residual current device follow their outputs one tick later, unless `lock_follows` or `rcd_follows` is taken away; then
their inputs are free. The current transformer reads `load_ma` while contacts are closed, and `stray_ma` while all are open.
"""

from __future__ import annotations

from collections.abc import Callable

from kernel_bench import LEVEL_B, LEVEL_C, KernelBench
from pilotwire.firmware.kernel import lease, params, table

EVERYTHING = 8191
"""All bits of params.FITTED."""

CABLE_32_A_OHM = 220


class KernelBoard(KernelBench):
    """KernelBench with the rest of the hardware; `fitted` says what there is."""

    def __init__(self, *changes: tuple[int, int], fitted: int = EVERYTHING, start_ms: int = 0) -> None:
        super().__init__((params.FITTED, fitted), *changes, start_ms=start_ms)
        self.inputs.pp_ohm = CABLE_32_A_OHM
        self.lock_follows = True
        self.rcd_follows = True
        self.load_ma = 0
        self.stray_ma = 0
        self.order = 0
        """Request bits that the station repeats in each tick."""

    def tick(self, ms: int = 5) -> None:
        """Pass ms and step the kernel once."""
        kernel, inputs = self.kernel, self.inputs
        if self.lock_follows:
            inputs.lock_closed = kernel.lock
        if self.rcd_follows:
            inputs.rcd_dc = inputs.rcd_ac = kernel.rcd_test
        inputs.current_ma = self.load_ma if self.contacts or self.phase_contacts else self.stray_ma
        kernel.request(self.order)
        super().tick(ms)

    def exactly(self, ms: int, what: str, condition: Callable[[], object], coarse_ms: int = 1) -> None:
        """Pass ms; the condition must come true in the very last millisecond and in no tick before.

        coarse_ms: size of the ticks as long as the last 50 ms are not reached; then they are of 1 ms.
        """
        started_ms = self.now_ms
        until_ms = started_ms + ms
        while self.now_ms < until_ms:
            assert not condition(), f"{what}: {self.now_ms - started_ms} ms instead of {ms} ms"
            self.tick(coarse_ms if until_ms - self.now_ms > 50 + coarse_ms else 1)
        assert condition(), f"{what}: not after {ms} ms"

    def always(self, what: str, condition: Callable[[], object], ms: int, tick_ms: int = 5) -> None:
        """Pass time; fails the test when condition() does not hold after a tick."""
        self.never(f"not {what}", lambda: not condition(), ms, tick_ms)

    def withdraw(self) -> None:
        """The station takes its permission back, now."""
        self.granted_ma = None
        self.kernel.lease(lease.MODE_NONE, 0, 0, 0, self.clock_ms)

    # Where a fault can find the kernel; each of these takes it there from power-up.

    def idle(self) -> KernelBoard:
        """A car in B without permission, plug locked, residual current device tested."""
        self.level_mv = LEVEL_B
        self.run(1500, tick_ms=10)
        assert (self.kernel.phase, self.kernel.faults) == (table.IDLE, 0)
        return self

    def offering(self) -> KernelBoard:
        """The same with permission for 16 A, PWM shown for a while."""
        self.idle()
        self.granted_ma = 16000
        self.run(500, tick_ms=10)
        assert self.kernel.phase == table.OFFERING, self.missing
        return self

    def closed(self) -> KernelBoard:
        """The car asks and gets power at 16 A."""
        self.charging()
        self.run(1000, tick_ms=10)
        assert (self.kernel.phase, self.kernel.faults) == (table.CLOSED, 0)
        return self

    def stopping(self) -> KernelBoard:
        """One millisecond after the permission has been withdrawn; the car stays in C."""
        self.closed()
        self.withdraw()
        self.tick(1)
        assert self.kernel.phase == table.STOPPING
        return self

    def in_c(self) -> KernelBoard:
        """The car asks for power; nothing has been permitted."""
        self.level_mv = LEVEL_C
        self.run(1000)
        return self
