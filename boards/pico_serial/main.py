"""The pilot program on a Raspberry Pi Pico or Pico 2. MicroPython subset.

With the loader (firmware/pilot/loader.py) this is the entry module of a bundle: make(context). Without it, for a bench, the
board's own main.py says:

    from pilotwire.boards.pico_serial import main
    main.main()
"""

import os
import sys

from pilotwire.boards.pico_serial import parameters, pins
from pilotwire.boards.pico_serial.edge import Edge
from pilotwire.firmware.pilot.calibration import Calibration, CalibrationService
from pilotwire.firmware.pilot.calibration_store import FileStore
from pilotwire.firmware.pilot.identity import describe, hash_folders
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.firmware.pilot.rp2040 import FrontEnd
from pilotwire.firmware.pilot.rp2040_scratch import retained
from pilotwire.firmware.pilot.update import UpdateService, nobody_charges
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.pilot import PilotLink

CALIBRATION = "calibration"  # files of calibration_store.py
_PARTS = ("firmware/kernel", "firmware/pilot", "protocols/link", "boards/pico_serial")


class Bare:
    """Stands in for the loader's context where there is no loader: no slots, so no updates."""

    def __init__(self, reset_reason: int) -> None:
        version = sys.implementation.version
        self.program = f"pilotwire pilot on {sys.platform} {version[0]}.{version[1]}.{version[2]}"
        root = __file__.rsplit("/", 3)[0]
        self.firmware_hash = hash_folders([root + "/" + part for part in _PARTS])
        self.reset_reason = reset_reason
        self.slots = None


def make(context: "object") -> Pilot:
    """The pilot of this board, everything off. `context` is the loader's, or Bare."""
    import machine  # type: ignore[import-not-found]  # noqa: PLC0415 - there is none on a host

    unique_id: bytes = machine.unique_id()
    correction = Calibration(unique_id)
    front = FrontEnd(pins.PINS, correction)  # before anything else: it drives every output low
    block = parameters.build()

    def idle() -> bool:
        return nobody_charges(pilot.kernel)

    slots = context.slots  # type: ignore[attr-defined]
    services: list[object] = [CalibrationService(correction, FileStore(CALIBRATION), front.read_u16, idle)]
    can = messages.CAN_CALIBRATE
    if slots is not None:
        services.append(UpdateService(slots, idle, context.restart))  # type: ignore[attr-defined]
        can |= messages.CAN_UPDATE
    identity = describe(
        context.program,  # type: ignore[attr-defined]
        block,
        unique_id,
        context.firmware_hash,  # type: ignore[attr-defined]
        can,
        context.reset_reason,  # type: ignore[attr-defined]
    )
    boot = int.from_bytes(os.urandom(4), "big") & 0x0FFFFFFF
    pilot = Pilot(front, block, PilotLink(boot, identity), tuple(services), retained())
    return pilot


def turn(pilot: Pilot, edge: Edge) -> None:
    """One tick when it is due; the watchdog is fed here, after a whole tick, and nowhere else."""
    now_ms = edge.wait()
    data = pilot.tick(now_ms, edge.read())
    if data:
        edge.write(data)
    edge.feed()


def main() -> None:
    """Run for ever without a loader. If the program breaks, the chip is reset, which lets go of every output."""
    edge = Edge()
    try:
        pilot = make(Bare(edge.cause()))
        edge.start_watchdog()
        while True:
            turn(pilot, edge)
    finally:
        edge.restart()
