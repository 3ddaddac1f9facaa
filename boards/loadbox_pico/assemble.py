"""Puts the program together, for the board and for the simulation: identity, calibration, link. MicroPython subset."""

import sys

from pilotwire.boards.loadbox_pico.loadbox import Box
from pilotwire.firmware.pilot.calibration import Calibration, CalibrationService
from pilotwire.firmware.pilot.calibration_store import FileStore
from pilotwire.firmware.pilot.identity import hash_folders
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.pilot import Identity, PilotLink

PROGRAM = "pilotwire load box"
_PARTS = ("boards/loadbox_pico", "protocols/link")


class NoStore:
    """Stands in where there is no file to store a calibration in."""

    reason = ""

    def load(self) -> bytes:
        """Nothing."""
        return b""

    def save(self, block: bytes) -> None:
        """Refuse."""
        raise OSError("this load box was started without a place for it")


def build(front: "object", unique_id: bytes, boot: int, reset_reason: int, store: str) -> Box:
    """The program, everything open. `front` as Box wants it; `store` is the calibration's path, empty: none."""
    correction = Calibration(unique_id)
    version = sys.implementation.version
    root = __file__.rsplit("/", 3)[0]
    identity = Identity(
        f"{PROGRAM} on {sys.platform} {version[0]}.{version[1]}.{version[2]}",
        unique_id,
        hash_folders([root + "/" + part for part in _PARTS]),
        messages.CAN_CALIBRATE,
        reset_reason,
    )
    boxes: list[Box] = []

    def read_u16(channel: int) -> int:
        return boxes[0].read_u16(channel)

    def idle() -> bool:
        return boxes[0].is_open()

    files: object = FileStore(store) if store else NoStore()
    service = CalibrationService(correction, files, read_u16, idle)
    box = Box(front, PilotLink(boot, identity), correction, (service,))
    boxes.append(box)
    return box
