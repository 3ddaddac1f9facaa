"""The bundle: one file that holds a pilot program, and how it is read, judged and run. MicroPython subset.

All numbers little endian:

    "PWI1"              format
    u16                 length of the manifest, from "PWI1" to the end of the file table
    u8                  version of .mpy files inside, as in sys.implementation._mpy
    u8                  0
    u32                 release, a number that never falls from one published program to the next
    8 bytes             the first bytes of the public key that has signed
    text, text, text    board, program, entry; each is u8 length and ASCII
    u16                 number of files, and for each: text name, u32 length; contents follow in this order
    32 bytes            SHA-256 of the contents
    64 bytes            Ed25519 signature over everything before it
    contents

The signature covers the contents through their SHA-256, so that SHA-512, slow in MicroPython, has two or three kilobytes to do
and hashlib does the rest. `entry` is the module with make(context). Every .mpy is byte code without machine code.

Nothing is unpacked: ImageFs is a read-only file system over the one file, which is mounted and imported from. What has been
verified is what runs, there is no half-unpacked state, and the flash memory holds the program once.
"""

import hashlib
import io
import struct
import sys

from . import bootrecord
from .ed25519 import verify
from .flash import Flash

MAGIC = b"PWI1"
HEAD = "<4sHBBI8s"
HEAD_SIZE = struct.calcsize(HEAD)
MANIFEST_MAX = 8192
FILES_MAX = 200
SHA_SIZE = 32
SIGNATURE_SIZE = 64
_CHUNK = 1024
_MOUNT = "/image"


class ImageError(ValueError):
    """The bytes are no bundle; the text says what is wrong."""


class Image:
    """The manifest of a bundle. `files` maps each name to (offset in the bundle, length)."""

    def __init__(self, head: "bytes | bytearray") -> None:
        """Read it from the first bytes of a bundle, at least up to the signature; raises ImageError."""
        if len(head) < HEAD_SIZE or bytes(head[:4]) != MAGIC:
            raise ImageError("it does not begin with PWI1")
        _, size, self.mpy, _, self.release, self.key_hint = struct.unpack(HEAD, bytes(head[:HEAD_SIZE]))
        if not HEAD_SIZE <= size <= MANIFEST_MAX or len(head) < size + SHA_SIZE + SIGNATURE_SIZE:
            raise ImageError("the manifest is cut off or too long")
        manifest = bytes(head[:size])
        self.board, at = _text(manifest, HEAD_SIZE)
        self.program, at = _text(manifest, at)
        self.entry, at = _text(manifest, at)
        count, at = _number(manifest, at, 2)
        if count > FILES_MAX:
            raise ImageError("too many files")
        self.start = size + SHA_SIZE + SIGNATURE_SIZE
        self.files: "dict[str, tuple[int, int]]" = {}
        end = self.start
        for _ in range(count):
            name, at = _text(manifest, at)
            length, at = _number(manifest, at, 4)
            if name in self.files or not name or name[0] == "/" or name[-1] == "/":
                raise ImageError("file name twice, empty or not relative: " + name)
            self.files[name] = (end, length)
            end += length
        if at != size:
            raise ImageError("the manifest is longer than its file table")
        self.length = end
        self.sha256 = bytes(head[size : size + SHA_SIZE])
        self.signed = bytes(head[: size + SHA_SIZE])
        self.signature = bytes(head[size + SHA_SIZE : self.start])


def _text(data: bytes, at: int) -> "tuple[str, int]":
    length, at = _number(data, at, 1)
    if at + length > len(data):
        raise ImageError("the manifest is cut off")
    raw = data[at : at + length]
    for byte in raw:
        if not 32 <= byte < 127:
            raise ImageError("text that is not printable ASCII")
    return raw.decode(), at + length


def _number(data: bytes, at: int, size: int) -> "tuple[int, int]":
    if at + size > len(data):
        raise ImageError("the manifest is cut off")
    return int.from_bytes(data[at : at + size], "little"), at + size


def read_head(flash: Flash, name: str) -> Image:
    """The manifest of the bundle in a file; raises ImageError."""
    head = flash.read(name, HEAD_SIZE)
    if len(head) == HEAD_SIZE:
        size = min(struct.unpack(HEAD, head)[1], MANIFEST_MAX)
        head = flash.read(name, size + SHA_SIZE + SIGNATURE_SIZE)
    return Image(head)


def digest(flash: Flash, name: str, start: int = 0) -> bytes:
    """SHA-256 of a file from `start` on, read piece by piece; empty when it cannot be read."""
    total = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    try:
        file = flash.open(name, "rb")
    except OSError:
        return b""
    try:
        file.seek(start)  # type: ignore[attr-defined]
        while True:
            count = file.readinto(buffer)  # type: ignore[attr-defined]
            if not count:
                return total.digest()
            total.update(view[:count])
    except OSError:
        return b""
    finally:
        file.close()  # type: ignore[attr-defined]


def fits(image: Image, size: int, board: str, floor: int) -> int:
    """The verdict on everything that needs no cryptography; size is the file's length in bytes."""
    if image.length != size or image.entry.replace(".", "/") + ".mpy" not in image.files:
        return bootrecord.FORMAT
    if image.board != board or image.mpy != mpy_version():
        return bootrecord.OTHER_BOARD
    return bootrecord.OLD if image.release < floor else bootrecord.GOOD


def judge(flash: Flash, name: str, board: str, floor: int, keys: "list[bytes]") -> int:
    """The verdict on the bundle in a file: one of bootrecord's. Takes seconds on a microcontroller."""
    try:
        image = read_head(flash, name)
    except ImageError:
        return bootrecord.FORMAT
    verdict = fits(image, flash.size(name), board, floor)
    if verdict != bootrecord.GOOD:
        return verdict
    if digest(flash, name, image.start) != image.sha256:
        return bootrecord.DAMAGED
    trusted = [key for key in keys if key[:8] == image.key_hint]
    if not trusted:
        return bootrecord.FOREIGN
    for key in trusted:
        if verify(key, image.signed, image.signature):
            return bootrecord.GOOD
    return bootrecord.FORGED


def mpy_version() -> int:
    """The version of .mpy files that this interpreter reads; on CPython, which reads none, the present one."""
    return getattr(sys.implementation, "_mpy", 6) & 0xFF


class ImageFs:
    """A bundle as MicroPython wants a file system (vfs.mount): read-only, only what import needs."""

    def __init__(self, flash: Flash, name: str, image: Image) -> None:
        self._flash = flash
        self._name = name
        self._files = image.files
        self._folders = set()
        for path in image.files:
            parts = path.split("/")
            for count in range(len(parts)):
                self._folders.add("/".join(parts[:count]))

    def mount(self, readonly: bool, mkfs: bool) -> None:
        """Called by vfs.mount; there is nothing to do."""

    def umount(self) -> None:
        """Called by vfs.umount; there is nothing to do."""

    def stat(self, path: str) -> "tuple[int, ...]":
        """As os.stat; raises OSError (ENOENT)."""
        path = path.strip("/")
        if path in self._folders:
            return (0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        if path in self._files:
            return (0x8000, 0, 0, 0, 0, 0, self._files[path][1], 0, 0, 0)
        raise OSError(2)

    def open(self, path: str, mode: str) -> "io.BytesIO":
        """One file of the bundle; raises OSError (ENOENT, EROFS)."""
        if "w" in mode or "a" in mode or "+" in mode:
            raise OSError(30)
        path = path.strip("/")
        if path not in self._files:
            raise OSError(2)
        start, length = self._files[path]
        file = self._flash.open(self._name, "rb")
        try:
            file.seek(start)  # type: ignore[attr-defined]
            return io.BytesIO(file.read(length))  # type: ignore[attr-defined]
        finally:
            file.close()  # type: ignore[attr-defined]


def enter(flash: Flash, name: str, image: Image) -> "object":
    """Mount the bundle in a file, import its entry and return that module. Once in a start: imports are never undone."""
    import vfs  # type: ignore[import-not-found]  # noqa: PLC0415 - only MicroPython has it

    vfs.mount(ImageFs(flash, name, image), _MOUNT, readonly=True)
    sys.path.insert(0, _MOUNT)
    __import__(image.entry)
    return sys.modules[image.entry]
