"""Energy from power, and how far several answers to one question lie apart. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

MS_PER_HOUR = 3_600_000.0


def integrate_power_wh(points: Sequence[tuple[float, float]]) -> float:
    """Integrate power over time by the trapezoid rule.

    `points` are (t_ms, power_w) in time order; fewer than two give 0.0 Wh, because one sample spans no time.
    Two points at one instant are a step: they add nothing. Raises ValueError that names the first point whose time
    runs backwards or whose numbers are not finite.
    """
    terms: list[float] = []
    for index, (t_ms, power_w) in enumerate(points):
        if not (math.isfinite(t_ms) and math.isfinite(power_w)):
            raise ValueError(f"point {index}: ({t_ms}, {power_w}) must be two finite numbers (ms, W)")
        if index == 0:
            continue
        before_ms, before_w = points[index - 1]
        if t_ms < before_ms:
            raise ValueError(f"point {index}: {t_ms} ms lies before {before_ms} ms; sort the points by time")
        terms.append((t_ms - before_ms) * (before_w + power_w) / 2.0)
    return math.fsum(terms) / MS_PER_HOUR


def disagreement(values: Mapping[str, float]) -> float:
    """Return the largest relative distance of a value from the mean of all: 0.01 means one of them is 1 % off.

    All zero agree (0.0); a zero mean of values that are not all zero cannot be related to anything (infinity).
    Raises ValueError when there is nothing to compare, or naming the value that is not a finite number.
    """
    if len(values) < 2:
        raise ValueError(f"needs at least two values to compare, got {sorted(values)}")
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name}: {value} is not a finite number")
    mean = math.fsum(values.values()) / len(values)
    farthest = max(abs(value - mean) for value in values.values())
    if farthest == 0.0:
        return 0.0
    return farthest / abs(mean) if mean else math.inf
