"""Ed25519 keys on disk: the private one as PKCS #8 in PEM, 0600, the public one as 64 hexadecimal digits beside it (.pub).

The private key is not encrypted: whoever can read the file can sign. Keep it away from the machine that publishes.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pilotwire.tools.firmware.problem import FirmwareError

PUBLIC_SIZE = 32


def public_path(private: Path) -> Path:
    """Where the public half of a key file lies."""
    return private.with_name(private.name + ".pub")


def generate(path: Path) -> bytes:
    """Make a new key pair at path and path.pub; returns the public key, 32 bytes. Never overwrites."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for each in (path, public_path(path)):
        if each.exists():
            raise FirmwareError(
                f"{each} exists, and is not overwritten: boards that trust it would be lost. Choose another name"
            )
    # Public half first: if anything fails in between there is no private key that nobody knows the other half of.
    _create(public_path(path), (public.hex() + "\n").encode(), 0o644)
    _create(path, pem, 0o600)
    return public


def _create(path: Path, data: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        raise FirmwareError(f"cannot write {path}: {error.strerror}") from error


def load_private(path: Path) -> Ed25519PrivateKey:
    """The private key in a file that only its owner can read; raises FirmwareError."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = path.read_bytes()
    except OSError as error:
        raise FirmwareError(
            f"cannot read the private key {path}: {error.strerror}. `pilotwire firmware keygen FILE` makes one"
        ) from error
    if mode & 0o077:
        raise FirmwareError(f"others can read the private key {path} (mode {mode:04o}). Say: chmod 600 {path}")
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FirmwareError(f"{path} is no unencrypted private key in PEM: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise FirmwareError(f"{path} is a key of another kind; a pilot verifies Ed25519 only")
    return key


def load_public(path: Path) -> bytes:
    """The 32 bytes of a .pub file; raises FirmwareError."""
    try:
        data = bytes.fromhex(path.read_text())
    except OSError as error:
        raise FirmwareError(f"cannot read the public key {path}: {error.strerror}") from error
    except ValueError as error:  # UnicodeDecodeError is one
        raise FirmwareError(
            f"{path} is no public key: it must hold 64 hexadecimal digits, as keygen writes FILE.pub"
        ) from error
    if len(data) != PUBLIC_SIZE:
        raise FirmwareError(f"{path} holds {len(data)} bytes; a public key has {PUBLIC_SIZE}")
    return data


def is_signed_by(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature over message is of this key, judged by `cryptography`, not by the pilot's own code."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
