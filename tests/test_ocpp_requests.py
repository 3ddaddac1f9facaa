"""What the central system may ask of the charge point, and what it gets."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ocpp_desk import NOON, OK, TX, charging, limit_a, profile, registered, set_profile, status_of
from pilotwire.protocols.ocpp import events
from pilotwire.protocols.ocpp.readings import Sample
from pilotwire.protocols.ocpp.requests_16 import MAX_PROMISED
from pilotwire.protocols.ocpp.settings_16 import MAX_KEYS_ASKED
from pilotwire.protocols.ocpp.smart_charging_16 import MAX_INSTALLED

# -- remote start and stop -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accepted", [True, False])
def test_the_station_decides_a_remote_start(accepted: bool) -> None:
    desk = registered()
    assert desk.ask("RemoteStartTransaction", {"idTag": "TAG", "connectorId": 1}) is None
    (request,) = desk.happened(events.RemoteStartRequested)
    assert (request.id_tag, request.connector_id) == ("TAG", 1)
    assert desk.core.answer(request.message_id, accepted)
    desk.flush()
    assert desk.take() == [[3, request.message_id, {"status": "Accepted" if accepted else "Rejected"}]]
    assert not desk.core.answer(request.message_id, accepted)


@pytest.mark.parametrize(
    "payload",
    [
        {"idTag": "T", "connectorId": 0},
        {"idTag": "T", "connectorId": 2},
        {"idTag": "T", "connectorId": -1},
        {"idTag": "T", "chargingProfile": profile("TxDefaultProfile")},
        {"idTag": "T", "chargingProfile": profile(TX, transactionId=5)},
        {"idTag": "T", "chargingProfile": profile(TX, limit=-5)},
    ],
)
def test_a_remote_start_that_cannot_work_is_rejected_without_asking(payload: dict[str, Any]) -> None:
    desk = registered()
    assert status_of(desk.ask("RemoteStartTransaction", payload)) == "Rejected"
    assert desk.happened(events.RemoteStartRequested) == []


def test_the_profile_of_a_remote_start_belongs_to_the_transaction_it_starts() -> None:
    desk = registered()
    desk.ask("RemoteStartTransaction", {"idTag": "TAG", "chargingProfile": profile(TX, 9)})
    desk.core.answer(desk.happened(events.RemoteStartRequested)[0].message_id, True)
    desk.core.start_transaction(1, 1, "OTHER", 0, desk.unix_ms)
    assert limit_a(desk) is None
    desk.core.stop_transaction(1, 0, "Local", None, desk.unix_ms)
    desk.core.start_transaction(2, 1, "TAG", 0, desk.unix_ms)
    assert limit_a(desk) == 9
    desk.core.stop_transaction(2, 0, "Local", None, desk.unix_ms)
    desk.core.start_transaction(3, 1, "TAG", 0, desk.unix_ms)
    assert limit_a(desk) is None


def test_the_profile_of_a_refused_remote_start_is_forgotten() -> None:
    desk = registered()
    desk.ask("RemoteStartTransaction", {"idTag": "TAG", "chargingProfile": profile(TX, 9)})
    desk.core.answer(desk.happened(events.RemoteStartRequested)[0].message_id, False)
    desk.core.start_transaction(1, 1, "TAG", 0, desk.unix_ms)
    assert limit_a(desk) is None


def test_a_remote_stop_names_the_stations_own_transaction() -> None:
    desk = charging(transaction_id=4711)
    assert status_of(desk.ask("RemoteStopTransaction", {"transactionId": 1})) == "Rejected"
    assert desk.ask("RemoteStopTransaction", {"transactionId": 4711}) is None
    (request,) = desk.happened(events.RemoteStopRequested)
    assert request.tx_ref == 1
    desk.core.answer(request.message_id, True)
    desk.flush()
    assert desk.take() == [[3, request.message_id, {"status": "Accepted"}]]
    desk.core.stop_transaction(1, 5, "Remote", None, desk.unix_ms)
    assert status_of(desk.ask("RemoteStopTransaction", {"transactionId": 4711})) == "Rejected"


def test_a_remote_stop_still_finds_the_transaction_after_a_restart() -> None:
    desk = charging(transaction_id=4711)
    desk.restart()
    desk.register()
    assert desk.ask("RemoteStopTransaction", {"transactionId": 4711}) is None
    assert desk.happened(events.RemoteStopRequested)[0].tx_ref == 1


def test_an_answer_for_a_connection_that_is_gone_goes_nowhere() -> None:
    desk = registered()
    desk.ask("RemoteStartTransaction", {"idTag": "TAG"})
    desk.disconnect()
    desk.register()
    assert not desk.core.answer(desk.happened(events.RemoteStartRequested)[0].message_id, True)
    assert desk.take() == []


def test_only_so_many_promised_profiles_are_kept_and_the_latest_are() -> None:
    desk = registered()
    for n in range(MAX_PROMISED + 1):
        desk.ask("RemoteStartTransaction", {"idTag": f"TAG{n}", "chargingProfile": profile(TX, 6 + n)})
        desk.core.answer(desk.happened(events.RemoteStartRequested)[-1].message_id, True)
    desk.core.start_transaction(1, 1, "TAG0", 0, desk.unix_ms)
    assert limit_a(desk) is None
    desk.core.stop_transaction(1, 0, "Local", None, desk.unix_ms)
    desk.core.start_transaction(2, 1, f"TAG{MAX_PROMISED}", 0, desk.unix_ms)
    assert limit_a(desk) == 6 + MAX_PROMISED


def test_a_promised_profile_that_finds_no_room_is_reported_and_the_transaction_goes_on() -> None:
    desk = registered()
    desk.ask("RemoteStartTransaction", {"idTag": "TAG", "chargingProfile": profile(TX, 9, chargingProfileId=500)})
    desk.core.answer(desk.happened(events.RemoteStartRequested)[0].message_id, True)
    for n in range(MAX_INSTALLED):
        set_profile(desk, 0, profile(chargingProfileId=n, stackLevel=n))
    assert desk.core.start_transaction(1, 1, "TAG", 0, desk.unix_ms)
    desk.flush()
    assert "profile of the remote start" in desk.happened(events.PeerMisbehaved)[-1].why


# -- configuration and triggers ------------------------------------------------------------------------------------------


def test_the_configuration_shows_what_is_real_and_names_what_is_not() -> None:
    desk = registered(meter_values_s=30, connectors=1)
    answer = desk.ask("GetConfiguration", {"key": ["meterVALUEsampleinterval", "NumberOfConnectors", "Moonphase"]})
    assert answer is not None
    assert answer[2] == {
        "configurationKey": [
            {"key": "MeterValueSampleInterval", "readonly": True, "value": "30"},
            {"key": "NumberOfConnectors", "readonly": True, "value": "1"},
        ],
        "unknownKey": ["Moonphase"],
    }


@pytest.mark.parametrize("payload", [{}, {"key": []}])
def test_no_keys_asked_means_all_of_them(payload: dict[str, Any]) -> None:
    answer = registered().ask("GetConfiguration", payload)
    assert answer is not None
    values = {entry["key"]: entry["value"] for entry in answer[2]["configurationKey"]}
    assert values["HeartbeatInterval"] == str(OK["BootNotification"]["interval"])
    assert "SmartCharging" in values["SupportedFeatureProfiles"]
    assert "unknownKey" not in answer[2]


def test_more_keys_than_allowed_are_an_error() -> None:
    answer = registered().ask("GetConfiguration", {"key": ["a"] * (MAX_KEYS_ASKED + 1)})
    assert answer is not None
    assert answer[2] == "OccurenceConstraintViolation"


@pytest.mark.parametrize(
    ("payload", "status", "sent"),
    [
        ({"requestedMessage": "Heartbeat"}, "Accepted", ["Heartbeat"]),
        ({"requestedMessage": "BootNotification"}, "Accepted", ["BootNotification"]),
        ({"requestedMessage": "StatusNotification"}, "Accepted", ["StatusNotification"] * 2),
        ({"requestedMessage": "StatusNotification", "connectorId": 0}, "Accepted", ["StatusNotification"]),
        ({"requestedMessage": "StatusNotification", "connectorId": 3}, "Rejected", []),
        ({"requestedMessage": "MeterValues", "connectorId": 0}, "Rejected", []),
        ({"requestedMessage": "FirmwareStatusNotification"}, "NotImplemented", []),
        ({"requestedMessage": "DiagnosticsStatusNotification"}, "NotImplemented", []),
    ],
)
def test_a_trigger_is_answered_first_and_then_done(payload: dict[str, Any], status: str, sent: list[str]) -> None:
    desk = registered()
    desk.core.status(1, "Preparing", "NoError", NOON)
    desk.settle()
    assert status_of(desk.ask("TriggerMessage", payload)) == status
    assert [call[2] for call in desk.settle()] == sent


def test_triggered_readings_are_asked_of_the_station() -> None:
    desk = charging()
    assert status_of(desk.ask("TriggerMessage", {"requestedMessage": "MeterValues"})) == "Accepted"
    assert desk.happened(events.MeterValuesRequested) == [events.MeterValuesRequested(1)]
    desk.core.meter_values(1, 1, Sample(energy_wh=5), NOON, "Trigger")
    (call,) = desk.settle()
    assert call[3]["transactionId"] == 77


# -- whatever arrives ----------------------------------------------------------------------------------------------------

WRONG: list[Any] = [
    None,
    True,
    -1,
    10**40,
    1.5,
    1e308,
    "",
    "x" * 5000,
    "\x00",
    "2024-99-99T99:99:99Z",
    [],
    [[]],
    {},
    {"a": 1},
]

REQUESTS: dict[str, dict[str, Any]] = {
    "ClearChargingProfile": {"id": 1, "connectorId": 1, "chargingProfilePurpose": TX, "stackLevel": 1},
    "GetConfiguration": {"key": ["HeartbeatInterval"]},
    "RemoteStartTransaction": {"idTag": "T", "connectorId": 1, "chargingProfile": profile(TX)},
    "RemoteStopTransaction": {"transactionId": 77},
    "SetChargingProfile": {
        "connectorId": 1,
        "csChargingProfiles": profile(
            TX,
            transactionId=77,
            recurrencyKind="Daily",
            validFrom="2024-01-01T00:00:00Z",
            validTo="2025-01-01T00:00:00Z",
            schedule={"duration": 60, "startSchedule": "2024-01-01T00:00:00Z", "minChargingRate": 1.5},
        ),
    },
    "TriggerMessage": {"requestedMessage": "StatusNotification", "connectorId": 1},
}


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            found += paths(value[key], (*path, key))
    return found


def mutants(payload: dict[str, Any]) -> list[dict[str, Any]]:
    made = []
    for path in paths(payload):
        for wrong in (*WRONG, "remove", "add"):
            mutant = copy.deepcopy(payload)
            place: Any = mutant
            for key in path[:-1]:
                place = place[key]
            if wrong == "remove":
                del place[path[-1]]
            elif wrong == "add":
                if not isinstance(place, dict):
                    continue
                place["unheardOf"] = 1
            else:
                place[path[-1]] = wrong
            made.append(mutant)
    return made


CODES = {
    "FormationViolation",
    "TypeConstraintViolation",
    "PropertyConstraintViolation",
    "OccurenceConstraintViolation",
}


@pytest.mark.parametrize("action", REQUESTS)
def test_every_field_of_every_request_may_be_wrong(action: str) -> None:
    desk = charging()
    for number, mutant in enumerate(mutants(REQUESTS[action])):
        message_id = f"mutant-{number}"
        desk.seen.clear()
        answers = [frame for frame in desk.hear([2, message_id, action, mutant]) if frame[0] != 2]
        asked = desk.happened(events.RemoteStartRequested, events.RemoteStopRequested)
        if asked:
            assert answers == []
            assert desk.core.answer(asked[0].message_id, False)
            desk.flush()
            answers = [frame for frame in desk.take() if frame[0] != 2]
        assert [frame[1] for frame in answers] == [message_id], mutant
        assert answers[0][0] == 3 or answers[0][2] in CODES, (mutant, answers)
        desk.settle()
        json.dumps(desk.core.charging_limit(1, desk.unix_ms) is None)
    assert desk.core.registered


@pytest.mark.parametrize("action", ["RemoteStopTransaction", "SetChargingProfile"])
def test_a_field_of_the_wrong_type_is_a_type_violation(action: str) -> None:
    first = next(iter(REQUESTS[action]))
    answer = charging().ask(action, {**REQUESTS[action], first: "1"})
    assert answer is not None
    assert (answer[0], answer[2]) == (4, "TypeConstraintViolation")
