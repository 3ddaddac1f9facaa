"""Courses through several phases: minimum off-time and what an impatient car sees, wake-up, T_step_EF and T_step_X1."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, LEVEL_E, KernelBench
from kernel_exact import exactly
from kernel_phases import FITTED, FullBench, in_phase
from pilotwire.firmware.kernel import faults, params, table, times, variants
from pilotwire.firmware.kernel.duty import DUTY_F, DUTY_HLC, DUTY_X1
from pilotwire.firmware.kernel.lease import (
    MODE_AC_HLC,
    MODE_BPT,
    MODE_DC,
    REQUEST_CLEAR,
    REQUEST_STEP_EF,
    REQUEST_STEP_X1,
)
from pilotwire.firmware.kernel.table import CLOSED, IDLE, OFFERING, SETTLING, STEP_EF, STEP_X1, TESTING, WAKING

RESTS = ((params.MIN_OFF_MS, 10_000), (params.FAULT_OFF_MS, 30_000))
PWM = 2666


def pwm(bench: KernelBench) -> bool:
    """A square wave is on the wire."""
    return bench.kernel.duty not in (DUTY_F, DUTY_X1)


def opened(*changes: tuple[int, int]) -> KernelBench:
    """A bench that has charged and whose contacts have reported open for this very millisecond; the car is in B."""
    bench = KernelBench(*RESTS, *changes)
    bench.level_mv, bench.granted_ma = LEVEL_C, 16000
    bench.run_until("contacts closed", lambda: bench.kernel.contacts_closed, 11_000, tick_ms=20)
    bench.run(1000)
    bench.level_mv = LEVEL_B
    bench.run_until("contacts open", lambda: not bench.kernel.contacts_closed, 100, tick_ms=1)
    return bench


def test_both_variants_rest_10_s_after_opening_and_30_s_after_a_fault() -> None:
    for variant in (variants.IEC, variants.J1772):
        assert (variant[params.MIN_OFF_MS], variant[params.FAULT_OFF_MS]) == (10_000, 30_000)


@pytest.mark.parametrize("rest_ms", [10_000, 12_345])
def test_a_restart_counts_as_an_opening(rest_ms: int) -> None:
    bench = KernelBench((params.MIN_OFF_MS, rest_ms), (params.FAULT_OFF_MS, 30_000))
    bench.level_mv, bench.granted_ma = LEVEL_C, 16000
    bench.tick(0)
    exactly(bench, "PWM", lambda: pwm(bench), rest_ms)
    exactly(bench, "close", lambda: bench.kernel.close, 119, tick_ms=1)


def test_the_offer_stays_when_the_car_opens_the_contactor() -> None:
    bench = opened()
    bench.never("X1", lambda: not pwm(bench), 20_000, tick_ms=40)
    bench.level_mv = LEVEL_C
    exactly(bench, "close", lambda: bench.kernel.close, 250)


def test_a_car_that_asks_too_early_sees_x1_then_pwm_and_then_the_contactor_closes() -> None:
    bench = opened()
    bench.run(2000)
    bench.level_mv = LEVEL_C
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 250)
    assert bench.kernel.phase == IDLE
    exactly(bench, "PWM 10 s after the contacts have opened", lambda: pwm(bench), 9_999 - 2250)
    exactly(bench, "close", lambda: bench.kernel.close, 119, tick_ms=1)
    assert bench.kernel.cycles == 2


def test_x1_is_shown_for_5_s_even_if_the_rest_ends_earlier() -> None:
    bench = opened()
    bench.run(8000)
    bench.level_mv = LEVEL_C
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 250)
    exactly(bench, "PWM", lambda: pwm(bench), 5000)


@pytest.mark.parametrize("early_ms", [0, 1])
def test_the_edge_of_the_rest(early_ms: int) -> None:
    bench = opened()
    bench.run(9_999 - 250 - early_ms, tick_ms=1)
    bench.level_mv = LEVEL_C
    bench.run(250, tick_ms=1)
    assert (bench.kernel.phase, bench.kernel.close) == ((IDLE, False) if early_ms else (CLOSED, True))


def test_a_car_under_5_per_cent_waits_in_pwm_for_the_rest() -> None:
    bench = opened()
    bench.mode = MODE_AC_HLC
    bench.run(5000)
    assert bench.kernel.duty == DUTY_HLC
    bench.level_mv = LEVEL_C
    bench.run(1000)
    assert (bench.kernel.phase, bench.kernel.duty) == (OFFERING, DUTY_HLC)
    exactly(bench, "close 10 s after the contacts have opened", lambda: bench.kernel.close, 9_999 - 6000)


def test_after_a_fault_the_contacts_stay_open_for_30_s_and_after_the_next_opening_for_10_s() -> None:
    bench = KernelBench(*RESTS, (params.FITTED, params.STOP_BUTTON))
    bench.level_mv, bench.granted_ma = LEVEL_C, 16000
    bench.run_until("contacts closed", lambda: bench.kernel.contacts_closed, 11_000, tick_ms=20)
    bench.inputs.stop_pressed = True
    bench.run_until("contacts open", lambda: not bench.kernel.contacts_closed, 100, tick_ms=1)
    bench.inputs.stop_pressed = False
    bench.run(2000)
    bench.kernel.request(REQUEST_CLEAR)
    bench.tick()
    assert not bench.kernel.faults
    exactly(bench, "PWM", lambda: pwm(bench), 29_999 - 2005)
    bench.run_until("contacts closed", lambda: bench.kernel.contacts_closed, 200)
    bench.run(5000)
    bench.level_mv = LEVEL_B
    bench.run_until("contacts open", lambda: not bench.kernel.contacts_closed, 100, tick_ms=1)
    bench.run(1000)
    bench.level_mv = LEVEL_C
    bench.run(1000)
    exactly(bench, "PWM", lambda: pwm(bench), 9_999 - 2000)


def test_a_fault_without_an_opening_lengthens_the_rest_too() -> None:
    bench = KernelBench(*RESTS)
    bench.level_mv, bench.granted_ma = LEVEL_E, 16000
    bench.tick(0)
    bench.run_until("the fault", lambda: bench.kernel.faults == faults.PILOT_SHORT, 100, tick_ms=1)
    bench.level_mv = LEVEL_C
    exactly(bench, "PWM", lambda: pwm(bench), 30_000 - 50)


def test_closing_again_waits_until_the_contacts_are_proven_open() -> None:
    bench = KernelBench((params.TO_C_MS, 100)).charging()
    bench.run(5000)
    bench.contact_delay_ms = 200  # slow, but not yet a fault
    bench.level_mv = LEVEL_B
    bench.run_until("the opening", lambda: not bench.kernel.close, 100, tick_ms=1)
    bench.level_mv = LEVEL_C
    bench.run(199, tick_ms=1)
    assert bench.kernel.conditions & table.WANTS
    assert bench.kernel.contacts_closed
    assert not bench.kernel.close
    bench.tick(1)
    assert (bench.kernel.contacts_closed, bench.kernel.close, bench.kernel.faults) == (False, True, 0)


def test_a_self_test_waits_until_the_contacts_are_proven_open(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = in_phase(CLOSED)
    bench.contact_delay_ms = 100
    monkeypatch.setattr(times, "TEST_PERIOD_MS", 0)
    bench.withdraw()
    bench.tick(1)
    bench.level_mv = LEVEL_B
    exactly(bench, "open", lambda: bench.kernel.phase == IDLE, 25)
    exactly(bench, "the self-test", lambda: bench.kernel.phase == TESTING, 100, tick_ms=1)


def test_a_car_that_loads_the_wire_now_and_then_is_neither_closed_nor_woken_nor_a_fault() -> None:
    bench = in_phase(OFFERING)
    bench.level_mv = LEVEL_C
    bench.low_mv = 0
    for number in range(100):
        bench.low_mv = 0 if number % 2 else -12000
        bench.never("a reaction", lambda: bench.kernel.phase != OFFERING or bench.kernel.faults, 40)


def test_another_number_of_phases_takes_the_offer_back_from_a_car_that_has_had_power() -> None:
    bench = in_phase(CLOSED)
    bench.level_mv = LEVEL_B
    bench.run(500)
    assert bench.kernel.phase == OFFERING
    bench.change_lease(16000, phases=1)
    exactly(bench, "X1", lambda: bench.kernel.phase == IDLE, 1)
    bench.until(table.SWITCHING)


# Wake-up.


def test_a_car_that_has_been_offered_power_for_30_s_is_woken_up_once() -> None:
    bench = KernelBench()
    bench.level_mv = LEVEL_B
    bench.run(1000)
    bench.granted_ma = 16000
    bench.grant(16000)
    bench.tick(1)
    assert pwm(bench)
    exactly(bench, "wake-up", lambda: bench.kernel.cp_off, 30_000)
    assert (bench.kernel.phase, bench.kernel.duty) == (WAKING, DUTY_X1)
    exactly(bench, "the wire is back", lambda: not bench.kernel.cp_off, 4000)
    assert (bench.kernel.phase, bench.kernel.duty) == (SETTLING, DUTY_X1)
    exactly(bench, "PWM, the tick after 750 ms of X1", lambda: pwm(bench), 751, tick_ms=1)
    bench.never("another wake-up", lambda: bench.kernel.cp_off, 120_000, tick_ms=40)


@pytest.mark.parametrize("wake_ms", [1000, 90_000])
def test_the_time_before_the_wake_up_is_a_parameter(wake_ms: int) -> None:
    bench = in_phase(OFFERING, (params.WAKE_AFTER_MS, wake_ms))
    exactly(bench, "wake-up", lambda: bench.kernel.cp_off, wake_ms)


def test_without_that_time_no_car_is_woken_up() -> None:
    bench = in_phase(OFFERING, (params.WAKE_AFTER_MS, 0))
    bench.never("wake-up", lambda: bench.kernel.cp_off, 120_000, tick_ms=40)
    assert variants.J1772[params.WAKE_AFTER_MS] == 0
    assert variants.IEC[params.WAKE_AFTER_MS] == 30_000


@pytest.mark.parametrize("mode", [MODE_AC_HLC, MODE_DC, MODE_BPT])
def test_only_a_car_under_nominal_duty_is_woken_up(mode: int) -> None:
    bench = FullBench()
    bench.level_mv, bench.mode, bench.granted_ma = LEVEL_B, mode, 16000
    bench.never("wake-up", lambda: bench.kernel.cp_off, 20_000, tick_ms=20)
    assert (bench.kernel.phase, bench.kernel.duty) == (OFFERING, DUTY_HLC)


def test_a_car_that_asks_in_time_is_not_woken_up() -> None:
    bench = in_phase(OFFERING)
    bench.run(1000 - 250, tick_ms=1)
    bench.level_mv = LEVEL_C
    exactly(bench, "close", lambda: bench.kernel.close or bench.kernel.cp_off, 250)
    assert bench.kernel.close


def test_the_time_counts_from_each_offer_anew() -> None:
    bench = in_phase(OFFERING)
    bench.run(900, tick_ms=1)
    bench.withdraw()
    bench.tick(1)
    bench.change_lease(16000)
    exactly(bench, "PWM", lambda: pwm(bench), 5000)
    exactly(bench, "wake-up", lambda: bench.kernel.cp_off, 1000)


def test_a_car_that_has_charged_or_another_one_may_be_woken_up_again() -> None:
    bench = in_phase(WAKING)
    bench.until(OFFERING, 5000)
    bench.never("wake-up", lambda: bench.kernel.cp_off, 3000)
    bench.level_mv = LEVEL_C
    bench.until(CLOSED)
    bench.level_mv = LEVEL_B
    bench.until(OFFERING)
    exactly(bench, "wake-up after charging", lambda: bench.kernel.cp_off, 1000)
    bench.until(OFFERING, 5000)
    bench.level_mv = LEVEL_A
    bench.run(100)
    bench.level_mv = LEVEL_B
    bench.until(OFFERING)
    exactly(bench, "wake-up of another car", lambda: bench.kernel.cp_off, 1000)


def test_a_car_that_was_unplugged_during_the_wake_up_is_offered_nothing() -> None:
    bench = in_phase(WAKING)
    bench.level_mv = LEVEL_A
    bench.never("PWM", lambda: pwm(bench) or bench.kernel.close, 10_000)
    assert bench.kernel.phase == IDLE


# T_step_EF and T_step_X1.


@pytest.mark.parametrize("phase", [IDLE, OFFERING])
def test_t_step_ef_shows_f_for_4_s_x1_for_750_ms_and_then_pwm(phase: int) -> None:
    bench = in_phase(phase)
    bench.kernel.request(REQUEST_STEP_EF)
    bench.tick(1)
    assert (bench.kernel.phase, bench.kernel.duty) == (STEP_EF, DUTY_F)
    bench.change_lease(16000)
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 4000)
    assert bench.kernel.phase == SETTLING
    exactly(bench, "PWM, a tick later", lambda: pwm(bench), 751, tick_ms=1)


@pytest.mark.parametrize("phase", [IDLE, OFFERING])
def test_t_step_x1_shows_x1_for_3_s_and_then_pwm(phase: int) -> None:
    bench = in_phase(phase)
    bench.kernel.request(REQUEST_STEP_X1)
    bench.tick(1)
    assert (bench.kernel.phase, bench.kernel.duty) == (STEP_X1, DUTY_X1)
    bench.change_lease(16000)
    exactly(bench, "PWM, a tick later", lambda: pwm(bench), 3001, tick_ms=1)


@pytest.mark.parametrize("withdrawn", [False, True])
def test_f_is_not_shown_for_a_step_before_the_contacts_are_proven_open(withdrawn: bool) -> None:
    bench = KernelBench().charging()
    if withdrawn:
        bench.granted_ma = None
        bench.kernel.lease(0, 0, 0, 0, bench.clock_ms)
    bench.level_mv = LEVEL_B
    bench.run_until("told to open", lambda: not bench.kernel.close, 100)
    assert bench.kernel.phase == (IDLE if withdrawn else OFFERING)
    while bench.kernel.contacts_closed:
        bench.kernel.request(REQUEST_STEP_EF)
        bench.tick(1)
        assert bench.kernel.duty != DUTY_F or not bench.kernel.contacts_closed
    bench.kernel.request(REQUEST_STEP_EF)
    bench.run_until("the step", lambda: bench.kernel.phase == STEP_EF, 100)


@pytest.mark.parametrize("request_bits", [REQUEST_STEP_EF, REQUEST_STEP_X1])
@pytest.mark.parametrize("level_mv", [LEVEL_A, LEVEL_D])
def test_there_is_no_step_without_a_car_and_none_later(request_bits: int, level_mv: int) -> None:
    bench = KernelBench()
    bench.level_mv = level_mv  # and no ventilation
    bench.run(1000)
    bench.kernel.request(request_bits)
    bench.tick()
    bench.level_mv = LEVEL_B
    bench.never("a step", lambda: bench.kernel.phase in (STEP_EF, STEP_X1), 1000)


@pytest.mark.parametrize("request_bits", [REQUEST_STEP_EF, REQUEST_STEP_X1])
def test_a_step_is_refused_while_the_contactor_is_closed_and_not_made_up_for(request_bits: int) -> None:
    bench = in_phase(CLOSED)
    bench.kernel.request(request_bits)
    bench.never("a reaction", lambda: bench.kernel.phase != CLOSED or bench.kernel.duty != PWM, 500)
    bench.level_mv = LEVEL_B
    bench.never("a step", lambda: bench.kernel.phase in (STEP_EF, STEP_X1), 500)


@pytest.mark.parametrize("phase", [STEP_EF, STEP_X1, WAKING, SETTLING, table.SWITCHING])
def test_no_phase_with_open_contacts_closes_them_for_a_car_that_asks(phase: int) -> None:
    bench = in_phase(phase, (params.FITTED, FITTED & ~params.RCD_TEST))
    bench.level_mv = LEVEL_C
    bench.never("close", lambda: bench.kernel.phase == phase and bench.kernel.close, 500)
    assert bench.kernel.phase == phase


@pytest.mark.parametrize("phase", [STEP_EF, STEP_X1])
def test_a_car_that_was_unplugged_during_a_step_is_offered_nothing(phase: int) -> None:
    bench = in_phase(phase)
    bench.level_mv = LEVEL_A
    bench.never("PWM", lambda: pwm(bench) or bench.kernel.close, 10_000)
    assert bench.kernel.phase == IDLE
    bench.level_mv = LEVEL_B
    bench.until(OFFERING)


def test_after_an_aborted_step_the_signal_is_not_restored() -> None:
    for phase in (STEP_EF, STEP_X1):
        bench = in_phase(phase)
        bench.kernel.request(4)
        bench.tick(1)
        assert (bench.kernel.phase, bench.kernel.duty) == (table.FAULTED, DUTY_X1)
