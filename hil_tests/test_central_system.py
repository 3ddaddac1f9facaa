"""The whole station with an independent central system (OCPP 1.6J) at the other end of a real socket."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from pilotwire.tools.peers.csms import CsmsError, CsmsProcess

from .central import Central
from .course import Course

pytestmark = pytest.mark.needs("central system", "options", "station control")
NAMES = itertools.count(1)


@pytest.fixture(scope="module")
def csms() -> Iterator[CsmsProcess]:
    """One for all tests of this file; MINE, YOURS and LOCAL are good there."""
    try:
        process = CsmsProcess(options=("--authorize", "MINE,YOURS,LOCAL"))
    except CsmsError as error:
        pytest.skip(str(error))
    with process:
        yield process


@pytest.fixture
def central(csms: CsmsProcess, course: Course) -> Central:
    """A station of a name of its own, connected, and nothing on its local list."""
    return connect(csms, course)


def connect(csms: CsmsProcess, course: Course, **options: object) -> Central:
    """Begin anew with a station that knows this central system; returns when it has said how it is."""
    name = f"hil-{next(NAMES)}"
    course.bench.reset({"id_tags": ["LOCAL"], "csms_url": csms.url(name), **options})
    central = Central(csms, course, name)
    central.wait_told("StatusNotification")
    central.talk(200)
    return central


def test_a_session_is_told_with_its_energy(central: Central, course: Course) -> None:
    course.plug()
    central.talk(1500)
    course.swipe("MINE")
    assert central.wait_told("Authorize") == {"idTag": "MINE"}
    start = central.wait_told("StartTransaction")
    assert (start["connectorId"], start["idTag"]) == (1, "MINE")
    assert start["meterStart"] == round(course.transactions()[0]["meter_start_wh"])
    central.wait_told("MeterValues", 3)
    assert course.status == "Charging"
    course.unplug()
    stop = central.wait_told("StopTransaction")
    assert stop["reason"] == "EVDisconnected"
    assert "idTag" not in stop
    (row,) = course.transactions()
    assert stop["meterStop"] == round(row["meter_stop_wh"])
    assert stop["meterStop"] > start["meterStart"]
    central.until(lambda: central.statuses()[-1] == "Available", "Available")
    assert central.statuses() == ["Available", "Preparing", "SuspendedEV", "Charging", "Finishing", "Available"]
    answered = course.journal("TransactionAnswered")[0]
    assert (answered["ref"], answered["status"]) == (row["ref"], "Accepted")
    assert stop["transactionId"] == answered["ocpp_id"]


def test_meter_values_come_in_their_rhythm_and_belong_to_the_transaction(central: Central, course: Course) -> None:
    course.plug()
    central.talk(1000)
    course.swipe("LOCAL")
    central.wait_told("StartTransaction")
    central.wait_told("MeterValues", 3)
    values = central.payloads("MeterValues")
    stamps = [value["meterValue"][0]["timestamp"] for value in values]
    seconds = [int(stamp[14:16]) * 60 + float(stamp[17:-1]) for stamp in stamps]
    assert [round(later - sooner) for sooner, later in itertools.pairwise(seconds)] == [5, 5]
    transaction = course.journal("TransactionAnswered")[0]["ocpp_id"]
    assert {value.get("transactionId") for value in values[1:]} == {transaction}
    sampled = values[-1]["meterValue"][0]["sampledValue"]
    assert {each.get("context", "Sample.Periodic") for each in sampled} == {"Sample.Periodic"}
    assert {"Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage"} <= {
        each.get("measurand", "Energy.Active.Import.Register") for each in sampled
    }


def test_a_token_that_the_central_system_does_not_know_charges_nothing(central: Central, course: Course) -> None:
    course.plug()
    central.talk(1000)
    course.swipe("NOBODYS")
    central.until(lambda: course.journal("Authorized"), "an answer")
    assert course.journal("Authorized") == [{"status": "Invalid"}]
    central.talk(3000)
    assert course.status == "Preparing"
    assert not central.told("StartTransaction")


def test_only_the_answer_about_the_newest_token_counts(central: Central, course: Course) -> None:
    course.plug()
    central.talk(1000)
    course.swipe("NOBODYS")
    course.swipe("YOURS")
    assert central.wait_told("StartTransaction")["idTag"] == "YOURS"


def test_the_token_that_began_ends_it_and_is_told(central: Central, course: Course) -> None:
    course.plug()
    central.talk(1000)
    course.swipe("LOCAL")
    central.wait_told("StartTransaction")
    assert not central.told("Authorize")
    central.talk(3000)
    course.swipe("local")
    stop = central.wait_told("StopTransaction")
    assert (stop["reason"], stop["idTag"]) == ("Local", "LOCAL")


def test_a_transaction_that_the_central_system_does_not_want_ends(central: Central, course: Course) -> None:
    course.bench.reset({"id_tags": ["BLOCKED"], "csms_url": central.csms.url(name := f"hil-{next(NAMES)}")})
    again = Central(central.csms, course, name)
    again.wait_told("StatusNotification")
    course.plug()
    again.talk(1000)
    course.swipe("BLOCKED")
    again.wait_told("StartTransaction")
    assert again.wait_told("StopTransaction")["reason"] == "DeAuthorized"
    assert course.transactions()[0]["reason"] == "DeAuthorized"


def test_a_start_from_afar_and_what_is_refused(central: Central, course: Course) -> None:
    course.plug()
    central.talk(1000)
    assert central.command("remote_start", id_tag="MINE", connector=2) == "Rejected"
    assert central.command("remote_start", id_tag="MINE", connector=1) == "Accepted"
    central.wait_told("StartTransaction")
    central.until(lambda: course.journal("TransactionAnswered"), "the transaction's number")
    assert central.command("remote_start", id_tag="YOURS", connector=1) == "Rejected"
    assert central.command("remote_stop", transaction_id=12345) == "Rejected"
    assert [row["accepted"] for row in course.journal("RemoteStartRequested")] == [True, False]
    central.talk(3000)
    assert course.status == "Charging"
    number = course.journal("TransactionAnswered")[0]["ocpp_id"]
    assert central.command("remote_stop", transaction_id=number) == "Accepted"
    stop = central.wait_told("StopTransaction")
    assert (stop["reason"], stop["transactionId"]) == ("Remote", number)
    assert "idTag" not in stop
    assert course.journal("RemoteStopRequested")[-1] == {"accepted": True}


def test_a_limit_from_afar_sets_the_duty_and_below_6_a_it_is_a_pause(central: Central, course: Course) -> None:
    course.plug()
    central.talk(1000)
    course.swipe("LOCAL")
    central.talk(5000)
    assert course.duty == pytest.approx(53.33, abs=0.02)
    assert central.command("set_limit", amps=10.0, connector=0) == "Accepted"
    central.talk(6000)
    assert course.duty == pytest.approx(16.66, abs=0.02)
    assert "ChargePointMaxProfile" in course.station()["session"]["why"] + str(course.station()["allocation"])
    assert course.journal("AllocationChanged")[-1]["limit_ma"] == 10_000
    assert central.command("set_limit", amps=5.0, connector=0) == "Accepted"
    central.until(lambda: course.status == "SuspendedEVSE", "the pause")
    central.until(lambda: not course.closed, "open contacts")
    assert central.command("clear_limit") == "Accepted"
    central.until(lambda: course.status == "Charging", "charging again")
    assert course.journal("AllocationChanged")[-1]["limit_ma"] == 32_000
    assert len(course.journal("ChargingProfilesChanged")) == 3
    assert len(course.transactions()) == 1


def test_a_reading_that_was_asked_for_says_so(central: Central, course: Course) -> None:
    central.talk(2000)
    assert central.command("trigger", message="MeterValues", connector=1) == "Accepted"
    values = central.wait_told("MeterValues")
    assert values.get("transactionId") is None
    assert {each["context"] for each in values["meterValue"][0]["sampledValue"]} == {"Trigger"}


def test_a_fault_is_told_with_its_name(central: Central, course: Course) -> None:
    course.inject("emergency_stop")
    central.until(lambda: central.statuses()[-1] == "Faulted", "Faulted")
    newest = central.payloads("StatusNotification")[-1]
    assert (newest["errorCode"], newest["info"]) == ("OtherError", "EmergencyStop")
    course.heal("emergency_stop")
    central.talk(2000)
    course.ask("clear")
    central.until(lambda: central.statuses()[-1] == "Available", "Available")
    assert course.journal("BackendUp")


def test_a_transaction_that_a_dead_station_left_open_is_ended_when_it_is_back(central: Central, course: Course) -> None:
    course.plug()
    central.talk(1000)
    course.swipe("LOCAL")
    central.wait_told("MeterValues", 1)
    course.ask("station", do="kill")
    course.run(500)
    course.ask("station", do="start")
    stop = central.wait_told("StopTransaction")
    assert stop["reason"] == "Reboot"
    first = course.transactions()[0]
    assert (first["reason"], stop["meterStop"]) == ("Reboot", round(first["meter_stop_wh"]))


def test_without_its_central_system_the_local_list_counts_and_all_is_told_later(course: Course) -> None:
    try:
        first = CsmsProcess(options=("--authorize", "MINE")).start()
    except CsmsError as error:
        pytest.skip(str(error))
    try:
        central = connect(first, course)
        first.kill()
        central.until(lambda: course.journal("BackendDown"), "the loss")
        course.plug()
        central.talk(1000)
        course.swipe("MINE")
        central.talk(1000)
        assert "no central system" in course.journal("TokenRefused")[-1]["why"]
        course.swipe("LOCAL")
        central.talk(8000)
        assert course.status == "Charging"
        course.unplug()
        central.talk(2000)
        name = central._name
    finally:
        first.stop()
    with CsmsProcess(port=first.port, options=("--authorize", "LOCAL")) as second:
        back = Central(second, course, name)
        stop = back.wait_told("StopTransaction")
        start = back.payloads("StartTransaction")[0]
        (row,) = course.transactions()
        assert (start["idTag"], start["meterStart"]) == ("LOCAL", round(row["meter_start_wh"]))
        assert (stop["reason"], stop["meterStop"]) == ("EVDisconnected", round(row["meter_stop_wh"]))
