"""What a 1.6 charge point is told about itself, and the configuration keys it shows to the central system."""

from __future__ import annotations

import msgspec

from ._generated import v16
from .smart_charging_16 import MAX_INSTALLED, MAX_PERIODS, MAX_STACK_LEVEL

MAX_KEYS_ASKED = 50


class ChargePointSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Identity and intervals; lengths are those of BootNotification."""

    vendor: str
    """At most 20 characters."""
    model: str
    """At most 20 characters."""
    firmware_version: str = ""
    """At most 50 characters; empty: not told."""
    serial_number: str = ""
    """At most 25 characters; empty: not told."""
    connectors: int = 1
    phases: int = 3
    """Phases the connectors are wired with, 1 or 3."""
    heartbeat_s: int = 300
    """Until the answer to BootNotification says otherwise."""
    meter_values_s: int = 60
    """Shown as MeterValueSampleInterval; the sampling itself is the station's."""
    call_timeout_ms: int = 30_000
    boot_retry_s: int = 60
    """Pause before the next BootNotification when the central system names none."""
    transaction_attempts: int = 5
    """CALLERRORs after which a transaction message is given up."""
    transaction_retry_s: int = 10
    """Pause before the first resend of a transaction message; later ones are multiples of it."""


def boot_notification(settings: ChargePointSettings) -> v16.BootNotification:
    """The BootNotification of these settings."""
    return v16.BootNotification(
        chargePointVendor=settings.vendor,
        chargePointModel=settings.model,
        firmwareVersion=settings.firmware_version or None,
        chargePointSerialNumber=settings.serial_number or None,
    )


def configuration(
    settings: ChargePointSettings, heartbeat_s: int, wanted: list[str] | None
) -> v16.GetConfigurationResponse:
    """Answer to GetConfiguration; no keys, or an empty list, means all. Only keys that are real stand here."""
    values = {
        "ChargeProfileMaxStackLevel": str(MAX_STACK_LEVEL),
        "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
        "ChargingScheduleMaxPeriods": str(MAX_PERIODS),
        "GetConfigurationMaxKeys": str(MAX_KEYS_ASKED),
        "HeartbeatInterval": str(heartbeat_s),
        "MaxChargingProfilesInstalled": str(MAX_INSTALLED),
        "MeterValueSampleInterval": str(settings.meter_values_s),
        "NumberOfConnectors": str(settings.connectors),
        "SupportedFeatureProfiles": "Core,SmartCharging,RemoteTrigger",
        "TransactionMessageAttempts": str(settings.transaction_attempts),
        "TransactionMessageRetryInterval": str(settings.transaction_retry_s),
    }
    if not wanted:
        wanted = list(values)
    names = {name.lower(): name for name in values}  # keys are CiString: case does not count
    known = list(dict.fromkeys(names[key.lower()] for key in wanted if key.lower() in names))
    unknown = [key for key in wanted if key.lower() not in names]
    return v16.GetConfigurationResponse(
        configurationKey=[v16.KeyValue(key=key, readonly=True, value=values[key]) for key in known],
        unknownKey=unknown or None,
    )
