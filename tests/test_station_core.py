"""The station's pure middle on virtual time: free and list mode, limits, and the central system's word."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

import pytest

from pilotwire.firmware.auth.tokens import FREE_TAG
from pilotwire.firmware.session.events import MeterLost
from pilotwire.firmware.station import PROGRESS_MS
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.station import PilotHello, PilotRefused
from pilotwire.protocols.ocpp import events as ocpp
from virtual_station import UNIX_MS, VirtualStation


@pytest.fixture
def free() -> Iterator[VirtualStation]:
    station = VirtualStation()
    yield station
    station.close()


@pytest.fixture
def listed() -> Iterator[VirtualStation]:
    station = VirtualStation(id_tags=("ANNA", "BERT"))
    yield station
    station.close()


@pytest.fixture
def backed() -> Iterator[VirtualStation]:
    """List mode, with a charge point core whose central system is not connected."""
    station = VirtualStation(id_tags=("ANNA",), back_end=True)
    yield station
    station.close()


# --- one session


def test_free_charging_takes_a_car_from_plug_to_unplug_with_its_energy_on_record(free: VirtualStation) -> None:
    free.pilot("A")
    assert free.pilot("B") == []
    assert free.meter(1000.0) == [20_000]
    free.pilot("C", closed=True)
    free.meter(1500.0)
    assert free.stop("Local") == [0]
    free.pilot("B", closed=False)
    free.meter(1750.5)
    free.pilot("A")

    (done,) = free.all()
    assert (done.id_tag, done.meter_start_wh, done.meter_stop_wh, done.energy_wh) == (FREE_TAG, 1000.0, 1750.5, 750.5)
    assert done.reason == "Local"
    assert done.started_unix_ms < (done.stopped_unix_ms or 0) <= UNIX_MS + free.now_ms
    assert free.station.session.status == "Available"
    assert free.grants == [20_000, 0]


def test_a_listed_tag_starts_a_session_and_the_same_tag_ends_it(listed: VirtualStation) -> None:
    listed.pilot("B")
    listed.meter(1000.0)
    assert listed.open() == []
    listed.present("anna")
    listed.pilot("C", closed=True)
    assert [item.id_tag for item in listed.open()] == ["anna"]

    assert listed.present("ANNA") == [0]
    listed.pilot("B")
    listed.meter(1100.0)

    assert [(item.id_tag, item.reason, item.energy_wh) for item in listed.all()] == [("anna", "Local", 100.0)]


def test_a_tag_that_is_not_listed_starts_nothing(listed: VirtualStation) -> None:
    listed.pilot("B")
    listed.present("MALLORY")
    listed.meter(1000.0)

    assert listed.all() == []
    assert listed.grants == []
    assert [row["data"]["why"] for row in listed.rows("TokenRefused")] == [
        "not on the local list, and no central system to ask"
    ]


def test_another_persons_tag_does_not_end_a_session(listed: VirtualStation) -> None:
    listed.pilot("B")
    listed.present("ANNA")
    listed.meter(1000.0)

    assert listed.present("BERT") == []
    assert [item.id_tag for item in listed.open()] == ["ANNA"]
    assert listed.rows("TokenRefused")[-1]["data"]["why"] == "a transaction of another token is running"


def test_list_mode_without_a_tag_never_charges(listed: VirtualStation) -> None:
    for _ in range(20):
        listed.pilot("C")
        listed.meter(1000.0)

    assert listed.grants == []
    assert listed.station.session.why == "waiting for authorisation"


def test_a_token_never_reaches_the_journal(listed: VirtualStation) -> None:
    listed.present("MALLORY")
    listed.present("ANNA")
    listed.pilot("B")
    listed.meter(1000.0)

    assert "MALLORY" not in json.dumps(listed.rows())
    assert "ANNA" not in json.dumps(listed.rows())


@pytest.mark.parametrize("readings", [1, 2, 3])
def test_every_reading_of_a_transaction_is_known_after_a_power_cut(free: VirtualStation, readings: int) -> None:
    free.to_charging(1000.0)
    energies_wh = (1001.0, 1002.5, 1010.0)[:readings]
    for wh in energies_wh:
        free.meter(wh)
    free.boot()
    assert free.open()[0].meter_last_wh == energies_wh[-1]


def test_readings_do_not_make_the_disk_write_each_time(free: VirtualStation) -> None:
    free.to_charging(1000.0)
    free.meter(1001.0)
    kept = free.open()[0].meter_last_wh
    free.meter(1002.0)
    assert free.open()[0].meter_last_wh == kept
    free.tick(after_ms=PROGRESS_MS)
    free.meter(1200.0)
    assert free.open()[0].meter_last_wh == 1200.0


def test_a_dead_meter_ends_a_transaction_with_the_last_reading_on_record(free: VirtualStation) -> None:
    free.to_charging(1000.0)
    free.meter(1400.0)
    free(MeterLost("no answer"))
    free.stop()
    free.pilot("B")
    for _ in range(11):
        free.tick()

    assert [item.meter_stop_wh for item in free.all()] == [1400.0]


def test_a_register_that_went_back_cannot_make_energy_negative(free: VirtualStation) -> None:
    free.to_charging(1000.0)
    free.meter(1400.0)
    free.meter(2.0)  # somebody has changed the meter
    free.stop()
    free.pilot("B")
    free.meter(3.0)

    assert [(item.meter_stop_wh, item.energy_wh) for item in free.all()] == [(1400.0, 400.0)]


def test_a_lost_pilot_and_a_new_one_go_on_with_the_same_transaction(free: VirtualStation) -> None:
    free.to_charging()
    assert free.lost() == [0]
    free(PilotHello([1, 1, messages.VERSION, 8, "pilot, second life", b"", b"", 0, 0, b"", 1]))
    assert free.pilot("C") == [20_000]

    assert len(free.all()) == 1
    assert free.station.pilot_program == "pilot, second life"


def test_a_pilot_of_another_link_version_is_named_and_gets_nothing(free: VirtualStation) -> None:
    assert free(PilotRefused(2, "pilot from the future")) == []

    assert free.station.pilot_program == "refused: link version 2 (pilot from the future)"


def test_an_unchanged_pilot_leaves_no_rows_in_the_journal(free: VirtualStation) -> None:
    free.pilot("B")
    before = len(free.rows())
    for _ in range(50):
        free.pilot("B")

    assert len(free.rows()) == before


# --- allocation


def test_the_smaller_of_board_and_cable_is_granted_and_named() -> None:
    station = VirtualStation(board_ma=16_000, cable_ma=32_000)
    station.to_charging()

    assert station.grants == [16_000]
    assert station.station.session.why == "board limits.board_ma allows 16 A"
    station.close()


def test_a_change_of_the_allocation_reaches_the_lease_and_the_journal(backed: VirtualStation) -> None:
    backed.pilot("B")
    backed.present("ANNA")
    backed.meter(1000.0)
    assert backed.grants == [20_000]

    assert set_limit(backed, 8.2) == [8_200]
    assert backed.station.session.why.endswith("ocpp ChargePointMaxProfile 1 allows 8.2 A")
    assert set_limit(backed, 5.9) == [0]
    assert "less than the 6 A" in backed.station.session.why
    assert set_limit(backed, 6.0) == [6_000]
    assert set_limit(backed, 100.0) == [20_000]
    assert [row["data"]["limit_ma"] for row in backed.rows("AllocationChanged")] == [20_000, 8_200, 0, 6_000, 20_000]


def test_a_limit_in_tenths_of_an_ampere_does_not_lose_a_milliampere_to_floating_point() -> None:
    station = VirtualStation(id_tags=("ANNA",), back_end=True, board_ma=40_000, cable_ma=40_000)
    station.pilot("B")
    station.present("ANNA")
    station.meter(1000.0)

    assert set_limit(station, 32.3) == [32_300]
    station.close()


def test_the_station_asks_to_be_woken_when_a_limit_runs_out(backed: VirtualStation) -> None:
    backed.tick()
    set_limit(backed, 10.0, duration_s=60)
    until_ms = backed.now_ms + 60_000
    assert backed.station.deadline() == until_ms

    backed.tick(after_ms=until_ms - backed.now_ms)

    assert [row["data"]["limit_ma"] for row in backed.rows("AllocationChanged")] == [20_000, 10_000, 20_000]


def set_limit(station: VirtualStation, limit_a: float, duration_s: int | None = None) -> list[int]:
    """Have the charge point receive a ChargePointMaxProfile; what the station then grants."""
    charge_point = station.charge_point
    assert charge_point is not None
    schedule: dict[str, object] = {
        "chargingRateUnit": "A",
        "startSchedule": "2026-01-01T00:00:00Z",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}],
    }
    if duration_s is not None:
        schedule["duration"] = duration_s + station.now_ms // 1000
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "ChargePointMaxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    call = [2, f"set-{limit_a}", "SetChargingProfile", {"connectorId": 0, "csChargingProfiles": profile}]
    if not charge_point.connected_now:
        charge_point.connected(station.now_ms)
        (boot,) = [json.loads(text) for text in charge_point.data_to_send()]
        assert boot[2] == "BootNotification"
        accepted = {"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z", "interval": 300}
        charge_point.receive(json.dumps([3, boot[1], accepted]), station.now_ms, UNIX_MS + station.now_ms)
    charge_point.receive(json.dumps(call), station.now_ms, UNIX_MS + station.now_ms)
    assert [3, call[1], {"status": "Accepted"}] in [json.loads(text) for text in charge_point.data_to_send()]
    grants: list[int] = []
    while (event := charge_point.next_event()) is not None:
        grants += station(event, after_ms=0)
    return grants


# --- the central system's word

FULL = "CREATE TRIGGER full BEFORE INSERT ON ocpp_outbox BEGIN SELECT RAISE(ABORT, 'full'); END"


def test_the_ledger_and_the_message_for_the_central_system_are_written_together_or_not_at_all(
    backed: VirtualStation,
) -> None:
    outbox = "SELECT kind FROM ocpp_outbox ORDER BY seq"
    backed.pilot("B")
    backed.present("ANNA")
    backed.durable.execute(FULL)
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        backed.meter(1000.0)
    assert backed.all() == []
    assert not backed.durable.in_transaction

    backed.durable.execute("DROP TRIGGER full")
    backed.boot()
    backed.pilot("B")
    backed.present("ANNA")
    backed.meter(1000.0)
    assert backed.durable.execute(outbox).fetchall() == [("StartTransaction",)]
    assert len(backed.open()) == 1

    backed.durable.execute(FULL)
    backed.boot()
    backed.pilot("A")
    with pytest.raises(sqlite3.IntegrityError, match="full"):
        backed.meter(1100.0)
    assert len(backed.open()) == 1, "ended here, and nobody will ever tell the central system"

    backed.durable.execute("DROP TRIGGER full")
    backed.boot()
    backed.pilot("A")
    backed.meter(1100.0)
    assert backed.durable.execute(outbox).fetchall() == [("StartTransaction",), ("StopTransaction",)]
    assert backed.open() == []


def test_an_answer_about_an_earlier_token_does_not_use_up_the_question_about_a_later_one(
    backed: VirtualStation,
) -> None:
    backed(ocpp.BackendUp())
    backed.pilot("B")
    backed.present("CARLA")
    backed.present("DORA")
    backed(ocpp.Authorized("CARLA", "Accepted"))
    backed.meter(1000.0)
    assert backed.open() == []

    backed(ocpp.Authorized("DORA", "Accepted"))
    assert [item.id_tag for item in backed.open()] == ["DORA"]


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "ConcurrentTx", "Offline"])
def test_a_token_that_the_central_system_does_not_accept_starts_nothing(backed: VirtualStation, status: str) -> None:
    backed(ocpp.BackendUp())
    backed.pilot("B")
    backed.present("CARLA")
    backed(ocpp.Authorized("CARLA", status))
    backed.meter(1000.0)

    assert backed.all() == []


def test_an_answer_that_comes_after_the_connection_was_lost_counts_no_more(backed: VirtualStation) -> None:
    backed(ocpp.BackendUp())
    backed.pilot("B")
    backed.present("CARLA")
    backed(ocpp.BackendDown())
    backed(ocpp.Authorized("CARLA", "Accepted"))
    backed.meter(1000.0)

    assert backed.all() == []


def test_a_remote_start_is_accepted_only_where_it_can_start_something(backed: VirtualStation) -> None:
    def remote_start(tag: str, connector: int | None = 1) -> bool:
        backed(ocpp.RemoteStartRequested("m", tag, connector))
        accepted: bool = backed.rows("RemoteStartRequested")[-1]["data"]["accepted"]
        return accepted

    backed.pilot("B")
    assert not remote_start("CARLA", connector=2)
    assert remote_start("CARLA", connector=None)
    assert not remote_start("DORA"), "Carla has been accepted and only waits for the meter"
    backed.meter(1000.0)
    assert not remote_start("DORA"), "Carla is charging"

    assert [item.id_tag for item in backed.open()] == ["CARLA"]


def test_a_remote_start_while_an_orphan_waits_is_rejected(backed: VirtualStation) -> None:
    backed.pilot("B")
    backed.present("ANNA")
    backed.meter(1000.0)
    backed.boot()
    backed(ocpp.RemoteStartRequested("m", "CARLA", 1))

    assert backed.rows("RemoteStartRequested")[-1]["data"] == {"accepted": False}


def test_a_remote_stop_ends_the_transaction_it_names_and_no_other(backed: VirtualStation) -> None:
    backed.pilot("B")
    backed.present("ANNA")
    backed.meter(1000.0)

    assert backed(ocpp.RemoteStopRequested("m", 99)) == []
    assert backed(ocpp.RemoteStopRequested("m", 1)) == [0]
    backed.meter(1001.0)
    assert [item.reason for item in backed.all()] == ["Remote"]


def test_a_transaction_the_central_system_does_not_accept_is_stopped(backed: VirtualStation) -> None:
    backed.pilot("B")
    backed.present("ANNA")
    backed.meter(1000.0)

    assert backed(ocpp.TransactionAnswered(1, 77, "Accepted")) == []
    assert backed(ocpp.TransactionAnswered(2, 78, "Invalid")) == []
    assert backed(ocpp.TransactionAnswered(1, 77, "Invalid")) == [0]
    backed.meter(1001.0)
    assert [item.reason for item in backed.all()] == ["DeAuthorized"]
