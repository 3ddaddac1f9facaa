"""The pilot's process dies or stops in the middle of a session: charge pump, station, central system, recovery."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from end_to_end import charging, journal, transactions, wait_energy, wait_status
from pilotwire.tools.rig.rig import Rig, wait_world
from pilotwire.tools.rig.settings import RigSettings

CONTACTS_OPEN_MS = 100
NOTICED_MS = 500


def kill(rig: Rig) -> None:
    rig.process("pilot").kill()


def stop(rig: Rig) -> None:
    rig.process("pilot").signal(signal.SIGSTOP)


def start_again(rig: Rig) -> None:
    rig.start_pilot()


def go_on(rig: Rig) -> None:
    rig.process("pilot").signal(signal.SIGCONT)


@pytest.mark.parametrize(("lose", "bring_back"), [(kill, start_again), (stop, go_on)], ids=["kill -9", "SIGSTOP"])
def test_a_lost_pilot_opens_the_contacts_is_noticed_shown_reported_and_recovered_from(
    tmp_path: Path, lose: Callable[[Rig], None], bring_back: Callable[[Rig], None]
) -> None:
    with charging(tmp_path, RigSettings(meter_values_s=60)) as (rig, world):
        assert rig.csms is not None
        wait_energy(rig, 5.0)
        lost_ms = world.now_ms()
        lose(rig)
        open_ms = wait_world(rig, "contacts_closed", False, lost_ms)
        shot = wait_status(rig, "Faulted")
        noticed_ms = world.at(journal(rig, "PilotLost")[0]["at_ms"])
        print(f"contacts open {open_ms - lost_ms} ms, noticed {noticed_ms - lost_ms} ms after the loss")
        assert open_ms - lost_ms <= CONTACTS_OPEN_MS
        assert noticed_ms - lost_ms <= NOTICED_MS
        assert shot["pilot"]["online"] is False
        assert "pilot" in shot["session"]["why"]
        reported = rig.csms.wait_for(
            lambda: any(frame[3]["status"] == "Faulted" for frame in rig.csms.calls("StatusNotification")), 20.0
        )
        assert reported, "the central system never heard of the fault"
        time.sleep(1.0)  # long enough for the pilot to have missed a whole lease
        assert world.read()["current_a"] == [0.0, 0.0, 0.0]
        back_ms = world.now_ms()
        bring_back(rig)
        wait_status(rig, "Charging")
        wait_world(rig, "contacts_closed", True, back_ms)
        assert len(transactions(rig)) == 1, "the transaction must outlive a restart of the pilot"
        csms = rig.csms

        def last_status() -> str:
            calls = [frame[3] for frame in csms.calls("StatusNotification") if frame[3]["connectorId"] == 1]
            return str(calls[-1]["status"])

        assert csms.wait_for(lambda: last_status() == "Charging", 20.0)


def test_a_machine_that_stands_still_for_a_second_changes_no_verdict(tmp_path: Path) -> None:
    with charging(tmp_path, RigSettings(meter_values_s=60)) as (rig, world):
        # In such an order that none is awaited by another while this process itself is kept waiting between two signals.
        parts = [rig.process(name) for name in ("station", "meter", "world", "pilot")]
        for _ in range(3):
            for part in parts:
                part.signal(signal.SIGSTOP)
            time.sleep(1.0)
            for part in reversed(parts):
                part.signal(signal.SIGCONT)
            time.sleep(1.0)
        assert [event["name"] for event in world.events() if event["name"] == "pilot_silent"] == []
        assert journal(rig, "PilotLost") == []
        assert [row["value"] for row in world.events() if row["name"] == "contacts_closed"] == [False, True]
