"""Opening: a car that leaves C, a stop that waits for it, the three classes of fault in every phase, and what the pins then do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, LEVEL_E, LEVEL_F, LEVEL_UNDEFINED, KernelBench
from kernel_exact import exactly
from kernel_phases import FITTED, FullBench, in_phase
from pilotwire.firmware.kernel import bands, faults, params, table, times
from pilotwire.firmware.kernel.duty import DUTY_F, DUTY_X1
from pilotwire.firmware.kernel.inputs import OPEN_OHM
from pilotwire.firmware.kernel.lease import MODE_AC, MODE_AC_HLC, MODE_DC, REQUEST_CLEAR, REQUEST_STOP
from pilotwire.firmware.kernel.table import (
    CLOSED,
    DRAINING,
    FAULTED,
    IDLE,
    OFFERING,
    SETTLING,
    SHOWING_F,
    STEP_EF,
    STEP_X1,
    STOPPING,
    SWITCHING,
    TELLING,
    TESTING,
    WAKING,
)

NO_VENTILATION = (params.FITTED, FITTED & ~params.VENTILATION)
PWM = 2666


@pytest.mark.parametrize(
    ("level_mv", "evidence_ms", "phase", "duty"),
    [
        (LEVEL_B, 25, OFFERING, PWM),
        (LEVEL_A, 25, IDLE, DUTY_X1),
        (LEVEL_D, 25, IDLE, DUTY_X1),
        (LEVEL_E, 25, TELLING, PWM),
        (LEVEL_F, 25, TELLING, PWM),
        (LEVEL_UNDEFINED, 200, TELLING, PWM),
        (13_001, 200, TELLING, PWM),
    ],
)
@pytest.mark.parametrize("tick_ms", [1, 5, 40])
def test_a_car_that_leaves_c_is_opened_after_its_evidence(
    level_mv: int, evidence_ms: int, phase: int, duty: int, tick_ms: int
) -> None:
    bench = KernelBench().charging()
    bench.run(1000)
    bench.level_mv = level_mv
    took_ms = bench.run_until("open", lambda: not bench.kernel.close, 300, tick_ms)
    assert took_ms == -(-evidence_ms // tick_ms) * tick_ms
    assert (bench.kernel.phase, bench.kernel.duty) == (phase, duty)
    if phase == TELLING:
        bench.tick()
        assert (bench.kernel.phase, bench.kernel.duty) == (FAULTED, DUTY_X1), "no car that could be told"


@pytest.mark.parametrize("level_mv", [LEVEL_E, LEVEL_F])
def test_a_shorted_wire_is_a_fault_after_50_ms_and_an_undefined_one_after_200_ms(level_mv: int) -> None:
    bench = KernelBench()
    bench.level_mv = LEVEL_B
    bench.run(500)
    bench.level_mv = level_mv
    exactly(bench, "the fault", lambda: bench.kernel.faults == faults.PILOT_SHORT, 50)
    bench.level_mv = LEVEL_B
    bench.run_until("recovery", lambda: not bench.kernel.faults, 1100)
    bench.level_mv = LEVEL_UNDEFINED
    exactly(bench, "the fault", lambda: bench.kernel.faults == faults.PILOT_INVALID, 200)


def test_a_car_in_d_charges_with_ventilation_and_the_fan_runs_while_it_is_in_d() -> None:
    bench = KernelBench((params.FITTED, params.VENTILATION))
    kernel = bench.kernel
    bench.level_mv = LEVEL_D
    bench.never("ventilation", lambda: kernel.vent, 500)
    bench.granted_ma = 16000
    bench.run_until("PWM", lambda: kernel.phase == OFFERING, 200)
    assert kernel.vent
    bench.run_until("contacts closed", lambda: kernel.contacts_closed, 300)
    assert (kernel.vent, kernel.phase) == (True, CLOSED)
    bench.level_mv = LEVEL_C
    exactly(bench, "no ventilation", lambda: not kernel.vent, 25)
    assert kernel.close
    bench.level_mv = LEVEL_D
    exactly(bench, "ventilation", lambda: kernel.vent, 25)
    bench.granted_ma = None
    bench.run_until("X1", lambda: kernel.phase == STOPPING, 1200)
    assert kernel.vent, "it still charges"
    exactly(bench, "open", lambda: not kernel.close, 6200)
    assert not kernel.vent


def test_without_ventilation_a_car_in_d_gets_no_pwm_and_no_power() -> None:
    bench = KernelBench()
    bench.level_mv, bench.granted_ma = LEVEL_D, 16000

    def wrong() -> bool:
        return bench.kernel.close or bench.kernel.vent or bench.kernel.duty != DUTY_X1

    bench.never("PWM, power or ventilation", wrong, 10_000, tick_ms=20)
    assert (bench.kernel.phase, bench.kernel.faults) == (IDLE, 0)
    bench.level_mv = LEVEL_C
    bench.run_until("close", lambda: bench.kernel.close, 500)


def test_an_offer_is_withdrawn_from_a_car_that_goes_to_d_without_ventilation() -> None:
    bench = in_phase(OFFERING, NO_VENTILATION)
    bench.level_mv = LEVEL_D
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 250)
    assert bench.kernel.phase == IDLE


def test_without_ventilation_the_fan_is_not_even_switched_on_by_a_stop_in_the_tick_in_which_the_car_goes_to_d() -> None:
    bench = KernelBench().charging()
    bench.level_mv = LEVEL_D
    bench.run(20)
    bench.kernel.request(REQUEST_STOP)
    bench.tick(5)
    assert (bench.kernel.pilot_state, bench.kernel.phase, bench.kernel.duty) == (bands.D, TELLING, PWM)
    assert not bench.kernel.vent


def test_a_car_that_closes_s2_is_closed_after_the_evidence_and_after_it_opened_it_again() -> None:
    bench = KernelBench()
    bench.level_mv, bench.granted_ma = LEVEL_B, 16000
    bench.run(1000)
    for cycles in range(1, 5):
        bench.level_mv = LEVEL_C
        exactly(bench, "close", lambda: bench.kernel.close, 250)
        bench.run(500)
        assert (bench.kernel.contacts_closed, bench.kernel.cycles) == (True, cycles)
        bench.level_mv = LEVEL_B
        exactly(bench, "open", lambda: not bench.kernel.close, 25)
        bench.run(500)
        assert (bench.kernel.contacts_closed, bench.kernel.duty) == (False, PWM)


def test_a_car_that_opened_s2_in_the_tick_of_the_withdrawal_sees_x1_and_no_contactor() -> None:
    bench = in_phase(CLOSED)
    bench.level_mv = LEVEL_B
    bench.run(24, tick_ms=1)
    bench.withdraw()
    bench.tick(1)
    assert (bench.kernel.phase, bench.kernel.duty, bench.kernel.close) == (IDLE, DUTY_X1, False)


@pytest.mark.parametrize("mode", [MODE_AC, MODE_AC_HLC])
@pytest.mark.parametrize("obeys", [True, False])
def test_a_car_that_obeys_x1_is_opened_at_once_and_one_that_does_not_6200_ms_after_it(mode: int, obeys: bool) -> None:
    bench = FullBench()
    bench.mode = mode
    bench.charging()
    bench.withdraw()
    bench.tick(1)
    assert (bench.kernel.duty, bench.kernel.close, bench.kernel.phase) == (DUTY_X1, True, STOPPING)
    if obeys:
        bench.run(2975)
        assert bench.kernel.close
        bench.level_mv = LEVEL_B
    exactly(bench, "open", lambda: not bench.kernel.close, 25 if obeys else 6200)
    assert (bench.kernel.phase, bench.kernel.duty, bench.kernel.faults) == (IDLE, DUTY_X1, 0)
    bench.level_mv = LEVEL_C
    bench.never("close", lambda: bench.kernel.close, 10_000, tick_ms=40)


def test_6200_ms_leave_room_for_a_late_tick_and_the_mechanics() -> None:
    assert 6000 <= times.STOP_MS <= 6500 - 40 - 100


def test_the_next_stop_has_its_time_anew() -> None:
    bench = in_phase(STOPPING)
    bench.change_lease(16000)
    exactly(bench, "charging again", lambda: bench.kernel.phase == CLOSED, 5000)
    assert (bench.kernel.duty, bench.kernel.cycles, bench.kernel.close) == (PWM, 1, True)
    bench.run(200)
    bench.withdraw()
    exactly(bench, "X1", lambda: bench.kernel.phase == STOPPING, 1)
    exactly(bench, "open", lambda: not bench.kernel.close, 6200)


@pytest.mark.parametrize("tick_ms", [1, 3, 5, 20, 39, 40])
def test_a_silent_station_is_a_stop_when_the_lease_ends(tick_ms: int) -> None:
    bench = KernelBench().charging()
    bench.granted_ma = None
    bench.grant(16000)
    took_ms = bench.run_until("X1", lambda: bench.kernel.duty == DUTY_X1, 2000, tick_ms)
    assert took_ms == -(-1000 // tick_ms) * tick_ms
    assert (bench.kernel.phase, bench.kernel.close) == (STOPPING, True)


# One fault of each class, at once.


def graceful(bench: FullBench) -> None:
    bench.inputs.plug_ddeg = 700


def prompt(bench: FullBench) -> None:
    bench.kernel.request(REQUEST_STOP)


def emergency(bench: FullBench) -> None:
    bench.inputs.stop_pressed = True


CLASSES: dict[Callable[[FullBench], None], int] = {
    graceful: faults.PLUG_HOT,
    prompt: faults.STATION_STOP,
    emergency: faults.STOP_BUTTON,
}

# What each class leads to in the next tick: graceful, prompt, emergency.
REACTIONS = {
    IDLE: (FAULTED, FAULTED, SHOWING_F),
    TESTING: (FAULTED, FAULTED, SHOWING_F),
    OFFERING: (FAULTED, TELLING, SHOWING_F),
    CLOSED: (STOPPING, TELLING, SHOWING_F),
    STOPPING: (STOPPING, FAULTED, SHOWING_F),
    DRAINING: (DRAINING, TELLING, SHOWING_F),
    TELLING: (TELLING, TELLING, SHOWING_F),
    SHOWING_F: (SHOWING_F, SHOWING_F, SHOWING_F),
    FAULTED: (FAULTED, FAULTED, FAULTED),
    STEP_EF: (FAULTED, FAULTED, SHOWING_F),
    STEP_X1: (FAULTED, FAULTED, SHOWING_F),
    WAKING: (FAULTED, FAULTED, SHOWING_F),
    SWITCHING: (FAULTED, FAULTED, SHOWING_F),
    SETTLING: (FAULTED, FAULTED, SHOWING_F),
}


def pins(bench: KernelBench) -> tuple[int, bool, bool, bool, bool]:
    """What the hardware is told."""
    kernel = bench.kernel
    return kernel.duty, kernel.close, kernel.close_phases, kernel.cp_off, kernel.supply_enable


@pytest.mark.parametrize("phase", REACTIONS)
@pytest.mark.parametrize("cause", CLASSES, ids=lambda cause: cause.__name__)
def test_every_class_of_fault_in_every_phase(
    phase: int, cause: Callable[[FullBench], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(times, "SENSOR_MS", 1)
    bench = in_phase(phase)
    before = pins(bench)
    cause(bench)
    bench.tick(1)
    kernel = bench.kernel
    then = REACTIONS[phase][list(CLASSES).index(cause)]
    assert kernel.faults & CLASSES[cause]
    assert table.PHASE_NAMES[kernel.phase] == table.PHASE_NAMES[then]
    if then == phase:
        assert pins(bench) == before
    elif then == FAULTED:
        assert pins(bench) == (DUTY_X1, False, False, False, False)
    elif then == SHOWING_F:
        assert pins(bench) == (DUTY_F, False, False, False, False)
    elif then == TELLING:
        assert pins(bench) == (before[0], False, False, False, False)
        assert DUTY_F < kernel.duty < DUTY_X1
    else:
        assert pins(bench) == (DUTY_X1, True, True, False, False)


def test_a_graceful_fault_of_direct_current_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(times, "SENSOR_MS", 1)
    bench = FullBench()
    bench.mode = MODE_DC
    bench.charging()
    bench.inputs.current_ma = 20_000
    bench.run(100)
    assert pins(bench) == (500, True, True, False, True)
    graceful(bench)
    bench.tick(1)
    assert (bench.kernel.phase, pins(bench)) == (DRAINING, (500, True, True, False, False))
    exactly(bench, "open", lambda: not bench.kernel.close, 900)


@pytest.mark.parametrize("cause", [prompt, emergency])
@pytest.mark.parametrize("phase", [CLOSED, STOPPING, DRAINING])
def test_a_stop_that_gets_worse_opens_at_once_and_does_not_close_when_its_cause_is_gone(
    cause: Callable[[FullBench], None], phase: int
) -> None:
    bench = in_phase(phase)
    cause(bench)
    exactly(bench, "open", lambda: not bench.kernel.close, 1)
    bench.inputs.stop_pressed = False
    bench.level_mv, bench.granted_ma = LEVEL_C, 16000
    bench.never("close", lambda: bench.kernel.close, 9000, tick_ms=40)


def test_an_emergency_is_latched_until_it_is_cleared_and_then_the_car_that_still_asks_is_closed() -> None:
    bench = in_phase(FAULTED)
    bench.never("recovery", lambda: bench.kernel.close or not bench.kernel.faults, 8000, tick_ms=40)
    bench.kernel.request(REQUEST_CLEAR)
    exactly(bench, "no fault", lambda: not bench.kernel.faults, 1)
    bench.run_until("close", lambda: bench.kernel.close, 500)


def test_f_is_shown_for_300_ms_whatever_happens_meanwhile() -> None:
    bench = in_phase(SHOWING_F)
    bench.level_mv = LEVEL_E
    bench.withdraw()
    bench.inputs.stop_pressed = True
    bench.kernel.request(REQUEST_STOP)
    assert bench.kernel.duty == DUTY_F
    exactly(bench, "X1", lambda: bench.kernel.duty != DUTY_F, 320)
    assert (bench.kernel.duty, bench.kernel.phase) == (DUTY_X1, FAULTED)


def test_after_a_prompt_stop_pwm_stays_for_6_s_with_the_contactor_open() -> None:
    bench = in_phase(TELLING)
    assert (bench.kernel.duty, bench.kernel.close) == (PWM, False)
    bench.run_until("open contacts", lambda: not bench.kernel.contacts_closed, 30)
    bench.level_mv = LEVEL_B  # it may open S2 and close it again: it is told, and gets no power
    bench.run(500)
    bench.level_mv = LEVEL_C
    bench.never("close", lambda: bench.kernel.close or bench.kernel.duty != PWM, 5000, tick_ms=10)
    bench.run_until("X1", lambda: bench.kernel.duty == DUTY_X1, 500)
    assert bench.kernel.phase == FAULTED


def test_telling_ends_with_the_lease_the_car_or_an_emergency() -> None:
    bench = in_phase(TELLING)
    bench.granted_ma = None
    bench.grant(16000)
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 1000)
    assert bench.kernel.phase == FAULTED
    bench = in_phase(TELLING)
    bench.level_mv = LEVEL_A
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 25)
    bench = in_phase(TELLING)
    emergency(bench)
    exactly(bench, "F", lambda: bench.kernel.duty == DUTY_F, 1)


@pytest.mark.parametrize("unplugged", [True, False])
def test_telling_ends_in_the_same_way_after_its_fault_has_cleared(unplugged: bool) -> None:
    bench = in_phase(CLOSED)
    bench.inputs.pp_ohm = OPEN_OHM
    bench.run_until("a prompt stop", lambda: bench.kernel.phase == TELLING, 200)
    bench.inputs.pp_ohm = 220
    bench.run_until("no fault", lambda: not bench.kernel.faults, 1500)
    assert (bench.kernel.phase, bench.kernel.duty) == (TELLING, PWM)
    if unplugged:
        bench.level_mv = LEVEL_A
    else:
        bench.withdraw()
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 25 if unplugged else 1)
    assert bench.kernel.phase == FAULTED
