"""One session as a person sees it: from plugging in to unplugging, and what may go wrong in between."""

from __future__ import annotations

import pytest

from pilotwire.firmware.session import table
from pilotwire.firmware.session.events import (
    AllocationChanged,
    AskToken,
    BeginTransaction,
    EndTransaction,
    Grant,
    ReportStatus,
)
from virtual_station import Course, allocation, reading


def test_a_normal_session_runs_from_plug_to_unplug_with_these_effects_in_this_order() -> None:
    course = Course()

    assert course.pilot("A") == [ReportStatus("Available", "NoError", "")]
    assert course.pilot("B") == [AskToken(), ReportStatus("Preparing", "NoError", "")]
    assert course.token("CARD") == []
    begun_with = reading(course.now_ms + 500, 4711.0)
    assert course.meter(4711.0, after_ms=500) == [
        BeginTransaction("CARD", begun_with),
        Grant(16_000),
        ReportStatus("SuspendedEV", "NoError", ""),
    ]
    assert course.pilot("C") == []  # the car asks, the contacts are on their way
    assert course.pilot("C", closed=True) == [ReportStatus("Charging", "NoError", "")]
    assert course.meter(4800.0) == []
    assert course.stop("Local") == [Grant(0), ReportStatus("Finishing", "NoError", "")]
    assert course.pilot("B", closed=True) == []  # the car has opened S2
    assert course.pilot("B") == []
    closed_with = reading(course.now_ms + 1000, 4900.5)
    assert course.meter(4900.5) == [EndTransaction("Local", closed_with)]
    assert course.session.state == table.FINISHING
    assert course.pilot("A") == [ReportStatus("Available", "NoError", "")]
    assert course.session.state == table.IDLE


def test_unplugging_while_charging_ends_the_transaction_as_ev_disconnected() -> None:
    course = Course()
    course.to_charging()

    assert Grant(0) in course.pilot("A", closed=False)
    course.meter(1234.0)

    assert [(end.reason, end.reading.energy_import_wh if end.reading else None) for end in course.ended()] == [
        ("EVDisconnected", 1234.0)
    ]
    assert course.session.state == table.IDLE
    assert course.statuses()[-1] == "Available"


def test_the_contacts_of_an_unplugged_car_are_waited_for_before_the_transaction_ends() -> None:
    course = Course()
    course.to_charging()

    course.pilot("A", closed=True)
    course.meter(1100.0)
    assert course.ended() == []
    course.pilot("A", closed=False)
    course.meter(1101.0)

    assert [end.reading.energy_import_wh for end in course.ended() if end.reading] == [1101.0]


@pytest.mark.parametrize("reason", ["Local", "Remote", "DeAuthorized"])
def test_the_reason_of_a_stop_stands_in_the_end_of_the_transaction(reason: str) -> None:
    course = Course()
    course.to_charging()

    course.stop(reason)
    course.pilot("B", closed=False)
    course.meter(1100.0)

    assert [end.reason for end in course.ended()] == [reason]
    assert reason in course.session.why


def test_the_first_reason_counts_when_the_car_is_unplugged_after_the_stop() -> None:
    course = Course()
    course.to_charging()

    course.stop("Remote")
    course.stop("DeAuthorized")
    course.pilot("A", closed=False)
    course.meter(1100.0)

    assert [end.reason for end in course.ended()] == ["Remote"]


def test_a_reason_does_not_survive_into_the_next_transaction() -> None:
    course = Course()
    course.to_charging()
    course.stop("Remote")
    course.pilot("B", closed=False)
    course.meter(1100.0)

    course.token("SECOND")
    course.meter(1100.0)
    course.pilot("A")
    course.meter(1100.0)

    assert [end.reason for end in course.ended()] == ["Remote", "EVDisconnected"]


def test_a_token_before_the_car_counts_when_the_car_comes_in_time() -> None:
    course = Course()
    course.pilot("A")
    course.token("EARLY")

    effects = course.pilot("B", after_ms=table.TIMEOUTS_MS[table.IDLE] - 1)
    course.meter(1.0)

    assert AskToken() not in effects
    assert [begin.id_tag for begin in course.begun()] == ["EARLY"]


def test_a_token_before_the_car_is_forgotten_when_no_car_comes() -> None:
    course = Course()
    course.pilot("A")
    course.token("EARLY")
    assert course.session.deadline() == course.now_ms + table.TIMEOUTS_MS[table.IDLE]

    course.tick(after_ms=table.TIMEOUTS_MS[table.IDLE])
    assert course.session.deadline() is None

    assert AskToken() in course.pilot("B")
    course.meter(1.0)
    assert course.begun() == []


def test_a_stop_before_the_car_comes_withdraws_the_token() -> None:
    course = Course()
    course.pilot("A")
    course.token("EARLY")
    course.stop()

    assert AskToken() in course.pilot("B")


def test_the_token_of_one_car_never_starts_the_next_one() -> None:
    course = Course()
    course.pilot("B")
    course.token("FIRST")  # no meter: the transaction never begins
    course.pilot("A")

    assert AskToken() in course.pilot("B")
    course.meter(1.0)
    assert course.begun() == []


def test_a_second_token_while_the_car_is_still_there_starts_a_second_transaction() -> None:
    course = Course()
    course.to_charging()
    course.stop()
    course.pilot("B", closed=False)
    course.meter(1100.0)

    course.token("AGAIN")
    course.meter(1100.0)

    assert [begin.id_tag for begin in course.begun()] == ["TAG", "AGAIN"]
    assert course.session.state == table.ACTIVE


def test_a_car_swapped_while_the_transaction_is_still_being_closed_is_asked_for_its_own_token() -> None:
    course = Course()
    course.to_charging()
    course.pilot("A", closed=False)

    course.pilot("B")  # the next car is there before the closing reading is
    course.meter(1100.0)

    assert len(course.ended()) == 1
    assert course.session.state == table.PREPARING
    assert course.all.count(AskToken()) == 2
    assert course.statuses()[-1] == "Preparing"


@pytest.mark.parametrize("unplugged_in", ["Ending", "Settling"])
def test_a_car_swapped_after_a_stop_is_asked_for_its_own_token_too(unplugged_in: str) -> None:
    course = Course()
    course.to_charging()
    course.stop()
    course.pilot("B", closed=unplugged_in == "Ending")
    assert course.session.state == unplugged_in

    course.pilot("A")
    course.pilot("B")
    course.meter(1100.0)

    assert [end.reason for end in course.ended()] == ["Local"]
    assert course.session.state == table.PREPARING


def test_a_lost_pilot_withdraws_the_grant_and_keeps_the_transaction() -> None:
    course = Course()
    course.to_charging()

    assert course.lost() == [Grant(0), ReportStatus("Faulted", "InternalError", "pilot controller does not answer")]
    course.meter(1100.0)
    assert course.session.state == table.ACTIVE
    assert "does not answer" in course.session.why
    assert course.pilot("C", closed=False) == [Grant(16_000), ReportStatus("SuspendedEV", "NoError", "")]

    assert len(course.begun()) == 1
    assert course.ended() == []


def test_a_car_that_left_while_the_pilot_was_lost_ends_the_transaction_when_the_pilot_is_back() -> None:
    course = Course()
    course.to_charging()
    course.lost()

    course.pilot("A", closed=False)
    course.meter(1100.0)

    assert [end.reason for end in course.ended()] == ["EVDisconnected"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("PilotShort", "EVCommunicationError"),
        ("PilotInvalid", "EVCommunicationError"),
        ("DiodeMissing", "EVCommunicationError"),
        ("ContactorNotClosed", "PowerSwitchFailure"),
        ("ContactorWelded", "PowerSwitchFailure"),
        ("PilotOverrun", "InternalError"),
        ("SomethingNew", "OtherError"),
    ],
)
def test_a_fault_lies_over_the_session_and_leaves_it_where_it_was(fault: str, code: str) -> None:
    course = Course()
    course.to_charging()

    assert course.pilot("C", False, fault) == [Grant(0), ReportStatus("Faulted", code, fault)]
    assert course.session.state == table.ACTIVE
    assert fault in course.session.why
    assert course.pilot("C") == [Grant(16_000), ReportStatus("SuspendedEV", "NoError", "")]
    assert course.ended() == []


@pytest.mark.parametrize("letter", ["E", "F", "?"])
def test_a_pilot_line_that_says_nothing_about_the_plug_does_not_unplug_the_car(letter: str) -> None:
    course = Course()
    course.to_charging()

    course.pilot(letter, False, "PilotInvalid")
    course.pilot("C", closed=True)

    assert course.ended() == []
    assert course.session.status == "Charging"


@pytest.mark.parametrize("obstacle", ["fault", "pilot lost", "hold"])
def test_no_transaction_begins_on_a_connector_that_cannot_charge(obstacle: str) -> None:
    course = Course()
    course.pilot("B")
    if obstacle == "fault":
        course.pilot("E", False, "PilotShort")
    elif obstacle == "pilot lost":
        course.lost()
    else:
        course.session.hold = "an earlier one is not closed yet"
    course.token()
    course.meter(1000.0)
    course.tick()
    assert course.begun() == []

    if obstacle == "hold":
        assert course.session.why == "an earlier one is not closed yet"
        course.session.hold = ""
    course.pilot("B")

    assert len(course.begun()) == 1


def test_the_grant_follows_the_allocation_and_pauses_below_six_amperes() -> None:
    course = Course(allocation_ma=16_000)
    course.to_charging()

    course(AllocationChanged(allocation(10_000)))
    course(AllocationChanged(allocation(5_999)))
    assert course.session.status == "SuspendedEVSE"
    assert "less than the 6 A" in course.session.why
    course(AllocationChanged(allocation(6_000)))

    assert course.grants() == [16_000, 10_000, 0, 6_000]


def test_without_an_allocation_nothing_is_granted() -> None:
    course = Course(allocation_ma=None)
    course.pilot("B")
    course.token()
    course.meter(1000.0)

    assert len(course.begun()) == 1
    assert course.grants() == []
    assert course.session.why == "no allocation yet"


def test_nothing_is_reported_before_the_pilot_has_said_a_word() -> None:
    course = Course()
    course.tick()
    course.meter(1000.0)

    assert course.all == []
    assert course.session.why == "waiting for the pilot controller"


def test_the_same_status_is_reported_once() -> None:
    course = Course()
    course.to_charging()
    for _ in range(3):
        course.pilot("C", closed=True)
        course.meter(1000.0)

    assert course.statuses() == ["Preparing", "SuspendedEV", "Charging"]
