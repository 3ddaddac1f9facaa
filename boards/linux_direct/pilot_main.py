"""The pilot program as a process on a Linux-only board.

    python -m pilotwire.boards.linux_direct.pilot_main --config FILE --link-fd N

N is an inherited descriptor, one end of a socketpair: the pilot link. The process proves that hardware and operating system are
what the pilot needs (README.md), or refuses: outputs off, X1, one sentence on standard error, the same as a JSON line on standard
output, and an exit code of refusal.py.

It is never told to die with its parent. When the station goes, or SIGTERM comes, the lease runs out, the kernel stops the car
gracefully and opens; only then does this process end.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import gc
import json
import os
import signal
import stat
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from pilotwire.boards.linux_direct import memory, parameters, realtime, refusal, selftest, watchdog
from pilotwire.boards.linux_direct.config import Config, load
from pilotwire.boards.linux_direct.front import Front
from pilotwire.boards.linux_direct.lines import FileLines, GpiodLines, Lines
from pilotwire.boards.linux_direct.refusal import RefusedError
from pilotwire.boards.linux_direct.sysfs import Channel, Pwm
from pilotwire.firmware.kernel import duty
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD
from pilotwire.firmware.pilot.identity import describe, hash_folders
from pilotwire.firmware.pilot.program import TICK_MS, Pilot
from pilotwire.firmware.toml_file import ConfigError
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.pilot import PilotLink

TICK_NS = TICK_MS * 1_000_000
UNFED_NS = 40_000_000  # a tick that ends later than this after its time does not feed the watchdog
IN_USE_WAIT_S = 15.0  # a pilot before us may still be stopping: 5 s of lease, 6.5 s of X1
REST_MS = 1000  # X1 and open contacts for so long: nothing is left to stop
STOP_MAX_MS = 30_000
LINK_MAX = 1024
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def open_front(config: Config) -> Front:
    """Open PWM, lines and analogue inputs, silent; raises RefusedError after everything that could be opened is silent."""
    pwm: Pwm | None = None
    refused: RefusedError | None = None
    try:
        pwm = Pwm(config.pwm.chip, config.pwm.channel)
    except OSError as error:
        refused = RefusedError(refusal.PWM, f"the PWM cannot be set to 1 kHz and X1: {error}")
    try:
        lines = open_lines(config)
        lines.refresh()
    except OSError as error:
        raise refused or RefusedError(refusal.LINES, f"the digital lines cannot be used: {error}") from None
    if pwm is None or refused is not None:
        raise refused or AssertionError
    wrong = pwm.check()
    if wrong:
        raise RefusedError(refusal.PWM, wrong)
    try:
        channels = {
            name: Channel(config.iio.device, one.channel, one.multiply, one.add) for name, one in config.analog.items()
        }
    except OSError as error:
        raise RefusedError(refusal.IIO_MISSING, f"an analogue input cannot be read: {error}") from None
    return Front(pwm, lines, channels, config.analog)


def open_lines(config: Config) -> Lines:
    """The digital lines, outputs off; raises OSError."""
    if config.gpio.backend == "files":
        assert config.gpio.folder is not None
        return FileLines(config.gpio.folder, config.outputs(), config.inputs())
    return GpiodLines(config.outputs(), config.inputs())


def own_hardware(path: Path) -> int:
    """Be the only pilot of this board, or raise RefusedError; the descriptor that is returned holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RefusedError(
            refusal.HARDWARE_IN_USE, f"the lock file {path} cannot be opened: {error.strerror}"
        ) from None
    until_s = time.monotonic() + IN_USE_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() < until_s:
                time.sleep(0.05)
                continue
            os.close(descriptor)
            raise RefusedError(
                refusal.HARDWARE_IN_USE,
                f"another pilot has held {path} for {IN_USE_WAIT_S:g} s; there is one pilot for a board",
            ) from None
        return descriptor


def check_owner(path: Path) -> None:
    """Nobody but root and this user may change what the board is said to be; raises RefusedError."""
    status = path.stat()
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RefusedError(
            refusal.CONFIG_WRITABLE, f"{path} can be changed by others; it must belong to root, mode 0644 or less"
        )


def prove(config: Config, front: Front, system: realtime.System) -> tuple[watchdog.Feeder, dict[str, Any]]:
    """Everything that must hold before the first tick; returns the feeder and what was measured, or raises RefusedError."""
    bench_feeder: watchdog.Feeder | None = None
    settings = watchdog.check(config)
    if settings.kind == "gpio":
        bench_feeder = watchdog.LineFeeder(front.lines)
    bench = selftest.Bench(config, front, bench_feeder)
    coil = selftest.Coil(config, front, bench)
    if config.realtime == "required":
        realtime.claim(config.process, system)
    measured: dict[str, Any] = {"read_us": selftest.check_speed(config, front)}
    selftest.check_signal(config, front, bench)
    selftest.await_recovery(config, bench)  # or it keeps the coil off
    measured["release_ms"] = coil.test()
    if settings.kind == "gpio":
        measured["trip_ms"] = selftest.check_supervisor(config, bench, coil)
    measured["worst_gap_ms"] = round(bench.worst_ever_ms, 1)
    if config.realtime == "required" and bench.worst_ever_ms > TICK_MS + config.process.late_max_ms:
        raise selftest.late(bench.worst_ever_ms)
    if bench_feeder is not None:
        return bench_feeder, measured
    assert settings.device is not None
    try:
        # Last of all: from here on the board is reset unless the pilot ticks.
        return watchdog.DeviceFeeder(settings.device, settings.timeout_ms), measured
    except OSError as error:
        raise RefusedError(refusal.WATCHDOG_MISSING, f"the watchdog cannot be started: {error}") from None


def program_name(config: Config) -> str:
    """For HELLO; a pilot without real-time scheduling says so first."""
    version = ".".join(map(str, sys.version_info[:3]))
    lab = "LAB, NOT REAL-TIME: " if config.realtime == "lab" else ""
    return f"{lab}pilotwire pilot on Linux, python {version}"


class Link:
    """The link's descriptor: never blocks, and remembers when the other end has gone."""

    def __init__(self, descriptor: int) -> None:
        self.gone = False
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)

    def read(self) -> bytes:
        """What has arrived, at most LINK_MAX bytes."""
        if self.gone:
            return b""
        try:
            data = os.read(self._descriptor, LINK_MAX)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        self.gone = not data
        return data

    def write(self, data: bytes) -> None:
        """Send, or lose what does not fit: an old state is worth nothing."""
        if self.gone:
            return
        try:
            os.write(self._descriptor, data)
        except BlockingIOError:
            return
        except OSError:
            self.gone = True


class Loop:
    """The pilot's ticks at absolute times, until the link has gone and nothing is left to stop."""

    def __init__(self, pilot: Pilot, link: Link, feeder: watchdog.Feeder) -> None:
        self.stopping = False
        self.ticks = 0
        self.late_ticks = 0
        self.worst_late_us = 0
        self._pilot = pilot
        self._link = link
        self._feeder = feeder

    def run(self) -> None:
        """Raises OSError when the hardware fails."""
        due_ns = time.monotonic_ns()
        resting_ms = stopping_ms = 0
        while resting_ms < REST_MS and stopping_ms < STOP_MAX_MS:
            due_ns += TICK_NS
            left_ns = due_ns - time.monotonic_ns()
            if left_ns > 0:
                time.sleep(left_ns / 1e9)
            late_ns = time.monotonic_ns() - due_ns
            self.worst_late_us = max(self.worst_late_us, late_ns // 1000)
            if late_ns >= TICK_NS:
                # The ticks that were missed are not made up for: the kernel sees the time that has passed.
                self.late_ticks += 1
                due_ns += late_ns // TICK_NS * TICK_NS
            self._tick(due_ns)
            self.ticks += 1
            if self.stopping or self._link.gone:
                stopping_ms += TICK_MS
                resting_ms = resting_ms + TICK_MS if self._at_rest() else 0

    def _tick(self, due_ns: int) -> None:
        received = b"" if self.stopping else self._link.read()
        now_ms = time.monotonic_ns() // 1_000_000 % TICKS_PERIOD
        out = self._pilot.tick(now_ms, received)
        if out:
            self._link.write(out)
        done_ns = time.monotonic_ns()
        if done_ns - due_ns < UNFED_NS:
            self._feeder.feed(done_ns)

    def _at_rest(self) -> bool:
        kernel = self._pilot.kernel
        closed = kernel.close or kernel.contacts_closed or kernel.phases_closed
        return not closed and kernel.duty == duty.DUTY_X1 and not kernel.cp_off


def say(line: str, descriptor: int = 1) -> None:
    """One line to whoever started this process, if anybody still listens; never waits for them."""
    with contextlib.suppress(OSError):
        os.write(descriptor, line.encode() + b"\n")


def run(config: Config, link_descriptor: int, system: realtime.System) -> None:
    """Prove, then tick until told to stop; everything is off afterwards. Raises RefusedError."""
    check_owner(config.source)
    # Before the first tick a signal ends the process by an exception, so that what the self-test has switched on goes off.
    before = {number: signal.signal(number, _leave) for number in STOP_SIGNALS}
    try:
        lock = own_hardware(config.lock_file)
        try:
            _own(config, link_descriptor, system)
        finally:
            os.close(lock)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _own(config: Config, link_descriptor: int, system: realtime.System) -> None:
    front = open_front(config)
    try:
        feeder, measured = prove(config, front, system)
        _charge(config, front, feeder, Link(link_descriptor), measured)
    except OSError as error:
        raise RefusedError(refusal.HARDWARE_LOST, f"the hardware has failed: {error}") from None
    finally:
        with contextlib.suppress(OSError):
            front.silence()


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _charge(config: Config, front: Front, feeder: watchdog.Feeder, link: Link, measured: dict[str, Any]) -> None:
    block = parameters.build(config)
    root = Path(__file__).parents[2]
    folders = [
        str(root / name) for name in ("firmware/kernel", "firmware/pilot", "protocols/link", "boards/linux_direct")
    ]
    name = program_name(config)
    identity = describe(name, block, config.unique_id, hash_folders(folders), reset_reason=reset_reason(config))
    boot = int.from_bytes(os.urandom(4), "big") & 0x0FFFFFFF
    words = memory.FileWords(memory.beside(config.lock_file))
    loop = Loop(Pilot(front, block, PilotLink(boot, identity), (), memory.retained(words)), link, feeder)

    def stop(_number: int, _frame: FrameType | None) -> None:
        loop.stopping = True

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    # The tick makes no reference cycles, so that nothing waits for the collector, and its pauses are not wanted.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        say(json.dumps({"event": "started", "program": name, **measured}))
        loop.run()
    finally:
        gc.enable()
        words.close()
        counts = {"ticks": loop.ticks, "late_ticks": loop.late_ticks, "worst_late_us": loop.worst_late_us}
        say(json.dumps({"event": "stopped", **counts}))


def reset_reason(config: Config) -> int:
    """Whether the watchdog reset the board before this boot; a supervisor of the coil resets nothing."""
    settings = config.watchdog
    if settings is None or settings.sysfs is None:
        return messages.RESET_UNKNOWN
    try:
        status = int(watchdog.attribute(settings.sysfs, "bootstatus"))
    except (OSError, ValueError):
        return messages.RESET_UNKNOWN
    return messages.RESET_WATCHDOG if status & watchdog.CARD_RESET else messages.RESET_POWER


def main(argv: list[str] | None = None, system: realtime.System | None = None) -> int:
    """Parse arguments, run, and say why not; returns the exit code."""
    parser = argparse.ArgumentParser(prog="pilot", description="the pilot program of a Linux-only board")
    parser.add_argument("--config", required=True, type=Path, help="the board's TOML file")
    parser.add_argument("--link-fd", required=True, type=int, help="inherited descriptor of the pilot link")
    args = parser.parse_args(argv)
    try:
        config = load(args.config)
        if config.realtime == "lab":
            say('realtime = "lab": NOT FOR CHARGING CARS, nothing keeps this pilot\'s ticks in time', 2)
        run(config, args.link_fd, realtime.System() if system is None else system)
    except ConfigError as error:
        refused = RefusedError(refusal.CONFIG, str(error))
    except RefusedError as error:
        refused = error
    else:
        return 0
    say(f"pilot refuses: {refused.sentence}", 2)
    say(refused.as_json())
    return refused.exit_code


if __name__ == "__main__":
    sys.exit(main())
