"""The station's side of the simulated board: a pilot on a serial line (here a pty) and an SDM630 over Modbus."""

from __future__ import annotations

from pilotwire.firmware.config import MeterSettings, Settings
from pilotwire.firmware.shell.pilot_lines import serial_lines
from pilotwire.firmware.shell.pilot_port import open_serial
from pilotwire.firmware.shell.service import Ports
from pilotwire.hal.drivers.sdm630 import open_sdm630
from pilotwire.hal.ports import Meter


def build(settings: Settings) -> Ports:
    """Ports for these settings; nothing is opened before it is used."""
    pilot = settings.pilot
    return Ports(
        open_pilot_line=lambda: open_serial(pilot.port, pilot.baud),
        meter=build_meter(settings.meter),
        pilot_lines=serial_lines((pilot.port, *pilot.ports), pilot.baud) if pilot.ports else None,
    )


def build_meter(meter: MeterSettings) -> Meter:
    """The meter alone, for a rig whose pilot line is not a device."""
    return open_sdm630(
        meter.transport,
        port=meter.port,
        baud=meter.baud,
        host=meter.host,
        tcp_port=meter.tcp_port,
        unit=meter.unit,
        timeout_ms=meter.timeout_ms,
    )
