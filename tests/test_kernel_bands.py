"""From millivolts to the pilot state: windows, hysteresis, and how long a level must last before it counts."""

from __future__ import annotations

import itertools

import pytest

from pilotwire.boards.sim.circuit import DIODE_MV, SOURCE_MV, SOURCE_OHM
from pilotwire.firmware.kernel import bands
from pilotwire.firmware.kernel.bands import INVALID, A, B, C, D, E, F, PilotState, band

# Detection windows as usually quoted from IEC 61851-1 (fact sheet, section 1), in mV.
WINDOWS = {A: (11000, 13000), B: (8000, 10000), C: (5000, 7000), D: (2000, 4000), E: (-1000, 1000), F: (-13000, -11000)}
NOMINAL = {A: 12000, B: 9000, C: 6000, D: 3000, E: 0, F: -12000, INVALID: -5000}
STATES = (A, B, C, D, E, F)
PROPER_AND_NOT = (*STATES, INVALID)


def settled(state: int) -> PilotState:
    """A pilot state that has long been `state`."""
    pilot = PilotState()
    for _ in range(100):
        pilot.update(NOMINAL[state], 10)
    assert pilot.state == state
    return pilot


def lasts_ms(pilot: PilotState, level_mv: int, tick_ms: int, limit_ms: int = 2000) -> int:
    """How long level_mv must last until the state changes."""
    before = pilot.state
    for passed_ms in range(tick_ms, limit_ms + 1, tick_ms):
        if pilot.update(level_mv, tick_ms) != before:
            return passed_ms
    raise AssertionError(f"still {before} after {limit_ms} ms of {level_mv} mV")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("present", PROPER_AND_NOT)
def test_every_level_in_a_window_is_that_state_whatever_was_before(state: int, present: int) -> None:
    lower_mv, upper_mv = WINDOWS[state]
    wrong = [mv for mv in range(lower_mv, upper_mv + 1) if band(mv, present) != state]
    assert wrong == []


@pytest.mark.parametrize("present", PROPER_AND_NOT)
def test_a_level_above_13_v_or_between_e_and_f_is_no_state(present: int) -> None:
    assert {band(mv, present) for mv in range(13001, 15001)} == {INVALID}
    assert {band(mv, present) for mv in range(-9999, -1700)} == {INVALID}


def test_there_is_no_hole_between_13_v_and_the_lower_edge_of_e() -> None:
    assert {band(mv, INVALID) for mv in range(-1500, 13001)} == {A, B, C, D, E}


@pytest.mark.parametrize(("upper", "lower", "edge_mv"), [(A, B, 10500), (B, C, 7500), (C, D, 4500), (D, E, 1500)])
def test_at_an_edge_the_present_state_holds_on_for_the_hysteresis(upper: int, lower: int, edge_mv: int) -> None:
    assert [band(edge_mv, INVALID), band(edge_mv - 1, INVALID)] == [upper, lower]
    assert [band(edge_mv - 200, upper), band(edge_mv - 201, upper)] == [upper, lower]
    assert [band(edge_mv + 200, lower), band(edge_mv + 201, lower)] == [lower, upper]


@pytest.mark.parametrize(
    ("load_ohm", "state"),
    [(4610, B), (2740, B), (1870, B), (1254, C), (882, C), (612, C), (246, D), (182, D), (0, E)],
)
def test_every_tolerated_resistor_is_seen_as_its_state(load_ohm: int, state: int) -> None:
    level_mv = DIODE_MV + (SOURCE_MV - DIODE_MV) * load_ohm / (SOURCE_OHM + load_ohm)
    assert {band(round(level_mv), present) for present in PROPER_AND_NOT} == {state}


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(STATES, 2)))
@pytest.mark.parametrize("tick_ms", [1, 5, 7])
def test_a_change_counts_after_its_evidence_time(before: int, after: int, tick_ms: int) -> None:
    took_ms = lasts_ms(settled(before), NOMINAL[after], tick_ms)
    wanted_ms = 25 if before == C else 250 if after == C else 50
    assert wanted_ms <= took_ms < wanted_ms + tick_ms


@pytest.mark.parametrize("before", STATES)
def test_an_undefined_level_counts_after_200_ms(before: int) -> None:
    assert lasts_ms(settled(before), NOMINAL[INVALID], 5) == 200


@pytest.mark.parametrize("state", STATES)
def test_at_boot_no_state_is_taken_for_granted(state: int) -> None:
    pilot = PilotState()
    assert pilot.state == INVALID
    assert lasts_ms(pilot, NOMINAL[state], 5) == (250 if state == C else 50)


@pytest.mark.parametrize(
    "levels",
    [(12000, 9000), (9000, 3000), (9000, 0, 12000), (0, -12000), (-5000, 9000), (-5000, 12000, 3000), (13500, 9000)],
    ids=str,
)
def test_chatter_outside_c_adds_up_to_leaving_c(levels: tuple[int, ...]) -> None:
    pilot = settled(C)
    for passed_ms, level_mv in zip(range(5, 50, 5), itertools.cycle(levels), strict=False):
        pilot.update(level_mv, 5)
        if pilot.state != C:
            assert 25 <= passed_ms <= 30
            return
    raise AssertionError(f"still in C after 45 ms of {levels}")


def test_glitches_shorter_than_the_evidence_leave_c_alone() -> None:
    pilot = settled(C)
    for _ in range(100):
        for level_mv in (12000, 12000, 9000, 12000, 6000, 6000, 6000, 6000):
            assert pilot.update(level_mv, 5) == C


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
        pilot.update(level_mv, 5)
        if pilot.state != C or pilot.undefined_ms >= bands.INVALID_MS:
            assert passed_ms >= 25
            return
    raise AssertionError(f"still in C after {within_ms} ms of {levels}")


def test_glimpses_of_c_do_not_add_up_to_c() -> None:
    pilot = settled(B)
    for _ in range(50):
        for _ in range(49):
            assert pilot.update(6000, 5) == B
        assert pilot.update(9000, 5) == B


def test_chatter_between_two_other_bands_is_neither() -> None:
    pilot = settled(B)
    for _ in range(200):
        for level_mv in (12000, 3000):
            for _ in range(9):
                assert pilot.update(level_mv, 5) == B


def test_a_defined_level_takes_back_as_much_undefined_time_as_it_lasts() -> None:
    pilot = settled(B)
    for _ in range(20):
        for _ in range(39):
            pilot.update(-5000, 5)
            assert pilot.undefined_ms < bands.INVALID_MS
        for _ in range(39):
            pilot.update(9000, 5)
        assert pilot.undefined_ms == 0
    assert lasts_ms(pilot, -5000, 5) == 200
    assert pilot.undefined_ms >= bands.INVALID_MS


def test_a_forgotten_state_needs_its_evidence_anew() -> None:
    pilot = settled(C)
    pilot.update(9000, 20)
    pilot.forget()
    assert (pilot.state, pilot.undefined_ms) == (INVALID, 0)
    assert lasts_ms(pilot, 6000, 5) == 250
