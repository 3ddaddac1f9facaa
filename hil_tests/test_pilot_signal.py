"""The control pilot as a car and an oscilloscope see it: fact sheet iec61851, sections 1 and 2."""

from __future__ import annotations

import pytest

from .course import LETTERS, Course

needs, options = pytest.mark.needs, pytest.mark.options


def test_without_a_car_the_pilot_stands_at_12_volts_without_pwm(course: Course) -> None:
    course.run(2000)
    seen = course.read()
    assert seen["duty_permyriad"] == 10_000
    assert 11_400 <= seen["cp_high_mv"] <= 12_600
    assert course.station()["pilot"]["state"] == "A"
    assert course.status == "Available"


@options(id_tags=["MINE"])
def test_a_car_that_nobody_has_authorised_sees_no_pwm(course: Course) -> None:
    course.plug()
    course.run(3000)
    assert course.duty == 100.0
    assert course.station()["pilot"]["state"] == "B"
    assert not course.closed


# Current per phase and duty: 6..51 A by I / 0.6, above by I / 2.5 + 64; always rounded down.
DUTIES = (
    (6_000, 10.0),
    (8_000, 13.33),
    (10_000, 16.66),
    (13_000, 21.66),
    (16_000, 26.66),
    (16_900, 28.16),
    (20_000, 33.33),
    (25_500, 42.5),
    (32_000, 53.33),
    (45_000, 75.0),
    (51_000, 85.0),
    (52_000, 85.0),
    (52_500, 85.0),
    (53_000, 85.2),
    (60_000, 88.0),
    (63_000, 89.2),
    (70_000, 92.0),
    (80_000, 96.0),
)


@needs("parameters", "pins")
@pytest.mark.parametrize(("limit_ma", "percent"), DUTIES)
def test_the_duty_says_the_current_and_never_more(course: Course, limit_ma: int, percent: float) -> None:
    course.bench.reset(
        {
            "board_ma": limit_ma,
            "cable_ma": 80_000,
            "parameters": {"max_ma": limit_ma, "fitted": ["rcd_dc", "rcd_ac", "rcd_test"]},
        }
    )
    course.set(car={"wants_charge": False})
    course.plug()
    course.run(1600)
    assert course.duty == pytest.approx(percent, abs=0.02)
    assert course.duty <= percent + 0.005
    seen = course.read()
    assert LETTERS["B"][0] <= seen["cp_high_mv"] <= LETTERS["B"][1]
    assert -12_600 <= seen["cp_low_mv"] <= -11_400


def test_a_car_charges_with_what_the_duty_says(course: Course) -> None:
    course.charge(8000)
    assert course.current_a == pytest.approx([32.0] * 3, abs=0.01)
    assert LETTERS["C"][0] <= course.read()["cp_high_mv"] <= LETTERS["C"][1]
    assert course.status == "Charging"
    assert course.phase == "Closed"


@options(board_ma=16_000)
def test_the_stations_own_limit_is_the_cars_current(course: Course) -> None:
    course.charge(6000)
    assert course.current_a[0] == pytest.approx(16.0, abs=0.01)
    assert course.station()["allocation"]["limit_ma"] == 16_000
    assert "board" in course.station()["session"]["why"]


@needs("car circuit")
@pytest.mark.parametrize(("r_b_ohm", "r_c_ohm"), [(1870.0, 909.0), (2740.0, 1300.0), (4610.0, 1723.0)])
def test_cars_with_resistors_at_the_ends_of_their_tolerance_charge(
    course: Course, r_b_ohm: float, r_c_ohm: float
) -> None:
    course.set(circuit={"r_b_ohm": r_b_ohm, "r_c_ohm": r_c_ohm})
    course.charge()
    assert course.faults == []


@needs("car circuit")
@pytest.mark.parametrize(
    ("mv", "letter"),
    [
        (11_000, "A"),
        (10_600, "A"),
        (10_000, "B"),
        (7_600, "B"),
        (7_000, "C"),
        (4_600, "C"),
        (4_000, "D"),
        (1_600, "D"),
        (1_000, "E"),
        (-1_000, "E"),
    ],
)
def test_a_level_is_read_as_its_state(course: Course, mv: int, letter: str) -> None:
    course.ask("host", do="start")
    course.set(circuit={"held": True, "held_mv": float(mv)})
    course.run(500)
    assert course.pilot["pilot"] == letter


@needs("car circuit", "pins")
def test_a_car_without_a_diode_gets_no_power_and_only_a_new_plug_helps(course: Course) -> None:
    course.set(circuit={"diode": False})
    course.plug()
    course.run(4000)
    assert course.faults == ["DiodeMissing"]
    assert course.find("contacts_closed", True) is None
    assert course.status == "Faulted"
    course.set(circuit={"diode": True})
    course.ask("clear")
    course.run(3000)
    assert course.faults == ["DiodeMissing"]
    course.unplug()
    course.run(2500)
    assert course.faults == []
    course.charge()


@needs("car circuit", "pins")
def test_a_diode_that_fails_while_charging_opens_the_contactor_at_once(course: Course) -> None:
    course.charge()
    since_ms = course.inject("no_diode")
    course.run(1000)
    assert 45 <= course.after(since_ms, "close", False) <= 60
    assert course.after(since_ms, "contacts_closed", False) <= 100
    assert course.faults == ["DiodeMissing"]


@needs("car circuit", "pins")
def test_a_shorted_pilot_opens_the_contactor_within_100_ms_and_clears_with_its_cause(course: Course) -> None:
    course.charge()
    since_ms = course.inject("cp_short")
    course.run(1000)
    assert course.after(since_ms, "contacts_closed", False) <= 100
    assert course.faults == ["PilotShort"]
    assert course.status == "Faulted"
    assert course.station()["pilot"]["state"] == "E"
    course.heal("cp_short")
    course.run(8000)
    assert course.faults == []
    assert course.closed


@needs("car circuit")
def test_a_short_before_the_plug_is_no_car(course: Course) -> None:
    course.inject("cp_short")
    course.run(1000)
    assert course.station()["pilot"]["state"] == "E"
    assert course.faults == ["PilotShort"]
    assert course.transactions() == []
    course.heal("cp_short")
    course.run(1500)
    assert course.faults == []


@needs("car circuit")
@pytest.mark.parametrize("mv", [13_500, -3_000, -9_000])
def test_a_level_between_all_windows_is_a_fault_after_200_ms_and_not_before(course: Course, mv: int) -> None:
    course.ask("host", do="start")
    course.run(500)
    since_ms = course.set(circuit={"held": True, "held_mv": float(mv)})
    course.run(1000)
    course.set(circuit={"held": False})
    first = next(row["t_ms"] for row in course.rows(since_ms) if row["faults"] == ["PilotInvalid"])
    assert 200 <= first - since_ms <= 330
    course.run(1800)
    assert course.pilot["faults"] == []
    since_ms = course.set(circuit={"held": True, "held_mv": float(mv)})
    course.run(150)
    course.set(circuit={"held": False})
    course.run(1000)
    assert not [row for row in course.rows(since_ms) if row["faults"]]


@needs("car circuit", "pins")
def test_ventilation_is_refused_where_there_is_none(course: Course) -> None:
    course.set(circuit={"ventilation": True})
    course.plug()
    course.run(4000)
    assert course.find("contacts_closed", True) is None
    assert course.station()["pilot"]["state"] == "D"
    assert "ventilation" in course.station()["session"]["why"]
    assert course.find("vent", True) is None


@needs("parameters", "car circuit", "pins")
def test_ventilation_goes_on_for_a_car_that_asks_for_it(course: Course) -> None:
    course.bench.reset({"parameters": {"fitted": ["rcd_dc", "rcd_ac", "rcd_test", "ventilation"]}})
    course.set(circuit={"ventilation": True})
    since_ms = course.charge()
    assert LETTERS["D"][0] <= course.read()["cp_high_mv"] <= LETTERS["D"][1]
    assert course.when("vent", True) <= since_ms
    course.unplug()
    course.run(1000)
    assert course.find("vent", False, since_ms) is not None


@needs("pins")
def test_the_duty_changes_at_most_every_5_seconds(course: Course) -> None:
    course.charge()
    first_ms = course.when("duty_permyriad", 5333)
    course.run(first_ms + 5200 - course.now_ms)
    since_ms = course.set(plug_sensor={"celsius": 65.0})
    course.run(1000)
    second_ms = course.when("duty_permyriad", 3166, since_ms)
    assert second_ms - since_ms <= 20
    course.set(plug_sensor={"celsius": 62.5})
    course.run(6000)
    changes = [event["t_ms"] for event in course.events(since_ms) if event["name"] == "duty_permyriad"]
    assert len(changes) == 2
    assert 5000 <= changes[1] - changes[0] <= 5010


@needs("car circuit")
def test_bcb_toggles_are_counted(course: Course) -> None:
    course.ask("host", do="start")
    course.run(500)
    course.plug()
    course.run(1000)
    for pulses in (1, 2, 3):
        before = course.pilot["bcb_sequences"]
        course.ask("toggle", pulses=pulses, pulse_ms=300, gap_ms=300)
        course.run(5000)
        assert course.pilot["bcb_pulses"] == pulses
        assert course.pilot["bcb_sequences"] == before + 1


@needs("car circuit")
@pytest.mark.parametrize("pulse_ms", [100, 600])
def test_pulses_too_short_or_too_long_are_no_toggle(course: Course, pulse_ms: int) -> None:
    course.ask("host", do="start")
    course.run(500)
    course.plug()
    course.run(1000)
    course.ask("toggle", pulses=1, pulse_ms=pulse_ms, gap_ms=300)
    course.run(5000)
    assert course.pilot["bcb_sequences"] == 0
