"""What surrounds the kernel while its state space is walked: a few variables, one of which changes at a time, and single acts.

Contacts, lock and residual current device follow the kernel's command within one tick, unless their variable says
otherwise. A lease is renewed before each tick while the station holds it; when the station falls silent it runs out in
the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple

import kernel_bench
from pilotwire.firmware.kernel import lease, params
from pilotwire.firmware.kernel.inputs import OPEN_OHM
from space_kernel import PARAMETERS, QUANTA

LEVELS_MV = {"A": 12000, "B": 8980, "C": 6000, "D": 2930, "E": 0, "F": -12000, "undefined": -5000}
LOADED_MV = -3000  # the negative half wave of something without a diode

# Leases: mode, current, phases wanted.
SILENT = None
AC = (lease.MODE_AC, 16000, 0)
AC_LESS = (lease.MODE_AC, 10000, 0)
AC_ONE = (lease.MODE_AC, 16000, 1)
AC_THREE = (lease.MODE_AC, 16000, 3)
HLC = (lease.MODE_AC_HLC, 16000, 0)
HLC_IDLE = (lease.MODE_AC_HLC, 0, 0)
DC = (lease.MODE_DC, 100000, 0)
DC_IDLE = (lease.MODE_DC, 0, 0)
BPT = (lease.MODE_BPT, 100000, 0)

# What a variable is at the start, and its other values.
START: dict[str, Any] = {
    "car": "A",
    "diode": "good",
    "station": SILENT,
    "contactor": "obeys",
    "second": "obeys",
    "proximity": OPEN_OHM,
    "lock": "obeys",
    "rcd": "obeys",
    "stop": False,
    "earth": True,
    "pen": False,
    "plug": 250,
    "current": 0,
}

REQUESTS = {
    "clear": lease.REQUEST_CLEAR,
    "unlock": lease.REQUEST_UNLOCK,
    "stop request": lease.REQUEST_STOP,
    "step EF": lease.REQUEST_STEP_EF,
    "step X1": lease.REQUEST_STEP_X1,
}
# Acts besides the requests: a lease withdrawn for one tick; a tick that comes too late; memory that loses a parameter.
WITHDRAW, LATE, DAMAGE = "withdrawal", "late tick", "damage"


@dataclass(frozen=True)
class Configuration:
    """One board and what may happen to it."""

    name: str
    about: str
    changes: Mapping[str, tuple[Any, ...]]
    """Further values of each variable that may change."""
    acts: tuple[str, ...] = ()
    fitted: int = 0
    values: Mapping[int, int] = field(default_factory=dict)
    """Parameters that differ from PARAMETERS, by index."""
    times: Mapping[str, int] = field(default_factory=dict)
    """Quanta that differ from QUANTA."""
    start: Mapping[str, Any] = field(default_factory=dict)
    good: tuple[Mapping[str, Any], ...] = ({"car": "C", "station": AC},)
    """Surroundings under which the kernel must close sooner or later."""
    pairs: bool = False
    """Two things may happen in the same tick."""
    wide: bool = False
    """Too much for `make test`; `make verify-kernel` walks it."""
    depth: int | None = None
    """Ticks to walk; None walks the whole space."""

    @property
    def quanta(self) -> dict[str, int]:
        return {**QUANTA, **self.times}

    @property
    def parameters(self) -> tuple[int, ...]:
        """All parameters, the timed ones in quanta."""
        block = list(kernel_bench.block((params.FITTED, self.fitted)))
        for index, value in {**PARAMETERS, **self.values}.items():
            block[index] = value
        return tuple(block)

    @property
    def numbers(self) -> SimpleNamespace:
        """All times and parameters in quanta, without the suffix: `numbers.STOP`, `numbers.TO_C`."""
        timed = ("TO_C_MS", "MIN_OFF_MS", "FAULT_OFF_MS", "WAKE_AFTER_MS", "DEAD_MS", "RECLOSE_MS")
        all_numbers = {**self.quanta, **{name: self.parameters[getattr(params, name)] for name in timed}}
        return SimpleNamespace(**{name.removesuffix("_MS"): value for name, value in all_numbers.items()})

    def fits(self, bits: int) -> bool:
        return self.fitted & bits != 0


class View(NamedTuple):
    """What the kernel does to its surroundings."""

    signal: str
    close: bool
    close_phases: bool
    lock: bool
    rcd_test: bool


class Stimulus(NamedTuple):
    """All that one step of the kernel takes in."""

    car: str  # the level, where it can be seen
    high_mv: int
    low_mv: int
    main: bool
    second: bool
    pp_ohm: int
    lock_closed: bool
    tripped: bool
    stop: bool
    earth: bool
    pen: bool
    plug: int
    current: int
    lease: tuple[int, int, int] | None
    withdrawn: bool
    request: int
    ms: int
    damage: bool


class World:
    """The surroundings of one configuration, their states numbered as they turn up."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        start = {**START, **configuration.start}
        self.values = {name: (start[name], *configuration.changes.get(name, ())) for name in START}
        self.names = tuple(START)
        self._late_ms = configuration.quanta["OVERRUN_MS"] + 1
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._all: list[tuple[Any, ...]] = []
        self.start = self.number(start)

    def number(self, surroundings: Mapping[str, Any]) -> int:
        """Number of this state of the surroundings."""
        return self._number(tuple(surroundings[name] for name in self.names))

    def surroundings(self, number: int) -> dict[str, Any]:
        return dict(zip(self.names, self._all[number], strict=True))

    @property
    def size(self) -> int:
        """How many states there can be."""
        count = 1
        for values in self.values.values():
            count *= len(values)
        return count

    def moves(self, number: int) -> Iterator[tuple[str, int, str]]:
        """What can happen: words for it, the surroundings that follow, and the act."""
        yield "nothing", number, ""
        acts = self.configuration.acts
        yield from ((act, number, act) for act in acts)
        for words, after in self._changes(number, 0):
            yield words, after, ""
            if self.configuration.pairs:
                yield from ((f"{words} + {act}", after, act) for act in acts)

    def _changes(self, number: int, first: int) -> Iterator[tuple[str, int]]:
        now = self._all[number]
        for index in range(first, len(self.names)):
            for value in self.values[self.names[index]]:
                if value != now[index]:
                    words, after = (
                        f"{self.names[index]} {_word(value)}",
                        self._number((*now[:index], value, *now[index + 1 :])),
                    )
                    yield words, after
                    if self.configuration.pairs and not first:
                        yield from ((f"{words} + {also}", both) for also, both in self._changes(after, index + 1))

    def stimulus(self, view: View, number: int, act: str) -> Stimulus:
        """What the kernel gets to see of it."""
        now = SimpleNamespace(**self.surroundings(number))
        late = act == LATE
        if view.signal == "F":
            high_mv = LEVELS_MV["F"]
        elif view.signal == "off":
            high_mv = LEVELS_MV["A"]
        else:
            high_mv = LEVELS_MV[now.car]
        low_mv = high_mv
        if view.signal == "PWM":
            low_mv = LOADED_MV if now.diode == "lost" else -12000
        held = {"obeys": view.rcd_test, "trips": True, "dead": False}
        return Stimulus(
            car=now.car if view.signal in ("X1", "PWM") and not late else "",
            high_mv=high_mv,
            low_mv=low_mv,
            main=_position(now.contactor, view.close),
            second=_position(now.second, view.close_phases),
            pp_ohm=now.proximity,
            lock_closed=_position(now.lock, view.lock),
            tripped=held[now.rcd],
            stop=now.stop,
            earth=now.earth,
            pen=now.pen,
            plug=now.plug,
            current=now.current,
            lease=now.station,
            withdrawn=act == WITHDRAW,
            request=REQUESTS.get(act, 0),
            ms=self._late_ms if late else 1,
            damage=act == DAMAGE,
        )

    def _number(self, state: tuple[Any, ...]) -> int:
        number = self._numbers.setdefault(state, len(self._all))
        if number == len(self._all):
            self._all.append(state)
        return number


def _position(behaviour: str, command: bool) -> bool:
    return {"obeys": command, "stays open": False, "stays closed": True}[behaviour]


WORDS = {
    SILENT: "silent",
    AC: "AC 16 A",
    AC_LESS: "AC 10 A",
    AC_ONE: "AC one phase",
    AC_THREE: "AC three phases",
    HLC: "5 %",
    HLC_IDLE: "5 % without power",
    DC: "DC",
    DC_IDLE: "DC without power",
    BPT: "BPT",
}


def _word(value: Any) -> str:
    return WORDS[value] if value is None or isinstance(value, tuple) else str(value)
