"""Earth, PEN, emergency stop: they end everything, and only a person's command ends them."""

from __future__ import annotations

import pytest

from .course import Course

needs, options = pytest.mark.needs, pytest.mark.options

GUARDS = (("earth_lost", "EarthLost", 50), ("pen_lost", "PenLost", 50), ("emergency_stop", "EmergencyStop", 0))


@needs("guards", "pins")
@pytest.mark.parametrize(("fault", "name", "evidence_ms"), GUARDS)
def test_a_guard_opens_the_contactor_and_shows_f(course: Course, fault: str, name: str, evidence_ms: int) -> None:
    course.charge()
    since_ms = course.inject(fault)
    course.run(1500)
    assert evidence_ms - 5 <= course.after(since_ms, "close", False) <= evidence_ms + 12
    assert course.after(since_ms, "contacts_closed", False) <= 100
    shown_ms = course.when("duty_permyriad", 0, since_ms)
    assert 300 <= course.after(shown_ms, "duty_permyriad", 10_000) <= 340
    assert course.faults == [name]
    assert course.status == "Faulted"


@needs("guards")
@pytest.mark.parametrize(("fault", "name", "evidence_ms"), GUARDS)
def test_a_guards_fault_outlasts_its_cause_and_the_plug_until_somebody_clears_it(
    course: Course, fault: str, name: str, evidence_ms: int
) -> None:
    course.charge()
    course.inject(fault)
    course.run(1000 + evidence_ms)
    course.ask("clear")
    course.run(1500)
    assert course.faults == [name]
    course.heal(fault)
    course.run(1500)
    course.unplug()
    course.run(2000)
    assert course.faults == [name]
    course.ask("clear")
    course.run(1000)
    assert course.faults == []
    course.charge(5000)


@needs("guards")
@pytest.mark.parametrize("fault", ["earth_lost", "pen_lost"])
def test_a_glitch_of_a_guard_is_forgiven(course: Course, fault: str) -> None:
    course.charge()
    course.inject(fault)
    course.run(40)
    course.heal(fault)
    course.run(1000)
    assert course.faults == []
    assert course.closed


@needs("guards", "parameters")
def test_a_guard_that_is_not_fitted_is_not_listened_to(course: Course) -> None:
    course.bench.reset({"parameters": {"fitted": ["rcd_dc", "rcd_ac", "rcd_test"]}})
    course.charge()
    for fault in ("earth_lost", "pen_lost", "emergency_stop", "plug_hot", "sensor_open"):
        course.inject(fault)
    course.run(2000)
    assert course.faults == []
    assert course.closed


@needs("guards")
def test_several_faults_stand_side_by_side(course: Course) -> None:
    course.inject("earth_lost")
    course.inject("emergency_stop")
    course.plug()
    course.run(2000)
    assert course.faults == ["EarthLost", "EmergencyStop"]
    course.heal("earth_lost")
    course.run(1500)
    course.ask("clear")
    course.run(1000)
    assert course.faults == ["EmergencyStop"]
