"""The pilot's configuration on a Linux-only board: TOML in, frozen dataclasses out, or one ConfigError with everything wrong.

What is declared here is what the board has; the kernel's FITTED follows from it (parameters.py). Leaving out [cutoff] or [watchdog]
is no mistake of spelling, so it parses; the pilot then refuses to start. Relative paths start from the folder of the file.
"""
# ruff: noqa: RUF009 - a field's rule is a call by design

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

from pilotwire.boards.linux_direct.lines import parse_spec
from pilotwire.firmware import toml_file
from pilotwire.firmware.toml_file import (
    ConfigError,
    Rule,
    key,
    missing,
    one_of,
    path_of,
    section,
    shown,
    text_of,
    unknown,
    whole,
)

OUTPUTS = (
    "alive",
    "coil",
    "coil_phases",
    "supply_enable",
    "cp_off",
    "lock",
    "vent",
    "rcd_test",
    "coil_isolate",
    "feed",
)
"""Names of output lines: those of the kernel, the self-test's isolating relay, and what feeds a supervisor."""
INPUTS = (
    "contacts",
    "contacts_phases",
    "coil_sense",
    "coil_sense_phases",
    "lock_closed",
    "rcd_dc",
    "rcd_ac",
    "earth_ok",
    "pen_lost",
    "stop_pressed",
    "mains_present",
    "tripped",
)
"""Names of input lines: those of the kernel, and what the self-test looks at."""
ANALOG = ("cp_high", "cp_low", "pp", "current", "plug_temp", "board_temp")
"""Analogue inputs; the first two are the outputs of the peak detectors, mV at the pilot wire."""

_text = text_of(1, 255)


def _number(value: Any, _folder: Path) -> float:
    if type(value) not in (int, float) or not -1e9 <= value <= 1e9:
        raise ValueError(f"must be a number, not {shown(value)}")
    return float(value)


def _factor(value: Any, folder: Path) -> float:
    if _number(value, folder) == 0.0:
        raise ValueError("must not be 0: every reading would be the same")
    return float(value)


def _channel(value: Any, folder: Path) -> str:
    if not re.fullmatch(r"in_[a-z_]+[0-9]*", _text(value, folder)):
        raise ValueError(
            f'must be an IIO channel as its file is named without "_raw", like "in_voltage0", not {shown(value)}'
        )
    return str(value)


def _unique_id(value: Any, folder: Path) -> bytes:
    if not re.fullmatch("([0-9a-fA-F]{2}){4,16}", _text(value, folder)):
        raise ValueError(f"must be 4..16 bytes as hexadecimal digits, not {shown(value)}")
    return bytes.fromhex(value)


@dataclass(frozen=True, slots=True)
class Process:
    """[process]: how the operating system shall run the pilot."""

    priority: int = key(whole(1, 90), 50)
    """SCHED_FIFO priority; below the kernel's own interrupt threads that PWM, ADC and GPIO need."""
    cpu: int = key(whole(-1, 255), -1)
    """The only processor it runs on; -1: any."""
    late_max_ms: int = key(whole(1, 30, "ms"), 10)
    """A tick later than this in the self-test refuses the start; the kernel's own limit is 40 ms."""


@dataclass(frozen=True, slots=True)
class PwmSettings:
    """[pwm]: the source of the control pilot."""

    chip: Path = key(path_of)
    channel: int = key(whole(0, 63))


@dataclass(frozen=True, slots=True)
class Iio:
    """[iio]: the converter, and what the front end before it can do."""

    device: Path = key(path_of)
    front_end: str = key(one_of("peak-detector"))
    """Has to be written down: a one-shot conversion cannot catch a pulse of 50 us, so peak detectors must hold both levels."""
    settle_ms: int = key(whole(1, 100, "ms"))
    """The detectors follow a change of level within this time, also downwards; the self-test measures it."""
    budget_us: int = key(whole(1, 3000, "us"), 2500)
    """All analogue inputs are read within this time (median), so that a tick of 5 ms has room for the rest."""


@dataclass(frozen=True, slots=True)
class Analog:
    """[analog.NAME]: one analogue input; NAME gives the unit of the result (mV, ohm, mA, tenths of a degree)."""

    channel: str = key(_channel)
    multiply: float = key(_factor, 1.0)
    add: float = key(_number, 0.0)
    source_mv: int = key(whole(0, 30_000, "mV"), 0)
    """For pp only: the supply behind source_ohm; the channel reads the millivolts on the proximity wire."""
    source_ohm: int = key(whole(0, 100_000, "ohm"), 0)


@dataclass(frozen=True, slots=True)
class Gpio:
    """[gpio]: where the lines of [lines] are."""

    backend: str = key(one_of("gpiod", "files"), "gpiod")
    folder: Path | None = key(path_of, None)
    """For "files" only, which is for tests: real lines are never plain files."""


@dataclass(frozen=True, slots=True)
class Cutoff:
    """[cutoff]: the charge pump that feeds the coil only while the alive wave runs, and how it is tested at each start."""

    guard: str = key(one_of("interlock", "isolator", "outlet-live"))
    """How the outlet stays dead while the coil is commanded in the test; see the README."""
    pull_in_ms: int = key(whole(5, 200, "ms"))
    release_ms: int = key(whole(5, 100, "ms"))
    """From the last edge of the alive wave until the coil-sense input is off, the mechanics included where it is a contact."""


@dataclass(frozen=True, slots=True)
class Watchdog:
    """[watchdog]: what resets the board, or cuts the coil, when the pilot stops feeding it."""

    kind: str = key(one_of("device", "gpio"))
    timeout_ms: int = key(whole(50, 10_000, "ms"))
    """It fires within this time."""
    device: Path | None = key(path_of, None)
    sysfs: Path | None = key(path_of, None)
    """For "device": its folder below /sys/class/watchdog."""
    proof: Path | None = key(path_of, None)
    """For "device": the record of commission.py."""
    recover_ms: int = key(whole(5, 5000, "ms"), 1000)
    """For "gpio": `tripped` is off this long after feeding begins."""


@dataclass(frozen=True, slots=True)
class ParameterSettings:
    """[parameters]: what the installer chooses of the kernel's block (firmware/kernel/params.py), which checks the ranges again."""

    standard: str = key(one_of("iec", "j1772"))
    max_ma: int = key(whole(6000, 80_000, "mA"))
    phases: int = key(whole(1, 3))
    min_off_ms: int = key(whole(0, 600_000, "ms"), 10_000)
    fault_off_ms: int = key(whole(0, 600_000, "ms"), 30_000)
    derate_ddeg: int = key(whole(300, 800, "tenths of a degree"), 600)
    stop_ddeg: int = key(whole(350, 900, "tenths of a degree"), 700)
    dc_max_ma: int = key(whole(0, 500_000, "mA"), 0)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the pilot reads at its start."""

    source: Path
    unique_id: bytes
    lock_file: Path
    realtime: str
    process: Process
    pwm: PwmSettings
    iio: Iio
    analog: Mapping[str, Analog]
    gpio: Gpio
    lines: Mapping[str, str]
    cutoff: Cutoff | None
    watchdog: Watchdog | None
    parameters: ParameterSettings

    def outputs(self) -> dict[str, str]:
        """Declared output lines."""
        return {name: spec for name, spec in self.lines.items() if name in OUTPUTS}

    def inputs(self) -> dict[str, str]:
        """Declared input lines."""
        return {name: spec for name, spec in self.lines.items() if name in INPUTS}


HEAD: dict[str, tuple[Rule, Any]] = {
    "unique_id": (_unique_id, MISSING),
    "lock_file": (path_of, MISSING),
    "realtime": (one_of("required", "lab"), "required"),  # what is unsafe is never the default
}
SECTIONS: dict[str, type[Any]] = {
    "process": Process,
    "pwm": PwmSettings,
    "iio": Iio,
    "gpio": Gpio,
    "cutoff": Cutoff,
    "watchdog": Watchdog,
    "parameters": ParameterSettings,
}
NEEDED_LINES = ("alive", "coil", "contacts")


def load(path: str | Path) -> Config:
    """Read the file at `path`; raises ConfigError naming the file, each key and what is allowed."""
    path = Path(path)
    return parse(toml_file.read(path), path)


def parse(text: str, path: Path) -> Config:
    """Config from TOML `text`; errors name `path`."""
    document = toml_file.document(text, str(path))
    folder = path.absolute().parent
    problems: list[str] = []
    for name in document:
        if name not in (*HEAD, *SECTIONS, "analog", "lines"):
            problems.append(unknown("", name, [*HEAD, *SECTIONS, "analog", "lines"]))
    read: dict[str, Any] = {}
    for name in HEAD:
        read[name] = _head(name, document, folder, problems)
    for name, kind in SECTIONS.items():
        if name in document or name not in ("process", "gpio", "cutoff", "watchdog"):
            read[name] = section(name, kind, document.get(name), folder, problems)
        else:
            read[name] = kind() if name in ("process", "gpio") else None
    read["analog"] = _analog(document.get("analog"), folder, problems)
    read["lines"] = _lines(document.get("lines"), read["gpio"], problems)
    if not problems:
        _check_together(read, problems)
    if problems:
        raise ConfigError(str(path), problems)
    return Config(source=path, **read)


def _head(name: str, document: Mapping[str, Any], folder: Path, problems: list[str]) -> Any:
    """One key that stands before all sections."""
    rule, default = HEAD[name]
    if name not in document:
        if default is MISSING:
            problems.append(missing(name, rule))
        return default
    try:
        return rule(document[name], folder)
    except ValueError as error:
        problems.append(f"{name}: {error}")
        return None


def _analog(table: Any, folder: Path, problems: list[str]) -> dict[str, Analog]:
    read: dict[str, Analog] = {}
    if not isinstance(table, dict):
        problems.append(f"[analog]: needs the sections analog.cp_high and analog.cp_low, it is {shown(table)}")
        return read
    for name, part in table.items():
        if name not in ANALOG:
            problems.append(unknown("analog.", name, list(ANALOG)))
            continue
        one = section(f"analog.{name}", Analog, part, folder, problems)
        if one is None:
            continue
        read[name] = one
        if (name == "pp") != (one.source_mv > 0 and one.source_ohm > 0):
            problems.append(f"analog.{name}: source_mv and source_ohm are needed for pp, and for nothing else")
    problems += [
        f"[analog.{name}]: this section is missing; both peak detectors are needed"
        for name in ANALOG[:2]
        if name not in table
    ]
    return read


def _lines(table: Any, gpio: Gpio | None, problems: list[str]) -> dict[str, str]:
    read: dict[str, str] = {}
    known = [*OUTPUTS, *INPUTS]
    if not isinstance(table, dict):
        problems.append(f"[lines]: needs at least {', '.join(NEEDED_LINES)}; it is {shown(table)}")
        return read
    problems += [f"lines.{name}: this line is missing" for name in NEEDED_LINES if name not in table]
    users: dict[str, str] = {}
    for name, spec in table.items():
        if name not in known:
            problems.append(unknown("lines.", name, known))
            continue
        try:
            _text(spec, Path())
            if gpio is None or gpio.backend == "gpiod":
                parse_spec(spec)
            elif not re.fullmatch("!?[a-z0-9_]+", spec):
                raise ValueError(f'with gpio.backend = "files" a line is a plain file name, not {shown(spec)}')
        except ValueError as error:
            problems.append(f"lines.{name}: {error}")
            continue
        place = spec.lstrip("!")
        if place in users:
            problems.append(f"lines.{name}: {place} is already lines.{users[place]}")
        users[place] = name
        read[name] = spec
    return read


_TOGETHER = (
    ("coil_phases", "contacts_phases"),
    ("contacts_phases", "coil_phases"),
    ("lock", "lock_closed"),
    ("lock_closed", "lock"),
    ("feed", "tripped"),
    ("tripped", "feed"),
    ("coil_sense_phases", "coil_phases"),
)


def _check_together(read: Mapping[str, Any], problems: list[str]) -> None:
    """Rules over more than one key; every key by itself is right."""
    lines, analog, cutoff, watchdog = read["lines"], read["analog"], read["cutoff"], read["watchdog"]
    problems += [
        f"lines.{one}: needs lines.{other} too" for one, other in _TOGETHER if one in lines and other not in lines
    ]
    if "lock" in lines and "pp" not in analog:
        problems.append("lines.lock: only a socket has a lock, and a socket needs [analog.pp]")
    if "rcd_test" in lines and not {"rcd_dc", "rcd_ac"} & set(lines):
        problems.append("lines.rcd_test: needs lines.rcd_dc or lines.rcd_ac, where the test is seen")
    parameters = read["parameters"]
    if parameters.phases == 2:
        problems.append("parameters.phases: must be 1 or 3")
    if parameters.derate_ddeg >= parameters.stop_ddeg:
        problems.append("parameters.derate_ddeg: must be below parameters.stop_ddeg")
    if (parameters.dc_max_ma > 0) != ("supply_enable" in lines):
        problems.append("parameters.dc_max_ma: more than 0 needs lines.supply_enable, and the other way round")
    if (read["gpio"].backend == "files") != (read["gpio"].folder is not None):
        problems.append('gpio.folder: is needed with backend = "files", and only there')
    if cutoff is not None:
        wanted = {"interlock": ("coil_isolate", "coil_sense"), "isolator": ("mains_present",)}.get(cutoff.guard, ())
        if cutoff.guard == "interlock" and "coil_sense_phases" not in lines and "coil_phases" in lines:
            wanted = (*wanted, "coil_sense_phases")
        problems += [f'cutoff.guard: "{cutoff.guard}" needs lines.{line}' for line in wanted if line not in lines]
    if watchdog is not None and watchdog.kind == "gpio" and "feed" not in lines:
        problems.append('watchdog.kind: "gpio" needs lines.feed and lines.tripped')
    if watchdog is not None and watchdog.kind == "device":
        for name in ("device", "sysfs", "proof"):
            if getattr(watchdog, name) is None:
                problems.append(f'watchdog.{name}: is needed with kind = "device"')
