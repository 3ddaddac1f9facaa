"""From millivolts to the pilot state: windows, hysteresis, and how long a level must last before it counts."""

from __future__ import annotations

import itertools

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, KernelBench
from kernel_exact import exactly
from pilotwire.boards.sim.circuit import DIODE_MV, SOURCE_MV, SOURCE_OHM
from pilotwire.firmware.kernel import duty, params, table
from pilotwire.firmware.kernel.bands import INVALID, A, B, C, D, E, F, PilotState, asks, band
from pilotwire.firmware.kernel.lease import REQUEST_STEP_EF

# Detection windows as usually quoted from IEC 61851-1 (fact sheet, section 1), in mV.
WINDOWS = {A: (11000, 13000), B: (8000, 10000), C: (5000, 7000), D: (2000, 4000), E: (-1000, 1000), F: (-13000, -11000)}
NOMINAL = {A: 12000, B: 9000, C: 6000, D: 3000, E: 0, F: -12000, INVALID: -5000}
STATES = (A, B, C, D, E, F)
PROPER_AND_NOT = (*STATES, INVALID)
TO_C_MS = 250


def settled(state: int) -> PilotState:
    """A pilot state that has long been `state`."""
    pilot = PilotState()
    for _ in range(100):
        pilot.update(NOMINAL[state], 10, TO_C_MS)
    assert pilot.state == state
    return pilot


def lasts_ms(pilot: PilotState, level_mv: int, tick_ms: int, limit_ms: int = 2000, to_c_ms: int = TO_C_MS) -> int:
    """How long level_mv must last until the state changes."""
    before = pilot.state
    for passed_ms in range(tick_ms, limit_ms + 1, tick_ms):
        if pilot.update(level_mv, tick_ms, to_c_ms) != before:
            return passed_ms
    raise AssertionError(f"still {before} after {limit_ms} ms of {level_mv} mV")


@pytest.mark.parametrize("state", STATES)
def test_every_level_in_a_window_is_that_state_whatever_was_before(state: int) -> None:
    lower_mv, upper_mv = WINDOWS[state]
    for present in PROPER_AND_NOT:
        wrong = [mv for mv in range(lower_mv, upper_mv + 1) if band(mv, present) != state]
        assert wrong == []


@pytest.mark.parametrize("present", PROPER_AND_NOT)
def test_a_level_above_13_v_or_between_e_and_f_is_no_state(present: int) -> None:
    assert [band(13000, present), band(13001, present), band(15000, present)] == [A, INVALID, INVALID]
    assert {band(mv, present) for mv in range(-9999, -1700)} == {INVALID}
    assert [band(-10000, present), band(-20000, present)] == [F, F]


@pytest.mark.parametrize("present", [A, B, C, D, F, INVALID])
def test_the_lower_edge_of_e_is_minus_1500_mv_and_200_mv_lower_for_a_present_e(present: int) -> None:
    assert [band(-1500, present), band(-1501, present)] == [E, INVALID]
    assert [band(-1700, E), band(-1701, E)] == [E, INVALID]


def test_there_is_no_hole_between_13_v_and_the_lower_edge_of_e() -> None:
    assert {band(mv, INVALID) for mv in range(-1500, 13001)} == {A, B, C, D, E}


@pytest.mark.parametrize(("upper", "lower", "edge_mv"), [(A, B, 10500), (B, C, 7500), (C, D, 4500), (D, E, 1500)])
def test_at_an_edge_the_present_state_holds_on_for_the_hysteresis(upper: int, lower: int, edge_mv: int) -> None:
    for elsewhere in {A, B, C, D, E, F, INVALID} - {upper, lower}:
        assert [band(edge_mv, elsewhere), band(edge_mv - 1, elsewhere)] == [upper, lower]
    assert [band(edge_mv - 200, upper), band(edge_mv - 201, upper)] == [upper, lower]
    assert [band(edge_mv + 200, lower), band(edge_mv + 201, lower)] == [lower, upper]


def test_the_hysteresis_belongs_to_the_state_and_not_to_the_last_sample() -> None:
    pilot = settled(B)
    assert lasts_ms(pilot, 7299, 5) == 250
    assert pilot.state == C
    for level_mv in (7700, 4300):
        assert pilot.update(level_mv, 1000, TO_C_MS) == C
    assert lasts_ms(pilot, 7701, 5) == 25
    assert pilot.state == B


@pytest.mark.parametrize(
    ("load_ohm", "state"),
    [(4610, B), (2740, B), (1870, B), (1254, C), (882, C), (612, C), (246, D), (182, D), (0, E)],
)
def test_every_tolerated_resistor_is_seen_as_its_state(load_ohm: int, state: int) -> None:
    level_mv = DIODE_MV + (SOURCE_MV - DIODE_MV) * load_ohm / (SOURCE_OHM + load_ohm)
    assert {band(round(level_mv), present) for present in PROPER_AND_NOT} == {state}


def test_the_numbers_of_the_states_are_those_that_the_link_reports() -> None:
    assert (INVALID, A, B, C, D, E, F) == (0, 1, 2, 3, 4, 5, 6)


def test_only_c_and_d_ask_for_power() -> None:
    assert [state for state in PROPER_AND_NOT if asks(state)] == [C, D]


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(STATES, 2)))
def test_a_change_counts_after_its_evidence_time(before: int, after: int) -> None:
    wanted_ms = 25 if before in (C, D) else 250 if after in (C, D) else 50
    assert lasts_ms(settled(before), NOMINAL[after], 1) == wanted_ms
    for tick_ms in (5, 7, 40):
        assert wanted_ms <= lasts_ms(settled(before), NOMINAL[after], tick_ms) < wanted_ms + tick_ms


@pytest.mark.parametrize("to_c_ms", [100, 101, 1000])
def test_the_way_to_c_takes_the_time_that_the_parameter_says(to_c_ms: int) -> None:
    for before in (A, B, E, F):
        for after in (C, D):
            assert lasts_ms(settled(before), NOMINAL[after], 1, to_c_ms=to_c_ms) == to_c_ms
    assert lasts_ms(settled(C), NOMINAL[D], 1, to_c_ms=to_c_ms) == 25


@pytest.mark.parametrize("before", STATES)
def test_an_undefined_level_counts_after_200_ms(before: int) -> None:
    pilot = settled(before)
    assert lasts_ms(pilot, NOMINAL[INVALID], 1) == 200
    assert (pilot.state, pilot.undefined_ms) == (INVALID, 200)


@pytest.mark.parametrize("state", STATES)
def test_at_boot_no_state_is_taken_for_granted(state: int) -> None:
    pilot = PilotState()
    assert (pilot.state, pilot.undefined_ms) == (INVALID, 0)
    assert lasts_ms(pilot, NOMINAL[state], 1) == (250 if state in (C, D) else 50)


@pytest.mark.parametrize(
    "levels",
    [(12000, 9000), (9000, 3000), (9000, 0, 12000), (0, -12000), (-5000, 9000), (-5000, 12000, 3000), (13500, 9000)],
    ids=str,
)
def test_chatter_outside_c_adds_up_to_leaving_c(levels: tuple[int, ...]) -> None:
    pilot = settled(C)
    for passed_ms, level_mv in zip(range(5, 50, 5), itertools.cycle(levels), strict=False):
        pilot.update(level_mv, 5, TO_C_MS)
        if pilot.state != C:
            assert 25 <= passed_ms <= 30
            return
    raise AssertionError(f"still in C after 45 ms of {levels}")


def test_glitches_shorter_than_the_evidence_leave_c_alone() -> None:
    pilot = settled(C)
    for _ in range(100):
        for level_mv in (12000, 12000, 9000, 12000, 6000, 6000, 6000, 6000):
            assert pilot.update(level_mv, 5, TO_C_MS) == C


@pytest.mark.parametrize(
    ("levels", "within_ms"),
    [
        ((0, 0, 0, 0, 6000), 60),
        ((12000, 12000, 12000, 12000, 6000), 60),
        ((9000, 9000, 9000, 9000, 6000), 60),
        ((3000, 3000, 6000), 150),
        ((*[-5000] * 39, 6000), 500),
        ((-5000, -5000, 6000), 700),
    ],
    ids=str,
)
def test_a_level_that_is_in_c_only_now_and_then_has_left_c(levels: tuple[int, ...], within_ms: int) -> None:
    pilot = settled(C)
    for passed_ms, level_mv in zip(range(5, within_ms + 1, 5), itertools.cycle(levels), strict=False):
        pilot.update(level_mv, 5, TO_C_MS)
        if pilot.state != C or pilot.undefined_ms >= 200:
            assert passed_ms >= 25
            return
    raise AssertionError(f"still in C after {within_ms} ms of {levels}")


def test_a_sample_of_c_takes_back_exactly_as_much_evidence_as_it_lasted() -> None:
    pilot = settled(C)
    assert [pilot.update(level_mv, ms, TO_C_MS) for level_mv, ms in ((9000, 24), (6000, 10), (9000, 10))] == [C, C, C]
    assert pilot.update(9000, 1, TO_C_MS) == B
    pilot = settled(C)
    for level_mv, ms in ((9000, 20), (6000, 60), (9000, 24)):  # no credit is saved up
        assert pilot.update(level_mv, ms, TO_C_MS) == C
    assert pilot.update(9000, 1, TO_C_MS) == B


def test_outside_of_c_a_sample_of_the_present_state_takes_back_all_evidence() -> None:
    for present, level_mv, evidence_ms in ((B, 6000, 250), (B, 12000, 50), (A, 9000, 50), (A, 6000, 250)):
        pilot = settled(present)
        for _ in range(10):
            assert pilot.update(level_mv, evidence_ms - 1, TO_C_MS) == present
            assert pilot.update(NOMINAL[present], 1, TO_C_MS) == present


def test_evidence_of_one_state_outside_of_c_is_none_of_another() -> None:
    pilot = settled(B)
    for _ in range(20):
        for level_mv in (12000, 0):
            assert pilot.update(level_mv, 49, TO_C_MS) == B
        for level_mv in (6000, 3000):
            assert pilot.update(level_mv, 249, TO_C_MS) == B
    assert pilot.update(3000, 1, TO_C_MS) == D


def test_evidence_is_used_up_by_the_change_that_it_made() -> None:
    for before, after, back_ms in ((C, B, 250), (B, A, 50), (D, B, 250), (A, C, 25)):
        pilot = settled(before)
        lasts_ms(pilot, NOMINAL[after], 5)
        assert pilot.state == after
        assert lasts_ms(pilot, NOMINAL[before], 1) == back_ms


def test_a_defined_level_takes_back_as_much_undefined_time_as_it_lasts() -> None:
    pilot = settled(B)
    for _ in range(20):
        pilot.update(-5000, 199, TO_C_MS)
        assert pilot.undefined_ms == 199
        for left_ms in (198, 99, 0, 0):
            pilot.update(9000, 1 if left_ms == 198 else 99, TO_C_MS)
            assert pilot.undefined_ms == left_ms
    assert lasts_ms(pilot, -5000, 5) == 200


def test_undefined_time_does_not_grow_beyond_what_it_takes_to_count() -> None:
    pilot = settled(B)
    for _ in range(1000):
        pilot.update(-5000, 40, TO_C_MS)
    assert pilot.undefined_ms == 200
    pilot.update(9000, 1, TO_C_MS)
    assert pilot.undefined_ms == 199


def test_a_forgotten_state_needs_its_evidence_anew() -> None:
    for state, level_mv, evidence_ms in ((C, 6000, 250), (B, 9000, 50)):
        pilot = settled(state)
        pilot.update(-5000, 20, TO_C_MS)
        pilot.forget()
        assert (pilot.state, pilot.undefined_ms) == (INVALID, 0)
        assert lasts_ms(pilot, level_mv, 1) == evidence_ms
    pilot = settled(B)
    pilot.update(12000, 49, TO_C_MS)
    pilot.forget()
    assert lasts_ms(pilot, 12000, 1) == 50


@pytest.mark.parametrize("to_c_ms", [100, 777])
def test_the_kernel_takes_its_time_to_c_from_the_parameters(to_c_ms: int) -> None:
    bench = KernelBench((params.TO_C_MS, to_c_ms))
    bench.level_mv, bench.granted_ma = LEVEL_B, 16000
    bench.run(1000)
    bench.level_mv = LEVEL_C
    exactly(bench, "the car asks", lambda: bench.kernel.close, to_c_ms)


def test_the_kernel_reports_what_it_sees_of_the_pilot() -> None:
    bench = KernelBench()
    kernel = bench.kernel
    assert (kernel.pilot_state, kernel.cp_high_mv, kernel.cp_low_mv) == (INVALID, 0, 0)
    for state, level_mv in ((A, LEVEL_A), (B, LEVEL_B), (C, LEVEL_C), (B, LEVEL_B), (D, LEVEL_D), (A, LEVEL_A)):
        bench.level_mv, bench.granted_ma, bench.low_mv = level_mv, 16000, -11500
        bench.run(600)
        pwm = kernel.duty not in (duty.DUTY_X1, duty.DUTY_F)
        assert (kernel.pilot_state, kernel.cp_high_mv) == (state, level_mv)
        assert kernel.cp_low_mv == (-11500 if pwm else level_mv)


@pytest.mark.parametrize("hidden_by", ["F", "cp_off"])
def test_what_the_kernel_itself_puts_on_the_wire_is_no_measurement(hidden_by: str) -> None:
    bench = KernelBench((params.WAKE_AFTER_MS, 1000))
    bench.level_mv, bench.granted_ma = LEVEL_B, 16000
    bench.run_until("PWM", lambda: bench.kernel.phase == table.OFFERING, 500)
    if hidden_by == "F":
        bench.kernel.request(REQUEST_STEP_EF)
        bench.tick()
        assert bench.kernel.duty == duty.DUTY_F
    else:
        bench.run_until("wake-up", lambda: bench.kernel.cp_off, 1100)
    bench.level_mv = LEVEL_C  # hidden, like everything else
    bench.never("another state", lambda: bench.kernel.pilot_state != B or bench.kernel.faults, 3900)
    bench.run_until("the wire is back", lambda: bench.kernel.phase == table.SETTLING, 200)
    exactly(bench, "state C", lambda: bench.kernel.pilot_state == C, 250)
