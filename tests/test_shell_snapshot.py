"""The station at one instant, as the panel sees it: always whole, always JSON."""

from __future__ import annotations

import json
from typing import Any

from pilotwire.firmware.session.events import MeterLost
from pilotwire.firmware.shell.snapshot import snapshot
from virtual_station import UNIX_MS, VirtualStation


def shot(station: VirtualStation) -> dict[str, Any]:
    found = snapshot(station.station, "demo-1", station.now_ms, UNIX_MS + station.now_ms)
    assert json.loads(json.dumps(found)) == found
    return found


def test_a_station_that_has_heard_nothing_yet_says_so() -> None:
    station = VirtualStation()
    found = shot(station)

    assert found["pilot"]["online"] is False
    assert found["meter"] is None
    assert found["ocpp"] is None
    assert found["session"] == {
        "state": "Available",
        "step": "Idle",
        "transaction": None,
        "why": "waiting for the pilot controller",
    }
    station.close()


def test_a_charging_station_shows_pilot_session_allocation_and_meter() -> None:
    station = VirtualStation()
    station.to_charging(1000.0)
    station.meter(1250.0)
    station.tick(after_ms=300)
    found = shot(station)

    assert (found["now_ms"], found["unix_ms"], found["station"], found["connector"]) == (
        station.now_ms,
        UNIX_MS + station.now_ms,
        "demo-1",
        1,
    )
    assert (found["pilot"]["state"], found["pilot"]["contactor"], found["pilot"]["faults"]) == ("C", "closed", [])
    assert (found["pilot"]["cp_high_mv"], found["pilot"]["duty_percent"], found["pilot"]["age_ms"]) == (
        6000,
        100.0,
        1300,
    )
    assert found["session"]["state"] == "Charging"
    assert found["session"]["transaction"] == {"ref": 1, "ocpp_id": None, "id_tag": "FREE", "energy_wh": 250.0}
    assert found["allocation"]["limit_ma"] == found["allocation"]["granted_ma"] == 20_000
    assert found["allocation"]["binding"] == found["session"]["why"] == "cable limits.cable_ma allows 20 A"
    assert [reason["value_ma"] for reason in found["allocation"]["reasons"]] == [20_000, 32_000]
    assert (found["meter"]["online"], found["meter"]["age_ms"], found["meter"]["energy_import_wh"]) == (
        True,
        300,
        1250.0,
    )
    station.close()


def test_a_lost_pilot_and_a_lost_meter_are_shown_as_lost() -> None:
    station = VirtualStation()
    station.to_charging()
    station(MeterLost("no answer"))
    station.lost()
    found = shot(station)

    assert found["pilot"]["online"] is False
    assert found["meter"]["online"] is False
    assert found["session"]["state"] == "Faulted"
    assert found["session"]["transaction"]["ref"] == 1
    assert found["allocation"]["granted_ma"] == 0
    station.close()


def test_a_central_system_is_shown_with_its_queue() -> None:
    station = VirtualStation(id_tags=("ANNA",), back_end=True)
    station.pilot("B")
    station.present("ANNA")
    station.meter(1000.0)
    found = shot(station)

    assert found["ocpp"] == {"connected": False, "registered": False, "queue": 1, "traffic": []}
    station.close()
