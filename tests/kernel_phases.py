"""A kernel on a board with everything, brought into any of its phases."""

from __future__ import annotations

from kernel_bench import LEVEL_B, KernelBench
from pilotwire.firmware.kernel import params, table
from pilotwire.firmware.kernel.lease import (
    MODE_AC,
    MODE_DC,
    MODE_NONE,
    REQUEST_STEP_EF,
    REQUEST_STEP_X1,
    REQUEST_STOP,
)

FITTED = (
    params.SOCKET
    | params.LOCK
    | params.VENTILATION
    | params.SECOND
    | params.RCD_DC
    | params.RCD_TEST
    | params.STOP_BUTTON
    | params.CURRENT
    | params.PLUG_TEMP
)


class FullBench(KernelBench):
    """A socket with a 32 A cable; lock and residual current device obey unless told otherwise."""

    def __init__(self, *changes: tuple[int, int], start_ms: int = 0) -> None:
        whole = ((params.FITTED, FITTED), (params.SWITCH_PHASES, 1), (params.DC_MAX_MA, 200_000))
        super().__init__(*whole, (params.WAKE_AFTER_MS, 1000), *changes, start_ms=start_ms)
        self.inputs.pp_ohm = 220
        self.lock_obeys = True
        self.rcd_obeys = True
        super().tick(0)

    def tick(self, ms: int = 5) -> None:
        """Pass ms and step the kernel once."""
        if self.lock_obeys:
            self.inputs.lock_closed = self.kernel.lock
        if self.rcd_obeys:
            self.inputs.rcd_dc = self.kernel.rcd_test
        super().tick(ms)

    def until(self, phase: int, within_ms: int = 2000) -> None:
        """Pass time until the kernel is in this phase, to the millisecond."""
        self.run_until(table.PHASE_NAMES[phase], lambda: self.kernel.phase == phase, within_ms, tick_ms=1)

    def withdraw(self) -> None:
        """End the permission now."""
        self.granted_ma = None
        self.kernel.lease(MODE_NONE, 0, 0, 0, self.clock_ms)

    def change_lease(self, limit_ma: int, mode: int = MODE_AC, phases: int = 0) -> None:
        """Grant another lease now and from now on."""
        self.mode, self.phases, self.granted_ma = mode, phases, limit_ma
        self.grant(limit_ma)


def in_phase(phase: int, *changes: tuple[int, int]) -> FullBench:
    """A bench whose kernel has just entered `phase`; with a car but in none, and under a lease that is renewed but in Idle."""
    bench = FullBench(*changes)
    bench.level_mv = LEVEL_B
    bench.run(1000)
    assert (bench.kernel.phase, bench.missing) == (table.IDLE, bench.missing)
    if phase == table.IDLE:
        return bench
    _WAYS[phase](bench)
    assert bench.kernel.phase == phase
    return bench


def _testing(bench: FullBench) -> None:
    bench.level_mv = 12000
    bench.run(1000)
    bench.rcd_obeys = False
    bench.level_mv, bench.granted_ma = LEVEL_B, 16000
    bench.until(table.TESTING)


def _offering(bench: FullBench) -> None:
    bench.change_lease(16000)
    bench.until(table.OFFERING)


def _closed(bench: FullBench) -> None:
    bench.charging()
    bench.run(500)


def _stopping(bench: FullBench) -> None:
    _closed(bench)
    bench.kernel.lease(MODE_NONE, 0, 0, 0, bench.clock_ms)
    bench.tick(1)


def _draining(bench: FullBench) -> None:
    bench.mode = MODE_DC
    _closed(bench)
    bench.inputs.current_ma = 20_000
    bench.kernel.lease(MODE_NONE, 0, 0, 0, bench.clock_ms)
    bench.tick(1)


def _telling(bench: FullBench) -> None:
    _closed(bench)
    bench.kernel.request(REQUEST_STOP)
    bench.tick(1)


def _showing_f(bench: FullBench) -> None:
    _closed(bench)
    bench.inputs.stop_pressed = True
    bench.tick(1)
    bench.inputs.stop_pressed = False


def _faulted(bench: FullBench) -> None:
    _showing_f(bench)
    bench.until(table.FAULTED)


def _step_ef(bench: FullBench) -> None:
    _offering(bench)
    bench.kernel.request(REQUEST_STEP_EF)
    bench.tick(1)


def _step_x1(bench: FullBench) -> None:
    _offering(bench)
    bench.kernel.request(REQUEST_STEP_X1)
    bench.tick(1)


def _waking(bench: FullBench) -> None:
    _offering(bench)
    bench.until(table.WAKING)


def _switching(bench: FullBench) -> None:
    _closed(bench)
    bench.change_lease(16000, phases=1)
    bench.tick(1)
    bench.level_mv = LEVEL_B
    bench.until(table.SWITCHING)


def _settling(bench: FullBench) -> None:
    _step_ef(bench)
    bench.until(table.SETTLING, within_ms=5000)


_WAYS = {
    table.TESTING: _testing,
    table.OFFERING: _offering,
    table.CLOSED: _closed,
    table.STOPPING: _stopping,
    table.DRAINING: _draining,
    table.TELLING: _telling,
    table.SHOWING_F: _showing_f,
    table.FAULTED: _faulted,
    table.STEP_EF: _step_ef,
    table.STEP_X1: _step_x1,
    table.WAKING: _waking,
    table.SWITCHING: _switching,
    table.SETTLING: _settling,
}
