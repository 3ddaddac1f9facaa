"""A whole charging station whose hardware, car and mains are simulated, and whose time passes only when it is told to.

The station's program is the real one (firmware/shell/service.py) on a virtual clock; pilot and world move in lock step with it.
Whoever holds this object is the driver, the installer, and fate.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pilotwire.boards.sim import signals
from pilotwire.boards.sim.board import build_meter
from pilotwire.boards.sim.meter import SimMeter
from pilotwire.boards.sim.signals import Outputs
from pilotwire.boards.sim.world import World
from pilotwire.firmware.config import parse
from pilotwire.firmware.kernel import params
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD
from pilotwire.firmware.pilot.program import TICK_MS
from pilotwire.firmware.session.events import StopRequested, TokenPresented
from pilotwire.firmware.shell.pilot_port import Line
from pilotwire.firmware.shell.service import Ports, Service
from pilotwire.tools.rig.settings import METER_START_WH
from pilotwire.tools.rig.virtual_clock import VirtualClockLoop
from pilotwire.tools.sim.bare_host import BareHost
from pilotwire.tools.sim.options import Options
from pilotwire.tools.sim.pilots import InProcessBoard, MicropythonBoard, PilotBoard, cut

UNIX_MS = 1_767_225_600_000  # 2026-01-01: the wall clock of the virtual world at its start
HOST_MS = 20
DARK = Outputs(duty=1.0, cp_off=1)
"""A pilot board without power: it drives nothing, and the pilot wire is let go."""

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where there is one, a station that lasts seconds need not wait for a disk


class SimStation:
    """One station. Time passes in run(); everything else happens at the present instant.

    `pilot` is "cpython" (in this process) or "micropython" (real MicroPython in a process of its own). Use as a context manager.
    """

    def __init__(self, options: Options | None = None, pilot: str = "cpython") -> None:
        if pilot not in {"cpython", "micropython"}:
            raise ValueError(f"a pilot runs on cpython or micropython, not on {pilot!r}")
        self._folder = Path(
            tempfile.mkdtemp(prefix="pilotwire-sim-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None)
        )
        self._loop = VirtualClockLoop()
        self._loop.busy = self._awaiting_reply
        self._loop.frozen = True
        self._board: PilotBoard = InProcessBoard() if pilot == "cpython" else MicropythonBoard(self._folder)
        self._lines: list[Line] = []
        self.service: Service | None = None
        self.host: BareHost | None = None
        """In the place of the station, when a test wants to lead the pilot itself."""
        self.pilot_powered = False
        self.pilot_hangs = False
        """The pilot's program has stopped somewhere: its pins stay as they are, its alive wave with them."""
        self._ticking: asyncio.TimerHandle | None = None
        self._failure: Exception | None = None
        """What has ended the world; nothing happens any more until the next reset()."""
        self._until_ms = 0
        self._awaited: asyncio.Future[None] = self._loop.create_future()
        self._awaited.set_result(None)
        self._runs = 0
        self._hosts = 0
        self.recording: Path | None = None
        """Where the next station that starts records its inputs, if anywhere."""
        self.reset(options if options is not None else Options())

    def __enter__(self) -> SimStation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- life

    def reset(self, options: Options) -> None:
        """Begin anew with these options: new world, empty meter, pilot and station powered up, nothing plugged in.

        Raises OptionError or ConfigError; then everything is as before.
        """
        settings = options.settings()
        self._runs += 1
        data_dir = self._folder / f"data-{self._runs}"
        toml = settings.station_toml(
            data_dir, "simulated", 'transport = "tcp"\nhost = "127.0.0.1"\ntcp_port = 1', None, options.csms_url
        )
        parse(toml, "options", self._folder)
        self._end()
        self._loop.restart()  # floating point makes the same of the same times only
        self.options = options
        self._rig = settings
        self._data_dir = data_dir
        self.world = World()
        self.world.second_contactor = bool(self._fitted() & params.SECOND)
        self.meter = SimMeter(start_wh=METER_START_WH)
        self._loop.run_until_complete(self.meter.start())
        self.world.on_sample = lambda t_ms, v, a: self.meter.sample(t_ms, (v[0], v[1], v[2]), (a[0], a[1], a[2]))
        self._started_s = self._loop.time()
        self._failure = None
        self._ticking = self._loop.call_at(self._started_s, self._tick, 0)
        self.start_pilot()
        self.start_station()

    def _fitted(self) -> int:
        from pilotwire.boards.sim import parameters  # noqa: PLC0415

        return parameters.values(self._rig.pilot_changes())[params.FITTED]

    def close(self) -> None:
        """End everything and remove what it has written."""
        self._end()
        self._board.close()
        self._loop.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self) -> None:
        self.stop_host()
        self.stop_station()
        if self.pilot_powered:
            self.stop_pilot()
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
            self._loop.run_until_complete(self.meter.stop())

    # --- time

    @property
    def now_ms(self) -> int:
        """The world's clock."""
        return self.world.now_ms

    def run(self, ms: int) -> None:
        """Let time pass, in whole ticks of the pilot. Raises whatever has ended the world or the station meanwhile."""
        if ms <= 0:
            return
        if self._failure is not None:
            raise self._failure
        self._until_ms, self._awaited = self.world.now_ms + ms, self._loop.create_future()
        self._loop.run_until_complete(self._awaited)

    def _tick(self, number: int) -> None:
        """One tick, and the next one in time; whatever is wrong goes to whoever waits in run()."""
        try:
            self._one_tick()
        except Exception as error:
            self._failure = error
            if not self._awaited.done():
                self._awaited.set_exception(error)
            return
        if self.world.now_ms >= self._until_ms and not self._awaited.done():
            self._awaited.set_result(None)
        self._ticking = self._loop.call_at(self._started_s + (number + 1) * TICK_MS / 1000, self._tick, number + 1)

    def _one_tick(self) -> None:
        world = self.world
        if self.host is not None and world.now_ms % HOST_MS == 0:
            self.host.tick(world.now_ms)
        if self.pilot_powered and not self.pilot_hangs:
            adc_u16, levels = signals.read(world)
            signals.write(world, *self._board.tick(world.now_ms % TICKS_PERIOD, adc_u16, levels))
        world.advance(TICK_MS)

    def _awaiting_reply(self) -> bool:
        return self.service is not None and self.service.awaiting_reply and not self.meter.silent

    def unix_ms(self) -> int:
        """Wall clock of the virtual world."""
        return UNIX_MS + int(round((self._loop.time() - self._started_s) * 1000, 3))

    # --- the pilot board

    def start_pilot(self) -> None:
        """Give the pilot board power."""
        self._board.start(self._rig.pilot_changes())
        self.pilot_powered = True
        self.pilot_hangs = False

    def stop_pilot(self) -> None:
        """Take it away."""
        self._board.stop()
        self.pilot_powered = False
        self.world.set_outputs(DARK)

    def reset_pilot(self) -> None:
        """Both within the same tick."""
        self.stop_pilot()
        self.start_pilot()

    # --- the station

    @property
    def station_runs(self) -> bool:
        """Whether the station's program lives."""
        return self.service is not None

    def start_station(self) -> None:
        """Start the station's program on the data that the last one has left."""
        if self.service is not None:
            return
        self.stop_host()
        meter = f'transport = "tcp"\nhost = "127.0.0.1"\ntcp_port = {self.meter.tcp_port}'
        toml = self._rig.station_toml(self._data_dir, "simulated", meter, None, self.options.csms_url)
        settings = parse(toml, "simulated station", self._folder)
        self._loop.run_until_complete(self._start(settings))

    async def _start(self, settings: Any) -> None:
        ports = Ports(open_pilot_line=self._open_line, meter=build_meter(settings.meter))
        self.service = Service(settings, ports, self.unix_ms, self.recording)
        self.service.start()

    def _open_line(self) -> Line:
        line = self._board.open_line()
        self._lines.append(line)
        return line

    def stop_station(self) -> None:
        """End the station's program as a service manager does: it withdraws its lease and closes its files."""
        service, self.service = self.service, None
        if service is not None:
            self._loop.run_until_complete(service.stop())
        self._lines.clear()

    def kill_station(self) -> None:
        """End it as kill -9 does: nothing that it would still say is heard."""
        for line in self._lines:
            with contextlib.suppress(OSError, ValueError):
                self._loop.remove_reader(line.fileno())
                cut(line)
        self.stop_station()

    def start_host(self) -> BareHost:
        """Put a bare host in the place of the station, whose program is killed; it permits nothing yet."""
        if self.host is None:
            self.kill_station()
            self._hosts += 1
            self.host = BareHost(self._board.open_line(), self._hosts)
        return self.host

    def stop_host(self) -> None:
        """It falls silent."""
        if self.host is not None:
            self.host.close()
            self.host = None

    def power_off(self) -> None:
        """The mains fail: no voltage for the car, none for pilot and station."""
        self.world.mains = False
        self.stop_host()
        self.kill_station()
        if self.pilot_powered:
            self.stop_pilot()

    def power_on(self) -> None:
        """The mains come back."""
        self.world.mains = True
        if not self.pilot_powered:
            self.start_pilot()
        self.start_station()

    # --- people

    def swipe(self, id_tag: str) -> None:
        """Somebody shows a token."""
        self._running().runner.post(TokenPresented(id_tag))

    def stop_button(self) -> None:
        """Somebody ends the session at the station."""
        self._running().runner.post(StopRequested("Local"))

    def clear_faults(self) -> None:
        """Somebody who may asks the pilot to clear what a command can clear."""
        self._running().pilot_port.link.clear_faults()

    def _running(self) -> Service:
        if self.service is None:
            raise RuntimeError("the station's program is not running")
        return self.service

    # --- what there is to see

    def snapshot(self) -> dict[str, Any] | None:
        """What the station says of itself; None while it is not running."""
        return None if self.service is None else self.service.snapshot()

    def transactions(self) -> list[dict[str, Any]]:
        """Every transaction in the station's store, oldest first."""
        return [
            {
                "ref": each.ref,
                "id_tag": each.id_tag,
                "meter_start_wh": each.meter_start_wh,
                "meter_stop_wh": each.meter_stop_wh,
                "energy_wh": each.energy_wh,
                "reason": each.reason,
                "open": each.stopped_unix_ms is None,
            }
            for each in self._running().transactions.all()
        ]

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        """The station's event journal from row `since` on."""
        return self._running().journal.rows()[since:]

    @property
    def pilot_note(self) -> str:
        """Which interpreter runs the pilot, in words."""
        return self._board.note
