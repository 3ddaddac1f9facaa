"""How a session is ended from outside: gracefully, promptly, by a dead host. Fact sheet iec61851, section 4, sequences 9 and 10."""

from __future__ import annotations

import pytest

from .course import Course

needs, options = pytest.mark.needs, pytest.mark.options


@needs("pins")
def test_a_stop_tells_the_car_first_and_opens_without_current(course: Course) -> None:
    course.charge()
    since_ms = course.now_ms
    course.ask("stop")
    course.run(4500)
    told_ms = course.when("duty_permyriad", 10_000, since_ms)
    assert told_ms - since_ms <= 200
    assert course.after(told_ms, "s2_closed", False) <= 3000
    left_ms = course.when("s2_closed", False, told_ms)
    assert course.after(left_ms, "contacts_closed", False) <= 100
    assert course.find("broken_a", 0.0, told_ms) is not None
    assert course.status == "Finishing"
    assert course.transactions()[-1]["reason"] == "Local"


@needs("pins", "car current")
def test_a_car_that_ignores_the_stop_is_cut_off_after_6_seconds(course: Course) -> None:
    course.set(car={"obeys_x1": False})
    course.charge()
    since_ms = course.now_ms
    course.ask("stop")
    course.run(8000)
    told_ms = course.when("duty_permyriad", 10_000, since_ms)
    assert 6000 <= course.after(told_ms, "contacts_closed", False) <= 6500
    assert course.status == "Finishing"
    assert course.phase == "Idle"


@needs("pins", "car current")
def test_a_car_that_opens_under_load_is_followed_as_quickly(course: Course) -> None:
    course.set(car={"abrupt": True})
    course.charge()
    since_ms = course.set(car={"wants_charge": False})
    course.run(500)
    assert course.after(course.when("s2_closed", False, since_ms), "contacts_closed", False) <= 100


@needs("station control", "pins")
@pytest.mark.parametrize("ttl_ms", [1000, 3000])
def test_a_dead_host_ends_the_lease_and_the_car_is_told(course: Course, ttl_ms: int) -> None:
    course.bench.reset({"lease_ttl_ms": ttl_ms})
    course.charge()
    since_ms = course.now_ms
    course.ask("station", do="kill")
    course.run(ttl_ms + 9000)
    told_ms = course.when("duty_permyriad", 10_000, since_ms)
    assert ttl_ms - 250 <= told_ms - since_ms <= ttl_ms + 10
    assert course.after(told_ms, "s2_closed", False) <= 3000
    assert not course.closed


@needs("station control", "pins", "car current")
def test_a_dead_host_and_a_deaf_car_end_with_open_contacts(course: Course) -> None:
    course.set(car={"obeys_x1": False})
    course.charge()
    since_ms = course.now_ms
    course.ask("station", do="kill")
    course.run(9000)
    told_ms = course.when("duty_permyriad", 10_000, since_ms)
    assert 6000 <= course.after(told_ms, "contacts_closed", False) <= 6500


@needs("station control")
def test_a_station_that_is_ended_properly_withdraws_its_lease_at_once(course: Course) -> None:
    course.charge()
    since_ms = course.now_ms
    course.ask("station", do="stop")
    course.run(4500)
    assert course.after(since_ms, "duty_permyriad", 10_000) <= 200
    assert not course.closed


@needs("station control", "power")
def test_a_station_that_comes_back_books_the_energy_and_goes_on(course: Course) -> None:
    course.charge(6000)
    course.ask("station", do="kill")
    course.run(6000)
    true_wh = course.read()["energy_true_wh"]
    course.ask("station", do="start")
    course.run(6000)
    first, second = course.transactions()
    assert first["reason"] == "Reboot"
    assert first["energy_wh"] == pytest.approx(true_wh, abs=0.5)
    assert not first["open"]
    assert second["open"]
    assert course.closed


@needs("pins")
def test_a_prompt_stop_opens_at_once_and_the_car_still_sees_pwm(course: Course) -> None:
    course.host()
    course.lease()
    course.charge()
    since_ms = course.request("stop")
    course.run(3000)
    assert course.after(since_ms, "contacts_closed", False) <= 250
    assert course.pilot["faults"] == ["StationStop"]
    assert course.pilot["phase"] == "Telling"
    assert course.find("duty_permyriad", 10_000, since_ms) is None
    course.run(5000)
    assert course.pilot["phase"] == "Faulted"
    opened_ms = course.when("close", False, since_ms)
    assert 6000 <= course.after(opened_ms, "duty_permyriad", 10_000) <= 6020
    course.request("clear")
    course.run(6000)
    assert course.pilot["phase"] == "Closed"


@needs("pins")
def test_a_prompt_stop_clears_with_the_plug(course: Course) -> None:
    course.host()
    course.lease()
    course.charge()
    course.request("stop")
    course.run(2000)
    course.unplug()
    course.run(2000)
    assert course.pilot["faults"] == []
    assert course.pilot["phase"] == "Idle"


@needs("pins")
def test_a_lease_that_nobody_renews_runs_out(course: Course) -> None:
    course.host()
    course.lease(ttl_ms=2000)
    course.charge()
    assert 1700 <= course.pilot["lease_left_ms"] <= 2000
    since_ms = course.now_ms
    course.ask("host", do="stop")
    course.run(2500)
    assert 1750 <= course.after(since_ms, "duty_permyriad", 10_000) <= 2010


@pytest.mark.parametrize(("limit_ma", "ttl_ms"), [(5_999, 1000), (16_000, 5_001), (16_000, 0)])
def test_a_lease_that_makes_no_sense_permits_nothing(course: Course, limit_ma: int, ttl_ms: int) -> None:
    course.host()
    course.lease(limit_ma=limit_ma, ttl_ms=ttl_ms)
    course.plug()
    course.run(3000)
    assert course.pilot["phase"] == "Idle"
    assert "Permit" not in course.pilot["conditions"]
    course.lease()
    course.run(3000)
    assert course.pilot["phase"] == "Closed"


@needs("parameters")
def test_the_board_may_shorten_every_lease(course: Course) -> None:
    course.bench.reset({"parameters": {"ttl_ms": 1500}})
    course.host()
    course.lease(ttl_ms=4000)
    course.charge()
    assert course.pilot["lease_left_ms"] <= 1500


@needs("pins")
def test_a_withdrawn_lease_that_comes_back_in_time_leaves_the_contactor_closed(course: Course) -> None:
    course.host()
    course.lease()
    course.charge(8000)
    since_ms = course.lease(limit_ma=0, mode="none")
    course.run(1000)
    assert course.duty == 100.0
    assert course.pilot["phase"] == "Stopping"
    course.lease()
    course.run(4900)
    assert course.find("contacts_closed", False, since_ms) is not None
    assert course.find("broken_a", 0.0, since_ms) is not None
