"""What a row of the timing table is: data, with two functions that set the stage and pull the trigger.

A scene brings the circuit into a state (`prepare`), lets a random time pass, and does something to it (`stimulus`). Its rows say
which two events of the circuit are compared and what the sheet requires of the time between them. Only events of the world count
(contacts, commands on the board's pins, duty on the wire, bytes on the link), never an attribute of the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotwire.tools.bench.pilot.rigs import Rig

TIME = "time"
COUNT = "count"
VALUE = "value"

REAL_TIME_MAX_MS = 1050  # only rows that require this or less are measured in real time: 1 s and some latency

Changes = tuple[tuple[int, int], ...]
Events = Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Seen:
    """An event of the world: its name, and which of its values count."""

    name: str
    test: Callable[[Any], bool]

    def find(self, events: Events, first: int) -> int | None:
        """Index of the first such event from index `first` on."""
        for index in range(first, len(events)):
            if self.matches(events[index]):
                return index
        return None

    def matches(self, event: dict[str, Any]) -> bool:
        """Whether this is such an event."""
        return bool(event["name"] == self.name and self.test(event["value"]))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. The time is taken from `start` (None: the stimulus itself) to the first `end` after it."""

    id: str
    what: str
    source: str
    """Section of the fact sheet and sequence or topic there, for example "4: 8.1/8.2"; "design" for what it does not know."""
    mark: str
    """Where the number comes from: S read in a public source, K recalled, D derived; "ours" where the sheet leaves it to us."""
    end: Seen
    start: Seen | None = None
    least: int | None = None
    most: int | None = None
    kind: str = TIME
    """COUNT: how many `end` events there are from `start` to the end of the scene. VALUE: what the first `end` carries."""
    unit: str = "ms"
    from_stimulus: bool = False
    """Look for `end` from the stimulus on, not from `start`: an `end` that comes too early is then a negative time."""
    plus: int = 0
    """Added to each value: a wait that the scene leaves out (see Scene.ages)."""

    @property
    def section(self) -> str:
        """Section of the fact sheet."""
        return self.source.partition(":")[0]

    @property
    def in_real_time(self) -> bool:
        """Whether the row is measured in real time, too."""
        return self.kind == TIME and self.most is not None and self.most <= REAL_TIME_MAX_MS

    @property
    def requirement(self) -> str:
        """The requirement in words."""
        if self.least == self.most:
            return f"= {number(self.least)} {self.unit}"
        if self.least is not None and self.most is not None:
            return f"{number(self.least)} … {number(self.most)} {self.unit}"
        return f"≤ {number(self.most)} {self.unit}" if self.least is None else f"≥ {number(self.least)} {self.unit}"

    def holds(self, value: int | None) -> bool:
        """Whether one measured value meets the requirement; None is an event that never came."""
        if value is None:
            return False
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def measure(self, events: Events, stimulus_index: int, stimulus_ms: int) -> int | None:
        """The value in what the world has written since the stimulus, or None while something is still missing."""
        first = stimulus_index
        start_ms = stimulus_ms
        if self.start is not None:
            found = self.start.find(events, stimulus_index)
            if found is None:
                return None
            start_ms = int(events[found]["t_ms"])
            first = stimulus_index if self.from_stimulus else found
        if self.kind == COUNT:
            return sum(map(self.end.matches, events[first:])) + self.plus
        end = self.end.find(events, first)
        if end is None:
            return None
        if self.kind == VALUE:
            value: float = events[end]["value"]
            return math.ceil(value) + self.plus
        return int(events[end]["t_ms"]) - start_ms + self.plus


@dataclass(frozen=True, slots=True)
class Scene:
    """A state, a stimulus, and the rows that are measured on it."""

    id: str
    prepare: Callable[[Rig], None]
    stimulus: Callable[[Rig], None]
    within_ms: int
    """How long the world goes on after the stimulus at most; with a count among the rows, exactly so long."""
    rows: tuple[Row, ...]
    changes: Changes = ()
    """What differs from the parameters of the bench's board (scenes.py)."""
    wait_ms: int = 250
    """The random time between `prepare` and `stimulus` is below this: two periods of STATE, and any phase of the tick."""
    coarse: tuple[int, int] = (0, 0)
    """Between these two times after the stimulus the virtual clocks call the pilot every COARSE_TICK_MS only."""
    ages: bool = False
    """The stimulus leaves out a long wait (aged.py); the rows add it by their `plus`."""
    real_from: int = 0
    """Real time begins this long after the stimulus; until then the virtual clock runs. 0: before the stimulus."""

    def rows_of(self, real: bool) -> tuple[Row, ...]:
        """The rows that are measured in real time, or those on a virtual clock."""
        return tuple(row for row in self.rows if row.in_real_time) if real else self.rows


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A row of the sheet that the pilot program does not answer for, who does, and why."""

    what: str
    source: str
    mark: str
    requirement: str
    by: str
    reason: str

    @property
    def section(self) -> str:
        """Section of the fact sheet."""
        return self.source.partition(":")[0]


def number(value: int | None) -> str:
    """Digits in groups of three from five digits on."""
    if value is None:
        return "never"
    return f"{value:,}".replace(",", " ") if abs(value) >= 10000 else str(value)
