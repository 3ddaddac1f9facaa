"""When the pilot itself fails: the charge pump behind its alive wave opens without anybody's program."""

from __future__ import annotations

import pytest

from .course import Course

needs, options = pytest.mark.needs, pytest.mark.options


@needs("pilot control", "pins")
@pytest.mark.parametrize("how", ["hang", "stop"])
def test_a_dead_pilot_opens_the_contactor_within_100_ms(course: Course, how: str) -> None:
    course.charge()
    since_ms = course.now_ms
    course.ask("pilot", do=how)
    course.run(2000)
    assert course.after(since_ms, "coil", False) <= 45
    assert course.after(since_ms, "contacts_closed", False) <= 100
    shot = course.station()
    assert not shot["pilot"]["online"]
    assert shot["session"]["state"] == "Faulted"
    assert "opens the contactor by itself" in shot["session"]["why"]
    assert 300 <= course.journal("PilotLost")[-1]["silent_ms"] <= 500
    assert course.transactions()[-1]["open"]


@needs("pilot control")
def test_after_a_reset_of_the_pilot_the_same_transaction_goes_on(course: Course) -> None:
    course.charge()
    course.ask("pilot", do="stop")
    course.run(2000)
    course.ask("pilot", do="start")
    course.run(6000)
    assert course.closed
    assert len(course.transactions()) == 1
    assert course.status == "Charging"
    hellos = course.journal("PilotHello")
    assert len({hello["boot"] for hello in hellos}) == 2
    assert hellos[-1]["parameter_crc"] == hellos[0]["parameter_crc"]


@needs("pilot control", "pins")
def test_a_reset_within_one_tick_opens_the_contactor_and_starts_from_the_beginning(course: Course) -> None:
    course.charge()
    since_ms = course.now_ms
    course.ask("pilot", do="reset")
    course.run(6000)
    assert course.after(since_ms, "contacts_closed", False) <= 100
    assert course.find("rcd_test", True, since_ms) is not None
    assert course.closed
    assert len(course.transactions()) == 1


@needs("pilot control", "pins")
def test_a_pilot_that_hung_for_a_moment_says_so(course: Course) -> None:
    course.charge()
    since_ms = course.now_ms
    course.ask("pilot", do="hang")
    course.run(60)
    course.ask("pilot", do="resume")
    course.run(500)
    assert course.after(since_ms, "contacts_closed", False) <= 100
    assert {"faults": ["PilotOverrun"]}.items() <= {
        "faults": course.journal("PilotChanged")[-1]["faults"]
    }.items() or any("PilotOverrun" in row["faults"] for row in course.journal("PilotChanged"))
    course.run(6000)
    assert course.faults == []
    assert course.closed


@needs("pilot control")
def test_a_pilot_that_is_late_by_less_than_40_ms_is_forgiven(course: Course) -> None:
    course.charge()
    since_ms = course.now_ms
    course.ask("pilot", do="hang")
    course.run(30)
    course.ask("pilot", do="resume")
    course.run(500)
    assert course.find("contacts_closed", False, since_ms) is None
    assert course.faults == []


@needs("pilot control")
def test_a_stop_while_the_pilot_is_away_ends_the_transaction(course: Course) -> None:
    course.charge()
    course.ask("pilot", do="stop")
    course.run(1000)
    course.ask("stop")
    course.run(22_000)
    assert [row["open"] for row in course.transactions()] == [False]
    course.ask("pilot", do="start")
    course.run(4000)
    assert not course.closed
