"""Meter readings as OCPP sampled values: plain decimals, SI units, one value per phase."""

from __future__ import annotations

import math

import msgspec

from . import wire_time
from ._generated import v16

_PHASES = ("L1", "L2", "L3")


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One consistent reading; what is None is not reported."""

    energy_wh: float
    """The meter's import register."""
    power_w: float | None = None
    """All phases together."""
    current_a: tuple[float, float, float] | None = None
    voltage_v: tuple[float, float, float] | None = None
    """Line to neutral."""


def meter_value(sample: Sample, unix_ms: int, context: str, phases: int) -> v16.MeterValue:
    """A MeterValue with every finite quantity of the sample; phases the station lacks are left out."""
    values: list[tuple[str, str, str | None, float, int]] = [
        ("Energy.Active.Import.Register", "Wh", None, sample.energy_wh, 1)
    ]
    if sample.power_w is not None:
        values.append(("Power.Active.Import", "W", None, sample.power_w, 1))
    if sample.current_a is not None:
        values += [
            ("Current.Import", "A", phase, amperes, 2)
            for phase, amperes in zip(_PHASES[:phases], sample.current_a, strict=False)
        ]
    if sample.voltage_v is not None:
        values += [
            ("Voltage", "V", f"{phase}-N", volts, 1)
            for phase, volts in zip(_PHASES[:phases], sample.voltage_v, strict=False)
        ]
    return v16.MeterValue(
        timestamp=wire_time.to_text(unix_ms),
        sampledValue=[
            v16.SampledValue(
                value=f"{number:.{decimals}f}",  # never 2e+01
                context=context,
                measurand=measurand,
                phase=phase,
                unit=unit,
            )
            for measurand, unit, phase, number, decimals in values
            if math.isfinite(number)
        ],
    )
