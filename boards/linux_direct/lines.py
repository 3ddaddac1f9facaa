"""Digital lines: a small port, the real thing on libgpiod, and one on files for tests.

A line is written CHIP:OFFSET, for example gpiochip0:17, with `!` before it where low means yes. On files it is a plain name.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

CONSUMER = "pilotwire pilot"


class Lines(Protocol):
    """Named digital lines. Outputs are off from the moment they are opened until they are set."""

    def refresh(self) -> None:
        """Read all inputs; raises OSError."""
        ...

    def get(self, name: str) -> bool:
        """An input as of the last refresh; a line that the board does not have reads False."""
        ...

    def has(self, name: str) -> bool:
        """Whether the board has this line."""
        ...

    def put(self, name: str, on: bool) -> None:
        """Set an output with the next flush(); a line that the board does not have is ignored."""
        ...

    def flush(self) -> None:
        """Drive what was put; raises OSError."""
        ...


class _Levels:
    """What both implementations share: names and the last values."""

    def __init__(self, outputs: Mapping[str, str], inputs: Mapping[str, str]) -> None:
        self._driven = dict.fromkeys(outputs, False)
        self._seen = dict.fromkeys(inputs, False)

    def get(self, name: str) -> bool:
        """An input as of the last refresh."""
        return self._seen.get(name, False)

    def has(self, name: str) -> bool:
        """Whether the board has this line."""
        return name in self._driven or name in self._seen

    def put(self, name: str, on: bool) -> None:
        """Set an output with the next flush()."""
        if name in self._driven:
            self._driven[name] = on


class GpiodLines(_Levels):
    """Lines of GPIO chips by libgpiod (Python package `gpiod`, version 2): one request per chip, one system call each way."""

    def __init__(self, outputs: Mapping[str, str], inputs: Mapping[str, str], gpiod: Any = None) -> None:
        """`gpiod` stands in for the package, which is imported only here; raises OSError where a line cannot be had."""
        super().__init__(outputs, inputs)
        if gpiod is None:
            try:
                gpiod = importlib.import_module("gpiod")
            except ImportError:
                raise OSError('the Python package "gpiod" (version 2) is not installed') from None
        if not hasattr(gpiod, "request_lines"):
            raise OSError('the Python package "gpiod" is not version 2: it has no request_lines')
        line = importlib.import_module("gpiod.line") if not hasattr(gpiod, "line") else gpiod.line
        self._active, self._inactive = line.Value.ACTIVE, line.Value.INACTIVE
        wanted: dict[str, dict[int, Any]] = {}
        self._places: dict[str, tuple[str, int]] = {}
        for specs, direction in ((outputs, line.Direction.OUTPUT), (inputs, line.Direction.INPUT)):
            for name, spec in specs.items():
                chip, offset, active_low = parse_spec(spec)
                self._places[name] = (chip, offset)
                wanted.setdefault(chip, {})[offset] = gpiod.LineSettings(
                    direction=direction, active_low=active_low, output_value=self._inactive
                )
        self._requests: dict[str, Any] = {}
        for chip, config in wanted.items():
            try:
                self._requests[chip] = gpiod.request_lines(f"/dev/{chip}", config=config, consumer=CONSUMER)
            except (OSError, ValueError) as error:
                raise OSError(f"the lines {sorted(config)} of {chip} cannot be had: {error}") from None
        self._inputs = self._by_chip(inputs)
        self._outputs = self._by_chip(outputs)

    def _by_chip(self, specs: Mapping[str, str]) -> dict[str, list[tuple[str, int]]]:
        grouped: dict[str, list[tuple[str, int]]] = {}
        for name in specs:
            chip, offset = self._places[name]
            grouped.setdefault(chip, []).append((name, offset))
        return grouped

    def refresh(self) -> None:
        """Read all inputs."""
        for chip, lines in self._inputs.items():
            values = self._requests[chip].get_values([offset for _, offset in lines])
            for (name, _), value in zip(lines, values, strict=True):
                self._seen[name] = value == self._active

    def flush(self) -> None:
        """Drive what was put."""
        for chip, lines in self._outputs.items():
            driven = self._driven
            self._requests[chip].set_values(
                {offset: self._active if driven[name] else self._inactive for name, offset in lines}
            )


class FileLines(_Levels):
    """Lines as files of one folder, for tests: an input is read as `0` or `1`, an output is written as its level and its edges.

    The number of edges tells a reader that looks seldom that the level has moved meanwhile. What it does not do: it has no
    electrical level, so `!` only turns the digit round.
    """

    def __init__(self, folder: Path, outputs: Mapping[str, str], inputs: Mapping[str, str]) -> None:
        super().__init__(outputs, inputs)
        self._low = {name for specs in (outputs, inputs) for name, spec in specs.items() if spec.startswith("!")}
        self._out = {name: self._open(folder, spec, os.O_RDWR | os.O_CREAT) for name, spec in outputs.items()}
        self._in = {name: self._open(folder, spec, os.O_RDONLY) for name, spec in inputs.items()}
        self._edges = dict.fromkeys(outputs, 0)
        self._level: dict[str, bool | None] = dict.fromkeys(outputs)
        self.flush()

    @staticmethod
    def _open(folder: Path, spec: str, flags: int) -> int:
        return os.open(folder / spec.lstrip("!"), flags | os.O_CLOEXEC, 0o644)

    def refresh(self) -> None:
        """Read all inputs."""
        for name, descriptor in self._in.items():
            digit = os.pread(descriptor, 1, 0)
            if digit not in (b"0", b"1"):
                raise OSError(f"line {name} reads {digit!r}, it must be 0 or 1")
            self._seen[name] = (digit == b"1") != (name in self._low)

    def flush(self) -> None:
        """Write the outputs that have changed."""
        for name, descriptor in self._out.items():
            level = self._driven[name] != (name in self._low)
            if level != self._level[name]:
                self._edges[name] += 1
                self._level[name] = level
                os.pwrite(descriptor, b"%d %010d\n" % (level, self._edges[name]), 0)


def parse_spec(spec: str) -> tuple[str, int, bool]:
    """`!gpiochip0:17` as ("gpiochip0", 17, True); raises ValueError saying what a line looks like."""
    chip, colon, offset = spec.lstrip("!").partition(":")
    if not colon or not chip or "/" in chip or not offset.isdecimal():
        raise ValueError(
            f'a line is CHIP:OFFSET, for example "gpiochip0:17", "!" before it for active low, not "{spec}"'
        )
    return chip, int(offset), spec.startswith("!")
