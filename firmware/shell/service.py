"""Start-up and end of the station process: stores, ports and tasks around one Station."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilotwire.firmware.config import Settings
from pilotwire.firmware.kernel import params
from pilotwire.firmware.shell.meter_port import MeterPort
from pilotwire.firmware.shell.pilot_lines import PilotLines
from pilotwire.firmware.shell.pilot_port import Line, PilotPort
from pilotwire.firmware.shell.runner import Runner
from pilotwire.firmware.shell.snapshot import snapshot
from pilotwire.firmware.shell.status_port import StatusPort
from pilotwire.firmware.station import Station
from pilotwire.firmware.store.database import DataDirLock, open_database
from pilotwire.firmware.store.events import EventJournal
from pilotwire.firmware.store.transactions import Transactions
from pilotwire.hal.ports import Meter
from pilotwire.protocols.link.station import StationLink

if TYPE_CHECKING:
    from pilotwire.firmware.shell.recorded_core import RecordedCore
    from pilotwire.firmware.shell.recorder import Recorder
    from pilotwire.protocols.ocpp.charge_point_16 import ChargePoint16

PROGRAM = "pilotwire station"
GIVE_UP_S = 3.0  # at a line where no pilot answers for so long, ours is looked for elsewhere
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ports:
    """What a board gives to the station."""

    open_pilot_line: Callable[[], Line]
    meter: Meter
    pilot_lines: PilotLines | None = None
    """Where the pilot may be at one of several devices: they are looked through for the one with the wanted unique id."""


class Service:
    """A whole station. start() returns when it is running, stop() when it is not; snapshot() at any time in between."""

    def __init__(
        self, settings: Settings, ports: Ports, unix_ms: Callable[[], int], record: Path | None = None
    ) -> None:
        """`record`: a file that gets every input of the station's pure parts (docs/replay.md)."""
        self._settings = settings
        self._unix_ms = unix_ms
        data_dir = settings.station.data_dir
        self._lock = DataDirLock(data_dir)
        self._durable = open_database(data_dir / "station.db", durable=True)
        self._events = open_database(data_dir / "events.db", durable=False)
        self.journal = EventJournal(self._events)
        self._recorder: Recorder | None = None
        self._charge_point, self._ocpp_port = None, None
        if settings.ocpp is not None:
            # The back end's code is loaded only where there is a back end: it is a good part of the start-up time.
            from pilotwire.firmware.shell.back_end import open_charge_point  # noqa: PLC0415

            self._charge_point = open_charge_point(settings.ocpp, settings.limits.phases, self._durable, self._noted)
        self.transactions = Transactions(self._durable)
        if record is not None:
            from pilotwire.firmware.shell.recorder import Recorder  # noqa: PLC0415 - only where somebody wants it

            self._recorder = Recorder(record)
            now_ms = int(asyncio.get_running_loop().time() * 1000)
            self._recorder.begin(settings, self._durable, self.journal, now_ms, unix_ms())
        station = Station(settings, self.transactions, self.journal, self._charge_point)
        self.runner = Runner(station, unix_ms, self._after_event, self._recorder)
        link = StationLink(PROGRAM, 1 + secrets.randbelow(1 << 28), settings.pilot.unique_id)
        # The pilot itself shall know what this installation carries, and not only each lease.
        link.narrow(params.MAX_MA, settings.limits.board_ma)
        link.narrow(params.PHASES, settings.limits.phases)
        self.pilot_port = self._open_port(link, ports)
        self.runner.lease = self.pilot_port
        self._meter_port = MeterPort(ports.meter, settings.meter.poll_ms, self.runner.post)
        if settings.ocpp is not None and self._charge_point is not None:
            from pilotwire.firmware.shell.ocpp_port import OcppPort  # noqa: PLC0415

            core: ChargePoint16 | RecordedCore = self._charge_point
            if self._recorder is not None:
                from pilotwire.firmware.shell.recorded_core import RecordedCore  # noqa: PLC0415

                core = RecordedCore(self._charge_point, self._recorder)
            self._ocpp_port = OcppPort(
                settings.ocpp.url, core, self.runner.post, unix_ms, password=settings.ocpp.password
            )
        self._tasks: list[asyncio.Task[None]] = []

    def _noted(self, message_id: str) -> str:
        return message_id if self._recorder is None else self._recorder.note_id(message_id)

    def _open_port(self, link: StationLink, ports: Ports) -> PilotPort:
        ttl_ms, wanted, lines = self._settings.pilot.lease_ttl_ms, link.unique_id, ports.pilot_lines
        if lines is None or wanted is None:
            return PilotPort(link, ports.open_pilot_line, self.runner.post, ttl_ms)
        return PilotPort(
            link,
            lambda: lines.open(wanted),
            self.runner.post,
            ttl_ms,
            on_met=lambda found: lines.met(wanted, found),
            give_up_s=GIVE_UP_S,
        )

    @property
    def awaiting_reply(self) -> bool:
        """True while the back end owes an answer; a virtual clock must not jump then."""
        return self._ocpp_port is not None and self._ocpp_port.awaiting_reply

    def start(self) -> None:
        """Start all tasks on the running loop."""
        runs = [self.pilot_port.run(), self._meter_port.run(), self.runner.run()]
        if self._ocpp_port is not None:
            runs.append(self._ocpp_port.run())
        if self._settings.status is not None:
            port = StatusPort(
                self._settings.status.socket, self.snapshot, self.runner.post, self.pilot_port.link.clear_faults
            )
            runs.append(port.run())
        self._tasks = [asyncio.ensure_future(run) for run in runs]

    async def wait(self) -> None:
        """Until a task fails; raises its error. A station with a dead task must not look alive."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Withdraw the lease, so that the car is told to stop gracefully, and end everything."""
        self.pilot_port.set_limit(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._recorder is not None:
            self._recorder.close()
        self._durable.close()
        self._events.close()
        self._lock.release()

    def snapshot(self) -> dict[str, Any]:
        """The station now; see shell/snapshot.py."""
        shot = snapshot(self.runner.station, self._settings.station.name, self.runner.now_ms(), self._unix_ms())
        if shot["pilot"]["online"]:
            shot["pilot"]["stale"] = self.pilot_port.link.stale(self.runner.now_ms())
        shot["first_lease_ms"] = self.pilot_port.first_lease_ms
        return shot

    def _after_event(self) -> None:
        if self._ocpp_port is not None:
            self._ocpp_port.poke()
