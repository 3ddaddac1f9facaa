"""The load box on a Raspberry Pi Pico or Pico 2. MicroPython subset. The board's own main.py says:

from pilotwire.boards.loadbox_pico import main
main.main()
"""

import os

from pilotwire.boards.loadbox_pico.assemble import build
from pilotwire.boards.loadbox_pico.front import PicoFront
from pilotwire.boards.loadbox_pico.loadbox import Box
from pilotwire.boards.pico_serial.edge import Edge

CALIBRATION = "calibration"  # files of calibration_store.py


def make(reset_reason: int) -> Box:
    """The program with every relay open."""
    import machine  # type: ignore[import-not-found]  # noqa: PLC0415 - there is none on a host

    boot = int.from_bytes(os.urandom(4), "big") & 0x0FFFFFFF
    return build(PicoFront(), machine.unique_id(), boot, reset_reason, CALIBRATION)


def turn(box: Box, edge: Edge) -> None:
    """One tick when it is due; the watchdog is fed here, after a whole tick, and nowhere else."""
    now_ms = edge.wait()
    data = box.tick(now_ms, edge.read())
    if data:
        edge.write(data)
    edge.feed()


def main() -> None:
    """Run for ever. If the program breaks, the chip is reset, which lets go of every relay."""
    edge = Edge()
    try:
        box = make(edge.cause())
        edge.start_watchdog()
        while True:
            turn(box, edge)
    finally:
        edge.restart()
