"""What a pilot says of itself in HELLO, taken from its parameter block and its program's files. MicroPython subset."""

import hashlib
import os

from pilotwire.firmware.kernel import params
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.pilot import Identity

HASH_SIZE = 8

_FITTED = (
    (params.SECOND, messages.CAN_PHASES),
    (params.LOCK, messages.CAN_LOCK),
    (params.RCD_TEST, messages.CAN_RCD_TEST),
)


def describe(
    program: str,
    block: params.Parameters,
    unique_id: bytes,
    firmware_hash: bytes,
    services: int = 0,
    reset_reason: int = messages.RESET_UNKNOWN,
) -> Identity:
    """The Identity of a board with this parameter block; `services` are the capabilities that the board's program adds."""
    capabilities = services
    for fitted, capability in _FITTED:
        if block.fitted(fitted):
            capabilities |= capability
    if block.value[params.DC_MAX_MA]:
        capabilities |= messages.CAN_SUPPLY
    seal = params.seal(block.value)
    return Identity(program, unique_id, firmware_hash, capabilities, reset_reason, bytes([seal >> 8, seal & 255]))


def hash_folders(folders: "list[str]") -> bytes:
    """First 8 bytes of the SHA-256 over names and contents of all Python files in these folders, in the order of their names."""
    digest = hashlib.sha256()
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            if name.endswith((".py", ".mpy")):
                digest.update(name.encode() + b"\0")
                with open(folder + "/" + name, "rb") as file:
                    digest.update(file.read())
    return digest.digest()[:HASH_SIZE]
