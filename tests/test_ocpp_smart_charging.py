"""Charging profiles of the central system: what is accepted, what it replaces, what survives."""

from __future__ import annotations

from typing import Any

import pytest

from ocpp_desk import TX, charging, limit_a, profile, registered, set_profile, status_of
from pilotwire.protocols.ocpp import events
from pilotwire.protocols.ocpp.smart_charging_16 import MAX_INSTALLED, MAX_PERIODS


def test_a_limit_set_and_cleared_by_the_central_system_reaches_the_station() -> None:
    desk = charging()
    assert limit_a(desk) is None
    assert set_profile(desk, 0, profile(limit=10)) == "Accepted"
    assert limit_a(desk) == 10
    assert status_of(desk.ask("ClearChargingProfile", {"id": 1})) == "Accepted"
    assert limit_a(desk) is None
    assert len(desk.happened(events.ChargingProfilesChanged)) == 2
    assert status_of(desk.ask("ClearChargingProfile", {"id": 1})) == "Unknown"


@pytest.mark.parametrize(
    ("connector", "wire", "expected"),
    [
        (0, profile(), "Accepted"),
        (1, profile(), "Rejected"),
        (2, profile("TxDefaultProfile"), "Rejected"),
        (-1, profile(), "Rejected"),
        (10**30, profile(), "Rejected"),
        (0, profile("TxDefaultProfile"), "Accepted"),
        (1, profile("TxDefaultProfile"), "Accepted"),
        (0, profile(TX), "Rejected"),
        (1, profile(TX), "Accepted"),
        (1, profile(TX, transactionId=77), "Accepted"),
        (1, profile(TX, transactionId=78), "Rejected"),
        (0, profile(stackLevel=-1), "Rejected"),
        (0, profile(stackLevel=100), "Rejected"),
        (0, profile(limit=-1), "Rejected"),
        (0, profile(chargingProfileId=10**30), "Rejected"),
        (0, profile(schedule={"chargingSchedulePeriod": []}), "Rejected"),
        (0, profile(schedule={"chargingSchedulePeriod": [{"startPeriod": 5, "limit": 1}]}), "Rejected"),
        (
            0,
            profile(
                schedule={"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1}, {"startPeriod": 0, "limit": 2}]}
            ),
            "Rejected",
        ),
        (
            0,
            profile(
                schedule={"chargingSchedulePeriod": [{"startPeriod": n, "limit": 1} for n in range(MAX_PERIODS + 1)]}
            ),
            "Rejected",
        ),
        (
            0,
            profile(schedule={"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1, "numberPhases": 4}]}),
            "Rejected",
        ),
        (0, profile(schedule={"duration": 0}), "Rejected"),
        (0, profile(schedule={"duration": 10**30}), "Rejected"),
        (0, profile(chargingProfileKind="Recurring"), "Rejected"),
        (0, profile(chargingProfileKind="Recurring", recurrencyKind="Daily"), "Rejected"),
        (
            0,
            profile(
                chargingProfileKind="Recurring",
                recurrencyKind="Daily",
                schedule={"startSchedule": "2024-01-01T00:00:00Z"},
            ),
            "Accepted",
        ),
        (0, profile(validFrom="2024-13-45T99:99:99Z"), "Rejected"),
        (0, profile(validFrom="2024-01-01T00:00:00Z", validTo="2025-01-01T00:00:00+02:00"), "Accepted"),
    ],
)
def test_a_profile_is_accepted_only_where_it_makes_sense(connector: int, wire: dict[str, Any], expected: str) -> None:
    desk = charging()
    assert set_profile(desk, connector, wire) == expected
    assert bool(desk.happened(events.ChargingProfilesChanged)) == (expected == "Accepted")


def test_a_tx_profile_without_a_running_transaction_is_rejected() -> None:
    assert set_profile(registered(), 1, profile(TX)) == "Rejected"


def test_a_tx_profile_ends_with_its_transaction() -> None:
    desk = charging()
    set_profile(desk, 1, profile(TX, 13))
    assert limit_a(desk) == 13
    desk.core.stop_transaction(1, 5, "Local", None, desk.unix_ms)
    assert limit_a(desk) is None
    desk.core.start_transaction(2, 1, "TAG", 5, desk.unix_ms)
    assert limit_a(desk) is None


def test_profiles_survive_a_restart_a_tx_profile_only_with_its_transaction() -> None:
    desk = charging()
    set_profile(desk, 0, profile("ChargePointMaxProfile", 20, chargingProfileId=1))
    set_profile(desk, 1, profile("TxDefaultProfile", 18, chargingProfileId=2))
    set_profile(desk, 1, profile(TX, 16, chargingProfileId=3))
    desk.restart()
    assert limit_a(desk) == 16
    desk.core.stop_transaction(1, 5, "PowerLoss", None, desk.unix_ms)
    assert limit_a(desk) == 18
    desk.restart()
    assert limit_a(desk) == 18


def test_a_tx_profile_left_behind_by_a_crash_does_not_limit_the_next_transaction() -> None:
    desk = charging()
    set_profile(desk, 1, profile(TX, 13))
    desk.db.execute("update ocpp_transactions set stopped = 1")
    desk.restart()
    desk.core.start_transaction(2, 1, "TAG", 5, desk.unix_ms)
    assert limit_a(desk) is None


def test_a_stored_profile_nobody_can_read_any_more_does_not_stop_the_station() -> None:
    desk = charging()
    set_profile(desk, 0, profile(limit=20))
    desk.db.execute("update ocpp_profiles set profile_json = '{\"chargingProfileId\":1}'")
    desk.restart()
    assert limit_a(desk) is None


def test_a_profile_replaces_the_one_with_its_id_or_its_place() -> None:
    desk = charging()
    set_profile(desk, 1, profile("TxDefaultProfile", 10, chargingProfileId=1, stackLevel=3))
    set_profile(desk, 1, profile("TxDefaultProfile", 12, chargingProfileId=1, stackLevel=1))
    assert limit_a(desk) == 12, "same id: replaced, although its level was higher"
    set_profile(desk, 1, profile("TxDefaultProfile", 14, chargingProfileId=2, stackLevel=1))
    assert limit_a(desk) == 14, "same level and purpose: replaced"
    assert status_of(desk.ask("ClearChargingProfile", {"id": 1})) == "Unknown"


def test_more_profiles_than_there_is_room_for_are_rejected_and_replacing_still_works() -> None:
    desk = registered()
    for n in range(MAX_INSTALLED):
        assert set_profile(desk, 0, profile(chargingProfileId=n, stackLevel=n)) == "Accepted"
    assert set_profile(desk, 0, profile(chargingProfileId=99, stackLevel=99)) == "Rejected"
    assert set_profile(desk, 0, profile(chargingProfileId=5, stackLevel=5)) == "Accepted"


@pytest.mark.parametrize(
    ("criteria", "left"),
    [
        ({}, set()),
        ({"id": 2}, {1, 3}),
        ({"id": 9}, {1, 2, 3}),
        ({"connectorId": 0}, {2}),
        ({"connectorId": 1}, {1, 3}),
        ({"chargingProfilePurpose": "ChargePointMaxProfile"}, {2, 3}),
        ({"stackLevel": 4}, {1, 2}),
        ({"connectorId": 0, "chargingProfilePurpose": "TxDefaultProfile"}, {1, 2}),
        ({"connectorId": 1, "stackLevel": 4}, {1, 2, 3}),
    ],
)
def test_clearing_removes_what_matches_every_criterion(criteria: dict[str, Any], left: set[int]) -> None:
    desk = registered()
    set_profile(desk, 0, profile("ChargePointMaxProfile", chargingProfileId=1))
    set_profile(desk, 1, profile("TxDefaultProfile", chargingProfileId=2))
    set_profile(desk, 0, profile("TxDefaultProfile", chargingProfileId=3, stackLevel=4))
    expected = "Accepted" if left != {1, 2, 3} else "Unknown"
    assert status_of(desk.ask("ClearChargingProfile", criteria)) == expected
    kept = {n for n in (1, 2, 3) if status_of(desk.ask("ClearChargingProfile", {"id": n})) == "Accepted"}
    assert kept == left


def test_a_step_of_a_schedule_is_announced_when_it_comes() -> None:
    desk = charging()
    periods = [{"startPeriod": 0, "limit": 16}, {"startPeriod": 20, "limit": 8}]
    set_profile(desk, 1, profile(TX, schedule={"chargingSchedulePeriod": periods}))
    desk.seen.clear()
    assert desk.core.deadline() == desk.now_ms + 20_000
    desk.tick(19_999)
    assert desk.happened(events.ChargingProfilesChanged) == []
    desk.tick(1)
    assert desk.happened(events.ChargingProfilesChanged) == [events.ChargingProfilesChanged()]
    assert limit_a(desk) == 8
    desk.disconnect()
    desk.tick(1000)
    assert len(desk.happened(events.ChargingProfilesChanged)) == 1
