"""What a pilot does under other leases than the ordinary one: digital communication, direct current, phase switching, wake-up."""

from __future__ import annotations

import pytest

from .course import Course, about

needs, options = pytest.mark.needs, pytest.mark.options

DC = {"parameters": {"dc_max_ma": 200_000}}


@needs("digital car", "pins")
def test_a_lease_for_digital_communication_shows_5_percent_and_no_power_without_current(course: Course) -> None:
    course.host()
    course.lease(limit_ma=0, mode="ac_hlc")
    course.set(car={"digital": True, "digital_a": 16.0})
    course.plug()
    course.run(4000)
    assert course.duty == pytest.approx(5.0, abs=0.01)
    assert course.pilot["phase"] == "Offering"
    assert not course.closed
    course.lease(limit_ma=16_000, mode="ac_hlc")
    course.run(2000)
    assert course.closed
    assert course.current_a[0] == pytest.approx(16.0, abs=0.1)
    assert course.pilot["limit_ma"] == 16_000


@needs("digital car", "pins")
def test_nominal_and_digital_leases_do_not_change_places_under_power(course: Course) -> None:
    course.host()
    course.lease()
    course.charge(8000)
    since_ms = course.lease(limit_ma=16_000, mode="ac_hlc")
    course.run(4000)
    assert not course.closed
    assert course.find("duty_permyriad", 10_000, since_ms) is not None


@needs("digital car", "pins", "options")
def test_direct_current_flows_only_with_closed_contacts_and_its_enable(course: Course) -> None:
    course.bench.reset(DC)
    course.host()
    course.lease(limit_ma=100_000, mode="dc")
    course.set(car={"digital": True, "digital_a": 0.0}, supply={"amperes": 50.0})
    course.plug()
    course.run(5000)
    assert course.read()["dc_a"] == pytest.approx(50.0, abs=0.1)
    assert course.when("supply_enable", True) >= course.when("contacts_closed", True)
    since_ms = course.lease(limit_ma=0, mode="dc")
    course.run(2000)
    assert course.after(since_ms, "supply_enable", False) <= 250
    off_ms = course.when("supply_enable", False, since_ms)
    assert course.after(off_ms, "contacts_closed", False) <= 950
    broken = [event["value"] for event in course.events(since_ms) if event["name"] == "broken_a"]
    assert broken[0] <= 5.0
    assert course.duty == pytest.approx(5.0, abs=0.01)
    assert course.pilot["phase"] == "Offering"


@needs("digital car", "pins", "options")
def test_a_supply_that_does_not_fade_is_cut_off_within_a_second(course: Course) -> None:
    course.bench.reset(DC)
    course.host()
    course.lease(limit_ma=100_000, mode="bpt")
    course.set(car={"digital": True}, supply={"amperes": 50.0, "fall_ms": 50_000.0})
    course.plug()
    course.run(5000)
    since_ms = course.lease(limit_ma=0, mode="none")
    course.run(2000)
    off_ms = course.when("supply_enable", False, since_ms)
    assert course.after(off_ms, "close", False) in about(900)
    assert course.pilot["phase"] == "Idle"


@needs("digital car", "options")
@pytest.mark.parametrize("mode", ["dc", "bpt"])
def test_a_board_without_direct_current_takes_no_such_lease(course: Course, mode: str) -> None:
    course.host()
    course.lease(limit_ma=100_000, mode=mode)
    course.plug()
    course.run(2000)
    assert course.duty == 100.0
    assert "Permit" not in course.pilot["conditions"]


@needs("digital car", "options", "pins")
def test_the_boards_direct_current_is_a_limit(course: Course) -> None:
    course.bench.reset(DC)
    course.host()
    course.lease(limit_ma=500_000, mode="dc")
    course.set(car={"digital": True})
    course.plug()
    course.run(4000)
    assert course.pilot["limit_ma"] == 200_000


@needs("digital car", "options", "pins")
def test_the_plug_pulled_under_direct_current_opens_within_100_ms(course: Course) -> None:
    course.bench.reset(DC)
    course.host()
    course.lease(limit_ma=100_000, mode="dc")
    course.set(car={"digital": True}, supply={"amperes": 20.0})
    course.plug()
    course.run(5000)
    since_ms = course.unplug()
    course.run(500)
    assert course.after(since_ms, "contacts_closed", False) <= 100
    assert course.after(since_ms, "supply_enable", False) <= 100


@needs("pins")
@pytest.mark.parametrize(
    ("what", "permyriad", "ms", "phase"), [("step_ef", 0, 4000, "StepEF"), ("step_x1", 10_000, 3000, "StepX1")]
)
def test_the_station_may_ask_for_a_step_of_the_pilot(
    course: Course, what: str, permyriad: int, ms: int, phase: str
) -> None:
    course.host()
    course.set(car={"wants_charge": False})
    course.lease()
    course.plug()
    course.run(2500)
    since_ms = course.request(what)
    course.run(1000)
    assert course.pilot["phase"] == phase
    started_ms = course.when("duty_permyriad", permyriad, since_ms)
    course.run(6000)
    if what == "step_ef":
        assert course.after(started_ms, "duty_permyriad", 10_000) in about(ms + 5)
        quiet_ms = course.when("duty_permyriad", 10_000, started_ms)
        assert course.after(quiet_ms, "duty_permyriad", 2666) in about(755, 25)
    else:
        assert course.after(started_ms, "duty_permyriad", 2666) in about(ms + 5, 25)
    assert course.pilot["phase"] == "Offering"


@needs("pins")
def test_no_step_is_made_under_power_or_without_a_car(course: Course) -> None:
    course.host()
    course.request("step_ef")
    course.run(1000)
    assert course.pilot["phase"] == "Idle"
    assert course.duty == 100.0
    course.lease()
    since_ms = course.charge()
    course.request("step_ef")
    course.request("step_x1")
    course.run(1000)
    assert course.pilot["phase"] == "Closed"
    assert course.find("contacts_closed", False, since_ms) is None


@needs("pins", "car current")
def test_a_sleeping_car_is_woken_once_after_30_seconds(course: Course) -> None:
    course.set(car={"sleeps": True})
    course.plug()
    course.run(29_000)
    offered_ms = course.when("duty_permyriad", 5333)
    assert course.find("cp_off", True) is None
    course.run(10_000)
    woken_ms = course.when("cp_off", True)
    assert woken_ms - offered_ms in about(30_005, 25)
    assert course.after(woken_ms, "cp_off", False) in about(4005)
    back_ms = course.when("cp_off", False, woken_ms)
    assert course.after(back_ms, "duty_permyriad", 5333) in about(755, 25)
    assert course.closed
    assert course.current_a[0] > 5.0


@needs("pins", "car current")
def test_a_car_that_does_not_want_is_woken_only_once(course: Course) -> None:
    course.set(car={"wants_charge": False})
    course.plug()
    course.run(75_000)
    assert course.count("cp_off", True) == 1


@needs("parameters", "pins")
def test_a_board_may_leave_sleeping_cars_alone(course: Course) -> None:
    course.bench.reset({"parameters": {"wake_after_ms": 0}})
    course.set(car={"sleeps": True})
    course.plug()
    course.run(34_000)
    assert course.find("cp_off", True) is None


@needs("pins", "parameters")
def test_one_phase_is_chosen_before_the_car_has_had_power(course: Course) -> None:
    course.host()
    course.lease(phases=1)
    course.run(1500)
    course.charge()
    assert course.read()["phases_closed"] == 0
    assert course.current_a[1:] == [0.0, 0.0]
    assert course.find("cp_off", True) is None


@needs("pins", "parameters")
def test_phases_change_only_where_the_installation_allows_it(course: Course) -> None:
    course.host()
    course.lease(phases=3)
    course.charge()
    course.lease(phases=1)
    course.run(5000)
    assert course.closed
    assert course.read()["phases_closed"] == 1


@needs("pins", "parameters")
def test_a_change_of_phases_cuts_the_pilot_off_for_the_dead_time_with_no_current(course: Course) -> None:
    course.bench.reset({"parameters": {"switch_phases": 1, "dead_ms": 10_000}})
    course.host()
    course.lease(phases=3)
    course.charge()
    since_ms = course.lease(phases=1)
    course.run(22_000)
    off_ms = course.when("cp_off", True, since_ms)
    assert off_ms - course.when("contacts_closed", False, since_ms) in about(1000)
    assert course.after(off_ms, "cp_off", False) in about(10_005)
    assert course.find("phases_broken_a", 0.0, since_ms) is None
    assert course.closed
    assert course.read()["phases_closed"] == 0
    assert course.current_a[0] > 5.0
    assert course.current_a[1] == 0.0


@needs("parameters")
def test_a_car_without_s2_is_recognised_and_capped(course: Course) -> None:
    course.bench.reset({"parameters": {"simple_ma": 10_000}})
    course.host()
    course.lease(limit_ma=32_000)
    course.set(car={"simplified": True})
    course.charge(6000)
    assert course.pilot["simplified"]
    assert 9_990 <= course.pilot["limit_ma"] <= 10_000
    course.unplug()
    course.set(car={"simplified": False})
    course.run(2000)
    course.charge(6000)
    assert not course.pilot["simplified"]
    assert 31_990 <= course.pilot["limit_ma"] <= 32_000


@needs("parameters")
def test_a_station_can_narrow_the_board_and_never_widen_it(course: Course) -> None:
    course.host()
    course.ask("narrow", parameter="max_ma", value=20_000)
    course.run(500)
    course.lease(limit_ma=32_000)
    course.charge(6000)
    assert course.current_a[0] == pytest.approx(20.0, abs=0.01)
    course.ask("narrow", parameter="max_ma", value=32_000)
    course.run(6000)
    assert course.current_a[0] == pytest.approx(20.0, abs=0.01)
    assert course.pilot["faults"] == []


@needs("parameters")
@pytest.mark.parametrize(
    ("parameter", "value"), [("to_c_ms", 600), ("dead_ms", 9000), ("stop_ddeg", 590), ("fitted", 0)]
)
def test_a_narrowing_that_makes_no_sense_changes_nothing(course: Course, parameter: str, value: int) -> None:
    course.host()
    course.ask("narrow", parameter=parameter, value=value)
    course.run(500)
    course.lease()
    course.charge()
    waited_ms = course.when("close", True) - course.when("s2_closed", True)
    assert waited_ms in (about(600) if parameter == "to_c_ms" else about(250))
    assert course.pilot["faults"] == []
    assert course.find("lock", True) is not None
