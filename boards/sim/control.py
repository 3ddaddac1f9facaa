"""The control port's commands on a simulated world: JSON in, JSON out, and an answer that teaches for whatever is wrong."""

from __future__ import annotations

import bisect
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from pilotwire.boards.sim.world import World
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD

CLOCK_ROWS = 60_000  # five minutes of slots, for placing other processes' instants on the world's clock

COMMANDS = "now, plug, unplug, pull, toggle, set, read, events, trace, at, quit"

Range = tuple[float, float]
_MS: Range = (1, 60_000)
_OHM: Range = (1.0, 1e6)
_SENSOR: dict[str, Range | None] = {"celsius": (-100.0, 300.0), "open": None, "shorted": None}
_CONTACTOR: dict[str, Range | None] = {
    "welded": None,
    "stuck_open": None,
    "mirror_open": None,
    "mirror_closed": None,
    "close_ms": _MS,
    "open_ms": _MS,
}

# Part of the world, and its settings with their ranges; switches have none.
PARTS: dict[str, tuple[Callable[[World], object], dict[str, Range | None]]] = {
    "car": (
        lambda world: world.car,
        {
            "wants_charge": None,
            "obeys_x1": None,
            "obeys_lower": None,
            "simplified": None,
            "sleeps": None,
            "abrupt": None,
            "digital": None,
            "digital_a": (0.0, 80.0),
            "over_a": (0.0, 80.0),
            "charger_a": (0.0, 80.0),
            "phases": (1, 3),
            "stored_wh": (0.0, 1e6),
            "ramp_up_a_s": (0.1, 1e4),
            "ramp_down_a_s": (0.1, 1e4),
        },
    ),
    "circuit": (
        lambda world: world.car.circuit,
        {
            "diode": None,
            "shorted": None,
            "held": None,
            "held_mv": (-15000.0, 15000.0),
            "ventilation": None,
            "r_b_ohm": _OHM,
            "r_c_ohm": _OHM,
            "r_d_ohm": _OHM,
        },
    ),
    "cable": (lambda world: world.cable, {"ohm": (0.0, 1e6), "lost": None, "left": None}),
    "lock": (lambda world: world.lock, {"travel_ms": _MS, "jammed": None, "switch_stuck": None, "broken_off": None}),
    "contactor": (lambda world: world.contactor, _CONTACTOR),
    "second": (lambda world: world.second, _CONTACTOR),
    "residual": (
        lambda world: world.residual,
        {
            "dc_ma": (0.0, 1e4),
            "ac_ma": (0.0, 1e4),
            "behind_contacts": None,
            "dc_trip_ma": (1.0, 1e4),
            "ac_trip_ma": (1.0, 1e4),
            "delay_ms": _MS,
            "release_ms": _MS,
            "test_ms": _MS,
            "test_dead": None,
        },
    ),
    "residual_dc": (lambda world: world.residual.dc, {"stuck": None}),
    "residual_ac": (lambda world: world.residual.ac, {"stuck": None}),
    "supply": (
        lambda world: world.supply,
        {"amperes": (0.0, 500.0), "rise_a_s": (0.1, 1e6), "fall_ms": (1.0, 1e5)},
    ),
    "transformer": (lambda world: world.transformer, {"factor": (0.0, 10.0), "offset_a": (-100.0, 100.0)}),
    "plug_sensor": (lambda world: world.plug_sensor, _SENSOR),
    "board_sensor": (lambda world: world.board_sensor, _SENSOR),
    "site": (
        lambda world: world,
        {"mains": None, "earth_ok": None, "pen_lost": None, "stop_pressed": None, "second_contactor": None},
    ),
}


class CommandError(Exception):
    """A control request that cannot be carried out; the text goes back to the asker."""


class Control:
    """The control port's commands on a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.quit = False
        self.clock: deque[tuple[float, int]] = deque(maxlen=CLOCK_ROWS)
        """Pairs of system monotonic ms and world ms, one for each slot."""

    def handle(self, line: bytes) -> bytes:
        """One request line in, one reply line out; never raises for bad input."""
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise CommandError("a request is a JSON object with a key 'cmd'")
            reply = self.answer(request)
        except (CommandError, ValueError) as error:
            reply = {"ok": False, "error": str(error)}
        except RecursionError:
            reply = {"ok": False, "error": "nested too deeply"}
        return json.dumps(reply).encode() + b"\n"

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """One request, as an object, and its reply; raises CommandError."""
        world = self.world
        command = request.get("cmd")
        if command == "now":
            pass
        elif command == "plug":
            if not world.plug():
                raise CommandError("the lock's bolt is out and no plug is in the socket: nothing goes in")
        elif command == "unplug":
            world.unplug()
        elif command == "pull":
            if not world.pull():
                raise CommandError("the lock holds the plug in the socket; 'unplug' pulls the cable at the car")
        elif command == "toggle":
            self._toggle(request)
        elif command == "set":
            self._set(request)
        elif command == "read":
            return {
                "ok": True,
                "soc": round(world.car.soc, 4),
                "energy_true_wh": world.energy_wh,
                "inputs": world.inputs()._asdict(),
                "outputs": world.outputs._asdict(),
                "second_contactor": world.second_contactor,
                **world.row(),
            }
        elif command in ("events", "trace"):
            since = request.get("since", 0)
            if not isinstance(since, int) or since < 0:
                raise CommandError("'since' is the number of rows already read, 0 or more")
            rows = world.events if command == "events" else world.trace
            return {"ok": True, "t_ms": world.now_ms, "rows": rows[since:]}
        elif command == "at":
            return {"ok": True, "t_ms": self._at(request.get("mono_ms"))}
        elif command == "quit":
            self.quit = True
        else:
            raise CommandError(f"unknown command {command!r}; there are {COMMANDS}")
        return {"ok": True, "t_ms": world.now_ms}

    def _at(self, mono_ms: Any) -> int:
        """World time at an instant of the system's monotonic clock, for what other processes have seen."""
        if not isinstance(mono_ms, int | float) or not self.clock or mono_ms < self.clock[0][0]:
            raise CommandError("'mono_ms' is an instant of the system's monotonic clock in the last minutes, in ms")
        return self.clock[bisect.bisect_right(self.clock, (float(mono_ms), TICKS_PERIOD)) - 1][1]

    def _toggle(self, request: dict[str, Any]) -> None:
        pulses = _whole(request, "pulses", 1, (1, 20))
        pulse_ms = _whole(request, "pulse_ms", 300, _MS)
        gap_ms = _whole(request, "gap_ms", pulse_ms, _MS)
        if not self.world.car.circuit.plugged:
            raise CommandError("no car is plugged in that could toggle S2")
        self.world.car.toggle(pulses, pulse_ms, gap_ms)

    def _set(self, request: dict[str, Any]) -> None:
        """All settings of the request, or none of them when one is wrong."""
        changes: list[tuple[object, str, Any]] = []
        for part, values in request.items():
            if part == "cmd":
                continue
            if part not in PARTS:
                raise CommandError(f"unknown part {part!r}; there are {', '.join(PARTS)}")
            find, allowed = PARTS[part]
            if not isinstance(values, dict):
                raise CommandError(f"{part!r} wants a JSON object of settings; there are {', '.join(allowed)}")
            target = find(self.world)
            changes += [(target, key, _checked(target, key, value, allowed)) for key, value in values.items()]
        for target, key, value in changes:
            setattr(target, key, value)


def _whole(request: dict[str, Any], key: str, default: int, limits: Range) -> int:
    value = request.get(key, default)
    if type(value) is not int or not limits[0] <= value <= limits[1]:
        raise CommandError(f"{key} is a whole number, {limits[0]:g}..{limits[1]:g}, not {value!r}")
    return value


def _checked(target: object, key: str, value: Any, allowed: dict[str, Range | None]) -> Any:
    """The value as the target's own type, inside its range."""
    if key not in allowed:
        raise CommandError(f"unknown setting {key!r}; there are {', '.join(allowed)}")
    kind = type(getattr(target, key))
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise CommandError(f"{key} is a {kind.__name__}, not {value!r}")
    limits = allowed[key]
    if limits is not None and not limits[0] <= value <= limits[1]:  # NaN is in no range either
        raise CommandError(f"{key} is {limits[0]:g}..{limits[1]:g}, not {value!r}")
    return value
