"""A transaction's record and its message to the central system are written together or not at all, at both ends."""

from __future__ import annotations

import sqlite3

import pytest

from virtual_station import VirtualStation

STORED = "SELECT kind FROM ocpp_outbox ORDER BY seq"


class PowerCutError(Exception):
    """Where the test cuts the power."""


def cut(*_: object) -> None:
    raise PowerCutError


def kinds(station: VirtualStation) -> list[str]:
    return [row[0] for row in station.durable.execute(STORED)]


def backed() -> VirtualStation:
    return VirtualStation(id_tags=("ANNA",), back_end=True, durable=sqlite3.connect(":memory:", isolation_level=None))


def test_power_cut_between_record_and_message_of_a_start_leaves_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    station = backed()
    station.pilot("B")
    station.present("ANNA")
    with monkeypatch.context() as context:
        context.setattr(type(station.charge_point), "start_transaction", cut)
        with pytest.raises(PowerCutError):
            station.meter(1000.0)
    station.boot()
    assert station.all() == []
    assert kinds(station) == []
    station.close()


def test_power_cut_between_record_and_message_of_a_stop_leaves_neither_and_both_come_at_the_next_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    station = backed()
    station.pilot("B")
    station.present("ANNA")
    station.meter(1000.0)
    station.pilot("C", closed=True)
    station.meter(1400.0)
    station.stop()
    station.pilot("B", closed=False)
    with monkeypatch.context() as context:
        context.setattr(type(station.charge_point), "stop_transaction", cut)
        with pytest.raises(PowerCutError):
            station.meter(1410.0)
    assert len(station.open()) == 1, "the end is on record and its message is lost for ever"
    assert kinds(station) == ["StartTransaction"]
    station.boot()
    station.pilot("B", closed=False)
    station.meter(1410.0)
    assert [(item.meter_stop_wh, item.reason) for item in station.all()] == [(1410.0, "Reboot")]
    assert kinds(station) == ["StartTransaction", "StopTransaction"]
    station.close()
