"""Builds the OCPP 1.6J charge point on the station's durable database."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from importlib.metadata import version

from pilotwire.firmware.config import OcppSettings
from pilotwire.firmware.store.ocpp_outbox import SqliteOcppStore
from pilotwire.protocols.ocpp.charge_point_16 import ChargePoint16
from pilotwire.protocols.ocpp.settings_16 import ChargePointSettings


def open_charge_point(
    settings: OcppSettings,
    phases: int,
    connection: sqlite3.Connection,
    noted: Callable[[str], str] = lambda message_id: message_id,
) -> ChargePoint16:
    """A charge point with everything it had stored before; `noted` is told each message id that is drawn, and returns it."""
    return ChargePoint16(
        ChargePointSettings(
            vendor=settings.vendor,
            model=settings.model,
            firmware_version=version("pilotwire"),
            phases=phases,
            heartbeat_s=settings.heartbeat_s,
            meter_values_s=settings.meter_values_s,
        ),
        SqliteOcppStore(connection),
        lambda: noted(str(uuid.uuid4())),
    )
