"""The two benches that need no hardware: everything simulated in this process, and the pilot's program on real MicroPython."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotwire.boards.sim.cable import Cable
from pilotwire.boards.sim.car import Car
from pilotwire.boards.sim.contactor import ChargePump, Contactor
from pilotwire.boards.sim.control import CommandError
from pilotwire.boards.sim.lock import SocketLock
from pilotwire.boards.sim.residual import ResidualDevice
from pilotwire.boards.sim.sensors import CurrentTransformer, TemperatureSensor
from pilotwire.boards.sim.supply import DcSupply
from pilotwire.boards.sim.world import World
from pilotwire.tools.sim.control import SimControl
from pilotwire.tools.sim.options import read_options
from pilotwire.tools.sim.station import SimStation

SETTLE_MS = 1500
LOOK_MS = 100


class SimBench:
    """A simulated station, `pilot` is "cpython" or "micropython"."""

    def __init__(self, name: str, pilot: str) -> None:
        self.name = name
        self.lacks: Mapping[str, str] = {}
        if pilot == "micropython":
            self.lacks = {"exact station": "a pty hands its bytes over a moment later, now and then a tick too late"}
        self._station = SimStation(pilot=pilot)
        self._control = SimControl(self._station)
        self.note = f"simulated car, mains and meter; {self._station.pilot_note}"

    def reset(self, options: Mapping[str, Any]) -> None:
        """A new world for each test."""
        read_options(options)
        self._control.ask("reset", options=dict(options))

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """One command; raises CommandError."""
        return self._control.ask(command, **arguments)

    def run(self, ms: int) -> None:
        """Virtual time."""
        self._station.run(ms)

    def health(self) -> list[str]:
        """Put everything right, wait, and look whether the station is as a station without a car must be."""
        station, world = self._station, self._station.world
        try:
            station.stop_host()
            station.meter.silent = station.meter.refusing = False
            self._repair(world)
            station.power_off()
            station.run(100)
            station.power_on()
            complaints = ["nothing has been looked at"]
            for _ in range(0, SETTLE_MS, LOOK_MS):
                station.run(LOOK_MS)
                complaints = self._complaints()
                if not complaints:
                    break
        except (CommandError, RuntimeError, OSError) as error:
            return [f"the bench cannot be put right: {error}"]
        return complaints

    def _complaints(self) -> list[str]:
        """What is not as it must be without a car."""
        station, world = self._station, self._station.world
        shot = station.snapshot()
        complaints = []
        if shot is None or not shot["pilot"]["online"]:
            return ["the station does not hear its pilot"]
        if shot["pilot"]["state"] != "A" or shot["pilot"]["faults"]:
            complaints.append(
                f"without a car the pilot says {shot['pilot']['state']}, faults {shot['pilot']['faults']}"
            )
        if world.contactor.closed or world.second.closed:
            complaints.append("contacts are closed without a car")
        if shot["meter"] is None or not shot["meter"]["online"]:
            complaints.append("the station does not hear its meter")
        if station.service is not None and station.service.journal.lost:
            complaints.append(f"{station.service.journal.lost} events could not be written to the journal")
        return complaints

    @staticmethod
    def _repair(world: World) -> None:
        """New parts for all that a test may have broken. What the circuit does with them is the station's business again."""
        world.unplug()
        world.car = Car()
        world.cable, world.lock = Cable(), SocketLock()
        world.contactor, world.second, world.pump = Contactor(), Contactor(), ChargePump()
        world.residual, world.supply, world.transformer = ResidualDevice(), DcSupply(), CurrentTransformer()
        world.plug_sensor, world.board_sensor = TemperatureSensor(), TemperatureSensor()
        world.earth_ok, world.pen_lost, world.stop_pressed = True, False, False

    def close(self) -> None:
        """End everything."""
        self._station.close()
