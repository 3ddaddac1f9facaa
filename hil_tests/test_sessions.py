"""A session as driver, owner and meter see it."""

from __future__ import annotations

import pytest

from .course import Course

needs, options = pytest.mark.needs, pytest.mark.options


def test_free_charging_from_plug_to_unplug_is_one_transaction_with_the_right_energy(course: Course) -> None:
    course.charge(10_000)
    assert course.status == "Charging"
    assert course.station()["session"]["transaction"]["energy_wh"] > 10.0
    course.set(car={"wants_charge": False})
    course.run(3000)
    assert course.status == "SuspendedEV"
    course.unplug()
    course.run(3000)
    assert course.status == "Available"
    (row,) = course.transactions()
    assert row["reason"] == "EVDisconnected"
    assert row["energy_wh"] == pytest.approx(course.read()["energy_true_wh"], abs=0.3)
    assert not row["open"]


@options(id_tags=["MINE", "YOURS"])
def test_a_token_after_the_plug_starts_and_the_same_token_stops(course: Course) -> None:
    course.plug()
    course.run(1500)
    assert course.status == "Preparing"
    course.swipe("MINE")
    course.run(4000)
    assert course.status == "Charging"
    assert course.transactions()[0]["id_tag"] == "MINE"
    course.swipe("YOURS")
    course.run(1000)
    assert course.status == "Charging"
    assert course.journal("TokenRefused")
    course.swipe("mine")
    course.run(5000)
    assert course.status == "Finishing"
    assert course.transactions()[0]["reason"] == "Local"
    assert not course.closed


@options(id_tags=["MINE"])
def test_a_token_that_nobody_knows_is_refused(course: Course) -> None:
    course.plug()
    course.run(1000)
    course.swipe("OTHER")
    course.run(4000)
    assert course.status == "Preparing"
    assert course.transactions() == []
    assert "not on the local list" in course.journal("TokenRefused")[-1]["why"]


@options(id_tags=["MINE"])
def test_a_token_before_the_plug_counts_for_60_seconds(course: Course) -> None:
    course.run(1000)
    course.swipe("MINE")
    course.run(58_500)
    course.charge()
    assert course.transactions()[0]["id_tag"] == "MINE"


@options(id_tags=["MINE"])
def test_a_token_is_forgotten_after_60_seconds(course: Course) -> None:
    course.run(1000)
    course.swipe("MINE")
    course.run(61_500)
    course.plug()
    course.run(3000)
    assert course.status == "Preparing"
    assert course.transactions() == []


@options(id_tags=["MINE"])
def test_a_stop_before_the_plug_forgets_the_token(course: Course) -> None:
    course.run(1000)
    course.swipe("MINE")
    course.ask("stop")
    course.plug()
    course.run(3000)
    assert course.transactions() == []
    assert course.status == "Preparing"


@options(id_tags=["MINE", "YOURS"])
def test_after_a_session_another_token_may_begin_the_next_without_a_replug(course: Course) -> None:
    course.plug()
    course.run(1000)
    course.swipe("MINE")
    course.run(4000)
    course.ask("stop")
    course.run(5000)
    assert course.status == "Finishing"
    course.swipe("YOURS")
    course.run(6000)
    assert course.status == "Charging"
    assert [row["id_tag"] for row in course.transactions()] == ["MINE", "YOURS"]


@options(id_tags=["MINE"])
def test_whoever_unplugs_before_charging_takes_his_token_with_him(course: Course) -> None:
    course.plug()
    course.run(1000)
    course.unplug()
    course.run(1000)
    assert course.status == "Available"
    course.plug()
    course.run(1000)
    course.swipe("MINE")
    course.run(3000)
    course.unplug()
    course.run(3000)
    course.plug()
    course.run(3000)
    assert course.status == "Preparing"
    assert len(course.transactions()) == 1


def test_a_stopped_session_does_not_begin_again_by_itself(course: Course) -> None:
    course.charge()
    course.ask("stop")
    course.run(10_000)
    assert course.status == "Finishing"
    assert not course.closed
    assert len(course.transactions()) == 1
    course.unplug()
    course.run(1500)
    course.charge()
    assert len(course.transactions()) == 2


def test_another_car_within_a_second_is_another_transaction(course: Course) -> None:
    course.charge()
    course.unplug()
    course.run(200)
    course.charge(6000)
    first, second = course.transactions()
    assert first["reason"] == "EVDisconnected"
    assert second["open"]


@needs("guards")
def test_a_fault_lies_over_the_session_and_does_not_end_it(course: Course) -> None:
    course.charge()
    course.inject("emergency_stop")
    course.run(1500)
    assert course.status == "Faulted"
    assert "EmergencyStop" in course.station()["session"]["why"]
    status = course.journal("Status")[-1]
    assert (status["status"], status["error_code"], status["info"]) == ("Faulted", "OtherError", "EmergencyStop")
    assert course.station()["allocation"]["granted_ma"] == 0
    course.heal("emergency_stop")
    course.run(1500)
    course.ask("clear")
    course.run(6000)
    assert course.status == "Charging"
    assert len(course.transactions()) == 1


@needs("guards")
def test_with_a_fault_nothing_begins(course: Course) -> None:
    course.inject("earth_lost")
    course.run(500)
    course.plug()
    course.run(3000)
    assert course.transactions() == []
    assert course.status == "Faulted"


@needs("guards")
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("cp_short", "EVCommunicationError"),
        ("no_diode", "EVCommunicationError"),
        ("no_close", "PowerSwitchFailure"),
        ("lock_jammed", "ConnectorLockFailure"),
        ("residual_dc", "GroundFailure"),
        ("rcd_test_dead", "GroundFailure"),
        ("pen_lost", "GroundFailure"),
        ("plug_hot", "HighTemperature"),
        ("sensor_open", "InternalError"),
        ("mirror_stuck", "PowerSwitchFailure"),
    ],
)
def test_a_faults_code_for_the_back_end(course: Course, fault: str, code: str) -> None:
    course.inject(fault)
    course.plug()
    course.run(6000)
    assert code in [row["error_code"] for row in course.journal("Status")]
    assert course.status == "Faulted"


def test_the_journal_tells_the_whole_session(course: Course) -> None:
    course.run(1000)
    course.charge()
    course.unplug()
    course.run(3000)
    statuses = [row["status"] for row in course.journal("Status")]
    assert statuses == ["Available", "Preparing", "SuspendedEV", "Charging", "Finishing", "Available"]
    grants = [row["limit_ma"] for row in course.journal("Grant")]
    assert grants == [32_000, 0]
    letters = [row["pilot"] for row in course.journal("PilotChanged")]
    assert letters[0] == "A"
    assert "B" in letters
    assert "C" in letters
    assert letters[-1] == "A"
    assert [row["reason"] for row in course.journal("TransactionEnded")] == ["EVDisconnected"]
    assert course.journal("AllocationChanged")[0]["limit_ma"] == 32_000


@needs("car current")
def test_a_cars_pause_is_not_the_stations(course: Course) -> None:
    course.set(car={"wants_charge": False})
    course.plug()
    course.run(3000)
    assert course.status == "SuspendedEV"
    course.set(car={"wants_charge": True})
    course.run(3000)
    assert course.status == "Charging"


# --- meter


@needs("meter faults")
def test_without_a_meter_no_transaction_begins(course: Course) -> None:
    course.ask("meter", silent=True)
    course.run(6000)
    course.plug()
    course.run(4000)
    assert course.transactions() == []
    assert course.duty == 100.0
    assert course.status == "Preparing"
    assert "meter" in course.station()["session"]["why"]
    course.ask("meter", silent=False)
    course.run(6000)
    assert course.status == "Charging"


@needs("meter faults")
@pytest.mark.parametrize("how", ["silent", "refusing"])
def test_a_meter_that_fails_while_charging_is_noted_once_and_the_session_goes_on(course: Course, how: str) -> None:
    course.charge(6000)
    course.ask("meter", **{how: True})
    course.run(8000)
    assert course.closed
    assert len(course.journal("MeterLost")) == 1
    assert not course.station()["meter"]["online"]
    course.ask("meter", **{how: False})
    course.run(3000)
    assert course.station()["meter"]["online"]


@needs("meter faults")
def test_without_a_meter_a_transaction_ends_with_the_last_reading(course: Course) -> None:
    course.charge(8000)
    course.ask("meter", silent=True)
    last_wh = course.station()["meter"]["energy_import_wh"]
    course.run(2000)
    course.unplug()
    course.run(13_000)
    (row,) = course.transactions()
    assert not row["open"]
    assert row["meter_stop_wh"] == pytest.approx(last_wh, abs=20.0)
    assert row["energy_wh"] > 0


@needs("meter faults")
def test_a_meter_that_was_exchanged_makes_no_negative_energy(course: Course) -> None:
    course.charge(6000)
    course.ask("meter", energy_wh=0.0)
    course.run(2000)
    course.unplug()
    course.run(3000)
    (row,) = course.transactions()
    assert row["energy_wh"] >= 0.0


# --- power


@needs("power", "pins")
def test_when_the_mains_fail_the_contacts_open_and_nothing_closes_before_the_checks(course: Course) -> None:
    course.charge(6000)
    since_ms = course.now_ms
    course.ask("power", do="off")
    course.run(2000)
    assert course.after(since_ms, "contacts_closed", False) <= 100
    back_ms = course.now_ms
    course.ask("power", do="on")
    course.run(8000)
    assert course.when("close", True, back_ms) > course.when("rcd_test", False, back_ms)
    first, second = course.transactions()
    assert first["reason"] == "Reboot"
    assert second["open"]
    assert course.closed


@needs("power")
def test_a_car_that_was_unplugged_in_the_dark_leaves_a_closed_transaction(course: Course) -> None:
    course.charge(8000)
    course.run(1000)
    true_wh = course.read()["energy_true_wh"]
    course.ask("power", do="off")
    course.run(1000)
    course.unplug()
    course.run(1000)
    course.ask("power", do="on")
    course.run(5000)
    assert course.status == "Available"
    (row,) = course.transactions()
    assert not row["open"]
    assert row["energy_wh"] == pytest.approx(true_wh, abs=0.5)


@needs("power", "guards")
def test_a_power_cut_makes_no_car_safe_that_was_not(course: Course) -> None:
    course.inject("earth_lost")
    course.plug()
    course.run(1000)
    course.ask("power", do="off")
    course.run(1000)
    course.ask("power", do="on")
    course.run(4000)
    assert course.faults == ["EarthLost"]
    assert course.find("contacts_closed", True) is None
