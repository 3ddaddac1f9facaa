"""Temperature and over-current: fact sheet iec61851, sections 6, 8 and 9."""

from __future__ import annotations

import pytest

from .course import Course, about

needs, options = pytest.mark.needs, pytest.mark.options


@needs("sensors", "pins")
@pytest.mark.parametrize("sensor", ["plug_sensor", "board_sensor"])
@pytest.mark.parametrize(("celsius", "amperes"), [(60.0, 32.0), (62.5, 25.5), (65.0, 19.0), (69.9, 6.0)])
def test_the_current_falls_linearly_with_the_temperature(
    course: Course, sensor: str, celsius: float, amperes: float
) -> None:
    course.set(**{sensor: {"celsius": celsius}})
    course.charge()
    course.run(2000)
    assert course.current_a[0] == pytest.approx(amperes, abs=0.02)


@needs("sensors", "pins")
@pytest.mark.parametrize(("sensor", "name"), [("plug_sensor", "PlugTooHot"), ("board_sensor", "BoardTooHot")])
def test_too_hot_stops_gracefully_and_goes_on_10_kelvin_below(course: Course, sensor: str, name: str) -> None:
    course.charge()
    since_ms = course.set(**{sensor: {"celsius": 70.1}})
    course.run(900)
    assert course.faults == []
    course.run(4500)
    told_ms = course.when("duty_permyriad", 10_000, since_ms)
    assert told_ms - since_ms in about(1000)
    assert course.find("broken_a", 0.0, told_ms) is not None
    assert course.faults == [name]
    course.set(**{sensor: {"celsius": 60.5}})
    course.run(2500)
    assert course.faults == [name]
    course.set(**{sensor: {"celsius": 59.5}})
    course.run(6000)
    assert course.faults == []
    assert course.closed


@needs("sensors")
@pytest.mark.parametrize("sensor", ["plug_sensor", "board_sensor"])
@pytest.mark.parametrize("how", ["open", "shorted"])
def test_a_broken_sensor_stops_the_charging_after_a_second(course: Course, sensor: str, how: str) -> None:
    course.charge()
    since_ms = course.set(**{sensor: {how: True}})
    course.run(4500)
    assert course.faults == ["TemperatureSensor"]
    assert course.after(since_ms, "duty_permyriad", 10_000) in about(1000)
    course.set(**{sensor: {how: False}})
    course.run(6000)
    assert course.faults == []
    assert course.closed


@needs("sensors")
def test_a_sensor_that_flickers_is_believed_again(course: Course) -> None:
    course.charge()
    course.inject("sensor_open")
    course.run(700)
    course.heal("sensor_open")
    course.run(2000)
    assert course.faults == []


@needs("car current", "pins")
@options(board_ma=10_000)
def test_a_car_that_draws_more_than_it_is_told_is_cut_off_after_7_seconds(course: Course) -> None:
    course.charge(2500)
    since_ms = course.set(car={"over_a": 2.0})
    course.run(10_000)
    opened_ms = course.when("close", False, since_ms)
    assert 7000 <= opened_ms - since_ms <= 7200
    assert course.faults == ["OverCurrent"]
    course.ask("clear")
    course.set(car={"over_a": 0.0})
    course.run(2000)
    course.unplug()
    course.run(2500)
    assert course.faults == []


@needs("car current")
@options(board_ma=10_000)
@pytest.mark.parametrize("over_a", [1.0, 1.5])
def test_a_little_too_much_is_tolerated(course: Course, over_a: float) -> None:
    course.set(car={"over_a": over_a})
    course.charge()
    course.run(12_000)
    assert course.faults == []
    assert course.current_a[0] == pytest.approx(10.0 + over_a, abs=0.01)


@needs("car current", "sensors", "pins")
def test_a_car_that_ignores_a_lower_limit_is_cut_off_within_10_seconds_of_being_told(course: Course) -> None:
    course.set(car={"obeys_lower": False})
    course.charge(7000)
    since_ms = course.set(plug_sensor={"celsius": 65.0})
    course.run(12_000)
    told_ms = course.when("duty_permyriad", 3166, since_ms)
    assert 9_990 <= course.when("close", False, told_ms) - told_ms <= 10_050
    assert course.faults == ["OverCurrent"]


@needs("current transformer")
def test_the_pilots_own_transformer_is_what_counts(course: Course) -> None:
    course.charge()
    course.set(transformer={"factor": 1.2})
    course.run(9000)
    assert course.faults == ["OverCurrent"]
