"""Central system, world, meter, pilot and station as separate processes, each startable and killable on its own."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pilotwire
from pilotwire.boards.sim import parameters
from pilotwire.firmware.kernel import params
from pilotwire.tools.rig.clients import WorldClient, read_snapshot
from pilotwire.tools.rig.process import Process, RigError, wait_for
from pilotwire.tools.rig.pty_line import Pty
from pilotwire.tools.rig.settings import CHARGE_POINT, METER_START_WH, RigSettings

if TYPE_CHECKING:
    from pilotwire.tools.peers.csms import CsmsProcess

PACKAGE_ROOT = Path(pilotwire.__file__).parents[1]
PILOT_MODULE = "pilotwire.boards.sim.pilot_main"


HARDWARE = ("world", "meter", "pilot")


def find_micropython() -> Path | None:
    """The MicroPython interpreter beside this Python, or None where there is no wheel for this machine."""
    path = Path(sys.executable).parent / "micropython"
    return path if path.exists() else None


def pilot_argv(
    world_port: int, changes: Iterable[tuple[int, int]], cpython: bool = False, module: str = PILOT_MODULE
) -> tuple[list[str], str]:
    """Command line of the pilot process with changed parameters, and a sentence that says which interpreter runs it."""
    if cpython:
        micropython, why = None, "CPython was asked for"
    else:
        micropython, why = find_micropython(), "there is no MicroPython wheel for this machine"
    arguments = ["-m", module, str(world_port), *(f"{index}={value}" for index, value in changes)]
    if micropython is not None:
        return [str(micropython), *arguments], "the pilot program runs on real MicroPython"
    return [sys.executable, *arguments], f"{why}: the same pilot files run in a CPython child process on the pty"


class Rig:
    """A bench of processes below one folder. Use as a context manager: everything it started ends with it."""

    def __init__(self, folder: Path, settings: RigSettings | None = None) -> None:
        self.folder = folder
        self.settings = settings if settings is not None else RigSettings()
        folder.mkdir(parents=True, exist_ok=True)
        self.pilot_note = ""
        self.csms: CsmsProcess | None = None
        self.world: WorldClient | None = None
        self.meter_tcp_port = 0
        self._world_port = 0
        self._meter_feed_port = 0
        self._pilot_line = Pty()
        self._meter_line = folder / "meter-line"
        self._processes: dict[str, Process] = {}
        self.config = folder / "station.toml"
        self.data_dir = folder / "data"
        # A unix socket's path must be short, wherever the folder is.
        self.status_socket = Path(f"/tmp/pilotwire-{os.getpid()}-{id(self):x}.sock")  # noqa: S108 - 0600, ours alone

    def __enter__(self) -> Rig:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Everything, in order, until the station shows the pilot online."""
        self.start_surroundings()
        self.start_pilot()
        self.start_station()
        self.wait_online()

    def start_surroundings(self) -> None:
        """Central system, meter and world."""
        if self.settings.back_end:
            self.start_csms()
        self.start_meter()
        self.start_world()

    def start_csms(self, port: int = 0) -> None:
        """The central system; a port given brings it back where it was."""
        from pilotwire.tools.peers.csms import CsmsProcess  # noqa: PLC0415 - only where there is a central system

        self.csms = CsmsProcess(port=port, options=self.settings.csms_options).start()

    def start_meter(self) -> None:
        """The meter: an independent Modbus server, RTU and TCP."""
        argv = [sys.executable, "-m", "pilotwire.boards.sim.meter", "--start-wh", str(METER_START_WH)]
        argv += ["--feed-port", "0", "--tcp-port", "0", "--rtu-line", str(self._meter_line)]
        ready = self._start("meter", argv).ready_line()
        self._meter_feed_port, self.meter_tcp_port = ready["feed_port"], ready["tcp_port"]

    def start_world(self) -> None:
        """The simulated world."""
        argv = [sys.executable, "-m", "pilotwire.boards.sim.world_main", "--meter-port", str(self._meter_feed_port)]
        ready = self._start("world", argv).ready_line()
        self._world_port = ready["pilot_port"]
        self.world = WorldClient(ready["control_port"])
        if not parameters.build(self.settings.pilot_changes()).fitted(params.SECOND):
            self.world.set(site={"second_contactor": False})

    def start_pilot(self) -> None:
        """The pilot program on MicroPython, its link on the pty."""
        argv, self.pilot_note = pilot_argv(self._world_port, self.settings.pilot_changes(), self.settings.cpython_pilot)
        environment = {"MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"}
        self._start("pilot", argv, line=self._pilot_line.master, environment=environment)

    def start_station(self) -> None:
        """The station as `pilotwire run` starts it."""
        self.config.write_text(self._toml())
        self._start("station", [sys.executable, "-m", "pilotwire.tools.run", "--config", str(self.config), "--verbose"])

    def process(self, name: str) -> Process:
        """The process "world", "meter", "pilot" or "station"; raises KeyError when it was not started."""
        return self._processes[name]

    def snapshot(self) -> dict[str, Any] | None:
        """What the station says of itself, or None."""
        return read_snapshot(self.status_socket)

    def wait_snapshot(self, what: str, condition: Any, timeout_s: float = 20.0) -> dict[str, Any]:
        """The first snapshot for which condition(snapshot) holds; raises RigError naming `what`."""
        last: list[dict[str, Any] | None] = [None]

        def seen() -> dict[str, Any] | None:
            last[0] = self.snapshot()
            return last[0] if last[0] is not None and condition(last[0]) else None

        try:
            found: dict[str, Any] = wait_for(what, seen, timeout_s)
        except RigError as error:
            raise RigError(f"{error}; the station says {last[0]}; {self.process('station').last_words()}") from None
        return found

    def wait_online(self) -> dict[str, Any]:
        """Until the station hears the pilot, the meter and (if there is one) the central system."""

        def online(shot: dict[str, Any]) -> bool:
            back_end = not self.settings.back_end or shot["ocpp"]["registered"]
            return bool(shot["pilot"]["online"] and shot["meter"] is not None and back_end)

        return self.wait_snapshot("pilot, meter and central system online", online)

    def check_alive(self) -> None:
        """Raise RigError when a process has died that nobody killed on purpose."""
        for process in self._processes.values():
            if not process.running:
                raise RigError(f"{process.name} has died; {process.last_words()}")

    def close(self) -> None:
        """End everything, station first, and leave nothing behind but the folder."""
        with contextlib.ExitStack() as last_to_first:  # so that one that resists does not save the others
            last_to_first.callback(self.status_socket.unlink, missing_ok=True)
            last_to_first.callback(self._pilot_line.close)
            if self.csms is not None:
                last_to_first.callback(self.csms.stop)
            if self.world is not None:
                last_to_first.callback(self.world.close)
            for name in ("meter", "world", "pilot", "station"):
                if name in self._processes:
                    last_to_first.callback(self._processes[name].stop)

    def _start(
        self, name: str, argv: list[str], line: int | None = None, environment: dict[str, str] | None = None
    ) -> Process:
        process = Process(
            name,
            argv,
            self.folder / f"{name}.log",
            line=line,
            environment=environment,
            hardware=name in HARDWARE,
        )
        self._processes[name] = process
        return process

    def _toml(self) -> str:
        return self.settings.station_toml(
            self.data_dir,
            self._pilot_line.device,
            f'transport = "rtu"\nport = "{self._meter_line}"',
            self.status_socket,
            self.csms.url(CHARGE_POINT) if self.csms is not None else None,
        )


def wait_world(rig: Rig, name: str, value: Any, since_ms: int, timeout_s: float = 20.0) -> int:
    """World time of the first event `name` with this value at or after since_ms; raises RigError."""
    world = rig.world
    assert world is not None

    def seen() -> int | None:
        for event in world.events():
            if event["name"] == name and event["value"] == value and event["t_ms"] >= since_ms:
                return int(event["t_ms"]) or None
        return None

    found: int = wait_for(f"world event {name} = {value} after {since_ms} ms", seen, timeout_s)
    return found


__all__ = ["Rig", "RigError", "RigSettings", "find_micropython", "pilot_argv", "wait_world"]
