"""What differs from rig to rig, and the station's configuration that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pilotwire.firmware.kernel.params import FAULT_OFF_MS, MAX_MA, MIN_OFF_MS

METER_START_WH = 1_234_567.0
CHARGE_POINT = "demo-1"
SHORT_PAUSES = ((MIN_OFF_MS, 1000), (FAULT_OFF_MS, 1000))
"""Changes to the pilot's parameters: a contactor that need not rest 10 s, or 30 s after a fault, before it closes again."""


@dataclass(slots=True)
class RigSettings:
    """One rig. Without id tags charging is free."""

    back_end: bool = True
    id_tags: tuple[str, ...] = ()
    lease_ttl_ms: int = 1000
    board_ma: int = 32000
    cable_ma: int = 32000
    phases: int = 3
    meter_values_s: int = 5
    poll_ms: int = 500
    parameters: tuple[tuple[int, int], ...] = SHORT_PAUSES
    """What differs from the simulated board's own parameters, as (index, value) of firmware/kernel/params.py."""
    cpython_pilot: bool = False
    """Run the pilot program under CPython although there is a MicroPython."""
    csms_options: tuple[str, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)
    """More lines for a section of the station's configuration, by section name."""

    def pilot_changes(self) -> tuple[tuple[int, int], ...]:
        """Every change to the pilot's parameters, the board's current first."""
        return ((MAX_MA, self.board_ma), *self.parameters)

    def station_toml(
        self, data_dir: Path, pilot_device: str, meter: str, status_socket: Path | None, csms_url: str | None
    ) -> str:
        """The configuration file; `meter` is the lines of [meter] that say how it is reached."""
        tags = ", ".join(f'"{tag}"' for tag in self.id_tags)
        sections = {
            "station": f'name = "{CHARGE_POINT}"\ndata_dir = "{data_dir}"',
            "pilot": f'port = "{pilot_device}"\nlease_ttl_ms = {self.lease_ttl_ms}',
            "meter": f'driver = "sdm630"\n{meter}\npoll_ms = {self.poll_ms}',
            "authorisation": f'mode = "list"\nid_tags = [{tags}]' if tags else 'mode = "free"',
            "limits": f"board_ma = {self.board_ma}\ncable_ma = {self.cable_ma}\nphases = {self.phases}",
        }
        if status_socket is not None:
            sections["status"] = f'socket = "{status_socket}"'
        if csms_url is not None:
            sections["ocpp"] = f'url = "{csms_url}"\nmeter_values_s = {self.meter_values_s}'
        return "\n".join(f"[{name}]\n{text}\n{self.extra.get(name, '')}" for name, text in sections.items())
