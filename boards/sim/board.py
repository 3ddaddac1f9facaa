"""The station's side of the simulated board: a pilot on a serial line (here a pty) and an SDM630 over Modbus."""

from __future__ import annotations

from pilotwire.firmware.config import MeterSettings, Settings
from pilotwire.firmware.shell.pilot_port import open_serial
from pilotwire.firmware.shell.service import Ports
from pilotwire.hal.drivers.modbus_transport import ModbusTransport, RtuTransport, TcpTransport
from pilotwire.hal.drivers.sdm630 import Sdm630


def build(settings: Settings) -> Ports:
    """Ports for these settings; nothing is opened before it is used."""
    pilot = settings.pilot
    return Ports(
        open_pilot_line=lambda: open_serial(pilot.port, pilot.baud),
        meter=Sdm630(_transport(settings.meter), settings.meter.unit),
    )


def _transport(meter: MeterSettings) -> ModbusTransport:
    if meter.transport == "tcp":
        return TcpTransport(meter.host, meter.tcp_port, timeout_ms=meter.timeout_ms)
    return RtuTransport(meter.port, meter.baud, timeout_ms=meter.timeout_ms)
