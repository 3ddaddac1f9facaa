"""The first files of a pilot board: loader, trusted keys, and a bundle to begin with. Later bundles come over the link."""

from __future__ import annotations

from pathlib import Path

import pilotwire
from pilotwire.firmware.pilot import slots
from pilotwire.tools.firmware import bundle
from pilotwire.tools.firmware.problem import FirmwareError

LOADER_PACKAGE = "pilot_loader"
"""Not below `pilotwire`: that name belongs to the bundle, and Python would look for the bundle's modules beside the loader."""
LOADER_MODULES = ("bootrecord", "ed25519", "flash", "image", "loader", "sha512", "slots")
KEYS = "trusted.keys"
_PACKAGE = Path(pilotwire.__file__).parent
_SOURCES = _PACKAGE / "firmware" / "pilot"

EDGES = {"pico-serial": "boards/pico_serial/edge.py"}
"""Boards that we know: name in the bundle, and the module with its class Edge. Another board brings edge and main.py itself."""

MAIN = """\
# Starts the loader of this board. Written by `pilotwire firmware prepare`; no update changes it.
from pilot_loader.edge import Edge
from pilot_loader.flash import Flash
from pilot_loader.loader import Loader
from pilot_loader.slots import Slots

edge = Edge()
flash = Flash()
keys = flash.read("{keys}")
trusted = [keys[at : at + 32] for at in range(0, len(keys), 32)]
Loader(edge, flash, Slots(flash, "{board}", trusted)).run()
"""


def prepare(folder: Path, first: bytes, keys: list[bytes]) -> list[str]:
    """Write them below folder, which must be empty or new; returns their names. Copy all of it to the root of the board."""
    if not keys:
        raise FirmwareError("a board that trusts no key can run no program: name a public key")
    if folder.exists() and any(folder.iterdir()):
        raise FirmwareError(f"{folder} is not empty; name a new folder")
    files = {
        f"{LOADER_PACKAGE}/__init__.mpy": bundle.compile_file(_SOURCES / "__init__.py", "pilot_loader/__init__.mpy")
    }
    for name in LOADER_MODULES:
        stored = f"{LOADER_PACKAGE}/{name}.mpy"
        files[stored] = bundle.compile_file(_SOURCES / f"{name}.py", stored)
    board = bundle.parse(first, "the first bundle").board
    if board in EDGES:
        files[f"{LOADER_PACKAGE}/edge.mpy"] = bundle.compile_file(_PACKAGE / EDGES[board], f"{LOADER_PACKAGE}/edge.mpy")
        files["main.py"] = MAIN.format(keys=KEYS, board=board).encode()
    files[KEYS] = b"".join(keys)
    files[slots.NAMES[0]] = first
    for stored, data in files.items():
        path = folder / stored
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return sorted(files)
