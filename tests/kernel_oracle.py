"""What must never be seen at the kernel's outputs, judged from what went in; shares no code with the kernel, and no number.

It keeps unbounded time and knows the leases that were given and the levels that were shown. It knows upper bounds only: a kernel
that does less is not its concern. Of the reports it uses what began a car anew (state A, T_step_X1, settling) and the faults.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kernel_bench import KernelBench
from pilotwire.firmware.kernel import params

X1, F, HLC = 10000, 0, 500
OVERRUN_MS = 40
IDLE, SETTLING, STEP_X1 = 0, 13, 10
OFFERING, CLOSED = 2, 3
CLASSES = ("close", "supply", "drain", "x1 closed", "reduced", "three", "one", "told", "vent", "locked")


def advertised_ma(duty: int) -> float:
    """What a car may draw at a duty between 10 % and 96 %."""
    return duty * 6 if duty <= 8500 else (duty - 6400) * 25


def cable_ma(ohm: int, phases: int) -> int:
    """What a cable carries, 0 for none."""
    if not 60 <= ohm <= 4500:
        return 0
    if ohm > 936:
        return 13000
    if ohm > 308:
        return 20000
    return 32000 if ohm > 140 or ohm < 80 else 63000 if phases == 3 else 70000


@dataclass
class Oracle:
    """One kernel under judgement. `seen` counts what really came to be judged."""

    board: tuple[int, ...]
    lease_until_ms: int = -1
    mode: int = 0
    limit_ma: int = 0
    issued_ms: int = -(10**12)
    closed_mode: int = 0
    seen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    _phase: int = 0
    _duty: int = X1
    _closed: bool = False
    _close_phases: bool = False
    _lock: bool = False
    _supply: bool = False
    _contacts: bool = False
    _away_ms: int = 0
    _undefined: bool = False
    _open_ms: int = 0
    _fault_since_closing: bool = False
    _diode_ms: int = 0
    _timers: dict[str, int] = field(default_factory=dict)
    _changed_ms: int = 10**9
    _pp_ohm: int = 0

    def fitted(self, bit: int) -> bool:
        """What the board has."""
        return self.board[params.FITTED] & bit != 0

    def lease(self, now_ms: int, mode: int, limit_ma: int, ttl_ms: int, issued_ms: int) -> None:
        """Take note of a lease given to the kernel."""
        newest = self.issued_ms <= issued_ms <= now_ms
        if newest:
            self.issued_ms = issued_ms
        known = mode in (1, 2) or (mode in (3, 4) and self.board[params.DC_MAX_MA] > 0)
        if not known or limit_ma < (6000 if mode == 1 else 0) or not 0 < ttl_ms <= 5000:
            self.lease_until_ms = -1
        elif newest and now_ms - issued_ms < min(ttl_ms, self.board[params.TTL_MS]):
            self.lease_until_ms = issued_ms + min(ttl_ms, self.board[params.TTL_MS])
            self.mode, self.limit_ma = mode, limit_ma

    def check(self, bench: KernelBench, tick_ms: int, stop_requested: bool) -> None:
        """Judge the outputs after one step of tick_ms."""
        kernel, inputs = bench.kernel, bench.inputs
        if tick_ms > OVERRUN_MS:
            self.lease_until_ms = -1
            self._open_ms = 0
        live = self.lease_until_ms > bench.now_ms
        pwm = kernel.duty not in (X1, F)
        self._measure(bench, tick_ms)
        self._check_signal(bench, tick_ms, live, pwm)
        if kernel.close and not self._closed:
            self._check_closing(bench, live)
        if kernel.close:
            self._check_closed(bench, tick_ms, live)
            assert not stop_requested
            assert tick_ms <= OVERRUN_MS
        self._check_rest(bench)
        if self._last("earth", self.fitted(params.EARTH) and not inputs.earth_ok, tick_ms) >= 50 + tick_ms:
            assert not kernel.close
        if self._last("pen", self.fitted(params.PEN) and inputs.pen_lost, tick_ms) >= 50 + tick_ms:
            assert not kernel.close
        self._duty, self._closed, self._close_phases = kernel.duty, kernel.close, kernel.close_phases
        self._lock, self._supply, self._contacts = kernel.lock, kernel.supply_enable, inputs.contacts_closed

    def _last(self, name: str, holds: bool, tick_ms: int) -> int:
        """For how long it has held without a break."""
        self._timers[name] = self._timers.get(name, 0) + tick_ms if holds else 0
        return self._timers[name]

    def _measure(self, bench: KernelBench, tick_ms: int) -> None:
        kernel, inputs, level_mv = bench.kernel, bench.inputs, bench.inputs.cp_high_mv
        lowest_mv = 1300 if self.fitted(params.VENTILATION) else 4300
        self._away_ms = 0 if lowest_mv <= level_mv <= 7700 else self._away_ms + tick_ms
        self._undefined = level_mv > 13000 or -10000 < level_mv < -1500
        closed = inputs.contacts_closed or (inputs.phases_closed and self.fitted(params.SECOND))
        self._open_ms = 0 if closed else self._open_ms + (tick_ms if tick_ms <= OVERRUN_MS else 0)
        self._fault_since_closing = self._fault_since_closing or kernel.faults != 0
        self._diode_ms = self._diode_ms + tick_ms if self._duty not in (X1, F) and inputs.cp_low_mv <= -10000 else 0
        self._last("pp", inputs.pp_ohm == self._pp_ohm, tick_ms)
        self._pp_ohm = inputs.pp_ohm
        self._changed_ms += tick_ms
        if kernel.pilot_state == 1 or (kernel.phase == IDLE and self._phase in (SETTLING, STEP_X1)):
            self._changed_ms = 10**9
        self._phase = kernel.phase

    def _check_signal(self, bench: KernelBench, tick_ms: int, live: bool, pwm: bool) -> None:
        kernel = bench.kernel
        direct = kernel.close and self.closed_mode in (3, 4)
        assert self._last("orphan", pwm and not live and not direct, 1) <= 1, (
            "PWM takes a lease; one step for a fault to tell"
        )
        f_ms = self._last("F", self._duty == F, tick_ms)
        assert kernel.duty == F or f_ms == 0 or f_ms >= 300, "F was too short"
        if kernel.duty != self._duty:
            if pwm:
                assert self._changed_ms >= 5000, "a duty that changes too often"
                if kernel.duty == HLC:
                    assert self.mode != 1
                else:
                    assert self.mode == 1
                    told_ma = advertised_ma(kernel.duty)
                    assert told_ma <= min(self.limit_ma, self.board[params.MAX_MA])
                    if self.fitted(params.SOCKET) and self._timers["pp"] >= 200:
                        assert told_ma <= cable_ma(bench.inputs.pp_ohm, self.board[params.PHASES])
                        self.seen["told"] += 1
            self._changed_ms = 0
        nominal = pwm and kernel.duty != HLC
        assert not nominal or 6000 <= advertised_ma(kernel.duty) <= self.board[params.MAX_MA]
        offered = kernel.phase in (OFFERING, CLOSED) and nominal and live and self.mode == 1
        reduced = offered and advertised_ma(kernel.duty) > self.limit_ma
        self.seen["reduced"] += reduced
        assert self._last("reduced", reduced, tick_ms) < 5000 + tick_ms, "a reduction that was signalled too late"
        assert not kernel.cp_off or (kernel.duty == X1 and not kernel.close)

    def _check_closing(self, bench: KernelBench, live: bool) -> None:
        kernel, inputs = bench.kernel, bench.inputs
        assert live, "closing takes a lease of this very moment"
        assert self.limit_ma > 0
        assert (kernel.duty == HLC) == (self.mode != 1), "the duty of this mode"
        assert not inputs.contacts_closed
        assert not (inputs.phases_closed and self.fitted(params.SECOND))
        assert self._diode_ms >= 100
        assert self._open_ms >= self.board[params.FAULT_OFF_MS if self._fault_since_closing else params.MIN_OFF_MS]
        assert inputs.lock_closed or not self.fitted(params.LOCK)
        self._fault_since_closing = False
        self.closed_mode = self.mode
        self.seen["close"] += 1
        self.seen["three" if kernel.close_phases else "one"] += 1
        self.seen["locked"] += self.fitted(params.LOCK)

    def _check_closed(self, bench: KernelBench, tick_ms: int, live: bool) -> None:
        kernel, inputs = bench.kernel, bench.inputs
        powering = live and self.mode == self.closed_mode and self.limit_ma > 0
        direct = self.closed_mode in (3, 4)
        assert self._away_ms < (200 if self._undefined else 25) + tick_ms
        assert kernel.duty != F
        stopping_ms = self._last("X1", self._duty == X1 and self._closed, tick_ms)
        assert stopping_ms < 6200, "open by then"
        assert not (direct and kernel.duty == X1)
        self.seen["x1 closed"] += stopping_ms > 0
        draining_ms = self._last("drain", direct and self._closed and self._contacts and not self._supply, tick_ms)
        assert draining_ms < 900, "open by then"
        self.seen["drain"] += draining_ms > 0
        assert powering or direct or kernel.duty == X1, "AC without a lease is told at once"
        assert not (self.fitted(params.STOP_BUTTON) and inputs.stop_pressed)
        assert not (self.fitted(params.RCD_DC) and inputs.rcd_dc)
        assert not (self.fitted(params.RCD_AC) and inputs.rcd_ac)
        if self.fitted(params.SOCKET):
            lost = not 60 <= inputs.pp_ohm <= 4500
            assert self._last("cable", lost, tick_ms) < 100 + tick_ms
        if kernel.supply_enable:
            assert powering
            assert direct
            assert inputs.contacts_closed
            assert kernel.duty == HLC
            assert not kernel.faults
            assert kernel.limit_ma <= min(self.limit_ma, self.board[params.DC_MAX_MA])
            self.seen["supply"] += 1

    def _check_rest(self, bench: KernelBench) -> None:
        kernel = bench.kernel
        if not kernel.close:
            assert not kernel.supply_enable
            assert not kernel.close_phases
            for name in ("X1", "drain"):
                self._timers[name] = 0
        assert not kernel.close_phases or self.fitted(params.SECOND)
        if kernel.close and self._closed:
            assert kernel.close_phases == self._close_phases, "phases change with open contacts only"
        if kernel.vent:
            assert self.fitted(params.VENTILATION)
            assert kernel.pilot_state == 4
            self.seen["vent"] += 1
        if self._lock and not kernel.lock:
            assert not kernel.close, "the plug is let go with open contacts only"
            assert not bench.inputs.contacts_closed
