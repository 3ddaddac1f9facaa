"""Each condition of the table, as the kernel computes it from its inputs: when it holds and when it does not."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, LEVEL_E, LEVEL_F, LEVEL_UNDEFINED, KernelBench
from kernel_exact import exactly
from kernel_phases import FITTED, FullBench, in_phase
from pilotwire.firmware.kernel import params, table, times
from pilotwire.firmware.kernel.lease import (
    MODE_AC,
    MODE_AC_HLC,
    MODE_BPT,
    MODE_DC,
    REQUEST_CLEAR,
    REQUEST_STEP_EF,
    REQUEST_STEP_X1,
    REQUEST_STOP,
    REQUEST_UNLOCK,
)
from pilotwire.firmware.kernel.table import CLOSED, DRAINING, FAULTED, IDLE, OFFERING, STOPPING, TESTING, WAKING

NAMES = table.CONDITION_NAMES
FAULT_BITS = table.FAULT | table.GRACEFUL | table.PROMPT | table.EMERGENCY


def holds(bench: KernelBench, bit: int) -> bool:
    """Whether the condition held in the last step."""
    return bench.kernel.conditions & bit != 0


def without(fitted: int) -> tuple[int, int]:
    """A board with everything but this."""
    return params.FITTED, FITTED & ~fitted


def test_each_condition_has_a_bit_and_a_name() -> None:
    bits = [value for name, value in vars(table).items() if name.isupper() and isinstance(value, int) and value > 0]
    for number, name in enumerate(NAMES):
        constant = "".join(f"_{letter}" if letter.isupper() else letter for letter in name).upper().strip("_")
        constant = {"ASK_E_F": "ASK_EF", "ASK_X1": "ASK_X1"}.get(constant, constant)
        assert getattr(table, constant) == 1 << number
        assert 1 << number in bits
    assert len(set(NAMES)) == len(NAMES) == 24


def test_fault_and_its_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = in_phase(IDLE)
    assert not bench.kernel.conditions & FAULT_BITS
    bench.kernel.request(REQUEST_STOP)
    bench.tick(1)
    assert bench.kernel.conditions & FAULT_BITS == table.FAULT | table.PROMPT
    bench.inputs.stop_pressed = True
    bench.tick(1)
    assert bench.kernel.conditions & FAULT_BITS == table.FAULT | table.PROMPT | table.EMERGENCY
    monkeypatch.setattr(times, "SENSOR_MS", 1)
    bench.inputs.plug_ddeg = 700
    bench.tick(1)
    assert bench.kernel.conditions & FAULT_BITS == FAULT_BITS
    bench.inputs.stop_pressed = False
    bench.run(1100)
    bench.kernel.request(REQUEST_CLEAR)
    bench.tick(1)
    assert bench.kernel.conditions & FAULT_BITS == table.FAULT | table.GRACEFUL
    bench.inputs.plug_ddeg = 250
    bench.run(1100)
    assert not bench.kernel.conditions & FAULT_BITS


def test_permit_and_nominal_follow_the_lease() -> None:
    bench = in_phase(IDLE)
    assert not holds(bench, table.PERMIT | table.POWER | table.NOMINAL)
    for mode, nominal in ((MODE_AC, True), (MODE_AC_HLC, False), (MODE_DC, False), (MODE_BPT, False)):
        bench.change_lease(16000, mode=mode)
        bench.tick(1)
        assert (holds(bench, table.PERMIT), holds(bench, table.NOMINAL)) == (True, nominal)
    bench.withdraw()
    bench.tick(1)
    assert not holds(bench, table.PERMIT | table.POWER | table.NOMINAL)


def test_power_takes_a_current_the_mode_of_the_duty_and_the_mode_of_the_contactor() -> None:
    bench = in_phase(IDLE)
    for limit_ma in (0, 1):
        bench.change_lease(limit_ma, mode=MODE_AC_HLC)
        bench.tick(1)
        assert holds(bench, table.POWER) == (limit_ma > 0)
    assert bench.kernel.phase == OFFERING
    bench.change_lease(16000, mode=MODE_DC)
    bench.tick(1)
    assert holds(bench, table.POWER), "5 % is right for this one too"
    bench.change_lease(16000, mode=MODE_AC)
    bench.tick(1)
    assert not holds(bench, table.POWER), "5 % is shown"
    bench.run_until("the nominal duty", lambda: bench.kernel.duty > 500, 5000, tick_ms=1)
    bench.tick(1)
    assert holds(bench, table.POWER)
    bench = in_phase(CLOSED)
    for mode in (MODE_AC_HLC, MODE_DC, MODE_BPT, MODE_AC):
        bench.change_lease(16000, mode=mode)
        bench.tick(1)
        assert holds(bench, table.POWER) == (mode == MODE_AC)


@pytest.mark.parametrize("fan", [True, False])
def test_car_and_wants_follow_the_pilot(fan: bool) -> None:
    bench = FullBench() if fan else FullBench(without(params.VENTILATION))
    for level_mv, car, wants in (
        (LEVEL_A, False, False),
        (LEVEL_B, True, False),
        (LEVEL_C, True, True),
        (LEVEL_D, fan, fan),
        (LEVEL_E, False, False),
        (LEVEL_B, True, False),
        (LEVEL_F, False, False),
        (LEVEL_C, True, True),
        (LEVEL_UNDEFINED, False, False),
    ):
        bench.level_mv = level_mv
        bench.run(600)
        assert (holds(bench, table.CAR), holds(bench, table.WANTS)) == (car, wants), level_mv


def test_diode_ok_takes_120_ms_of_pwm() -> None:
    bench = in_phase(OFFERING)
    exactly(bench, "the diode", lambda: holds(bench, table.DIODE_OK), 119, tick_ms=1)
    bench.low_mv = 0
    exactly(bench, "no diode", lambda: not holds(bench, table.DIODE_OK), 1)


@pytest.mark.parametrize("second", [True, False])
@pytest.mark.parametrize(("main", "phases"), [(False, False), (True, False), (False, True), (True, True)])
def test_proven_open_and_zero_take_both_contactors_where_there_are_two(second: bool, main: bool, phases: bool) -> None:
    bench = FullBench() if second else FullBench(without(params.SECOND))
    assert not holds(bench, table.PROVEN_OPEN), "no time has passed"
    exactly(bench, "open", lambda: holds(bench, table.PROVEN_OPEN), 1)
    exactly(bench, "zero current", lambda: holds(bench, table.ZERO), 999)
    bench.contacts, bench.phase_contacts, bench.welded = main, phases, True
    bench.tick(1)
    proven = not main and not (phases and second)
    assert (holds(bench, table.PROVEN_OPEN), holds(bench, table.ZERO)) == (proven, proven)


def test_zero_takes_a_current_below_500_ma_where_it_is_measured() -> None:
    bench = FullBench()
    exactly(bench, "zero current", lambda: holds(bench, table.ZERO), 1000)
    bench.inputs.current_ma = 499
    bench.run(2000)
    assert holds(bench, table.ZERO)
    bench.inputs.current_ma = 500
    exactly(bench, "a current", lambda: not holds(bench, table.ZERO), 1)
    bench.inputs.current_ma = 0
    exactly(bench, "zero current", lambda: holds(bench, table.ZERO), 1000)
    bench = FullBench(without(params.CURRENT))
    bench.inputs.current_ma = 99_999
    exactly(bench, "zero current", lambda: holds(bench, table.ZERO), 1000)


def test_rested_takes_the_minimum_off_time_with_open_contacts() -> None:
    bench = FullBench((params.MIN_OFF_MS, 3000), (params.FAULT_OFF_MS, 5000))
    exactly(bench, "rested", lambda: holds(bench, table.RESTED), 3000)
    bench.charging()
    assert not holds(bench, table.RESTED)
    bench.level_mv = LEVEL_B
    bench.run_until("open contacts", lambda: not bench.kernel.contacts_closed, 100, tick_ms=1)
    exactly(bench, "rested", lambda: holds(bench, table.RESTED), 2999)
    bench.kernel.request(REQUEST_STOP)
    exactly(bench, "longer after a fault", lambda: not holds(bench, table.RESTED), 1)
    exactly(bench, "rested", lambda: holds(bench, table.RESTED), 1999)


def test_spaced_takes_5_s_after_a_change_of_the_signal() -> None:
    bench = in_phase(IDLE)
    assert holds(bench, table.SPACED)
    bench.change_lease(16000)
    bench.tick(1)
    assert holds(bench, table.SPACED), "judged before the signal changed"
    exactly(bench, "just changed", lambda: not holds(bench, table.SPACED), 1)
    bench.kernel.request(REQUEST_STEP_X1)
    bench.tick(1)
    bench.withdraw()
    exactly(bench, "an X1 that began a car anew", lambda: holds(bench, table.SPACED), 3001, tick_ms=1)
    bench = in_phase(STOPPING)
    exactly(bench, "spaced", lambda: holds(bench, table.SPACED), 5000)


def test_cable_ok_and_locked_take_a_cable_and_a_lock_where_they_are_fitted() -> None:
    bench = FullBench()
    bench.run(500)
    assert not holds(bench, table.CABLE_OK | table.LOCKED), "no car"
    bench.level_mv = LEVEL_B
    exactly(bench, "cable", lambda: holds(bench, table.CABLE_OK), 50)
    exactly(bench, "locked", lambda: holds(bench, table.LOCKED), 1)
    bench.lock_obeys, bench.inputs.lock_closed = False, False
    exactly(bench, "slipped", lambda: not holds(bench, table.LOCKED), 1)
    bench.inputs.pp_ohm = 5000
    exactly(bench, "lost", lambda: not holds(bench, table.CABLE_OK), 100)
    bench.lock_obeys, bench.inputs.pp_ohm = True, 220
    bench.run(200)
    assert holds(bench, table.LOCKED)
    assert holds(bench, table.CABLE_OK)
    bench.kernel.request(REQUEST_UNLOCK)
    bench.run(10)
    assert not holds(bench, table.LOCKED)
    bench = FullBench(without(params.SOCKET | params.LOCK))
    assert holds(bench, table.CABLE_OK)
    assert holds(bench, table.LOCKED)


def test_tested_takes_a_self_test_where_it_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = FullBench()
    bench.tick(1)
    assert (holds(bench, table.TESTED), bench.kernel.phase) == (False, TESTING)
    bench.run(10)
    assert holds(bench, table.TESTED)
    for level_mv in (LEVEL_B, LEVEL_C, LEVEL_D):
        bench = FullBench()
        bench.run(10)
        bench.rcd_obeys, bench.level_mv = False, level_mv
        bench.run_until("another car", lambda: not holds(bench, table.TESTED), 300)  # noqa: B023
        bench.rcd_obeys = True
        bench.run(10)
        assert holds(bench, table.TESTED)
    monkeypatch.setattr(times, "TEST_PERIOD_MS", 0)
    bench.tick(1)
    assert not holds(bench, table.TESTED)
    assert holds(FullBench(without(params.RCD_TEST)), table.TESTED)


def test_time_up_is_the_wake_up_time_where_a_phase_has_no_other() -> None:
    idle = FullBench(without(params.RCD_TEST), (params.WAKE_AFTER_MS, 5000))
    exactly(idle, "time up", lambda: holds(idle, table.TIME_UP), 5000)
    offering = in_phase(OFFERING, (params.WAKE_AFTER_MS, 5000))
    exactly(offering, "time up", lambda: holds(offering, table.TIME_UP), 5000)
    offering.tick(1)
    assert not holds(offering, table.TIME_UP), "another phase"


def test_relay_safe_takes_a_measured_current_of_5_a_at_most() -> None:
    bench = FullBench()
    for current_ma, safe in ((0, True), (5000, True), (5001, False)):
        bench.inputs.current_ma = current_ma
        bench.tick(1)
        assert holds(bench, table.RELAY_SAFE) == safe
    bench = FullBench(without(params.CURRENT))
    assert not holds(bench, table.RELAY_SAFE)


@pytest.mark.parametrize("mode", [MODE_AC, MODE_AC_HLC, MODE_DC, MODE_BPT])
def test_direct_is_what_the_contactor_has_closed_for(mode: int) -> None:
    bench = FullBench()
    bench.mode, bench.granted_ma, bench.level_mv = mode, 16000, LEVEL_B
    bench.until(OFFERING)
    assert not holds(bench, table.DIRECT)
    bench.level_mv = LEVEL_C
    bench.until(CLOSED)
    bench.tick(1)
    assert holds(bench, table.DIRECT) == (mode in (MODE_DC, MODE_BPT))
    bench.level_mv = LEVEL_B
    bench.until(OFFERING)
    bench.tick(1)
    assert not holds(bench, table.DIRECT)
    assert not holds(in_phase(CLOSED), table.DIRECT)
    bench = in_phase(DRAINING)
    bench.tick(1)
    assert holds(bench, table.DIRECT)


@pytest.mark.parametrize(
    ("changes", "mode", "phases", "switch"),
    [
        ([], MODE_AC, 1, True),
        ([], MODE_AC, 0, False),
        ([], MODE_AC, 2, False),
        ([], MODE_AC, 3, False),
        ([], MODE_DC, 1, False),
        ([(params.SWITCH_PHASES, 0)], MODE_AC, 1, False),
        ([without(params.SECOND)], MODE_AC, 1, False),
    ],
)
def test_switch_is_another_number_of_phases_for_a_car_that_has_had_power(
    changes: list[tuple[int, int]], mode: int, phases: int, switch: bool
) -> None:
    bench = in_phase(OFFERING, *changes)
    bench.change_lease(16000, phases=1)
    bench.tick(1)
    assert not holds(bench, table.SWITCH), "before it has had power the number is free"
    bench = in_phase(CLOSED, *changes)
    bench.change_lease(16000, mode=mode, phases=phases)
    bench.tick(1)
    assert holds(bench, table.SWITCH) == switch
    bench.withdraw()
    bench.tick(1)
    assert not holds(bench, table.SWITCH)
    bench.change_lease(16000, mode=mode, phases=phases)
    bench.level_mv = LEVEL_A
    bench.run(1100)
    assert not holds(bench, table.SWITCH), "another car: the number is free again"


def test_switch_holds_for_a_new_car_until_zero_current_is_proven_and_nothing_is_offered_before() -> None:
    bench = KernelBench((params.FITTED, params.SECOND))
    bench.level_mv, bench.granted_ma, bench.phases = LEVEL_B, 16000, 1
    bench.run(990)
    assert holds(bench, table.SWITCH)
    assert bench.kernel.phase == table.IDLE
    bench.run(20)
    assert not holds(bench, table.SWITCH)
    assert (bench.kernel.phase, bench.kernel.phases) == (OFFERING, 1)


def test_what_the_station_asks_for_holds_for_one_step() -> None:
    bench = in_phase(FAULTED)
    for request_bits, bit in ((REQUEST_STEP_EF, table.ASK_EF), (REQUEST_STEP_X1, table.ASK_X1)):
        bench.kernel.request(request_bits)
        bench.tick(1)
        assert bench.kernel.conditions & (table.ASK_EF | table.ASK_X1) == bit
        bench.tick(1)
        assert not holds(bench, table.ASK_EF | table.ASK_X1)
    bench.kernel.request(REQUEST_STEP_EF)
    bench.kernel.request(REQUEST_STEP_X1)
    bench.tick(1)
    assert holds(bench, table.ASK_EF)
    assert holds(bench, table.ASK_X1)


def test_wake_takes_nominal_duty_a_parameter_and_a_car_that_has_not_been_woken() -> None:
    bench = in_phase(OFFERING)
    for mode in (MODE_AC, MODE_AC_HLC, MODE_DC):
        bench.change_lease(16000, mode=mode)
        bench.tick(1)
        assert holds(bench, table.WAKE) == (mode == MODE_AC)
    bench = in_phase(OFFERING, (params.WAKE_AFTER_MS, 0))
    bench.tick(1)
    assert not holds(bench, table.WAKE)
    bench = in_phase(WAKING)
    bench.tick(1)
    assert not holds(bench, table.WAKE)
    bench.until(OFFERING, 5000)
    bench.level_mv = LEVEL_C
    bench.until(CLOSED)
    bench.tick(1)
    assert holds(bench, table.WAKE)
