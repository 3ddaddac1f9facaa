"""A meter's registers as a table, and the fewest requests that read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pilotwire.protocols.modbus import width


@dataclass(frozen=True, slots=True)
class Register:
    """One quantity of a meter."""

    name: str
    address: int
    """Zero-based address of the first 16-bit register."""
    kind: str
    """Layout of the number, a key of `protocols.modbus.words.KINDS`."""
    unit: str
    low: float
    """Smallest believable value; anything below is a broken meter, a wrong wire or a wrong map."""
    high: float
    """Largest believable value."""


@dataclass(frozen=True, slots=True)
class Group:
    """Registers one request reads together."""

    address: int
    count: int
    registers: tuple[Register, ...]


def group_registers(registers: Sequence[Register], most: int) -> tuple[Group, ...]:
    """Cut the table into the fewest requests of at most `most` 16-bit registers each, gaps included.

    Taking each window as full as it goes, from the lowest address up, is optimal for intervals on a line.
    ValueError when one quantity alone is wider than `most`.
    """
    groups: list[Group] = []
    window: list[Register] = []
    for register in sorted(registers, key=lambda register: register.address):
        if width(register.kind) > most:
            raise ValueError(f"{register.name} fills {width(register.kind)} registers, one request reads {most}")
        if window and register.address + width(register.kind) - window[0].address > most:
            groups.append(_group(window))
            window = []
        window.append(register)
    if window:
        groups.append(_group(window))
    return tuple(groups)


def _group(window: list[Register]) -> Group:
    end = max(register.address + width(register.kind) for register in window)
    return Group(window[0].address, end - window[0].address, tuple(window))
