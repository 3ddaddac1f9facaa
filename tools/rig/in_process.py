"""World, pilot, meter and station in one process on a virtual clock; only the central system is outside.

The same code as in the separate processes: the pilot program runs under CPython, its link is a socket pair, the meter is the
same Modbus server over loopback TCP.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path
from typing import Any

from pilotwire.boards.sim import parameters, pins, signals
from pilotwire.boards.sim.board import build_meter
from pilotwire.boards.sim.meter import SimMeter
from pilotwire.boards.sim.world import World
from pilotwire.firmware.config import parse
from pilotwire.firmware.kernel import params
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD
from pilotwire.firmware.pilot.frontend import FrontEnd
from pilotwire.firmware.pilot.program import TICK_MS, Pilot
from pilotwire.firmware.shell.service import Ports, Service
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.tools.rig.settings import METER_START_WH, RigSettings
from pilotwire.tools.rig.virtual_clock import VirtualClockLoop

UNIX_MS = 1_767_225_600_000  # 2026-01-01: the wall clock of the virtual world at its start


class InProcessRig:
    """Everything on the running VirtualClockLoop."""

    def __init__(
        self, loop: VirtualClockLoop, folder: Path, settings: RigSettings, csms_url: str | None = None
    ) -> None:
        self.world = World()
        self.meter = SimMeter(start_wh=METER_START_WH)
        self.pilot_note = "the pilot program runs under CPython in this process, on the virtual clock"
        self.service: Service | None = None
        self._loop = loop
        self._folder = folder
        self._settings = settings
        self._csms_url = csms_url
        self._started_s = loop.time()
        self._wires = Wires()
        self.pilot_parameters = parameters.build(settings.pilot_changes())
        self.world.second_contactor = self.pilot_parameters.fitted(params.SECOND)
        self._pilot = Pilot(
            FrontEnd(Machine(self._wires)),
            self.pilot_parameters,
            PilotLink(1, "pilotwire pilot on cpython, virtual clock"),
        )
        self._pilot_end, self._station_end = socket.socketpair()
        self._pilot_end.setblocking(False)
        self._station_end.setblocking(False)
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Meter, world and pilot, station."""
        await self.meter.start()
        self.world.on_sample = lambda t_ms, v, a: self.meter.sample(t_ms, (v[0], v[1], v[2]), (a[0], a[1], a[2]))
        self._ticking = asyncio.ensure_future(self._tick())
        toml = self._settings.station_toml(
            self._folder / "data",
            "socketpair",
            f'transport = "tcp"\nhost = "127.0.0.1"\ntcp_port = {self.meter.tcp_port}',
            None,
            self._csms_url,
        )
        settings = parse(toml, "in-process rig", self._folder)
        ports = Ports(open_pilot_line=lambda: self._station_end, meter=build_meter(settings.meter))
        self.service = Service(settings, ports, self.unix_ms)
        self.service.start()

    def unix_ms(self) -> int:
        """Wall clock of the virtual world."""
        return UNIX_MS + int((self._loop.time() - self._started_s) * 1000)

    def snapshot(self) -> dict[str, Any]:
        """What the station says of itself."""
        assert self.service is not None
        return self.service.snapshot()

    def world_ms(self, at_ms: float) -> int:
        """The world's clock at an instant of the loop's."""
        return int(at_ms - self._started_s * 1000)

    def check_alive(self) -> None:
        """Raise what ended the world, if anything did."""
        if self._ticking is not None and self._ticking.done():
            self._ticking.result()

    async def stop(self) -> None:
        """End everything."""
        if self.service is not None:
            await self.service.stop()
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        await self.meter.stop()
        self._pilot_end.close()
        self._station_end.close()

    async def _tick(self) -> None:
        due_s = self._loop.time()
        while True:
            self._one_tick()
            due_s += TICK_MS / 1000
            await asyncio.sleep(due_s - self._loop.time())

    def _one_tick(self) -> None:
        wires = self._wires
        pins.put_inputs(wires, *signals.read(self.world))
        try:
            received = self._pilot_end.recv(1024)
        except (BlockingIOError, ConnectionError):
            received = b""  # nothing there, or no station at the other end: a serial line knows no difference
        out = self._pilot.tick(self.world.now_ms % TICKS_PERIOD, received)
        if out:
            with contextlib.suppress(ConnectionError):
                self._pilot_end.send(out)
        signals.write(self.world, *pins.take_outputs(wires))
        self.world.advance(TICK_MS)
