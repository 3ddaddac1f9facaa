"""kill -9 of the station in the middle of a session: who opens the contacts, when, and what the books say afterwards."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from end_to_end import charging, charging_after_card, transactions, until, wait_energy, wait_status
from pilotwire.tools.rig.ledger import Ledger
from pilotwire.tools.rig.rig import wait_world
from pilotwire.tools.rig.settings import RigSettings

TTL_MS = 1000


def test_a_car_that_obeys_x1_is_off_within_ttl_and_3200_ms(tmp_path: Path) -> None:
    with charging(tmp_path, RigSettings(back_end=False, lease_ttl_ms=TTL_MS)) as (rig, world):
        wait_energy(rig, 8.0)
        killed_ms = world.now_ms()
        rig.process("station").kill()
        x1_ms = wait_world(rig, "duty_permyriad", 10000, killed_ms)
        open_ms = wait_world(rig, "contacts_closed", False, killed_ms)
    print(f"X1 {x1_ms - killed_ms} ms, contacts open {open_ms - killed_ms} ms after kill -9")
    assert x1_ms - killed_ms <= TTL_MS
    assert open_ms - killed_ms <= TTL_MS + 3200
    assert open_ms > x1_ms


def test_a_car_that_ignores_x1_is_cut_off_between_6000_and_6500_ms_after_x1(tmp_path: Path) -> None:
    with charging(tmp_path, RigSettings(back_end=False, lease_ttl_ms=TTL_MS)) as (rig, world):
        world.set(car={"obeys_x1": False})
        wait_energy(rig, 8.0)
        killed_ms = world.now_ms()
        rig.process("station").kill()
        x1_ms = wait_world(rig, "duty_permyriad", 10000, killed_ms)
        open_ms = wait_world(rig, "contacts_closed", False, killed_ms)
        # It really was under load until then.
        current_a = [row["current_a"][0] for row in world.trace() if x1_ms + 200 <= row["t_ms"] < open_ms]
    print(f"contacts open {open_ms - x1_ms} ms after X1, {open_ms - killed_ms} ms after kill -9")
    assert open_ms - x1_ms >= 6000
    assert open_ms - killed_ms <= TTL_MS + 6500
    assert min(current_a) > 30.0


def test_sigterm_tells_the_car_to_stop_at_once_and_not_when_the_lease_runs_out(tmp_path: Path) -> None:
    with charging(tmp_path, RigSettings(back_end=False, lease_ttl_ms=5000)) as (rig, world):
        stopped_ms = world.now_ms()
        rig.process("station").signal(signal.SIGTERM)
        x1_ms = wait_world(rig, "duty_permyriad", 10000, stopped_ms)
        wait_world(rig, "contacts_closed", False, stopped_ms)
        assert rig.process("station").stop() == 0
    print(f"X1 {x1_ms - stopped_ms} ms after SIGTERM")
    assert x1_ms - stopped_ms < 2500, "that was the lease running out"


@pytest.mark.parametrize("obeys_x1", [True, False])
def test_after_kill_9_the_transaction_is_closed_once_with_the_energy_that_really_flowed(
    tmp_path: Path, obeys_x1: bool
) -> None:
    settings = RigSettings(lease_ttl_ms=TTL_MS, meter_values_s=2, id_tags=("CARD1",))
    with charging_after_card(tmp_path, settings, "CARD1") as (rig, world):
        world.set(car={"obeys_x1": obeys_x1})
        wait_energy(rig, 15.0)
        killed_ms = world.now_ms()
        rig.process("station").kill()
        # Back at once, while the car still draws current: the books must wait for the contacts.
        rig.start_station()
        open_ms = wait_world(rig, "contacts_closed", False, killed_ms)
        rig.wait_snapshot("an empty queue", lambda shot: shot["ocpp"]["registered"] and shot["ocpp"]["queue"] == 0)
        until("the transaction's end", lambda: transactions(rig)[0].stopped_unix_ms is not None)
        rig.wait_snapshot("an empty queue", lambda shot: shot["ocpp"]["registered"] and shot["ocpp"]["queue"] == 0)
        true_wh = world.read()["energy_true_wh"]
        closed = transactions(rig)
        assert rig.csms is not None
        ledger = Ledger(rig.csms.frames)
    print(f"open {open_ms - killed_ms} ms after kill -9; true {true_wh:.2f} Wh, books {closed[0].energy_wh:.2f} Wh")
    assert len(closed) == 1
    assert closed[0].reason == "Reboot"
    assert closed[0].energy_wh == pytest.approx(true_wh, rel=0.01)
    assert len(ledger.transactions) == 1
    assert len(ledger.transactions[0].stops) == 1
    assert ledger.transactions[0].energy_wh == pytest.approx(true_wh, abs=1.0, rel=0.01)
    assert ledger.transactions[0].stops[0]["reason"] == "Reboot"
    assert ledger.altered == []
    assert ledger.stray_stops == []


def test_what_was_sent_before_kill_9_and_never_answered_is_sent_again_byte_for_byte(tmp_path: Path) -> None:
    settings = RigSettings(lease_ttl_ms=TTL_MS, meter_values_s=1, id_tags=("CARD1",))
    with charging_after_card(tmp_path, settings, "CARD1") as (rig, world):
        assert rig.csms is not None
        csms = rig.csms
        # Nothing but meter values is under way from here on.
        assert csms.wait_for(lambda: len(csms.calls("MeterValues")) >= 1, 20.0)
        # The central system stops reading: what the station sends now lies in the socket, unanswered.
        csms.signal(signal.SIGSTOP)
        # Three, so that the station has long read whatever had been answered: a socket with unread data would be reset, not closed.
        rig.wait_snapshot("three messages waiting", lambda shot: shot["ocpp"]["queue"] >= 3)
        rig.process("station").kill()
        csms.signal(signal.SIGCONT)
        rig.start_station()
        rig.wait_snapshot("an empty queue", lambda shot: shot["ocpp"]["registered"] and shot["ocpp"]["queue"] == 0)
        until("the transaction's end", lambda: transactions(rig)[0].stopped_unix_ms is not None)
        rig.wait_snapshot("an empty queue", lambda shot: shot["ocpp"]["queue"] == 0)
        world.unplug()
        wait_status(rig, "Available")
        frames = list(csms.frames)
    calls = [frame["text"] for frame in frames if frame["frame"] == "in" and frame["text"].startswith("[2")]
    repeated = [text for text in calls if calls.count(text) > 1]
    ids = [json.loads(text)[1] for text in calls]
    print(f"{len(calls)} calls, {len(set(repeated))} sent more than once")
    assert repeated, "nothing was resent: the test has not made the situation it is about"
    assert len(set(calls)) == len(set(ids)), "a message id came with two different texts"
    ledger = Ledger(frames)
    assert len(ledger.transactions) == 1
    assert len(ledger.transactions[0].stops) == 1
    assert ledger.altered == []
