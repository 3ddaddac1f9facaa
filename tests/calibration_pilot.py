"""A real pilot with the calibration service, whose readings stand in a file: what `pilotwire calibrate` is tested against.

    micropython calibration_pilot.py READINGS STORE [WORD]

Standard input and output are the link. READINGS holds integers: the raw code of each channel, the pilot wire in mV as the kernel
shall see it, and whether the mirror contact reports closed. WORD `plain`: no calibration service; `forgetful`: one that
does not give back what was written. It ends when its readings vanish. MicroPython subset. It lacks an ADC, and the kernel's
voltage does not pass correct().
"""

import sys
import time

from pilotwire.boards.sim import parameters
from pilotwire.boards.sim.pilot_main import Uart, program_name
from pilotwire.firmware.kernel import bands, params
from pilotwire.firmware.pilot.calibration import CHANNELS, Calibration, CalibrationService
from pilotwire.firmware.pilot.calibration_store import FileStore
from pilotwire.firmware.pilot.program import TICK_MS, Pilot
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.pilot import Identity, PilotLink

BOARD = b"\xe6\x61\x64\x08\x43\x2f\x9a\x21"


class Bench:
    """The readings, and a front end that says nothing else."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._samples = 0

    def read(self) -> "list[int]":
        """All integers of the file."""
        with open(self._path) as file:
            return [int(word) for word in file.read().split()]

    def read_u16(self, channel: int) -> int:
        """One raw sample; it trembles, as an ADC does."""
        self._samples += 1
        return self.read()[channel] + self._samples % 16 - 8

    def sample(self, inputs: "object") -> None:
        """The kernel's Inputs."""
        now = self.read()
        inputs.cp_high_mv = inputs.cp_low_mv = now[len(CHANNELS)]  # type: ignore[attr-defined]
        inputs.contacts_closed = now[len(CHANNELS) + 1] != 0  # type: ignore[attr-defined]

    def drive(self, kernel: "object") -> None:
        """Nothing is connected."""


class Forgetful(CalibrationService):
    """Takes everything and goes on saying what it had at the start."""

    def handle(self, code: int, number: int, data: bytes) -> "tuple[int, int, bytes] | None":
        """As the real one, but for reading."""
        if code == messages.CALIBRATION_READ:
            return messages.OK, 0, b""
        return super().handle(code, number, data)


def main(readings: str, store: str, word: str) -> None:
    """Run until the readings vanish."""
    bench = Bench(readings)
    calibration = Calibration(BOARD)
    files = FileStore(store)
    identity = Identity(program_name(), BOARD, b"", 0 if word == "plain" else messages.CAN_CALIBRATE)
    block = parameters.build(((params.FITTED, 0), (params.MIN_OFF_MS, 0)))
    link = PilotLink(4711, identity)
    pilots: list[Pilot] = []

    def idle() -> bool:
        kernel = pilots[0].kernel
        return kernel.pilot_state == bands.A and not kernel.close and not kernel.contacts_closed

    service = (Forgetful if word == "forgetful" else CalibrationService)(calibration, files, bench.read_u16, idle)
    pilots.append(Pilot(bench, block, link, () if word == "plain" else (service,)))
    uart = Uart()
    now_ms = 0
    while True:
        # Its own clock: this interpreter may be slow, and a pilot that loses time does nothing but say so.
        now_ms += TICK_MS
        try:
            out = pilots[0].tick(now_ms, uart.read())
        except OSError:
            return
        service.tick()
        if out:
            uart.write(out)
        time.sleep(TICK_MS / 1000)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
