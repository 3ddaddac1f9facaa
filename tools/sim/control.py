"""The control port of a simulated station: one JSON object per line, one reply per line; docs/sim.md lists all commands.

What concerns circuit and car alone goes to the world's own commands (boards/sim/control.py); the rest is here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pilotwire.boards.sim import control as world_control
from pilotwire.boards.sim.control import CommandError
from pilotwire.firmware.toml_file import ConfigError
from pilotwire.tools.rig.process import RigError
from pilotwire.tools.sim.bare_host import MODES, REQUESTS, BareHost
from pilotwire.tools.sim.options import PARAMETERS, OptionError, read_options
from pilotwire.tools.sim.station import SimStation

RUN_MAX_MS = 24 * 3_600_000

# What a fault is done with: settings of the world, and the settings that take it away again.
FAULTS: dict[str, tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]] = {
    "cp_short": ({"circuit": {"shorted": True}}, {"circuit": {"shorted": False}}),
    "no_diode": ({"circuit": {"diode": False}}, {"circuit": {"diode": True}}),
    "welded": ({"contactor": {"welded": True}}, {"contactor": {"welded": False}}),
    "no_close": ({"contactor": {"stuck_open": True}}, {"contactor": {"stuck_open": False}}),
    "mirror_stuck": ({"contactor": {"mirror_closed": True}}, {"contactor": {"mirror_closed": False}}),
    "residual_dc": ({"residual": {"dc_ma": 8.0}}, {"residual": {"dc_ma": 0.0}}),
    "residual_ac": ({"residual": {"ac_ma": 40.0}}, {"residual": {"ac_ma": 0.0}}),
    "rcd_test_dead": ({"residual": {"test_dead": True}}, {"residual": {"test_dead": False}}),
    "earth_lost": ({"site": {"earth_ok": False}}, {"site": {"earth_ok": True}}),
    "pen_lost": ({"site": {"pen_lost": True}}, {"site": {"pen_lost": False}}),
    "emergency_stop": ({"site": {"stop_pressed": True}}, {"site": {"stop_pressed": False}}),
    "plug_hot": ({"plug_sensor": {"celsius": 90.0}}, {"plug_sensor": {"celsius": 25.0}}),
    "board_hot": ({"board_sensor": {"celsius": 90.0}}, {"board_sensor": {"celsius": 25.0}}),
    "sensor_open": ({"plug_sensor": {"open": True}}, {"plug_sensor": {"open": False}}),
    "over_current": ({"car": {"over_a": 8.0}}, {"car": {"over_a": 0.0}}),
    "cable_lost": ({"cable": {"lost": True}}, {"cable": {"lost": False}}),
    "lock_jammed": ({"lock": {"jammed": True}}, {"lock": {"jammed": False}}),
}


class SimControl:
    """The commands on one simulated station. `quit` is set by the command of that name."""

    def __init__(self, station: SimStation) -> None:
        self.station = station
        self.quit = False
        self._world = world_control.Control(station.world)
        self._commands: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "run": self._run,
            "reset": self._reset,
            "swipe": self._swipe,
            "stop": lambda _: self._do(station.stop_button),
            "clear": lambda _: self._do(station.clear_faults),
            "station": self._station,
            "pilot": self._pilot,
            "host": self._host,
            "lease": self._lease,
            "request": self._request,
            "narrow": self._narrow,
            "power": self._power,
            "meter": self._meter,
            "inject": self._inject,
            "heal": self._heal,
            "status": lambda _: self._status(),
            "transactions": lambda _: {"rows": station.transactions()},
            "journal": lambda request: {"rows": station.journal(_number(request, "since", 0, 0, 1 << 40))},
            "help": lambda _: {
                "commands": sorted([*self._commands, *world_control.COMMANDS.split(", ")]),
                "faults": sorted(FAULTS),
            },
        }

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """One command from within the same process; raises CommandError where a client would get an error."""
        return self._answer({"cmd": command, **arguments})

    def handle(self, line: bytes) -> bytes:
        """One request line in, one reply line out; never raises for bad input."""
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise CommandError("a request is a JSON object with a key 'cmd'")
            reply = self._answer(request)
        except (CommandError, ValueError) as error:
            reply = {"ok": False, "error": str(error)}
        except RecursionError:
            reply = {"ok": False, "error": "nested too deeply"}
        return json.dumps(reply).encode() + b"\n"

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        command = request.get("cmd")
        if command == "quit":
            self.quit = True
            return {"ok": True, "t_ms": self.station.now_ms}
        own = self._commands.get(command) if isinstance(command, str) else None
        if own is not None:
            try:
                return {"ok": True, **own(request), "t_ms": self.station.now_ms}
            except (OptionError, ConfigError, RigError, RuntimeError) as error:
                raise CommandError(str(error)) from error
        if command not in world_control.COMMANDS.split(", "):
            known = ", ".join(self._commands)
            raise CommandError(f"unknown command {command!r}; there are {known}, {world_control.COMMANDS}")
        return self._world.answer(request)

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        self.station.run(_number(request, "ms", None, 0, RUN_MAX_MS))
        return {}

    def _reset(self, request: dict[str, Any]) -> dict[str, Any]:
        options = request.get("options", {})
        if not isinstance(options, dict):
            raise CommandError("'options' is a JSON object")
        self.station.reset(read_options(options))
        self._world = world_control.Control(self.station.world)
        return {}

    def _swipe(self, request: dict[str, Any]) -> dict[str, Any]:
        tag = request.get("tag")
        if not isinstance(tag, str) or not 1 <= len(tag) <= 20 or not tag.isprintable():
            raise CommandError(f"'tag' is a text of 1..20 printable characters, not {tag!r}")
        self.station.swipe(tag)
        return {}

    @staticmethod
    def _do(action: Callable[[], None]) -> dict[str, Any]:
        action()
        return {}

    def _station(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._chosen(
            request,
            {"start": self.station.start_station, "stop": self.station.stop_station, "kill": self.station.kill_station},
        )

    def _pilot(self, request: dict[str, Any]) -> dict[str, Any]:
        station = self.station
        if not station.pilot_powered and request.get("do") not in {"start", "stop"}:
            raise CommandError("the pilot has no power; 'start' gives it some")
        return self._chosen(
            request,
            {
                "start": lambda: None if station.pilot_powered else station.start_pilot(),
                "stop": lambda: station.stop_pilot() if station.pilot_powered else None,
                "reset": station.reset_pilot,
                "hang": lambda: setattr(station, "pilot_hangs", True),
                "resume": lambda: setattr(station, "pilot_hangs", False),
            },
        )

    def _host(self, request: dict[str, Any]) -> dict[str, Any]:
        """start, stop, or look: the pilot as a bare host in the station's place sees it."""
        station = self.station
        self._chosen(request, {"start": station.start_host, "stop": station.stop_host, "look": lambda: None})
        if station.host is None:
            return {}
        since = _number(request, "since", 0, 0, 1 << 40)
        return {"pilot": station.host.now(), "rows": [row for row in station.host.states if row["t_ms"] >= since]}

    def _bare(self) -> BareHost:
        if self.station.host is None:
            raise CommandError("there is no bare host; 'host' with do = start puts one in the station's place")
        return self.station.host

    def _lease(self, request: dict[str, Any]) -> dict[str, Any]:
        mode = MODES.get(str(request.get("mode", "ac")))
        if mode is None:
            raise CommandError(f"'mode' is one of {', '.join(MODES)}, not {request.get('mode')!r}")
        limit_ma = _number(request, "limit_ma", 0, 0, 1_000_000)
        ttl_ms = _number(request, "ttl_ms", 1000, 0, 60_000)
        self._bare().link.set_lease(mode, limit_ma, ttl_ms, self.station.now_ms, _number(request, "phases", 0, 0, 3))
        return {}

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        bits = REQUESTS.get(str(request.get("what")))
        if bits is None:
            raise CommandError(f"'what' is one of {', '.join(REQUESTS)}, not {request.get('what')!r}")
        self._bare().link.request(bits)
        return {}

    def _narrow(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request.get("parameter")
        if name not in PARAMETERS:
            raise CommandError(f"'parameter' is one of {', '.join(PARAMETERS)}, not {name!r}")
        self._bare().link.narrow(PARAMETERS.index(name), _number(request, "value", None, 0, 1 << 29))
        return {}

    def _power(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._chosen(request, {"off": self.station.power_off, "on": self.station.power_on})

    @staticmethod
    def _chosen(request: dict[str, Any], actions: Mapping[str, Callable[[], object]]) -> dict[str, Any]:
        action = actions.get(str(request.get("do")))
        if action is None:
            raise CommandError(f"'do' is one of {', '.join(actions)}, not {request.get('do')!r}")
        action()
        return {}

    def _meter(self, request: dict[str, Any]) -> dict[str, Any]:
        meter = self.station.meter
        for key, value in request.items():
            if key in {"silent", "refusing"}:
                if type(value) is not bool:
                    raise CommandError(f"{key} is true or false, not {value!r}")
            elif key == "energy_wh":
                if type(value) not in {int, float} or not 0 <= value <= 1e9:
                    raise CommandError(f"energy_wh is 0..1e9, not {value!r}")
            elif key != "cmd":
                raise CommandError(f"unknown setting {key!r}; there are silent, refusing, energy_wh")
        meter.silent = request.get("silent", meter.silent)
        meter.refusing = request.get("refusing", meter.refusing)
        if "energy_wh" in request:
            meter.turn(float(request["energy_wh"]))
        return {"silent": meter.silent, "refusing": meter.refusing, "energy_wh": meter.energy_wh}

    def _inject(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._world.answer({"cmd": "set", **self._fault(request)[0]})

    def _heal(self, request: dict[str, Any]) -> dict[str, Any]:
        wanted = [request.get("fault")] if "fault" in request else list(FAULTS)
        for name in wanted:
            self._world.answer({"cmd": "set", **self._fault({"fault": name})[1]})
        return {}

    @staticmethod
    def _fault(request: dict[str, Any]) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        fault = FAULTS.get(str(request.get("fault")))
        if fault is None:
            raise CommandError(f"'fault' is one of {', '.join(FAULTS)}, not {request.get('fault')!r}")
        return fault

    def _status(self) -> dict[str, Any]:
        station = self.station
        return {
            "circuit": self._world.answer({"cmd": "read"}),
            "station": station.snapshot(),
            "station_runs": station.station_runs,
            "pilot_powered": station.pilot_powered,
            "pilot_hangs": station.pilot_hangs,
            "pilot_note": station.pilot_note,
            "meter_wh": station.meter.energy_wh,
        }


def _number(request: dict[str, Any], key: str, default: int | None, low: int, high: int) -> int:
    value = request.get(key, default)
    if type(value) is not int or not low <= value <= high:
        raise CommandError(f"'{key}' is a whole number, {low}..{high}, not {value!r}")
    return value


__all__ = ["FAULTS", "CommandError", "SimControl"]
