"""The 1.6 charge point's conversation, with a central system the test plays itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocpp_desk import NOON, OK, Desk, Frame
from pilotwire.protocols.ocpp import events, wire_time
from pilotwire.protocols.ocpp.calls_16 import MAX_WAITING
from pilotwire.protocols.ocpp.errors import LocalProtocolError
from pilotwire.protocols.ocpp.readings import Sample

SAMPLE = Sample(energy_wh=1234.5)


def actions(frames: list[Frame]) -> list[str]:
    return [frame[2] for frame in frames if frame[0] == 2]


def boot_answer(status: str, interval: int) -> dict[str, Any]:
    return {"status": status, "currentTime": "2024-01-01T12:00:00Z", "interval": interval}


# -- registration ------------------------------------------------------------------------------------------------------


def test_nothing_but_the_boot_notification_is_sent_before_it_is_accepted() -> None:
    desk = Desk()
    desk.core.status(1, "Preparing", "NoError", NOON)
    desk.core.start_transaction(1, 1, "TAG", 0, NOON)
    desk.connect()
    desk.tick(5_000)
    assert [frame[2:] for frame in desk.take()] == [
        ["BootNotification", {"chargePointVendor": "Pilotwire", "chargePointModel": "Desk"}]
    ]
    assert not desk.core.registered


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_a_refused_boot_is_repeated_at_the_interval_told_and_not_before(status: str) -> None:
    desk = Desk()
    desk.core.start_transaction(1, 1, "TAG", 0, NOON)
    desk.connect()
    desk.answer(desk.take()[0], boot_answer(status, 90))
    assert desk.core.registration == status
    assert desk.core.deadline() == desk.now_ms + 90_000
    desk.tick(89_999)
    assert desk.take() == []
    desk.tick(1)
    assert actions(desk.take()) == ["BootNotification"]
    assert desk.happened(events.BackendUp) == []


def test_a_refused_boot_is_not_repeated_early_because_the_connection_broke() -> None:
    desk = Desk()
    desk.connect()
    desk.answer(desk.take()[0], boot_answer("Rejected", 90))
    desk.disconnect()
    desk.connect()
    assert desk.take() == []
    desk.tick(90_000)
    assert actions(desk.take()) == ["BootNotification"]


@pytest.mark.parametrize("interval", [0, -5])
def test_an_interval_of_nothing_leaves_the_choice_to_the_charge_point(interval: int) -> None:
    desk = Desk(boot_retry_s=45, heartbeat_s=120)
    desk.connect()
    desk.answer(desk.take()[0], boot_answer("Pending", interval))
    assert desk.core.deadline() == desk.now_ms + 45_000
    desk.tick(45_000)
    desk.answer(desk.take()[0], boot_answer("Accepted", interval))
    desk.settle()
    desk.tick(120_000)
    assert actions(desk.take()) == ["Heartbeat"]


@pytest.mark.parametrize("how", ["silence", "error", "nonsense"])
def test_a_boot_that_is_not_answered_properly_is_repeated_later(how: str) -> None:
    desk = Desk(boot_retry_s=60, call_timeout_ms=10_000)
    desk.connect()
    (frame,) = desk.take()
    if how == "silence":
        desk.tick(10_000)
    elif how == "error":
        desk.refuse(frame)
    else:
        desk.answer(frame, {"status": "Perhaps"})
    desk.tick(59_999)
    assert desk.take() == []
    desk.tick(1)
    assert actions(desk.take()) == ["BootNotification"]


def test_while_pending_only_what_is_triggered_is_sent_and_remote_starts_are_refused() -> None:
    desk = Desk()
    desk.core.status(1, "Available", "NoError", NOON)
    desk.connect()
    desk.answer(desk.take()[0], boot_answer("Pending", 600))
    refused = desk.ask("RemoteStartTransaction", {"idTag": "TAG"})
    assert refused is not None
    assert refused[2] == {"status": "Rejected"}
    answer = desk.ask("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1})
    assert answer is not None
    assert answer[2] == {"status": "Accepted"}
    (call,) = desk.take()
    assert (call[2], call[3]["connectorId"]) == ("StatusNotification", 1)
    desk.answer(call)
    desk.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
    (call,) = desk.take()
    desk.answer(call, boot_answer("Accepted", 300))
    assert desk.core.registered
    assert "StatusNotification" in actions(desk.settle())


def test_while_rejected_requests_stay_unanswered() -> None:
    desk = Desk()
    desk.connect()
    desk.answer(desk.take()[0], boot_answer("Rejected", 600))
    assert desk.ask("GetConfiguration", {}) is None
    assert desk.ask("TriggerMessage", {"requestedMessage": "BootNotification"}) is None
    assert desk.take() == []


def test_accepted_brings_the_statuses_then_what_was_stored() -> None:
    desk = Desk()
    desk.core.status(1, "Charging", "NoError", NOON, "since noon")
    desk.core.start_transaction(1, 1, "TAG", 0, NOON)
    desk.connect()
    calls = desk.settle()
    assert actions(calls) == ["BootNotification", "StatusNotification", "StatusNotification", "StartTransaction"]
    assert calls[1][3] == {"connectorId": 0, "errorCode": "NoError", "status": "Available"}
    assert calls[2][3] == {
        "connectorId": 1,
        "errorCode": "NoError",
        "status": "Charging",
        "info": "since noon",
        "timestamp": "2024-01-01T12:00:00.000Z",
    }
    assert desk.happened(events.BackendUp) == [events.BackendUp()]


def test_a_new_connection_repeats_the_latest_statuses_and_no_boot() -> None:
    desk = Desk()
    desk.register()
    desk.disconnect()
    for status in ("Preparing", "Charging", "SuspendedEV"):
        desk.core.status(1, status, "NoError", NOON)
    desk.connect()
    calls = desk.settle()
    assert [(c[2], c[3]["connectorId"], c[3]["status"]) for c in calls] == [
        ("StatusNotification", 0, "Available"),
        ("StatusNotification", 1, "SuspendedEV"),
    ]
    assert len(desk.happened(events.BackendUp)) == 2
    assert len(desk.happened(events.BackendDown)) == 1


def test_each_change_of_status_is_reported_once_while_online() -> None:
    desk = Desk()
    desk.register()
    for status in ("Preparing", "Preparing", "Charging", "Preparing"):
        desk.core.status(1, status, "NoError", NOON)
    assert [call[3]["status"] for call in desk.settle()] == ["Preparing", "Charging", "Preparing"]


def test_a_status_without_an_answer_is_sent_again_while_it_is_still_true() -> None:
    desk = Desk(call_timeout_ms=10_000)
    desk.register()
    desk.core.status(1, "Faulted", "GroundFailure", NOON)
    desk.tick()
    assert actions(desk.take()) == ["StatusNotification"]
    desk.tick(10_000)
    assert [call[3]["status"] for call in desk.settle()] == ["Faulted"]


def test_heartbeats_come_at_the_interval_the_central_system_told() -> None:
    desk = Desk(heartbeat_s=300)
    desk.connect()
    desk.answer(desk.take()[0], boot_answer("Accepted", 7))
    desk.settle()
    for _ in range(3):
        desk.tick(6_999)
        assert desk.take() == []
        desk.tick(1)
        (beat,) = desk.take()
        assert beat[2:] == ["Heartbeat", {}]
        desk.answer(beat)


def test_the_registration_can_be_withdrawn() -> None:
    desk = Desk()
    desk.register()
    desk.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
    (boot,) = desk.take()
    desk.answer(boot, boot_answer("Pending", 60))
    assert not desk.core.registered
    assert len(desk.happened(events.BackendDown)) == 1
    desk.core.start_transaction(1, 1, "TAG", 0, NOON)
    desk.tick(59_000)
    assert desk.take() == []


def test_a_name_too_long_for_boot_notification_is_refused_at_start() -> None:
    with pytest.raises(LocalProtocolError, match="chargePointVendor"):
        Desk(vendor="x" * 21)


# -- authorize ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"])
def test_authorize_reports_what_the_central_system_says(status: str) -> None:
    desk = Desk()
    desk.register()
    desk.core.authorize("TAG")
    desk.tick()
    (call,) = desk.take()
    assert call[2:] == ["Authorize", {"idTag": "TAG"}]
    desk.answer(call, {"idTagInfo": {"status": status, "expiryDate": None, "parentIdTag": "p" * 30}})
    assert desk.happened(events.Authorized) == [events.Authorized("TAG", status)]


@pytest.mark.parametrize("how", ["offline", "silence", "error", "nonsense", "lost while waiting", "lost while asked"])
def test_authorize_always_ends_in_an_event(how: str) -> None:
    desk = Desk(call_timeout_ms=10_000)
    if how == "offline":
        desk.core.authorize("TAG")
        desk.flush()
    else:
        desk.register()
        if how == "lost while waiting":
            desk.core.status(1, "Preparing", "NoError", NOON)
            desk.tick()
        desk.core.authorize("TAG")
        desk.tick()
        frame = desk.take()[-1]
        if how == "silence":
            desk.tick(10_000)
        elif how == "error":
            desk.refuse(frame)
        elif how == "nonsense":
            desk.answer(frame, {"idTagInfo": []})  # type: ignore[dict-item]
        else:
            desk.disconnect()
    assert desk.happened(events.Authorized) == [events.Authorized("TAG", "Offline")]


def test_authorize_goes_before_everything_that_waits() -> None:
    desk = Desk()
    desk.register()
    desk.core.start_transaction(1, 1, "TAG", 0, NOON)
    desk.core.status(1, "Preparing", "NoError", NOON)
    desk.core.authorize("OTHER")
    assert actions(desk.settle()) == ["Authorize", "StatusNotification", "StartTransaction"]


# -- reports -------------------------------------------------------------------------------------------------------------


def test_words_and_numbers_ocpp_does_not_know_are_refused_at_the_call() -> None:
    desk = Desk()
    for wrong in (
        lambda: desk.core.status(1, "Bored", "NoError", NOON),
        lambda: desk.core.status(2, "Available", "NoError", NOON),
        lambda: desk.core.status(1, "Faulted", "Ouch", NOON),
        lambda: desk.core.authorize("x" * 21),
        lambda: desk.core.start_transaction(1, 0, "TAG", 0, NOON),
        lambda: desk.core.start_transaction(1, 1, "x" * 21, 0, NOON),
        lambda: desk.core.meter_values(None, 1, SAMPLE, NOON, "Sometimes"),
    ):
        with pytest.raises(LocalProtocolError):
            wrong()
    desk.core.start_transaction(1, 1, "TAG", 0, NOON)
    with pytest.raises(LocalProtocolError):
        desk.core.stop_transaction(1, 0, "Whim", None, NOON)
    assert desk.core.queue_length == 1


def test_readings_outside_a_transaction_are_sent_now_or_never() -> None:
    desk = Desk()
    assert not desk.core.meter_values(None, 1, SAMPLE, NOON)
    desk.register()
    assert actions(desk.settle()) == []
    assert desk.core.meter_values(None, 1, SAMPLE, NOON)
    (call,) = desk.settle()
    assert "transactionId" not in call[3]
    assert desk.core.queue_length == 0


def test_a_reading_is_written_in_plain_decimals_with_its_phases() -> None:
    desk = Desk(phases=1)
    desk.register()
    sample = Sample(energy_wh=2e16, power_w=0.04, current_a=(15.987, 0, 0), voltage_v=(float("nan"), 0, 0))
    desk.core.meter_values(None, 1, sample, NOON, "Trigger")
    (call,) = desk.settle()
    (value,) = call[3]["meterValue"]
    assert value["timestamp"] == "2024-01-01T12:00:00.000Z"
    assert [(v["measurand"], v["value"], v.get("phase"), v["unit"]) for v in value["sampledValue"]] == [
        ("Energy.Active.Import.Register", "20000000000000000.0", None, "Wh"),
        ("Power.Active.Import", "0.0", None, "W"),
        ("Current.Import", "15.99", "L1", "A"),
    ]
    assert {v["context"] for v in value["sampledValue"]} == {"Trigger"}


def test_traffic_shows_every_frame_that_goes_by() -> None:
    desk = Desk()
    desk.register()
    desk.seen.clear()
    desk.ask("GetConfiguration", {})
    desk.ask("Reset", {"type": "Soft"})
    desk.core.authorize("TAG")
    desk.tick()
    desk.refuse(desk.take()[-1])
    assert [(t.dir, t.action, t.kind) for t in desk.happened(events.Traffic)] == [
        ("in", "GetConfiguration", "call"),
        ("out", "GetConfiguration", "result"),
        ("in", "Reset", "call"),
        ("out", "Reset", "error"),
        ("out", "Authorize", "call"),
        ("in", "Authorize", "error"),
    ]


# -- time ----------------------------------------------------------------------------------------------------------------


def test_the_deadline_is_never_missing_while_something_is_due() -> None:
    desk = Desk(call_timeout_ms=10_000)
    desk.tick()
    assert desk.core.deadline() is None
    desk.connect()
    assert desk.core.deadline() == desk.now_ms + 10_000
    desk.settle()
    assert desk.core.deadline() == desk.now_ms + 300_000
    desk.core.status(1, "Preparing", "NoError", NOON)
    assert desk.core.deadline() == 0
    desk.disconnect()
    desk.tick()
    assert desk.core.deadline() is None


def test_ten_minutes_driven_by_deadlines_alone_take_few_ticks() -> None:
    desk = Desk()
    desk.register()
    end_ms = desk.now_ms + 600_000
    ticks = 0
    while (due := desk.core.deadline()) is not None and due <= end_ms:
        assert due > desk.now_ms or ticks == 0
        desk.tick(max(due - desk.now_ms, 0))
        desk.settle()
        ticks += 1
    assert ticks == 2


def test_texts_after_the_end_of_the_connection_are_ignored() -> None:
    desk = Desk()
    desk.register()
    desk.disconnect()
    assert desk.hear('[2,"m","GetConfiguration",{}]') == []


def test_the_answers_a_peer_gives_are_checked_without_exceptions() -> None:
    wrong: list[Any] = [None, [], 5, "x", {}, {"status": None}, {"idTagInfo": 5}, {"transactionId": "7"}, [[[]]]]
    for action in OK:
        for payload in wrong:
            desk = Desk(call_timeout_ms=10_000)
            desk.register()
            desk.core.authorize("TAG")
            desk.core.start_transaction(1, 1, "TAG", 0, NOON)
            desk.core.meter_values(1, 1, SAMPLE, NOON)
            desk.core.stop_transaction(1, 5, "Local", None, NOON)
            desk.core.status(1, "Preparing", "NoError", NOON)
            desk.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
            for _ in range(12):
                desk.tick()
                for frame in desk.take():
                    if frame[0] == 2:
                        body = payload if frame[2] == action else OK[frame[2]]
                        desk.core.receive(json.dumps([3, frame[1], body]), desk.now_ms, desk.unix_ms)
                        desk.flush()
            assert desk.ask("GetConfiguration", {"key": ["NumberOfConnectors"]}) is not None


def test_a_flood_of_statuses_is_bounded_and_the_latest_and_the_card_come_through() -> None:
    desk = Desk()
    desk.register()
    desk.core.authorize("TAG")
    for n in range(500):
        desk.core.status(1, "Faulted" if n % 2 else "Available", "NoError", NOON + n)
    calls = desk.settle()
    assert len(calls) <= MAX_WAITING + 1
    assert calls[0][2] == "Authorize"
    assert calls[-1][3]["status"] == "Faulted"


def test_a_flood_of_cards_holds_back_everything_else_but_grows_no_further() -> None:
    desk = Desk()
    desk.register()
    for _ in range(MAX_WAITING):
        desk.core.authorize("TAG")
    desk.core.meter_values(None, 1, SAMPLE, NOON)
    assert actions(desk.settle()) == ["Authorize"] * MAX_WAITING


def test_the_state_of_the_connection_can_be_read() -> None:
    desk = Desk()
    assert (desk.core.connected_now, desk.core.registered, desk.core.registration) == (False, False, "")
    desk.connect()
    assert (desk.core.connected_now, desk.core.registered, desk.core.outstanding) == (True, False, True)
    desk.settle()
    assert (desk.core.registered, desk.core.registration, desk.core.outstanding) == (True, "Accepted", False)
    desk.disconnect()
    assert (desk.core.connected_now, desk.core.registered, desk.core.registration) == (False, False, "Accepted")


def test_a_reading_without_one_finite_number_goes_nowhere() -> None:
    desk = Desk()
    desk.core.start_transaction(1, 1, "TAG", 0, NOON)
    assert not desk.core.meter_values(1, 1, Sample(energy_wh=float("nan")), NOON)
    assert desk.core.queue_length == 1


def test_the_running_transaction_is_known_with_its_number() -> None:
    desk = Desk()
    assert desk.core.running_on(1) is None
    desk.core.start_transaction(5, 1, "TAG", 0, NOON)
    desk.register()
    running = desk.core.running_on(1)
    assert running is not None
    assert (running.tx_ref, running.transaction_id) == (5, 77)


def test_a_time_without_a_zone_is_utc() -> None:
    assert wire_time.from_text("2024-01-01T12:00:00") == NOON
    assert wire_time.from_text("2024-01-01T13:00:00.250+01:00") == NOON + 250
    assert wire_time.to_text(NOON + 7) == "2024-01-01T12:00:00.007Z"
