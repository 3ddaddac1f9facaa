"""What stands around the pilot of tests/pilot_update_child.py: power, reset, watchdog, serial line; bundles and keys."""

from __future__ import annotations

import functools
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pilotwire.firmware.pilot import image
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.station import PilotHello
from pilotwire.tools.firmware import board_files, bundle
from pilotwire.tools.firmware.update import Report, Updater
from pilotwire.tools.rig.pty_line import Pty
from pilotwire.tools.rig.rig import PACKAGE_ROOT, find_micropython

SPEED = 4
"""The pilot and its station live four times as fast as we do."""
WATCHDOG_S = 3.0
"""Of our time, as a loaded machine may keep a healthy child waiting."""
TESTS = Path(__file__).parent
STARTS_MAX = 30
PATIENCE_S = 30.0


def key_of(number: int) -> Ed25519PrivateKey:
    """A key, always the same for a number."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


OURS, FOREIGN = key_of(1), key_of(2)


@functools.cache
def program_files() -> dict[str, bytes]:
    """The real program of tests/pilot_update_image.py, compiled once."""
    return files_of(bundle.build(manifest("any", 0, "pilot_update_image"), [TESTS, PACKAGE_ROOT]))


def files_of(data: bytes) -> dict[str, bytes]:
    """Names and contents of a bundle."""
    return {name: data[at : at + size] for name, (at, size) in image.Image(data).files.items()}


def manifest(program: str, release: int, entry: str, board: str = "test") -> bundle.Manifest:
    """Of a bundle for the test board."""
    return bundle.Manifest(board, program, entry, release)


def good_bundle(program: str, release: int, key: Ed25519PrivateKey = OURS, board: str = "test") -> bytes:
    """A bundle that runs; two programs differ in what they say in HELLO."""
    return bundle.sign(bundle.pack(manifest(program, release, "pilot_update_image", board), program_files()), key)


def bundle_of(folder: Path, text: str, release: int = 2) -> bytes:
    """A genuine bundle of this one module, whatever it does."""
    (folder / "entry_module.py").write_text(text)
    return bundle.sign(bundle.build(manifest("bad one", release, "entry_module"), [folder]), OURS)


def now_ms() -> int:
    """The station's clock."""
    return time.monotonic_ns() * SPEED // 1_000_000


class Board:
    """One pilot board under power: starts the child, starts it again when it resets, hangs or loses power."""

    def __init__(self, folder: Path, first: bytes, cut: int = 0) -> None:
        """`cut` is the step of writing the flash memory, counted over all lives, in which the power is lost once."""
        interpreter = find_micropython()
        if interpreter is None:
            pytest.skip("there is no MicroPython wheel for this machine: the update cannot be tested on one")
        self._interpreter = str(interpreter)
        self.flash = folder / "flash"
        board_files.prepare(self.flash, first, [OURS.public_key().public_bytes_raw()])
        self.causes: list[int] = []
        self.cuts = 0
        self.wrong: list[str] = []
        self.steps = 0
        self._cut = cut
        self._errors = folder / "stderr"
        self._pty = Pty()
        self._fd = -1
        self._stop = threading.Event()
        self._kill = threading.Event()
        self._thread = threading.Thread(target=self._supply)
        self._thread.start()

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # The line.

    def fileno(self) -> int:
        """The station's end, opened when first used."""
        if self._fd < 0:
            self._fd = os.open(self._pty.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        return self._fd

    @property
    def device(self) -> str:
        """Path of the station's end."""
        return self._pty.device

    # The station.

    def update(self, data: bytes, progress: Callable[[int, int], None] = lambda done, total: None) -> Report:
        """Send a bundle as the command does."""
        return Updater(self, progress=progress, clock_ms=now_ms).update(data)  # type: ignore[arg-type]

    def hello(self) -> PilotHello:
        """What the pilot says of itself to a station that meets it now."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                return Updater(self, clock_ms=now_ms).meet()  # type: ignore[arg-type]
            except Exception as error:
                if self.wrong or time.monotonic() > until_s:
                    raise AssertionError(f"the pilot does not answer: {self.story()}") from error

    def plug_in(self, car: bool) -> None:
        """Plug a car in, or unplug it."""
        if car:
            (self.flash / "car").touch()
        else:
            (self.flash / "car").unlink()

    def cut_power(self) -> None:
        """Now, and give it back at once."""
        self._kill.set()

    def story(self) -> str:
        """What has happened, for a failure's text."""
        text = self._errors.read_text() if self._errors.exists() else ""
        return f"starts {self.causes}, cuts {self.cuts}, wrong {self.wrong}, stderr:\n{text[-2000:]}"

    def close(self) -> None:
        """Switch off; whatever went wrong in the process is an error now."""
        self._stop.set()
        self._thread.join(PATIENCE_S)
        if self._fd >= 0:
            os.close(self._fd)
        self._pty.close()
        assert not self._thread.is_alive()
        assert not self.wrong, self.story()

    # Power, reset and watchdog.

    def _supply(self) -> None:
        cause = messages.RESET_POWER
        while not self._stop.is_set():
            if len(self.causes) >= STARTS_MAX:
                self.wrong.append(f"{STARTS_MAX} starts: it goes round in circles")
                return
            self.causes.append(cause)
            code, hung = self._live(cause, max(0, self._cut - self.steps))
            if hung:
                cause = messages.RESET_WATCHDOG
            elif code == -9:
                self.cuts += 1
                cause = messages.RESET_POWER
            elif code == 0:
                cause = messages.RESET_COMMAND
            else:
                self.wrong.append(f"the process ended with {code}")
                return

    def _live(self, cause: int, cut: int) -> tuple[int, bool]:
        """One life: how it ended, and whether the watchdog ended it."""
        heart, other = os.pipe()
        argv = [self._interpreter, str(TESTS / "pilot_update_child.py"), f"{self.flash}/"]
        argv += [str(number) for number in (cause, SPEED, other, cut)]
        hung = False
        with self._errors.open("ab") as errors:
            child = subprocess.Popen(
                argv,
                stdin=self._pty.master,
                stdout=self._pty.master,
                stderr=errors,
                pass_fds=[other],
                env={name: value for name, value in os.environ.items() if name != "MICROPYPATH"},
            )
        os.close(other)
        try:
            fed_s = time.monotonic()
            armed = False
            while True:
                if select.select([heart], [], [], 0.02)[0]:
                    told = os.read(heart, 65536)
                    if not told:
                        break
                    self.steps += told.count(b"s")
                    fed_s, armed = time.monotonic(), True
                hung = armed and time.monotonic() - fed_s > WATCHDOG_S
                if hung or self._stop.is_set() or self._kill.is_set():
                    self._kill.clear()
                    child.kill()
                    break
            return child.wait(PATIENCE_S), hung
        finally:
            os.close(heart)
