"""The rig of the bench: the pilot keeps a tally (tally.py), and the station is one that PINGs or the whole one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilotwire.tools.bench.link.load import Busy
from pilotwire.tools.bench.link.samples import Renewal, Tally, parse, renewal
from pilotwire.tools.rig.process import Process, wait_for
from pilotwire.tools.rig.rig import PACKAGE_ROOT, Rig, pilot_argv
from pilotwire.tools.rig.settings import RigSettings

TALLY_MODULE = "pilotwire.tools.bench.link.tally_main"
STATION_MODULE = "pilotwire.tools.bench.link.station_main"
CHARGING_TIMEOUT_S = 60.0
PING_MOST_S = 0.5  # a PING and the pause before it, on a bad day
OPENED = (("contacts_closed", False), ("phases_closed", False))
"""Events of the circuit's log: L1 and N, or L2 and L3, have opened."""
LOOK_S = 0.2


class LinkRig(Rig):
    """World, meter and pilot, with a car that will charge; then a station."""

    def __init__(self, folder: Path, settings: RigSettings | None = None) -> None:
        super().__init__(folder, settings if settings is not None else RigSettings(back_end=False))

    def start_hardware(self) -> None:
        """All but the station. The car's battery is empty, so that it does not ask for less while we measure."""
        self.start_surroundings()
        self.start_pilot()
        assert self.world is not None
        self.world.set(car={"stored_wh": 0.0})
        self.world.plug()

    def start_pilot(self) -> None:
        """The pilot program with its tally, on MicroPython, its link on the pty."""
        changes = self.settings.pilot_changes()
        argv, self.pilot_note = pilot_argv(self._world_port, changes, self.settings.cpython_pilot, module=TALLY_MODULE)
        environment = {"MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"}
        self._start("pilot", argv, line=self._pilot_line.master, environment=environment)

    def tally(self) -> Tally:
        """What the pilot has written down so far."""
        return parse((self.folder / "pilot.log").read_text(errors="replace"))

    def ping(self, count: int) -> list[dict[str, Any]]:
        """Have a station of its own PING the pilot `count` times with each payload; what station_main.py says of it."""
        argv = [sys.executable, "-m", STATION_MODULE, self._pilot_line.device, str(count)]
        station = Process("pinging station", argv, self.folder / "pinging.log")
        try:
            batches: list[dict[str, Any]] = station.ready_line(CHARGING_TIMEOUT_S + 2 * count * PING_MOST_S)["batches"]
        finally:
            station.stop()
        return batches

    def wait_charging(self) -> None:
        """Until current flows."""
        world = self.world
        assert world is not None
        wait_for("closed contacts", lambda: world.read()["closed"], CHARGING_TIMEOUT_S)
        time.sleep(1.0)

    def renewals(self, name: str, seconds: float, meanwhile: Callable[[LinkRig], None] = lambda rig: None) -> Renewal:
        """Watch the lease for so long; `meanwhile` is called once, when it has begun."""
        world = self.world
        assert world is not None
        self.wait_charging()
        busy = Busy()
        start_ms, until = world.now_ms(), time.monotonic() + seconds
        meanwhile(self)
        while (left_s := until - time.monotonic()) > 0.0:
            time.sleep(min(left_s, LOOK_S))
            self.check_alive()
        end_ms, share = world.now_ms(), busy.share()
        opened_ms = [row["t_ms"] for row in world.events() if (row["name"], row["value"]) in OPENED]
        return renewal(name, self.tally(), start_ms, end_ms, self.settings.lease_ttl_ms, opened_ms, share)

    def raise_station(self, policy: int, nice: int) -> None:
        """Another scheduling for the station's process; raises PermissionError. SCHED_RR gets the lowest of its priorities."""
        pid = self.process("station").pid
        priority = 1 if policy == os.SCHED_RR else 0
        os.sched_setscheduler(pid, policy | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
        os.setpriority(os.PRIO_PROCESS, pid, nice)
