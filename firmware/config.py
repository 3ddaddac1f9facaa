"""Settings of one station: a TOML file in, frozen dataclasses out, or one ConfigError that lists everything wrong.

The law of this file: every key stands once, as a field, with its rule beside it. A key nobody reads is an error, a
value without a safe default must be written down, and all mistakes of a file are reported together, each with its
section.key and what would be right. Relative paths are taken from the folder of the configuration file.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pilotwire.firmware import toml_file
from pilotwire.firmware.toml_file import (
    ConfigError,
    did_you_mean,
    flag,
    key,
    one_of,
    path_of,
    reason,
    shown,
    text_of,
    whole,
)

BAUD_RATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)
UNIX_SOCKET_PATH_MAX = 107
"""Bytes that fit into Linux `sockaddr_un.sun_path` beside its closing zero."""


# --- rules: each takes the TOML value and the folder of the file, returns the setting or raises ValueError(sentence)

_device = text_of(1, 255)


def _devices(value: Any, _folder: Path) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and 1 <= len(item) <= 255 for item in value):
        raise ValueError(f"must be a list of device names, not {shown(value)}")
    return tuple(value)


def _board_id(value: Any, _folder: Path) -> bytes:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            number = bytes.fromhex(value)
            if 1 <= len(number) <= 16:
                return number
    raise ValueError(
        f"must be 2..32 hexadecimal digits, as `pilotwire run` shows them for each pilot it meets, not {shown(value)}"
    )


def _socket_path(value: Any, folder: Path) -> Path:
    path = path_of(value, folder)
    length = len(str(path).encode())
    if length > UNIX_SOCKET_PATH_MAX:
        raise ValueError(f"{path} has {length} bytes, a unix socket's path must have 1..{UNIX_SOCKET_PATH_MAX}")
    return path


def _id_tags(value: Any, folder: Path) -> tuple[str, ...]:
    # OCPP 1.6 IdToken is a CiString20Type: at most 20 printable characters, compared without regard to case.
    if not isinstance(value, list):
        raise ValueError(f"must be a list of texts, not {shown(value)}")
    seen: dict[str, str] = {}
    for place, tag in enumerate(value):
        try:
            text_of(1, 20)(tag, folder)
        except ValueError as error:
            raise ValueError(f"entry {place + 1} {error}") from None
        if tag.casefold() in seen:
            raise ValueError(f"entry {place + 1} {shown(tag)} is there twice (upper and lower case are the same tag)")
        seen[tag.casefold()] = tag
    return tuple(seen.values())


def _password(value: Any, folder: Path) -> str:
    path = path_of(value, folder)
    try:
        with path.open("rb") as file:
            text = file.read(1024).decode().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the password from {path}: {reason(error)}") from None
    # What the file holds must not appear in the message.
    if not 8 <= len(text) <= 64 or not text.isprintable():
        raise ValueError(f"{path} must hold one line of 8..64 printable characters")
    return text


def _url(value: Any, folder: Path) -> str:
    wanted = "must be a URL ws://HOST[:PORT]/.../IDENTITY or wss://..."
    text: str = text_of(1, 512)(value, folder)
    if "@" in text:
        raise ValueError(f"{wanted} without user or password; name a password_file instead")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise ValueError(f"{wanted}, not {shown(value)}: {error}") from None
    if url.scheme not in ("ws", "wss") or not url.hostname or " " in text or port == 0 or url.fragment:
        raise ValueError(f"{wanted}, not {shown(value)}")
    if not url.path.rpartition("/")[2]:
        raise ValueError(f"{shown(value)} does not end in the charge point's identity, {wanted}")
    return text


# --- sections


@dataclass(frozen=True, slots=True)
class StationSettings:
    """[station]: who this is and where it keeps its journal."""

    name: str = key(text_of(1, 48))
    data_dir: Path = key(path_of)
    """Folder of the SQLite journal; made when missing."""


@dataclass(frozen=True, slots=True)
class PilotSettings:
    """[pilot]: the serial link to the pilot program, and how long a grant lives without renewal."""

    port: str = key(_device)
    baud: int = key(one_of(*BAUD_RATES), 115200)
    lease_ttl_ms: int = key(whole(500, 5000, "ms"), 1000)
    unique_id: bytes | None = key(_board_id, None)
    """The pilot board that belongs to this connector; without it, any pilot at the port will do."""
    ports: tuple[str, ...] = key(_devices, ())
    """Further devices at which that board may be found; needs unique_id."""


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """[meter]: the energy meter and the way to it."""

    driver: str = key(one_of("sdm630"))
    transport: str = key(one_of("rtu", "tcp"))
    port: str = key(_device, "")
    """Serial device; required with transport "rtu", empty with "tcp"."""
    baud: int = key(one_of(*BAUD_RATES), 9600)
    unit: int = key(whole(1, 247), 1)
    """Modbus unit (slave) address."""
    host: str = key(text_of(1, 253), "")
    """Name or address; required with transport "tcp", empty with "rtu"."""
    tcp_port: int = key(whole(1, 65535), 502)
    poll_ms: int = key(whole(100, 60_000, "ms"), 1000)
    timeout_ms: int = key(whole(50, 10_000, "ms"), 500)


@dataclass(frozen=True, slots=True)
class AuthorisationSettings:
    """[authorisation]: who may charge. Free charging has to be asked for by name."""

    mode: str = key(one_of("free", "list"))
    id_tags: tuple[str, ...] = key(_id_tags, ())
    """Tags accepted locally with mode "list"; may be empty only where a central system is asked as well."""


@dataclass(frozen=True, slots=True)
class LimitsSettings:
    """[limits]: what the installation carries per phase. No value here is safe to assume, so none has a default."""

    board_ma: int = key(whole(6000, 80_000, "mA"))
    cable_ma: int = key(whole(6000, 80_000, "mA"))
    phases: int = key(one_of(1, 3))


@dataclass(frozen=True, slots=True)
class OcppSettings:
    """[ocpp]: the central system. Without this section the station stands alone."""

    url: str = key(_url)
    """wss:// anywhere; ws:// only to this very machine unless `allow_plaintext` says otherwise."""
    allow_plaintext: bool = key(flag, False)
    """Accept ws:// to another machine, where anyone on the way can read and alter it (a VPN, a closed network)."""
    heartbeat_s: int = key(whole(10, 86_400, "s"), 300)
    """Interval until the central system's BootNotification answer says otherwise."""
    meter_values_s: int = key(whole(1, 86_400, "s"), 60)
    vendor: str = key(text_of(1, 20), "Pilotwire")
    model: str = key(text_of(1, 20), "Pilotwire")
    password: str | None = field(default=None, repr=False, metadata={"rule": _password, "toml": "password_file"})
    """HTTP Basic password, read from the file named by `password_file`; never written into the settings itself."""


@dataclass(frozen=True, slots=True)
class StatusSettings:
    """[status]: live snapshots for the terminal panel."""

    socket: Path = key(_socket_path)
    """Unix socket, one JSON line per snapshot."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the station reads at start-up; hand its parts on, never this whole object."""

    station: StationSettings
    pilot: PilotSettings
    meter: MeterSettings
    authorisation: AuthorisationSettings
    limits: LimitsSettings
    ocpp: OcppSettings | None
    status: StatusSettings | None


SECTIONS: dict[str, type[Any]] = {
    "station": StationSettings,
    "pilot": PilotSettings,
    "meter": MeterSettings,
    "authorisation": AuthorisationSettings,
    "limits": LimitsSettings,
    "ocpp": OcppSettings,
    "status": StatusSettings,
}
OPTIONAL = ("ocpp", "status")

_UNUSED_WITH = {"rtu": ("host", "tcp_port"), "tcp": ("port", "baud")}
_NEEDED_WITH = {"rtu": "port", "tcp": "host"}


def load(path: str | Path) -> Settings:
    """Read the configuration file at `path`; raises ConfigError naming the file, each key and what is allowed."""
    path = Path(path)
    return parse(toml_file.read(path), source=str(path), folder=path.absolute().parent)


def parse(text: str, source: str, folder: Path) -> Settings:
    """Settings from TOML `text`; `source` is the name errors use, `folder` what relative paths start from."""
    document = toml_file.document(text, source)
    problems: list[str] = []
    for name in document:
        if name not in SECTIONS:
            problems.append(f"[{shown(name)[1:-1]}]: unknown section{did_you_mean(name, SECTIONS)}")
    read: dict[str, Any] = {}
    for name, kind in SECTIONS.items():
        absent = name not in document and name in OPTIONAL
        read[name] = None if absent else toml_file.section(name, kind, document.get(name), folder, problems)
    _check_together(document, read, problems)
    if problems:
        raise ConfigError(source, problems)
    return Settings(**read)


def _check_together(document: Mapping[str, Any], read: Mapping[str, Any], problems: list[str]) -> None:
    """Rules over more than one key."""
    # Over the raw tables, so that another mistake in the section does not hide these.
    meter = document.get("meter")
    transport = meter.get("transport") if isinstance(meter, dict) else None
    if isinstance(meter, dict) and isinstance(transport, str) and transport in _NEEDED_WITH:
        for toml in _UNUSED_WITH[transport]:
            if toml in meter:
                problems.append(f'meter.{toml}: is not used with transport = "{transport}"; remove it')
        needed = _NEEDED_WITH[transport]
        if needed not in meter:
            problems.append(f'meter.{needed}: this key is missing; transport = "{transport}" needs it')
    pilot = document.get("pilot")
    if isinstance(pilot, dict) and pilot.get("ports") and "unique_id" not in pilot:
        problems.append("pilot.unique_id: this key is missing; with ports, it says which of the pilots is meant")
    authorisation = document.get("authorisation")
    if isinstance(authorisation, dict):
        mode, id_tags = authorisation.get("mode"), authorisation.get("id_tags", [])
        if mode == "free" and "id_tags" in authorisation:
            problems.append('authorisation.id_tags: is not used with mode = "free"; remove it or set mode = "list"')
        if mode == "list" and id_tags == [] and "ocpp" not in document:
            problems.append(
                "authorisation.id_tags: is empty and there is no [ocpp], so nobody could charge; "
                'list 1 or more tags or set mode = "free"'
            )
    ocpp: OcppSettings | None = read["ocpp"]
    if ocpp is not None and ocpp.url.lower().startswith("ws:") and not ocpp.allow_plaintext:
        host = urlsplit(ocpp.url).hostname or ""
        if not _is_loopback(host):
            problems.append(
                f"ocpp.url: ws:// to {host} is neither secret nor authentic; use wss://, "
                "or set ocpp.allow_plaintext = true where the network itself protects it"
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
