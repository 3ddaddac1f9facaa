"""The calibration's arithmetic on a sample, for both interpreters: prints one line, a hash of all results. MicroPython subset.

micropython calibration_script.py COUNT SEED
"""

import hashlib
import sys

from pilotwire.firmware.pilot import calibration

BOARD = b"\xe6\x61\x64\x08\x43\x2f\x9a\x21"


class Draw:
    """The same numbers on both interpreters: Park and Miller's generator."""

    def __init__(self, seed: int) -> None:
        self._now = seed

    def below(self, limit: int) -> int:
        """A number 0 .. limit - 1."""
        self._now = self._now * 48271 % 0x7FFFFFFF
        return self._now % limit


def run(count: int, seed: int) -> str:
    """The line."""
    draw = Draw(seed)
    digest = hashlib.sha256()
    solved = refused = 0
    for _ in range(count):
        channel = draw.below(len(calibration.CHANNELS))
        low, high = 200 + draw.below(30000), 35000 + draw.below(30000)
        try:
            row = calibration.two_points(
                channel, (low, low + draw.below(1800) - 900), (high, high + draw.below(1800) - 900)
            )
        except calibration.CalibrationError as error:
            refused += 1
            digest.update(str(error).encode())
            continue
        solved += 1
        rows = [(0, 0)] * len(calibration.CHANNELS)
        rows[channel] = row
        block = calibration.seal(BOARD, rows)
        used = calibration.Calibration(BOARD)
        used.use(block)
        digest.update(block)
        for u16 in (0, 1, low, high, 65534, 65535, draw.below(65536)):
            digest.update(str(used.correct(channel, u16)).encode())
    hexed = "".join(f"{byte:02x}" for byte in digest.digest())
    return f"{hexed} {solved} {refused}"


if __name__ == "__main__":
    print(run(int(sys.argv[1]), int(sys.argv[2])))
