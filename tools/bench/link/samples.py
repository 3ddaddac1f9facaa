"""From what the pilot has written down (tally.py) to leases, gaps and bytes of one stretch of time. Pure."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pilotwire.firmware.kernel.table import CLOSED
from pilotwire.tools.bench.link.tally import SLOT_MS

BYTES_PER_S = 115_200 / 10  # 8N1: ten bits for each byte
LINE = re.compile(r"([LXPB])((?: -?\d+)+)\n")
FIELDS = {"L": 4, "X": 1, "P": 2, "B": 5}


@dataclass(frozen=True, slots=True)
class Taken:
    """One LEASE as the pilot took it."""

    pilot_ms: int
    system_ms: int
    """The same instant on the system's clock, which does not stand still when the simulated hardware does."""
    age_ms: int
    """How long ago the pilot had sent the STATE that it answers."""
    left_ms: int
    """What the lease before it had left, on the pilot's clock."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Bytes of SLOT_MS at the pilot's end of the line, and the most in one tick."""

    pilot_ms: int
    received: int
    sent: int
    received_once: int
    sent_once: int


@dataclass(slots=True)
class Tally:
    """All that a pilot has written down so far."""

    taken: list[Taken] = field(default_factory=list)
    ended_ms: list[int] = field(default_factory=list)
    """When a lease ran out or was withdrawn."""
    phases: list[tuple[int, int]] = field(default_factory=list)
    """When the kernel went over to which phase."""
    slots: list[Slot] = field(default_factory=list)


def parse(text: str) -> Tally:
    """Take the pilot's standard error apart; what is no line of tally.py's, or not complete yet, is left out."""
    tally = Tally()
    for line in text.splitlines(keepends=True):
        found = LINE.fullmatch(line)
        if found is None:
            continue
        kind, numbers = found[1], [int(number) for number in found[2].split()]
        if len(numbers) != FIELDS[kind]:
            continue
        if kind == "L":
            tally.taken.append(Taken(*numbers))
        elif kind == "X":
            tally.ended_ms.append(numbers[0])
        elif kind == "P":
            tally.phases.append((numbers[0], numbers[1]))
        else:
            tally.slots.append(Slot(*numbers))
    return tally


@dataclass(frozen=True, slots=True)
class Gap:
    """From one LEASE to the next: how long by either clock, and what was left of the first one when the second came."""

    pilot_ms: int
    system_ms: int
    left_ms: int
    """By the pilot's clock; 0 when it had run out, or had been withdrawn."""
    left_system_ms: int
    """By the system's clock; negative when it had run out."""
    age_ms: int
    """How old the second one was when it came: how long the station took to answer a STATE, line and ticks included."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of one stretch of time, to the pilot and from it."""

    seconds: float
    to_pilot: int
    from_pilot: int
    to_pilot_slot: int
    """Most in SLOT_MS."""
    from_pilot_slot: int
    to_pilot_once: int
    """Most in one tick."""
    from_pilot_once: int

    @property
    def to_pilot_per_s(self) -> float:
        """Mean bytes per second towards the pilot."""
        return self.to_pilot / self.seconds

    @property
    def from_pilot_per_s(self) -> float:
        """Mean bytes per second from the pilot."""
        return self.from_pilot / self.seconds


@dataclass(frozen=True, slots=True)
class Renewal:
    """How the lease was renewed in one stretch of time in which the car was charging when it began."""

    name: str
    seconds: float
    gaps: Sequence[Gap]
    ended: int
    """How often the lease ended by the pilot's own clock, or was withdrawn."""
    left_charging: int
    """How often the kernel went over to another phase than CLOSED."""
    openings: int
    """How often the contacts opened, by the circuit's own log."""
    busy: float
    """Share of all cores that was in use, by whomever."""
    traffic: Traffic

    @property
    def lost(self) -> int:
        """Leases that ended: by the pilot's clock, or where that stood still by the system's. No LEASE at all is one."""
        by_system_only = sum(gap.left_ms > 0 and gap.left_system_ms <= 0 for gap in self.gaps)
        return self.ended + by_system_only + (not self.gaps)

    @property
    def holds(self) -> bool:
        """No lease was lost and the car went on charging."""
        return not (self.lost or self.left_charging or self.openings)

    @property
    def least_left_ms(self) -> int:
        """The smallest rest of a lease, by the worse of the two clocks."""
        return min((min(gap.left_ms, gap.left_system_ms) for gap in self.gaps), default=0)

    @property
    def stood_still_ms(self) -> int:
        """How much less time passed on the pilot's clock than on the system's."""
        return sum(gap.system_ms - gap.pilot_ms for gap in self.gaps)


def renewal(  # noqa: PLR0917 - one after the other as they were measured
    name: str, tally: Tally, start_ms: int, end_ms: int, ttl_ms: int, opened_ms: Iterable[int], busy: float
) -> Renewal:
    """What happened after start_ms until end_ms, both on the pilot's clock. `opened_ms`: when the contacts opened."""
    gaps = [
        Gap(
            after.pilot_ms - before.pilot_ms,
            after.system_ms - before.system_ms,
            after.left_ms,
            ttl_ms - before.age_ms - (after.system_ms - before.system_ms),
            after.age_ms,
        )
        for before, after in itertools.pairwise(tally.taken)
        if start_ms < after.pilot_ms <= end_ms
    ]
    return Renewal(
        name,
        (end_ms - start_ms) / 1000.0,
        gaps,
        sum(start_ms < each <= end_ms for each in tally.ended_ms),
        sum(start_ms < at_ms <= end_ms and phase != CLOSED for at_ms, phase in tally.phases),
        sum(start_ms < each <= end_ms for each in opened_ms),
        busy,
        traffic(tally, start_ms, end_ms),
    )


def traffic(tally: Tally, start_ms: int, end_ms: int) -> Traffic:
    """Bytes of the whole slots that lie between two instants of the pilot's clock; raises ValueError when there are none."""
    slots = [slot for slot in tally.slots if start_ms <= slot.pilot_ms - SLOT_MS and slot.pilot_ms <= end_ms]
    if not slots:
        raise ValueError(f"the pilot has counted no bytes from {start_ms} to {end_ms} ms")
    return Traffic(
        len(slots) * SLOT_MS / 1000.0,
        sum(slot.received for slot in slots),
        sum(slot.sent for slot in slots),
        max(slot.received for slot in slots),
        max(slot.sent for slot in slots),
        max(slot.received_once for slot in slots),
        max(slot.sent_once for slot in slots),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent of the values do not exceed; raises ValueError without values."""
    if not values:
        raise ValueError("no values, no percentile")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100.0) - 1)]


def line_ms(count: int) -> float:
    """How long so many bytes are on a line of 115,200 baud."""
    return count / BYTES_PER_S * 1000.0


def duration(seconds: float) -> str:
    """Minutes, or seconds where there are few."""
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"
