"""What the demo plays on: real processes in real time, or everything in one process on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from pilotwire.firmware.store.database import open_reader
from pilotwire.firmware.store.events import EventJournal
from pilotwire.tools.peers.csms import CsmsProcess
from pilotwire.tools.rig.clients import WorldClient
from pilotwire.tools.rig.in_process import InProcessRig
from pilotwire.tools.rig.rig import Rig
from pilotwire.tools.rig.settings import CHARGE_POINT, RigSettings
from pilotwire.tools.rig.virtual_clock import VirtualClockLoop


class Stage(Protocol):
    """The few things a scenario needs. Times are seconds of the running loop."""

    meter_tcp_port: int
    note: str

    @property
    def csms(self) -> CsmsProcess:
        """The central system."""
        ...

    async def start(self) -> None:
        """Raise everything up; returns when station, pilot, meter and central system see each other."""
        ...

    def set_car(self, plugged: bool | None = None, wants_charge: bool | None = None) -> int:
        """Do what a driver does; returns the world's time in ms."""
        ...

    def snapshot(self) -> dict[str, Any] | None:
        """The station now."""
        ...

    def world_row(self) -> dict[str, Any]:
        """The circuit now."""
        ...

    def history(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Events and trace of the world."""
        ...

    async def outside(self, call: Callable[[], Any]) -> Any:
        """Run a call that waits for somebody outside."""
        ...

    def journal(self) -> list[dict[str, Any]]:
        """The station's event journal."""
        ...

    def world_ms(self, at_ms: float) -> int:
        """The world's clock at an instant of the station's: the world's stands still while the machine is busy."""
        ...

    def check_alive(self) -> None:
        """Raise when a part has died."""
        ...

    async def stop(self) -> None:
        """End everything."""
        ...


class RealStage:
    """Five processes on loopback and ptys, real time."""

    def __init__(self, folder: Path) -> None:
        self.rig = Rig(folder, RigSettings())
        self.note = "real seconds, five processes on loopback and ptys; energy is not scaled"
        self.meter_tcp_port = 0

    @property
    def csms(self) -> CsmsProcess:
        """The central system."""
        assert self.rig.csms is not None
        return self.rig.csms

    @property
    def _world(self) -> WorldClient:
        assert self.rig.world is not None
        return self.rig.world

    async def start(self) -> None:
        """Start the processes one after the other."""
        self.rig.start()
        self.meter_tcp_port = self.rig.meter_tcp_port
        self.note += "; " + self.rig.pilot_note

    def set_car(self, plugged: bool | None = None, wants_charge: bool | None = None) -> int:
        """Through the world's control port."""
        t_ms = self._world.now_ms()
        if wants_charge is not None:
            t_ms = self._world.set(car={"wants_charge": wants_charge})
        if plugged is not None:
            t_ms = self._world.plug() if plugged else self._world.unplug()
        return t_ms

    def snapshot(self) -> dict[str, Any] | None:
        """From the status socket."""
        return self.rig.snapshot()

    def world_row(self) -> dict[str, Any]:
        """From the control port."""
        return self._world.read()

    def history(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """From the control port."""
        return self._world.events(), self._world.trace()

    async def outside(self, call: Callable[[], Any]) -> Any:
        """In a thread, so that the panel goes on."""
        return await asyncio.get_running_loop().run_in_executor(None, call)

    def journal(self) -> list[dict[str, Any]]:
        """From the station's file, while it goes on writing."""
        connection = open_reader(self.rig.data_dir / "events.db")
        try:
            return EventJournal(connection).rows()
        finally:
            connection.close()

    def world_ms(self, at_ms: float) -> int:
        """Both clocks are the system's monotonic one, less what the world did not count."""
        return self._world.at(at_ms)

    def check_alive(self) -> None:
        """All processes."""
        self.rig.check_alive()

    async def stop(self) -> None:
        """All processes."""
        self.rig.close()


class VirtualStage:
    """One process on the virtual clock, and the central system outside."""

    def __init__(self, folder: Path, loop: VirtualClockLoop) -> None:
        self._folder = folder
        self._loop = loop
        self._rig: InProcessRig | None = None
        self._waiting = 0
        self._csms = CsmsProcess()
        self.note = "virtual clock, one process beside the central system; energy is not scaled"
        self.meter_tcp_port = 0

    @property
    def csms(self) -> CsmsProcess:
        """The central system."""
        return self._csms

    @property
    def rig(self) -> InProcessRig:
        """The rig, once started."""
        assert self._rig is not None
        return self._rig

    async def start(self) -> None:
        """Central system first, then the rest in this process."""
        self.csms.start()
        self._rig = InProcessRig(self._loop, self._folder, RigSettings(), self.csms.url(CHARGE_POINT))
        self._loop.busy = self._busy
        await self._rig.start()
        self.meter_tcp_port = self._rig.meter.tcp_port
        self.note += "; " + self._rig.pilot_note

    def set_car(self, plugged: bool | None = None, wants_charge: bool | None = None) -> int:
        """Directly."""
        car = self.rig.world.car
        if wants_charge is not None:
            car.wants_charge = wants_charge
        if plugged is not None:
            (car.plug if plugged else car.unplug)()
        return self.rig.world.now_ms

    def snapshot(self) -> dict[str, Any] | None:
        """Directly."""
        return self.rig.snapshot()

    def world_row(self) -> dict[str, Any]:
        """Directly."""
        return {**self.rig.world.row(), "energy_true_wh": self.rig.world.energy_wh}

    def history(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Directly."""
        return self.rig.world.events, self.rig.world.trace

    async def outside(self, call: Callable[[], Any]) -> Any:
        """In a thread; the clock does not jump meanwhile."""
        self._waiting += 1
        try:
            waiting: Awaitable[Any] = self._loop.run_in_executor(None, call)
            return await waiting
        finally:
            self._waiting -= 1

    def journal(self) -> list[dict[str, Any]]:
        """Directly."""
        assert self.rig.service is not None
        return self.rig.service.journal.rows()

    def world_ms(self, at_ms: float) -> int:
        """One clock for all."""
        return self.rig.world_ms(at_ms)

    def check_alive(self) -> None:
        """The world's task."""
        self.rig.check_alive()

    async def stop(self) -> None:
        """Everything, the central system last."""
        if self._rig is not None:
            await self._rig.stop()
        self.csms.stop()

    def _busy(self) -> bool:
        service = self.rig.service
        return self._waiting > 0 or (service is not None and service.awaiting_reply)
