"""The odd ways of cars: no S2, asleep, toggling, greedy, deaf to a lower limit, abrupt, on 5 %."""

from __future__ import annotations

import pytest

from pilotwire.boards.sim.car import WAKE_MS, Car


def pass_time(car: Car, duty: float | None, ms: int, mains_v: float = 0.0, phases: int = 3) -> None:
    for _ in range(ms):
        car.step(duty, mains_v, phases)


def plugged(**settings: float | bool) -> Car:
    car = Car(**settings)  # type: ignore[arg-type]  # only numbers and switches
    car.plug()
    return car


def charging(duty: float = 0.5333, **settings: float | bool) -> Car:
    car = plugged(**settings)
    pass_time(car, duty, 600)
    assert car.circuit.s2_closed
    pass_time(car, duty, 10_000, 230.0)
    assert car.current_a > 1.0
    return car


def test_a_car_without_s2_is_in_c_from_plug_to_unplug_whatever_the_pilot_says() -> None:
    car = plugged(simplified=True)
    assert car.circuit.s2_closed, "from the first moment: the station sees A, then C"
    for duty in (1.0, 0.1667, 0.05, 0.0, None):
        pass_time(car, duty, 5000)
        assert car.circuit.s2_closed
    car.wants_charge = False
    pass_time(car, 0.1667, 5000, 230.0)
    assert car.circuit.s2_closed
    car.unplug()
    assert not car.circuit.s2_closed


def test_a_car_without_s2_obeys_the_duty_all_the_same() -> None:
    car = charging(0.1667, simplified=True)
    assert car.current_a == pytest.approx(10.0, abs=0.01)
    pass_time(car, 1.0, 5000, 230.0)
    assert car.current_a == 0.0


@pytest.mark.parametrize("dark", [None, 0.0])
def test_a_sleeping_car_asks_only_after_an_interruption_of_three_seconds(dark: float | None) -> None:
    car = plugged(sleeps=True)
    pass_time(car, 0.25, 60_000)
    assert not car.circuit.s2_closed
    pass_time(car, dark, WAKE_MS - 1)
    pass_time(car, 0.25, 5000)
    assert not car.circuit.s2_closed, "just too short"
    pass_time(car, dark, WAKE_MS)
    pass_time(car, 1.0, 750)
    pass_time(car, 0.25, 499)
    assert not car.circuit.s2_closed
    pass_time(car, 0.25, 1)
    assert car.circuit.s2_closed


def test_x1_is_no_interruption_and_a_new_plug_finds_the_car_asleep_again() -> None:
    car = plugged(sleeps=True)
    pass_time(car, 1.0, 60_000)
    pass_time(car, 0.25, 5000)
    assert not car.circuit.s2_closed
    pass_time(car, None, 4000)
    car.unplug()
    car.plug()
    pass_time(car, 0.25, 5000)
    assert not car.circuit.s2_closed


def test_interruptions_before_and_after_a_new_plug_do_not_add_up() -> None:
    car = plugged(sleeps=True)
    pass_time(car, None, 2000)
    car.unplug()
    car.plug()
    pass_time(car, None, 2000)
    pass_time(car, 0.25, 5000)
    assert not car.circuit.s2_closed


def test_a_short_to_earth_takes_the_pilot_away_from_the_car() -> None:
    car = charging()
    car.circuit.shorted = True
    pass_time(car, 0.5333, 3000, 230.0)
    assert not car.circuit.s2_closed


def test_a_car_that_is_awake_needs_no_interruption_and_survives_one() -> None:
    car = plugged()
    pass_time(car, None, 10_000)
    assert not car.circuit.s2_closed
    pass_time(car, 0.25, 500)
    assert car.circuit.s2_closed


def edges(car: Car, duty: float, ms: int) -> list[tuple[int, bool]]:
    """Times and values of the changes of S2."""
    found = []
    before = car.circuit.s2_closed
    for passed_ms in range(1, ms + 1):
        car.step(duty, 230.0)
        if car.circuit.s2_closed != before:
            before = car.circuit.s2_closed
            found.append((passed_ms, before))
    return found


@pytest.mark.parametrize(("pulses", "pulse_ms", "gap_ms"), [(1, 200, 200), (3, 300, 250), (2, 1, 1)])
def test_a_toggle_is_as_many_pulses_as_long_as_asked(pulses: int, pulse_ms: int, gap_ms: int) -> None:
    car = plugged(wants_charge=False)
    pass_time(car, 1.0, 100)
    car.toggle(pulses, pulse_ms, gap_ms)
    expected = []
    for pulse in range(pulses):
        start_ms = 1 + pulse * (pulse_ms + gap_ms)
        expected += [(start_ms, True), (start_ms + pulse_ms, False)]
    assert edges(car, 1.0, 5000) == expected
    assert car.current_a == 0.0


def test_during_a_toggle_no_current_is_drawn_and_after_it_the_car_is_itself_again() -> None:
    car = plugged()
    pass_time(car, 0.25, 100)
    car.toggle(2, 300, 200)
    pass_time(car, 0.25, 700, 230.0)
    assert car.current_a == 0.0
    pass_time(car, 0.25, 302, 230.0)
    assert car.circuit.s2_closed, "it has seen PWM for more than half a second"
    assert car.current_a > 0.0


def test_unplugging_ends_a_toggle() -> None:
    car = plugged(wants_charge=False)
    car.toggle(3, 300, 300)
    pass_time(car, 1.0, 100)
    car.unplug()
    car.plug()
    assert edges(car, 1.0, 3000) == []


def test_a_car_that_ignores_a_lower_limit_draws_the_highest_it_was_told_since_the_plug() -> None:
    car = charging(0.40, obeys_lower=False)
    pass_time(car, 0.10, 20_000, 230.0)
    assert car.current_a == pytest.approx(24.0)
    pass_time(car, 0.50, 20_000, 230.0)
    assert car.current_a == pytest.approx(30.0)
    car.obeys_lower = True
    pass_time(car, 0.10, 20_000, 230.0)
    assert car.current_a == pytest.approx(6.0)
    car.obeys_lower = False
    car.unplug()
    car.plug()
    pass_time(car, 0.10, 600)
    pass_time(car, 0.10, 5000, 230.0)
    assert car.current_a == pytest.approx(6.0), "a new plug forgets"


def test_even_a_car_that_ignores_a_lower_limit_obeys_x1_if_it_is_told_to() -> None:
    car = charging(0.40, obeys_lower=False)
    pass_time(car, 1.0, 3000, 230.0)
    assert not car.circuit.s2_closed


def test_a_greedy_car_draws_more_than_it_is_told_but_not_more_than_it_can() -> None:
    car = charging(0.25, over_a=4.0)
    assert car.current_a == pytest.approx(19.0)
    car.over_a = 50.0
    pass_time(car, 0.25, 10_000, 230.0)
    assert car.current_a == 32.0


def test_an_abrupt_car_opens_s2_at_once_and_under_load() -> None:
    car = charging(abrupt=True)
    car.wants_charge = False
    pass_time(car, 0.5333, 1, 230.0)
    assert not car.circuit.s2_closed
    assert car.current_a == 0.0


def test_a_car_that_wants_ventilation_shows_d_where_another_shows_c() -> None:
    car = charging()
    assert car.circuit.levels_mv(0.5)[0] == pytest.approx(6000, abs=20)
    car.circuit.ventilation = True
    assert car.circuit.levels_mv(0.5)[0] == pytest.approx(2930, abs=20)


@pytest.mark.parametrize(("duty", "asks"), [(0.029, False), (0.031, True), (0.05, True), (0.069, True), (0.072, False)])
def test_a_digital_car_takes_5_percent_as_an_invitation(duty: float, asks: bool) -> None:
    car = plugged(digital=True, digital_a=12.0)
    pass_time(car, duty, 1000)
    assert car.circuit.s2_closed is asks
    pass_time(car, duty, 5000, 230.0)
    assert car.current_a == (12.0 if asks else 0.0)


def test_a_digital_car_without_an_agreement_asks_and_draws_nothing() -> None:
    car = plugged(digital=True)
    pass_time(car, 0.05, 5000, 230.0)
    assert car.circuit.s2_closed
    assert car.current_a == 0.0


def test_what_has_been_agreed_digitally_may_change_even_for_a_car_that_ignores_x1() -> None:
    car = charging(0.05, digital=True, digital_a=12.0, obeys_x1=False)
    car.digital_a = 0.0
    pass_time(car, 0.05, 5000, 230.0)
    assert car.current_a == 0.0
    assert car.circuit.s2_closed


def test_a_digital_car_charges_by_the_duty_when_there_is_a_normal_one() -> None:
    car = charging(0.25, digital=True, digital_a=12.0)
    assert car.current_a == pytest.approx(15.0)


def test_a_car_draws_only_as_many_phases_as_are_live() -> None:
    gains = []
    for phases in (1, 3):
        car = plugged(charger_a=10.0, ramp_up_a_s=1e6)
        pass_time(car, 0.5333, 600)
        before_wh = car.stored_wh
        pass_time(car, 0.5333, 1000, 230.0, phases)
        gains.append(car.stored_wh - before_wh)
    assert gains[1] == pytest.approx(3 * gains[0])
    pass_time(car, 0.5333, 1, 230.0, 0)
    assert car.current_a == 0.0
