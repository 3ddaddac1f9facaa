"""The charge point against a central system that is not ours: `ocpp-csms` in its own process and environment."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pilotwire.firmware.shell.ocpp_port import OcppPort
from pilotwire.firmware.store.database import open_database
from pilotwire.firmware.store.ocpp_outbox import SqliteOcppStore
from pilotwire.protocols.ocpp import events
from pilotwire.protocols.ocpp.charge_point_16 import ChargePoint16
from pilotwire.protocols.ocpp.readings import Sample
from pilotwire.protocols.ocpp.settings_16 import ChargePointSettings
from pilotwire.tools.peers.csms import CsmsError, CsmsProcess, find_interpreter

try:
    find_interpreter()
    ABSENT = ""
except CsmsError as error:
    ABSENT = str(error)

pytestmark = pytest.mark.skipif(bool(ABSENT), reason=ABSENT)

PATIENCE_S = 60.0
"""How long to wait for what must happen; nothing here is judged by how long it takes."""

CP = "CP1"


def unix_ms() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def csms() -> Iterator[CsmsProcess]:
    with CsmsProcess(options=("--authorize", "TAG,OTHER")) as process:
        yield process


class Station:
    """Core, store and port as the station wires them; `events` is what the station would get."""

    def __init__(
        self, url: str, database: Path | str = ":memory:", password: str | None = None, **settings: Any
    ) -> None:
        self.url = url
        self.password = password
        if isinstance(database, Path):
            self.db = open_database(database, durable=True)
        else:
            self.db = sqlite3.connect(database, isolation_level=None)
        self.core = ChargePoint16(
            ChargePointSettings(vendor="Pilotwire", model="Test", **settings),
            SqliteOcppStore(self.db),
            lambda: str(uuid.uuid4()),
        )
        self.events: list[events.Event] = []
        self.decide = True
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Station:
        self.port = OcppPort(self.url, self.core, self._on_event, unix_ms, password=self.password)
        self.task = asyncio.ensure_future(self.port.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.die()
        self.db.close()

    async def die(self) -> None:
        """End without any goodbye of our own."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def _on_event(self, event: events.Event) -> None:
        self.events.append(event)
        if isinstance(event, events.RemoteStartRequested | events.RemoteStopRequested):
            self.core.answer(event.message_id, self.decide)
            self.port.poke()

    def happened(self, *kinds: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    async def until(self, condition: Callable[[], object], what: str) -> None:
        assert self.task is not None
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert not self.task.done(), f"the port ended: {self.task}"
            assert time.monotonic() < end, f"never: {what}; events {self.events[-10:]}"
            await asyncio.sleep(0.01)

    async def registered(self) -> None:
        await self.until(lambda: self.core.registered, "registered")

    async def drained(self) -> None:
        await self.until(lambda: self.core.queue_length == 0 and not self.core.outstanding, "queue empty")

    def start(self, tx_ref: int = 1) -> None:
        self.core.start_transaction(tx_ref, 1, "TAG", 1000, unix_ms())
        self.port.poke()

    def read(self, energy_wh: float, tx_ref: int = 1) -> None:
        sample = Sample(energy_wh=energy_wh, power_w=11_000, current_a=(16, 16, 16), voltage_v=(230, 230, 230))
        assert self.core.meter_values(tx_ref, 1, sample, unix_ms())
        self.port.poke()

    def stop(self, tx_ref: int = 1, meter_wh: int = 1500) -> None:
        self.core.stop_transaction(tx_ref, meter_wh, "Local", "TAG", unix_ms())
        self.port.poke()


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(_awaited(story), 4 * PATIENCE_S))


async def _awaited(story: Callable[[], Awaitable[None]]) -> None:
    await story()


async def command(csms: CsmsProcess, name: str, **fields: Any) -> dict[str, Any]:
    return await asyncio.to_thread(csms.command, name, cp=CP, **fields)


async def seen(csms: CsmsProcess, condition: Callable[[], bool], what: str) -> None:
    assert await asyncio.to_thread(csms.wait_for, condition, PATIENCE_S), f"never: {what}; {csms.frames[-5:]}"


TRANSACTION = ("StartTransaction", "MeterValues", "StopTransaction")


def events_of(csms: CsmsProcess, *names: str) -> list[dict[str, Any]]:
    return [event for event in csms.events if event["event"] in names]


def test_boot_status_and_heartbeat_arrive(csms: CsmsProcess) -> None:
    async def story() -> None:
        async with Station(csms.url(CP)) as station:
            station.core.status(1, "Available", "NoError", unix_ms())
            await station.registered()
            assert (await command(csms, "trigger", message="Heartbeat"))["status"] == "Accepted"
            await seen(csms, lambda: bool(csms.calls("Heartbeat")), "heartbeat")
            (boot,) = events_of(csms, "Boot")
            assert (boot["info"]["vendor"], boot["info"]["model"]) == ("Pilotwire", "Test")
            status = {e["connector"]["connector_id"]: e["connector"]["status"] for e in events_of(csms, "Status")}
            assert status == {0: "Available", 1: "Available"}
            assert csms.calls()[0][2] == "BootNotification"
            await station.until(lambda: not station.core.outstanding, "heartbeat answered")

    run(story)


def test_heartbeats_follow_the_interval_of_the_boot_answer() -> None:
    async def story(csms: CsmsProcess) -> None:
        async with Station(csms.url(CP)) as station:
            await station.registered()
            await seen(csms, lambda: len(csms.calls("Heartbeat")) >= 2, "two heartbeats")

    with CsmsProcess(options=("--heartbeat-s", "1")) as process:
        run(lambda: story(process))


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_a_boot_not_accepted_at_first_is_repeated_and_nothing_else_is_sent_meanwhile(status: str) -> None:
    async def story(csms: CsmsProcess) -> None:
        async with Station(csms.url(CP)) as station:
            station.start()
            await station.registered()
            await station.drained()
            assert [call[2] for call in csms.calls()][:3] == ["BootNotification"] * 3
            assert [call[2] for call in csms.calls()].count("BootNotification") == 3
            assert len(csms.calls("StartTransaction")) == 1

    with CsmsProcess(options=("--registration", status, "--boots", "2", "--boot-retry-s", "1")) as process:
        run(lambda: story(process))


def test_authorize_is_accepted_and_refused(csms: CsmsProcess) -> None:
    async def story() -> None:
        async with Station(csms.url(CP)) as station:
            await station.registered()
            for tag, status in (("TAG", "Accepted"), ("STRANGER", "Invalid")):
                station.core.authorize(tag)
                station.port.poke()
                await station.until(lambda: events.Authorized(tag, status) in station.events, f"{tag} {status}")  # noqa: B023

    run(story)


def test_a_transaction_arrives_whole_with_the_meters_energy(csms: CsmsProcess) -> None:
    async def story() -> None:
        async with Station(csms.url(CP)) as station:
            await station.registered()
            station.start()
            for n in range(3):
                station.read(1000 + 100 * n)
            station.stop()
            await station.drained()
            await seen(csms, lambda: bool(events_of(csms, "TransactionStopped")), "stopped")
            (answered,) = station.happened(events.TransactionAnswered)
            assert answered.status == "Accepted"
            transaction = events_of(csms, "TransactionStopped")[0]["transaction"]
            assert transaction["transaction_id"] == answered.transaction_id
            assert (transaction["meter_start"], transaction["meter_stop"]) == (1000, 1500)
            readings = [event["readings"][0] for event in events_of(csms, "MeterValues")]
            assert [(r["value"], r["unit"]) for r in readings] == [("1000.0", "Wh"), ("1100.0", "Wh"), ("1200.0", "Wh")]
            assert {e["transaction_id"] for e in events_of(csms, "MeterValues")} == {answered.transaction_id}

    run(story)


def test_a_start_with_an_unknown_tag_is_reported_as_invalid(csms: CsmsProcess) -> None:
    async def story() -> None:
        async with Station(csms.url(CP)) as station:
            await station.registered()
            station.core.start_transaction(1, 1, "STRANGER", 0, unix_ms())
            station.port.poke()
            await station.until(lambda: station.happened(events.TransactionAnswered), "answered")
            assert station.happened(events.TransactionAnswered)[0].status == "Invalid"

    run(story)


def test_remote_start_and_stop_are_decided_by_the_station(csms: CsmsProcess) -> None:
    async def story() -> None:
        async with Station(csms.url(CP)) as station:
            await station.registered()
            assert (await command(csms, "remote_start", id_tag="TAG", connector=0))["status"] == "Rejected"
            station.decide = False
            assert (await command(csms, "remote_start", id_tag="TAG", connector=1))["status"] == "Rejected"
            station.decide = True
            reply = await command(csms, "remote_start", id_tag="TAG", connector=1, profile_amps=8)
            assert reply["status"] == "Accepted"
            station.start()
            await station.until(lambda: station.happened(events.TransactionAnswered), "answered")
            limit = station.core.charging_limit(1, unix_ms())
            assert limit is not None
            assert (limit.limit_a, limit.purpose) == (8, "TxProfile")
            number = station.happened(events.TransactionAnswered)[0].transaction_id
            assert (await command(csms, "remote_stop", transaction_id=number + 1))["status"] == "Rejected"
            assert (await command(csms, "remote_stop"))["status"] == "Accepted"
            assert station.happened(events.RemoteStopRequested)[0].tx_ref == 1

    run(story)


def test_a_limit_is_set_and_cleared(csms: CsmsProcess) -> None:
    async def story() -> None:
        async with Station(csms.url(CP)) as station:
            await station.registered()
            assert (await command(csms, "set_limit", amps=10, purpose="TxProfile", connector=1))["status"] == "Rejected"
            assert (await command(csms, "set_limit", amps=10.5))["status"] == "Accepted"
            limit = station.core.charging_limit(1, unix_ms())
            assert limit is not None
            assert (limit.limit_a, limit.purpose) == (10.5, "ChargePointMaxProfile")
            assert (await command(csms, "clear_limit"))["status"] == "Accepted"
            assert station.core.charging_limit(1, unix_ms()) is None
            assert len(station.happened(events.ChargingProfilesChanged)) == 2

    run(story)


def test_configuration_and_triggers_are_answered(csms: CsmsProcess) -> None:
    async def story() -> None:
        async with Station(csms.url(CP)) as station:
            station.core.status(1, "Preparing", "NoError", unix_ms())
            await station.registered()
            reply = await command(csms, "configuration", keys=["NumberOfConnectors", "Moonphase"])
            assert (reply["values"], reply["unknown"]) == ({"NumberOfConnectors": "1"}, ["Moonphase"])
            before = len(csms.calls("StatusNotification"))
            reply = await command(csms, "trigger", message="StatusNotification", connector=1)
            assert reply["status"] == "Accepted"
            await seen(csms, lambda: len(csms.calls("StatusNotification")) > before, "triggered status")
            assert (await command(csms, "trigger", message="FirmwareStatusNotification"))["status"] == "NotImplemented"

    run(story)


def test_a_central_system_killed_in_mid_transaction_gets_everything_in_order_after_its_return(tmp_path: Path) -> None:
    async def story() -> None:
        first = CsmsProcess().start()
        try:
            async with Station(first.url(CP), tmp_path / "station.db") as station:
                await station.registered()
                station.start()
                station.read(1100)
                await station.drained()
                first.kill()
                await station.until(lambda: not station.port.connected, "connection lost")
                station.read(1200)
                station.stop(meter_wh=1300)
                station.start(2)
                station.read(1400, 2)
                assert station.core.queue_length == 4
                with CsmsProcess(port=first.port) as second:
                    await station.registered()
                    await station.drained()
                    await seen(second, lambda: len(second.calls(*TRANSACTION)) == 4, "all four")
                    calls = second.calls(*TRANSACTION)
                    assert [call[2] for call in calls] == [
                        "MeterValues",
                        "StopTransaction",
                        "StartTransaction",
                        "MeterValues",
                    ]
                    one, two = (e.transaction_id for e in station.happened(events.TransactionAnswered))
                    assert [call[3].get("transactionId") for call in calls] == [one, one, None, two]
                    assert calls[1][3]["meterStop"] == 1300
        finally:
            first.stop()

    run(story)


@pytest.mark.parametrize("action", TRANSACTION)
@pytest.mark.parametrize("station_dies_too", [False, True])
def test_what_was_sent_and_not_answered_is_sent_again_with_the_same_bytes(
    tmp_path: Path, action: str, station_dies_too: bool
) -> None:
    def sent(csms: CsmsProcess) -> list[str]:
        texts = [line["text"] for line in csms.frames if line["frame"] == "in"]
        return [text for text in texts if text.startswith("[2,") and json.loads(text)[2] in TRANSACTION]

    async def story() -> None:
        first = CsmsProcess().start()
        try:
            async with Station(first.url(CP), tmp_path / "station.db") as station:
                await station.registered()
                await asyncio.to_thread(first.command, "die_on", action=action)
                station.start()
                station.read(1100)
                station.stop()
                await station.until(lambda: not station.port.connected, "the central system died of it")
                assert await asyncio.to_thread(first.wait_for, lambda: not first.alive, PATIENCE_S)
                first.kill()
                before = sent(first)
                assert json.loads(before[-1])[2] == action
                if station_dies_too:
                    await station.die()
            with CsmsProcess(port=first.port) as second:
                async with Station(second.url(CP), tmp_path / "station.db") as station:
                    await station.registered()
                    await station.drained()
                    await seen(second, lambda: bool(second.calls("StopTransaction")), "stop")
                    after = sent(second)
                    assert after[0] == before[-1]
                    whole = [json.loads(text)[2] for text in [*before, *after[1:]]]
                    assert whole == list(TRANSACTION)
        finally:
            first.stop()

    run(story)


def test_a_station_that_restarts_in_mid_transaction_closes_it_under_the_number_it_knew(
    csms: CsmsProcess, tmp_path: Path
) -> None:
    async def story() -> None:
        async with Station(csms.url(CP), tmp_path / "station.db") as station:
            await station.registered()
            station.start()
            await station.drained()
            (answered,) = station.happened(events.TransactionAnswered)
        async with Station(csms.url(CP), tmp_path / "station.db") as station:
            station.core.stop_transaction(1, 1234, "PowerLoss", None, unix_ms())
            station.port.poke()
            await station.registered()
            await station.drained()
            await seen(csms, lambda: bool(events_of(csms, "TransactionStopped")), "stopped")
            transaction = events_of(csms, "TransactionStopped")[0]["transaction"]
            assert transaction["transaction_id"] == answered.transaction_id
            assert (transaction["meter_stop"], transaction["stop_reason"]) == (1234, "PowerLoss")
            assert len(csms.calls("StartTransaction")) == 1

    run(story)


MALFORMED = [
    ('[2,"m","Levitate",{}]', "NotImplemented"),
    ('[2,"m","Reset",{"type":"Soft"}]', "NotSupported"),
    ('[2,"m","RemoteStartTransaction",{}]', "OccurenceConstraintViolation"),
    ('[2,"m","RemoteStartTransaction",{"idTag":5}]', "TypeConstraintViolation"),
    ('[2,"m","RemoteStartTransaction",{"idTag":"' + "x" * 21 + '"}]', "PropertyConstraintViolation"),
    ('[2,"m","RemoteStartTransaction",{"idTag":"a","b":1}]', "FormationViolation"),
    ('[2,"m","RemoteStartTransaction",' + "[" * 100_000 + "]" * 100_000 + "]", "FormationViolation"),
    ('[2,"m","GetConfiguration",{"key":["' + "x" * 1_000_000 + '"]}]', "FormationViolation"),
    ('[2,"m","GetConfiguration",{"key":["' + "x" * 10_000_000 + '"]}]', "FormationViolation"),
    ('[2,"m","GetConfiguration",{"key":', "FormationViolation"),
    ('[2,"m"]', "FormationViolation"),
    ("nonsense", None),
    ("[" * 100_000, None),
    ("{}", None),
    ('[77,"m"]', None),
    ('[3,"unasked",{}]', None),
    ('[4,"unasked","InternalError","",{}]', None),
]


def test_malformed_frames_get_their_error_and_the_connection_is_kept(csms: CsmsProcess) -> None:
    async def story() -> None:
        async with Station(csms.url(CP)) as station:
            await station.registered()
            await station.until(lambda: not station.core.outstanding, "quiet")
            for text, code in MALFORMED:
                noticed = len(csms.frames)
                assert (await command(csms, "raw", text=text))["status"] == "sent"
                if code is not None:
                    await seen(csms, lambda: len(csms.frames) > noticed, text[:60])  # noqa: B023
                    answer = json.loads(csms.frames[noticed]["text"])
                    assert answer[:3] == [4, "m", code], text[:60]
                # Still there, and still in step:
                reply = await command(csms, "configuration", keys=["NumberOfConnectors"])
                assert reply["values"] == {"NumberOfConnectors": "1"}, text[:60]
            assert len(events_of(csms, "Connected")) == 1
            assert events_of(csms, "Disconnected") == []

    run(story)


def test_the_password_opens_the_door_and_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    secret = "sesame-open-0815"

    async def story(csms: CsmsProcess) -> None:
        async with Station(csms.url(CP), password="wrong") as station:
            await station.until(lambda: "401" in caplog.text, "refused")
            assert not station.port.connected
        async with Station(csms.url(CP), password=secret) as station:
            await station.registered()

    with caplog.at_level("DEBUG"), CsmsProcess(options=("--password", secret)) as process:
        run(lambda: story(process))
    told = "\n".join(f"{record.name} {record.getMessage()}" for record in caplog.records)
    assert "pilotwire" in told
    for password in (secret, "wrong"):
        assert password not in told
        assert base64.b64encode(f"{CP}:{password}".encode()).decode() not in told


def test_without_an_interpreter_the_error_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(CsmsError, match="pip install 'ocpp-csms"):
        CsmsProcess(python=tmp_path / "nowhere")
