"""Residual current device: trips, self-test, reclosing. Fact sheet iec61851, section 5."""

from __future__ import annotations

import itertools

import pytest

from .course import Course

needs, options = pytest.mark.needs, pytest.mark.options


@needs("residual injection", "pins")
@pytest.mark.parametrize(
    ("fault", "name"), [("residual_dc", "ResidualCurrentDc"), ("residual_ac", "ResidualCurrentAc")]
)
def test_a_residual_current_opens_within_100_ms_and_shows_f_then_x1(course: Course, fault: str, name: str) -> None:
    course.charge()
    since_ms = course.inject(fault)
    course.run(1500)
    assert course.after(since_ms, "contacts_closed", False) <= 100
    assert course.faults == [name]
    assert course.status == "Faulted"
    shown_ms = course.when("duty_permyriad", 0, since_ms)
    assert 300 <= course.after(shown_ms, "duty_permyriad", 10_000) <= 340
    course.heal(fault)
    course.run(5000)
    assert course.faults == [name]
    assert not course.closed
    course.unplug()
    course.run(2000)
    assert course.faults == []


@needs("residual injection")
@pytest.mark.parametrize(("kind", "ma"), [("dc_ma", 5.0), ("ac_ma", 29.0)])
def test_less_than_the_tripping_current_is_no_fault(course: Course, kind: str, ma: float) -> None:
    course.charge()
    course.set(residual={kind: ma})
    course.run(2000)
    assert course.faults == []
    assert course.closed


@needs("residual injection")
def test_a_residual_current_fault_clears_by_command_when_its_cause_is_gone(course: Course) -> None:
    course.charge()
    course.inject("residual_ac")
    course.run(2000)
    course.ask("clear")
    course.run(1000)
    assert course.faults == ["ResidualCurrentAc"]
    course.heal("residual_ac")
    course.run(1500)
    course.ask("clear")
    course.run(6000)
    assert course.faults == []
    assert course.closed


@needs("residual injection", "parameters")
def test_reclosing_by_itself_happens_as_often_as_the_parameters_allow(course: Course) -> None:
    course.bench.reset({"parameters": {"reclose_tries": 1, "reclose_ms": 300_000}})
    course.host()
    course.lease()
    course.charge()
    course.set(residual={"ac_ma": 40.0, "behind_contacts": True})
    course.run(290_000)
    assert course.pilot["faults"] == ["ResidualCurrentAc"]
    course.run(20_000)
    phases = [row["phase"] for row in course.rows()]
    assert sum(1 for before, now in itertools.pairwise(phases) if now == "Closed" != before) == 2
    assert course.pilot["faults"] == ["ResidualCurrentAc"]
    assert course.count("contacts_closed", True) == 2


@needs("residual device faults", "pins")
def test_the_self_test_comes_before_each_session(course: Course) -> None:
    course.charge()
    first_ms = course.when("rcd_test", True)
    assert course.when("close", True) > course.when("rcd_test", False, first_ms)
    course.unplug()
    course.run(3000)
    since_ms = course.charge()
    assert course.find("rcd_test", True, first_ms + 1) is not None
    assert course.count("rcd_test", True) >= 2
    assert since_ms > 0


@needs("residual device faults", "pins")
def test_a_device_that_fails_its_self_test_is_a_fault_that_only_a_command_clears(course: Course) -> None:
    course.bench.reset({})
    course.inject("rcd_test_dead")
    course.plug()
    course.run(3000)
    assert course.faults == ["ResidualSelfTest"]
    held = course.when("rcd_test", False, course.when("rcd_test", True)) - course.when("rcd_test", True)
    assert 740 <= held <= 755
    course.heal("rcd_test_dead")
    course.unplug()
    course.run(3000)
    assert course.faults == ["ResidualSelfTest"]
    course.ask("clear")
    course.run(2000)
    assert course.faults == []
    course.charge()


@needs("residual device faults")
@pytest.mark.parametrize("output", ["residual_dc", "residual_ac"])
def test_an_output_that_does_not_trip_fails_the_self_test(course: Course, output: str) -> None:
    course.set(**{output: {"stuck": True}})
    course.plug()
    course.run(3000)
    assert "ResidualSelfTest" in course.faults
    course.set(**{output: {"stuck": False}})
    course.run(1000)
    course.ask("clear")
    course.run(1000)


@needs("residual device faults", "pins")
def test_an_output_that_does_not_release_fails_the_self_test(course: Course) -> None:
    course.set(residual={"release_ms": 4000})
    course.plug()
    course.run(2500)
    assert course.faults == []
    course.run(2500)
    assert "ResidualSelfTest" in course.faults
    course.set(residual={"release_ms": 200})
    course.run(2000)
    course.ask("clear")
    course.run(1500)
    assert course.faults == []


@needs("parameters")
def test_a_board_without_a_test_input_makes_no_self_test(course: Course) -> None:
    course.bench.reset({"parameters": {"fitted": ["rcd_dc", "rcd_ac"]}})
    course.charge()
    assert course.find("rcd_test", True) is None
