"""Cable and lock of a socket: fact sheet iec61851, section 3."""

from __future__ import annotations

import pytest

from .course import Course, about

needs, options = pytest.mark.needs, pytest.mark.options

# Ohms on the proximity contact and what such a cable carries; between two accepted bands the smaller current counts.
CABLES = (
    (60.0, 32_000),
    (79.0, 32_000),
    (80.0, 63_000),
    (100.0, 63_000),
    (140.0, 63_000),
    (141.0, 32_000),
    (164.0, 32_000),
    (220.0, 32_000),
    (308.0, 32_000),
    (310.0, 20_000),
    (400.0, 20_000),
    (680.0, 20_000),
    (936.0, 20_000),
    (940.0, 13_000),
    (1100.0, 13_000),
    (1500.0, 13_000),
    (2460.0, 13_000),
    (4400.0, 13_000),
)


@needs("socket", "parameters")
@pytest.mark.parametrize(("ohm", "limit_ma"), CABLES)
def test_a_cables_resistor_limits_the_current(course: Course, ohm: float, limit_ma: int) -> None:
    course.bench.reset({"board_ma": 80_000})
    course.host()
    course.lease(limit_ma=80_000)
    course.set(cable={"ohm": ohm})
    course.set(car={"wants_charge": False})
    course.plug()
    course.run(1500)
    assert course.pilot["cable_ma"] == limit_ma
    assert limit_ma - 25 < course.pilot["limit_ma"] <= limit_ma
    assert course.pilot["phase"] == "Offering"


@needs("socket", "parameters")
def test_a_single_phase_cable_of_100_ohm_carries_70_amperes(course: Course) -> None:
    course.bench.reset({"board_ma": 80_000, "phases": 1, "parameters": {"phases": 1}})
    course.set(cable={"ohm": 100.0})
    course.plug()
    course.run(1500)
    assert course.station()["pilot"]["cable_ma"] == 70_000


@needs("socket")
@pytest.mark.parametrize("ohm", [0.0, 50.0, 4700.0, 100_000.0])
def test_a_cable_that_cannot_be_read_gets_no_power_and_is_a_fault_after_3_seconds(course: Course, ohm: float) -> None:
    course.set(cable={"ohm": ohm})
    since_ms = course.plug()
    course.run(2900)
    assert course.faults == []
    assert course.find("lock", True) is None
    course.run(600)
    assert course.faults == ["CableUnreadable"]
    assert course.find("contacts_closed", True, since_ms) is None
    course.set(cable={"ohm": 220.0})
    course.run(6000)
    assert course.faults == []
    assert course.closed


@needs("socket", "pins")
def test_a_cable_that_is_lost_while_charging_stops_it_promptly(course: Course) -> None:
    course.charge()
    since_ms = course.inject("cable_lost")
    course.run(1000)
    assert course.after(since_ms, "close", False) in about(100)
    assert course.faults == ["CableUnreadable"]
    assert course.find("duty_permyriad", 0, since_ms) is None


@needs("socket")
def test_a_cables_glitch_is_forgiven(course: Course) -> None:
    course.charge()
    course.inject("cable_lost")
    course.run(90)
    course.heal("cable_lost")
    course.run(1000)
    assert course.closed
    assert course.faults == []


@needs("socket")
def test_a_cable_counts_with_the_smallest_current_it_has_shown(course: Course) -> None:
    course.set(cable={"ohm": 680.0})
    course.charge(6000)
    course.set(cable={"ohm": 220.0})
    course.run(6000)
    assert course.station()["pilot"]["cable_ma"] == 20_000
    assert course.current_a[0] == pytest.approx(20.0, abs=0.01)
    course.unplug()
    course.run(2500)
    course.charge(6000)
    assert course.station()["pilot"]["cable_ma"] == 32_000


@needs("socket", "pins")
def test_the_plug_is_locked_before_pwm_and_until_the_car_has_gone(course: Course) -> None:
    course.charge()
    assert course.when("lock_closed", True) < course.when("duty_permyriad", 5333)
    assert course.ask("read")["lock_closed"]
    since_ms = course.unplug()
    course.run(2000)
    assert course.when("lock", False, since_ms) >= course.when("contacts_closed", False, since_ms)
    assert course.when("cable_in_socket", False, since_ms) > since_ms


@needs("socket", "pins")
def test_a_lock_that_is_jammed_gets_three_tries_and_no_power(course: Course) -> None:
    course.inject("lock_jammed")
    course.plug()
    course.run(6000)
    assert course.count("lock", True) == 3
    assert course.faults == ["LockFailure"]
    assert course.find("close", True) is None
    tries = [event["t_ms"] for event in course.events() if event["name"] == "lock"]
    assert tries[2] - tries[1] in about(1000)
    assert tries[3] - tries[2] in about(500)
    course.unplug()
    course.heal("lock_jammed")
    course.run(3000)
    assert course.faults == []


@needs("socket", "pins")
def test_a_locks_switch_that_fails_while_charging_ends_it_gracefully(course: Course) -> None:
    course.charge()
    since_ms = course.set(lock={"broken_off": True})
    course.run(5500)
    told_ms = course.when("duty_permyriad", 10_000, since_ms)
    assert told_ms - since_ms in about(1000)
    assert course.faults == ["LockFailure"]
    assert course.find("broken_a", 0.0, told_ms) is not None


@needs("socket")
def test_the_station_may_unlock_and_then_there_is_no_power_until_replug(course: Course) -> None:
    course.host()
    course.lease()
    course.charge()
    course.request("unlock")
    course.run(1000)
    assert course.ask("read")["lock_closed"]
    course.lease(limit_ma=0, mode="none")
    course.run(4500)
    assert not course.closed
    course.request("unlock")
    course.run(1000)
    assert not course.ask("read")["lock_closed"]
    course.lease()
    course.run(4000)
    assert not course.closed
    assert "Locked" not in course.pilot["conditions"]
    course.unplug()
    course.run(1500)
    course.charge()


@needs("socket", "parameters")
def test_a_fixed_cable_needs_neither_resistor_nor_lock(course: Course) -> None:
    course.bench.reset({"parameters": {"fitted": ["rcd_dc", "rcd_ac", "rcd_test"]}})
    course.set(cable={"lost": True})
    course.charge()
    assert course.find("lock", True) is None
