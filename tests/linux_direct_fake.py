"""A Linux-only board made of files: PWM, IIO, watchdog as sysfs shows them, digital lines, and behind them the simulated world.

    python tests/linux_direct_fake.py FOLDER        # the hardware as a process, with a control port as the world's
    with pilot_on_a_pty(folder) as device: ...      # a pilot whose link is a serial device, for whoever tests links

The hardware is a process of its own, so that it goes on when a pilot is killed. Its clock stands still while the machine does not
run it. What it does not do: electrical levels, PWM frequency and jitter, peak detectors with time constants, conversion times,
files that behave as sysfs in every error, a watchdog that resets anything.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilotwire.boards.linux_direct import watchdog
from pilotwire.boards.linux_direct.board import MODULE, PilotKeeper
from pilotwire.boards.linux_direct.config import INPUTS, OUTPUTS
from pilotwire.boards.sim.contactor import ChargePump
from pilotwire.boards.sim.control import Control
from pilotwire.boards.sim.signals import Outputs
from pilotwire.boards.sim.world import World
from pilotwire.firmware.shell.pilot_port import Line
from pilotwire.protocols.link.station import StationLink
from pilotwire.tools.rig.clients import WorldClient
from pilotwire.tools.rig.process import Process, wait_for
from pilotwire.tools.rig.pty_line import Pty

UNIQUE_ID = "e66058388b123456"
WATCHDOG_IDENTITY = "fake watchdog"
STEP_S = 0.001
STALL_MS = 5  # at most so much time passes in one look: the clock stands still for what the machine took
SUPERVISOR_MS = 400
SCALE_MV = 0.5
SOURCE_MV = 5000  # proximity: behind 1 kOhm
PERIOD_NS = 1_000_000

# Volts, ohms and so on as counts of a converter with SCALE_MV, and [analog] for the way back.
COUNTS: dict[str, Callable[[int], float]] = {
    "cp_high": lambda mv: (mv + 15000) / 10 / SCALE_MV,
    "cp_low": lambda mv: (mv + 15000) / 10 / SCALE_MV,
    "pp": lambda ohm: SOURCE_MV * ohm / (ohm + 1000) / SCALE_MV,
    "current": lambda ma: ma / 20 / SCALE_MV,
    "plug_temp": lambda ddeg: (ddeg + 1000) / SCALE_MV,
}
ANALOG: dict[str, dict[str, Any]] = {
    "cp_high": {"channel": "in_voltage0", "multiply": 10, "add": -15000},
    "cp_low": {"channel": "in_voltage1", "multiply": 10, "add": -15000},
    "pp": {"channel": "in_voltage2", "source_mv": SOURCE_MV, "source_ohm": 1000},
    "current": {"channel": "in_voltage3", "multiply": 20},
    "plug_temp": {"channel": "in_voltage4", "add": -1000},
}
LINES = "alive coil coil_isolate lock rcd_test contacts coil_sense lock_closed rcd_dc earth_ok stop_pressed".split()


@dataclass(slots=True)
class Pump(ChargePump):
    """The charge pump, fed edge by edge, with a supervisor that can cut it off, and with its faults."""

    bypassed: bool = False
    level_feeds: bool = False
    level: int = 0
    hold_ms: int = 40
    cut: bool = False
    charged: bool = False
    _age_ms: int = 1 << 20

    def drive(self, wave: int) -> None:
        """The level alone does not say how often it has moved; edge() does."""
        self.level = wave

    def edge(self) -> None:
        """The alive line has moved."""
        self._age_ms = 0

    def step(self) -> bool:
        """Pass one millisecond; whether there was coil voltage in it."""
        by_level = self.level_feeds and bool(self.level)
        self.charged = (self._age_ms < self.hold_ms or self.bypassed or by_level) and not self.cut
        self._age_ms += 1
        return self.charged


@dataclass(slots=True)
class Faults:
    """What a test can break, beside what the world itself can do."""

    bypassed: bool = False
    """The coil's supply does not need the alive wave."""
    level_feeds: bool = False
    """A level feeds it as well as a wave does."""
    hold_ms: int = 40
    """How long the pump holds the coil."""
    sense_broken: bool = False
    driver_stuck: bool = False
    """The coil is on whenever the pump is."""
    isolate_broken: bool = False
    pulse_lost: bool = False
    """The peak detector does not catch 5 %."""
    adc_dead: bool = False
    """Its files say nothing sensible any more."""
    pwm_ns: int = 0
    """The PWM can do no other period."""
    mains_present: bool = False
    supervisor: bool = False
    supervisor_dead: bool = False
    supervisor_stuck: bool = False


class Files:
    """The board's files below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, int] = {}
        self._written: dict[str, str] = {}

    def make(self) -> None:
        """As a crashed pilot left them: a coil that is commanded, a current that is offered."""
        texts = {
            "pwm/pwm0/period": PERIOD_NS,
            "pwm/pwm0/duty_cycle": 530_000,
            "pwm/pwm0/enable": 1,
            "pwm/pwm0/polarity": "normal",
            "iio/in_voltage_scale": SCALE_MV,
            "watchdog/timeout": 2,
            "watchdog/nowayout": 1,
            "watchdog/bootstatus": 0,
            "watchdog/identity": WATCHDOG_IDENTITY,
            "boot_id": "boot-one",
            **{f"gpio/{name}": f"{int(name in LINES)} 0000000000" for name in OUTPUTS},
            **{f"gpio/{name}": 0 for name in INPUTS},
            **{f"iio/{one['channel']}_raw": 0 for one in ANALOG.values()},
        }
        for name, text in texts.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        (self.folder / "watchdog-device").write_bytes(b"")

    def read(self, name: str) -> str:
        """First line of a file."""
        if name not in self._open:
            self._open[name] = os.open(self.folder / name, os.O_RDWR)
        return os.pread(self._open[name], 64, 0).split(b"\n", 1)[0].decode()

    def write(self, name: str, value: object) -> None:
        """Write a file when its value has changed."""
        text = str(value)
        if self._written.get(name) != text:
            self.read(name)
            os.pwrite(self._open[name], text.encode() + b"\n", 0)
            self._written[name] = text

    def close(self) -> None:
        """Give the descriptors back."""
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open = {}


class Hardware:
    """Moves the world's clock, and values between it and the files."""

    def __init__(self, folder: Path) -> None:
        self.files = Files(folder)
        self.world = World()
        self.world.second_contactor = False
        self.pump = Pump()
        self.world.pump = self.pump
        self.faults = Faults()
        self._edges = {"alive": "", "feed": ""}
        self._fed_age_ms = 0

    def step(self, ms: int) -> None:
        """Outputs in, `ms` milliseconds, inputs out."""
        files, faults, world = self.files, self.faults, self.world
        self.pump.bypassed, self.pump.hold_ms = faults.bypassed, faults.hold_ms
        self.pump.level_feeds = faults.level_feeds
        lines = {name: files.read(f"gpio/{name}") for name in OUTPUTS}
        on = {name: int(text[0]) for name, text in lines.items()}
        if self._moved("alive", lines):
            self.pump.edge()
        if self._moved("feed", lines):
            self._fed_age_ms = 0
        if faults.pwm_ns and files.read("pwm/pwm0/period") != str(faults.pwm_ns):
            files._written.pop("pwm/pwm0/period", None)
            files.write("pwm/pwm0/period", faults.pwm_ns)
        duty_ns, period_ns = int(files.read("pwm/pwm0/duty_cycle")), int(files.read("pwm/pwm0/period"))
        duty = duty_ns / period_ns if files.read("pwm/pwm0/enable") == "1" else 0.0
        commanded = on["coil"] or faults.driver_stuck
        isolated = on["coil_isolate"] and not faults.isolate_broken
        world.set_outputs(
            Outputs(
                duty=duty,
                close=int(commanded and not isolated),
                alive=on["alive"],
                cp_off=on["cp_off"],
                lock=on["lock"],
                rcd_test=on["rcd_test"],
            )
        )
        for _ in range(ms):
            self._fed_age_ms += 1
            tripped = faults.supervisor and (
                faults.supervisor_stuck or (self._fed_age_ms > SUPERVISOR_MS and not faults.supervisor_dead)
            )
            self.pump.cut = tripped
            world.advance(1)
            files.write("gpio/tripped", int(tripped))
        self._put(bool(commanded), duty)

    def _moved(self, name: str, lines: dict[str, str]) -> bool:
        moved = self._edges[name] not in ("", lines[name])  # what it was before the first look is nobody's edge
        self._edges[name] = lines[name]
        return moved

    def _put(self, commanded: bool, duty: float) -> None:
        files, faults = self.files, self.faults
        readings = self.world.inputs()
        analog = {
            "cp_high": -12000 if faults.pulse_lost and duty < 0.06 else readings.cp_high_mv,
            "cp_low": readings.cp_low_mv,
            "pp": readings.pp_ohm,
            "current": readings.current_ma,
            "plug_temp": readings.plug_ddeg,
        }
        for name, value in analog.items():
            raw = "dead" if faults.adc_dead else round(COUNTS[name](value))
            files.write(f"iio/{ANALOG[name]['channel']}_raw", raw)
        levels = {
            "contacts": readings.contacts_closed,
            "coil_sense": self.pump.charged and commanded and not faults.sense_broken,
            "lock_closed": readings.lock_closed,
            "rcd_dc": readings.rcd_dc,
            "rcd_ac": readings.rcd_ac,
            "earth_ok": readings.earth_ok,
            "stop_pressed": readings.stop_pressed,
            "mains_present": faults.mains_present,
        }
        for name, level in levels.items():
            files.write(f"gpio/{name}", int(level))


class HardwareProcess:
    """The hardware with a control port: the commands of boards/sim/control.py, and `break` for Faults."""

    def __init__(self, folder: Path) -> None:
        self.hardware = Hardware(folder)
        self.hardware.files.make()
        self._control = Control(self.hardware.world)
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)

    def run(self) -> None:
        """Until told to quit, or whoever started us is gone."""
        self.hardware.step(1)
        print(json.dumps({"control_port": self._listener.getsockname()[1]}), flush=True)
        last_s = time.monotonic()
        while not self._control.quit:
            for key, _ in self._selector.select(STEP_S):
                self._serve(key.fileobj)
            passed_ms = int(1000 * (time.monotonic() - last_s))
            if passed_ms:
                last_s += passed_ms / 1000
                self.hardware.step(min(passed_ms, STALL_MS))

    def _serve(self, source: Any) -> None:
        if source is self._listener:
            client, _ = self._listener.accept()
            self._selector.register(client, selectors.EVENT_READ)
        elif not isinstance(source, socket.socket):
            self._control.quit = not os.read(sys.stdin.fileno(), 64)
        else:
            line = source.recv(65536)  # one request is one segment here: the client waits for each reply
            if not line:
                self._selector.unregister(source)
                source.close()
                return
            source.sendall(self._handle(line))

    def _handle(self, line: bytes) -> bytes:
        request = json.loads(line)
        if request.pop("cmd") != "break":
            return self._control.handle(line)
        for name, value in request.items():
            setattr(self.hardware.faults, name, value)
        return json.dumps({"ok": True, "t_ms": self.hardware.world.now_ms}).encode() + b"\n"


def as_toml(document: dict[str, Any]) -> str:
    """A document of tables of plain values as TOML."""
    head = [f"{name} = {json.dumps(value)}" for name, value in document.items() if not isinstance(value, dict)]
    tables = []
    for name, table in document.items():
        if not isinstance(table, dict):
            continue
        parts = {f"{name}.{key}": value for key, value in table.items() if isinstance(value, dict)}
        for title, part in parts.items() if parts else [(name, table)]:
            tables += [f"[{title}]", *(f"{key} = {json.dumps(value)}" for key, value in part.items())]
    return "\n".join([*head, *tables]) + "\n"


def document(folder: Path) -> dict[str, Any]:
    """The configuration of a good board in this folder, to be changed by a test."""
    return {
        "unique_id": UNIQUE_ID,
        "lock_file": str(folder / "lock"),
        "realtime": "lab",
        "pwm": {"chip": str(folder / "pwm"), "channel": 0},
        "iio": {"device": str(folder / "iio"), "front_end": "peak-detector", "settle_ms": 60},
        "analog": {name: dict(one) for name, one in ANALOG.items()},
        "gpio": {"backend": "files", "folder": str(folder / "gpio")},
        "lines": {name: name for name in LINES},
        "cutoff": {"guard": "interlock", "pull_in_ms": 100, "release_ms": 100},
        "watchdog": {
            "kind": "device",
            "timeout_ms": 2000,
            "device": str(folder / "watchdog-device"),
            "sysfs": str(folder / "watchdog"),
            "proof": str(folder / "proof.json"),
        },
        "parameters": {"standard": "iec", "max_ma": 16000, "phases": 3, "min_off_ms": 0, "fault_off_ms": 0},
    }


def write_proof(folder: Path, **changes: Any) -> None:
    """What commission.py leaves after a reset that the watchdog has caused."""
    record = {"state": watchdog.PROVED, "board": UNIQUE_ID, "watchdog": WATCHDOG_IDENTITY, "timeout_ms": 2000}
    watchdog.write_record(folder / "proof.json", {**record, **changes})


class Board:
    """A board of files with its hardware running. Use as a context manager: everything it started ends with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.document = document(folder)
        self.config = folder / "pilot.toml"
        self.files = Files(folder)
        self._lines: list[Line] = []
        self.keeper: PilotKeeper | None = None
        folder.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, __file__, str(folder)]
        self._process = Process("hardware", argv, folder / "hardware.log", hardware=True)
        self.world = WorldClient(self._process.ready_line()["control_port"])
        write_proof(folder)

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.ExitStack() as last_to_first:
            last_to_first.callback(self._process.stop)
            last_to_first.callback(self.world.close)
            last_to_first.callback(self.files.close)
            process = self.keeper.process if self.keeper is not None else None
            if process is not None:
                last_to_first.callback(process.stdout.close if process.stdout else lambda: None)
                last_to_first.callback(process.wait, 10)
                last_to_first.callback(process.kill)
            for line in self._lines:
                last_to_first.callback(line.close)

    def write_config(self, mode: int = 0o644) -> Path:
        """The document as a file."""
        self.config.write_text(as_toml(self.document))
        self.config.chmod(mode)
        return self.config

    def hurt(self, **faults: Any) -> None:
        """Break something; see Faults."""
        self.world.ask("break", **faults)

    def start(self, first: bool = True) -> Line:
        """Start the pilot as the station does; returns its link."""
        self.keeper = PilotKeeper(self.write_config())
        return self.open_line(first)

    def open_line(self, first: bool = True) -> Line:
        """The link of the next pilot process, which goes first on this machine, as far as this user may say so."""
        assert self.keeper is not None
        line = self.keeper.open_line()
        self._lines.append(line)
        assert self.keeper.process is not None
        if first:
            go_first(self.keeper.process.pid)
        return line

    def refused(self, timeout_s: float = 60.0) -> tuple[int, str, dict[str, Any]]:
        """Start the pilot, which must end by itself: exit code, standard error, last JSON line."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", MODULE, "--config", str(self.write_config()), "--link-fd", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            go_first(process.pid)
            try:
                out, error = process.communicate(timeout=timeout_s)
            finally:
                process.kill()
        lines = out.splitlines()
        return process.returncode, error.decode(), json.loads(lines[-1]) if lines else {}

    def outputs(self) -> dict[str, str]:
        """Level of each output that the board declares, and of the PWM as a share of its period in 1/1000."""
        levels = {name: self.files.read(f"gpio/{name}")[0] for name in self._switches()}
        duty_ns = int(self.files.read("pwm/pwm0/duty_cycle"))
        return {**levels, "pwm": str(duty_ns * 1000 // PERIOD_NS), "enable": self.files.read("pwm/pwm0/enable")}

    def silent(self) -> dict[str, str]:
        """What outputs() gives when everything is off and the pilot wire shows X1."""
        return {**dict.fromkeys(self._switches(), "0"), "pwm": "1000", "enable": "1"}

    def _switches(self) -> list[str]:
        """Declared outputs that mean on and off: of the line that feeds a supervisor only the edges mean something."""
        return [name for name in OUTPUTS if name in self.document["lines"] and name != "feed"]


def go_first(pid: int) -> None:
    """Let a process go before others on a busy machine, where this user may say so."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


class TinyStation:
    """A station on the end of a line: keeps the link going while it is asked to wait for something."""

    def __init__(self, line: Line, session: int = 1) -> None:
        self.link = StationLink("tiny station", session)
        self.line = line
        self.events: list[object] = []
        self._descriptor = line.fileno()

    def turn(self) -> None:
        """Take what has arrived, send what is due."""
        now_ms = int(time.monotonic() * 1000)
        with contextlib.suppress(BlockingIOError):
            self.link.receive(os.read(self._descriptor, 4096), now_ms)
        self.link.tick(now_ms)
        out = self.link.data_to_send()
        if out:
            os.write(self._descriptor, out)
        while (event := self.link.next_event()) is not None:
            self.events.append(event)

    def until(self, what: str, condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
        """Keep the link going until condition() holds; raises RigError naming `what`."""

        def turned() -> Any:
            self.turn()
            return condition()

        return wait_for(what, turned, timeout_s, 0.02)

    def permit(self, mode: int, limit_ma: int, ttl_ms: int = 2000) -> None:
        """Set the lease."""
        self.link.set_lease(mode, limit_ma, ttl_ms, int(time.monotonic() * 1000))


@contextlib.contextmanager
def pilot_on_a_pty(folder: Path) -> Iterator[str]:
    """A pilot on a good board of files with its link on a pty; gives the serial device of the station's side.

    The pty's other end is the pilot's descriptor itself, so nothing between them can lose or delay a byte. No car is plugged in.
    """
    line = Pty()
    with Board(folder) as board, (folder / "pilot.log").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, "--config", str(board.write_config()), "--link-fd", str(line.master)],
            pass_fds=[line.master],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        go_first(process.pid)
        try:
            assert process.stdout is not None
            first = json.loads(process.stdout.readline() or b"{}")  # started or refused, in a few seconds
            if first.get("event") != "started":
                raise RuntimeError(f"the pilot has not started: {first}")
            yield line.device
        finally:
            process.kill()
            process.wait(10)
            process.stdout.close()  # type: ignore[union-attr]
            line.close()


def main() -> None:
    """The hardware as a process."""
    parser = argparse.ArgumentParser(description="a Linux-only board made of files")
    parser.add_argument("folder", type=Path)
    HardwareProcess(parser.parse_args().folder).run()


if __name__ == "__main__":
    main()
