"""What the end-to-end tests share: a rig that charges, and the station's files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pilotwire.firmware.store.events import EventJournal
from pilotwire.firmware.store.transactions import Transaction, Transactions
from pilotwire.tools.rig.clients import WorldClient, send_command
from pilotwire.tools.rig.process import wait_for
from pilotwire.tools.rig.rig import Rig
from pilotwire.tools.rig.settings import RigSettings


@contextmanager
def charging(folder: Path, settings: RigSettings | None = None) -> Iterator[tuple[Rig, WorldClient]]:
    """A rig in the middle of a charging session; on failure the parts' logs are printed."""
    with Rig(folder, settings) as rig:
        rig.start()
        print(rig.pilot_note)
        assert rig.world is not None
        rig.world.plug()
        wait_status(rig, "Charging")
        yield rig, rig.world


@contextmanager
def charging_after_card(folder: Path, settings: RigSettings, id_tag: str) -> Iterator[tuple[Rig, WorldClient]]:
    """The same with a card shown, so that a restarted station does not begin a new transaction by itself."""
    with Rig(folder, settings) as rig:
        rig.start()
        print(rig.pilot_note)
        assert rig.world is not None
        rig.world.plug()
        wait_status(rig, "Preparing")
        send_command(rig.status_socket, {"present": id_tag})
        wait_status(rig, "Charging")
        yield rig, rig.world


def wait_status(rig: Rig, status: str, timeout_s: float = 30.0) -> dict[str, Any]:
    """Until the connector has this OCPP status."""
    return rig.wait_snapshot(f"status {status}", lambda shot: shot["session"]["state"] == status, timeout_s)


def wait_energy(rig: Rig, energy_wh: float, timeout_s: float = 60.0) -> None:
    """Until the circuit has delivered this much."""
    world = rig.world
    assert world is not None
    wait_for(f"{energy_wh} Wh", lambda: world.read()["energy_true_wh"] >= energy_wh, timeout_s)


def journal(rig: Rig, name: str | None = None) -> list[dict[str, Any]]:
    """The station's event journal, read while it may be running."""
    with closing(sqlite3.connect(rig.data_dir / "events.db", isolation_level=None, timeout=5.0)) as connection:
        return EventJournal(connection).rows(name)


def transactions(rig: Rig) -> list[Transaction]:
    """The station's transactions."""
    with closing(sqlite3.connect(rig.data_dir / "station.db", isolation_level=None, timeout=5.0)) as connection:
        return Transactions(connection).all()


def until(what: str, condition: Callable[[], Any], timeout_s: float = 30.0) -> Any:
    """First true value of condition()."""
    return wait_for(what, condition, timeout_s)
