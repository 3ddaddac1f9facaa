"""Closing, opening, and what a contactor can do wrong: fact sheet iec61851, sections 4 and 5."""

from __future__ import annotations

import pytest

from .course import Course, about

needs, options = pytest.mark.needs, pytest.mark.options


@needs("pins")
def test_the_contactor_closes_a_quarter_second_after_the_car_has_asked(course: Course) -> None:
    course.charge()
    asked_ms = course.when("s2_closed", True)
    assert 245 <= course.after(asked_ms, "close", True) <= 260
    assert course.after(asked_ms, "contacts_closed", True) <= 3000
    assert course.when("close", True) == course.when("close_phases", True)


@needs("pins")
def test_the_contactor_opens_within_100_ms_when_the_car_goes_back_to_b(course: Course) -> None:
    course.charge()
    since_ms = course.set(car={"wants_charge": False})
    course.run(3000)
    left_ms = course.when("s2_closed", False, since_ms)
    assert 20 <= course.after(left_ms, "close", False) <= 40
    assert course.after(left_ms, "contacts_closed", False) <= 100
    assert course.duty == pytest.approx(53.33, abs=0.01)
    assert course.status == "SuspendedEV"
    assert course.phase == "Offering"


@needs("pins")
def test_the_contactor_opens_within_100_ms_when_the_plug_is_pulled_under_load(course: Course) -> None:
    course.charge()
    since_ms = course.unplug()
    course.run(1000)
    assert course.after(since_ms, "close", False) <= 40
    assert course.after(since_ms, "contacts_closed", False) <= 100
    assert course.duty == 100.0


def test_a_car_that_asks_again_gets_power_again(course: Course) -> None:
    course.charge()
    course.set(car={"wants_charge": False})
    course.run(3000)
    assert not course.closed
    since_ms = course.set(car={"wants_charge": True})
    course.run(3000)
    assert course.closed
    assert course.find("contacts_closed", True, since_ms) is not None
    assert course.station()["pilot"]["cycles"] == 2


@needs("contactor faults", "pins")
def test_a_contactor_that_does_not_close_is_a_fault_within_250_ms(course: Course) -> None:
    course.inject("no_close")
    course.plug()
    course.run(4000)
    ordered_ms = course.when("close", True)
    assert course.after(ordered_ms, "close", False) in about(255)
    assert course.faults == ["ContactorNotClosed"]
    assert course.status == "Faulted"
    course.heal("no_close")
    course.unplug()
    course.run(3000)
    assert course.faults == []
    course.charge()


@needs("contactor faults", "pins")
def test_a_welded_contactor_is_a_fault_that_no_command_clears_while_it_is_welded(course: Course) -> None:
    course.charge()
    course.inject("welded")
    since_ms = course.set(car={"wants_charge": False})
    course.run(4000)
    ordered_ms = course.when("close", False, since_ms)
    assert course.faults == ["ContactorWelded"]
    shown_ms = course.when("duty_permyriad", 0, since_ms)
    assert 250 <= shown_ms - ordered_ms <= 265
    assert 300 <= course.after(shown_ms, "duty_permyriad", 10_000) <= 330
    course.ask("clear")
    course.unplug()
    course.run(3000)
    assert course.faults == ["ContactorWelded"]
    course.heal("welded")
    course.run(900)
    assert course.faults == ["ContactorWelded"]
    course.run(1000)
    assert course.faults == []


@needs("contactor faults")
def test_a_contactor_welded_before_anything_began_is_never_closed(course: Course) -> None:
    course.set(contactor={"mirror_closed": True})
    course.plug()
    course.run(3000)
    assert course.find("close", True) is None
    assert course.faults != []
    assert course.status == "Faulted"


@needs("contactor faults", "pins")
def test_a_mirror_contact_that_opens_by_itself_stops_the_charging(course: Course) -> None:
    course.charge()
    since_ms = course.set(contactor={"mirror_open": True})
    course.run(500)
    assert course.after(since_ms, "close", False) in about(20)
    assert course.faults == ["ContactorNotClosed"]


@needs("contactor faults", "pins")
def test_a_short_bounce_of_the_mirror_contact_is_forgiven(course: Course) -> None:
    course.charge()
    since_ms = course.set(contactor={"mirror_open": True})
    course.run(15)
    course.set(contactor={"mirror_open": False})
    course.run(500)
    assert course.find("close", False, since_ms) is None
    assert course.faults == []


@needs("contactor faults", "pins")
@pytest.mark.parametrize(("setting", "fault"), [("welded", "ContactorWelded"), ("stuck_open", "ContactorNotClosed")])
def test_the_second_contactor_is_watched_as_well(course: Course, setting: str, fault: str) -> None:
    course.set(second={setting: True} if setting == "stuck_open" else {})
    course.plug()
    course.run(4000)
    if setting == "welded":
        course.set(second={"welded": True})
        course.set(car={"wants_charge": False})
        course.run(4000)
    assert course.faults == [fault]
    assert not course.read()["closed"]


@needs("parameters", "pins")
def test_the_contactor_rests_10_seconds_between_two_closings(course: Course) -> None:
    course.bench.reset({"parameters": {"min_off_ms": 10_000}})
    course.run(9000)
    course.charge(6000)
    since_ms = course.set(car={"wants_charge": False})
    course.run(3000)
    opened_ms = course.when("contacts_closed", False, since_ms)
    course.set(car={"wants_charge": True})
    course.run(3000)
    assert not course.closed
    assert "rest" in course.station()["session"]["why"]
    course.run(8000)
    assert course.closed
    assert 10_000 <= course.when("close", True, opened_ms) - opened_ms <= 11_100


@needs("parameters", "pins")
def test_after_a_fault_the_contactor_rests_longer(course: Course) -> None:
    course.bench.reset({"parameters": {"min_off_ms": 1000, "fault_off_ms": 6000}})
    course.run(6500)
    course.charge()
    since_ms = course.inject("cp_short")
    course.run(500)
    opened_ms = course.when("contacts_closed", False, since_ms)
    course.heal("cp_short")
    course.run(8000)
    closed_ms = course.when("close", True, opened_ms)
    assert 6000 <= closed_ms - opened_ms <= 7300


@needs("contactor faults", "current transformer")
def test_current_through_contacts_that_report_open_is_a_fault(course: Course) -> None:
    course.run(500)
    since_ms = course.set(transformer={"offset_a": 1.2})
    course.run(1000)
    assert course.faults == ["MirrorContact"]
    assert course.after(since_ms, "duty_permyriad", 0) in about(250)
    course.set(transformer={"offset_a": 0.0})


@needs("contactor faults", "current transformer")
def test_a_trembling_current_transformer_is_no_fault(course: Course) -> None:
    course.run(500)
    course.set(transformer={"offset_a": 0.9})
    course.run(1000)
    course.set(transformer={"offset_a": 1.2})
    course.run(200)
    course.set(transformer={"offset_a": 0.0})
    course.run(1000)
    assert course.faults == []
