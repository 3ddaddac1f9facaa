"""The central system dies in the middle of a session and comes back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from end_to_end import charging, journal, until, wait_energy, wait_status
from pilotwire.firmware.store.database import open_reader
from pilotwire.tools.rig.ledger import Ledger
from pilotwire.tools.rig.rig import Rig
from pilotwire.tools.rig.settings import RigSettings

INTERVAL_S = 1
STORED = ("StartTransaction", "MeterValues", "StopTransaction")


def test_charging_goes_on_without_a_central_system_and_every_message_arrives_later_in_order(tmp_path: Path) -> None:
    with charging(tmp_path, RigSettings(meter_values_s=INTERVAL_S)) as (rig, world):
        csms = rig.csms
        assert csms is not None
        wait_energy(rig, 10.0)
        csms.kill()
        first_frames = list(csms.frames)
        wait_energy(rig, world.read()["energy_true_wh"] + 25.0)
        shot = rig.wait_snapshot("messages kept", lambda shot: shot["ocpp"]["queue"] >= 3)
        assert shot["session"]["state"] == "Charging"
        assert shot["ocpp"]["connected"] is False
        assert not [event for event in world.events() if event["name"] == "contacts_closed" and not event["value"]][1:]
        rig.start_csms(csms.port)
        back = rig.csms
        assert back is not None
        rig.wait_snapshot(
            "the queue to drain", lambda shot: shot["ocpp"]["registered"] and shot["ocpp"]["queue"] == 0, 60.0
        )
        world.set(car={"wants_charge": False})
        until("open contacts", lambda: not world.read()["closed"])
        world.unplug()
        wait_status(rig, "Available")
        rig.wait_snapshot("an empty queue", lambda shot: shot["ocpp"]["queue"] == 0)
        true_wh = world.read()["energy_true_wh"]
        ledger = Ledger([*first_frames, *back.frames])
        stamps = [
            frame[3]["meterValue"][0]["timestamp"]
            for frame in [*csms.calls("MeterValues"), *back.calls("MeterValues")]
            if "transactionId" in frame[3]
        ]
        begun = next(row for row in journal(rig, "TransactionBegun"))
        ended = next(row for row in journal(rig, "TransactionEnded"))
        after_return = back.calls("StartTransaction", "MeterValues", "StopTransaction")
        stored = messages_ever_stored(rig)
        arrived = {frame[1] for frame in [*csms.calls(*STORED), *back.calls(*STORED)] if is_transactional(frame)}
        in_order = [frame for frame in [*csms.calls(*STORED), *back.calls(*STORED)] if is_transactional(frame)]
    expected = (ended["unix_ms"] - begun["unix_ms"]) / 1000 / INTERVAL_S
    print(f"{len(stamps)} MeterValues for {expected:.0f} intervals, {len(after_return)} messages after the return")
    assert len(ledger.transactions) == 1
    assert len(ledger.transactions[0].stops) == 1
    assert abs((ledger.transactions[0].energy_wh or 0) - true_wh) <= max(1.0, 0.01 * true_wh)
    assert ledger.altered == []
    unique = list(dict.fromkeys(stamps))
    assert unique == sorted(unique), "meter values came out of order"
    assert len(unique) >= 0.7 * expected, "the station itself made too few"
    assert len(arrived) == stored, "every message that was ever stored must have arrived"
    actions = [frame[2] for frame in in_order]
    assert actions[0] == "StartTransaction"
    assert actions[-1] == "StopTransaction"
    assert set(actions[1:-1]) == {"MeterValues"}


def is_transactional(frame: list[Any]) -> bool:
    """MeterValues outside a transaction are not kept for later."""
    return frame[2] != "MeterValues" or "transactionId" in frame[3]


def messages_ever_stored(rig: Rig) -> int:
    """How many messages the outbox has numbered since it was made; SQLite's AUTOINCREMENT never forgets one."""
    with closing(open_reader(rig.data_dir / "station.db")) as connection:
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'ocpp_outbox'").fetchone()
    return int(row[0])
