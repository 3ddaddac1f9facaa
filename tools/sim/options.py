"""How a simulated station is set up: a JSON object of options, each of them checked, turned into the rig's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotwire.boards.sim import parameters
from pilotwire.firmware.kernel import params
from pilotwire.tools.rig.settings import SHORT_PAUSES, RigSettings

PARAMETERS = (
    "max_ma",
    "phases",
    "fitted",
    "to_c_ms",
    "min_off_ms",
    "fault_off_ms",
    "wake_after_ms",
    "dead_ms",
    "switch_phases",
    "reclose_tries",
    "reclose_ms",
    "simple_ma",
    "derate_ddeg",
    "stop_ddeg",
    "dc_max_ma",
    "ttl_ms",
)
"""The pilot's parameters by name, in the order of firmware/kernel/params.py."""

FITTED = {
    "socket": params.SOCKET,
    "lock": params.LOCK,
    "ventilation": params.VENTILATION,
    "second": params.SECOND,
    "rcd_dc": params.RCD_DC,
    "rcd_ac": params.RCD_AC,
    "rcd_test": params.RCD_TEST,
    "earth": params.EARTH,
    "pen": params.PEN,
    "stop_button": params.STOP_BUTTON,
    "current": params.CURRENT,
    "plug_temp": params.PLUG_TEMP,
    "board_temp": params.BOARD_TEMP,
}
"""What a board may have fitted, by name."""


class OptionError(ValueError):
    """An option that cannot be; the text says which, and what would be right."""


@dataclass(frozen=True, slots=True)
class Options:
    """One set-up. Everything has a default that charges freely with 32 A on three phases."""

    id_tags: tuple[str, ...] = ()
    """Tokens that may charge; none: charging is free."""
    board_ma: int = 32_000
    cable_ma: int = 32_000
    phases: int = 3
    lease_ttl_ms: int = 1000
    poll_ms: int = 500
    """How often the station reads the meter."""
    csms_url: str | None = None
    """A central system (OCPP 1.6J), or none."""
    meter_values_s: int = 5
    parameters: tuple[tuple[int, int], ...] = field(default=SHORT_PAUSES)
    """What differs from the simulated board's own parameters, as (index, value)."""

    def settings(self) -> RigSettings:
        """The same for the rig; raises OptionError where the pilot would refuse its parameters."""
        settings = RigSettings(
            back_end=self.csms_url is not None,
            id_tags=self.id_tags,
            lease_ttl_ms=self.lease_ttl_ms,
            board_ma=self.board_ma,
            cable_ma=self.cable_ma,
            phases=self.phases,
            meter_values_s=self.meter_values_s,
            poll_ms=self.poll_ms,
            parameters=self.parameters,
        )
        try:
            parameters.values(settings.pilot_changes())
        except ValueError as error:
            raise OptionError(str(error)) from None
        return settings


_NUMBERS = {"board_ma", "cable_ma", "phases", "lease_ttl_ms", "poll_ms", "meter_values_s"}


def read_options(data: Mapping[str, Any]) -> Options:
    """Options out of a JSON object; `parameters` is an object by name (PARAMETERS), its `fitted` a list of FITTED's names.

    Raises OptionError.
    """
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key in _NUMBERS:
            if type(value) is not int:
                raise OptionError(f"{key} is a whole number, not {value!r}")
            values[key] = value
        elif key == "id_tags":
            if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
                raise OptionError(f"id_tags is a list of texts, not {value!r}")
            values[key] = tuple(value)
        elif key == "csms_url":
            if value is not None and not isinstance(value, str):
                raise OptionError(f"csms_url is an address like ws://127.0.0.1:9000/name, not {value!r}")
            values[key] = value
        elif key == "parameters":
            values[key] = _parameters(value)
        else:
            known = sorted((*_NUMBERS, "id_tags", "csms_url", "parameters"))
            raise OptionError(f"unknown option {key!r}; there are {', '.join(known)}")
    return Options(**values)


def _parameters(value: Any) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, dict):
        raise OptionError(f"parameters is an object, not {value!r}")
    changes = dict(SHORT_PAUSES)
    for name, given in value.items():
        if name not in PARAMETERS:
            raise OptionError(f"unknown parameter {name!r}; there are {', '.join(PARAMETERS)}")
        changes[PARAMETERS.index(name)] = _fitted(given) if name == "fitted" else given
        if type(changes[PARAMETERS.index(name)]) is not int:
            raise OptionError(f"parameter {name} is a whole number, not {given!r}")
    return tuple(changes.items())


def _fitted(value: Any) -> int:
    if not isinstance(value, list) or not all(name in FITTED for name in value):
        raise OptionError(f"fitted is a list of some of {', '.join(FITTED)}, not {value!r}")
    return sum(FITTED[name] for name in set(value))
