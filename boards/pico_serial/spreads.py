"""Tolerances: what a function of many values can become, worst case and in a Monte Carlo run, and what that is compared with."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

Range = tuple[float, float]
Values = dict[str, float]

LESS = float("-inf")  # lower limit of a claim that has only an upper one
MORE = float("inf")  # and the other way round


@dataclass(frozen=True, slots=True)
class Spread:
    """What a value becomes: worst case, and the middle 99.8 % of a Monte Carlo run."""

    low: float
    high: float
    usual_low: float
    usual_high: float


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement of README.md: the worst case lies within `limits`. A negative margin, in the same unit: it does not hold."""

    text: str
    worst: Range
    limits: Range
    unit: str

    @property
    def margin(self) -> float:
        """Distance to the nearer limit."""
        if self.limits[1] == MORE:
            return self.worst[0] - self.limits[0]
        return min(self.worst[0] - self.limits[0], self.limits[1] - self.worst[1])


def corners(ranges: dict[str, Range]) -> Iterator[Values]:
    """Every combination of the ends of the ranges."""
    names = sorted(ranges)
    for ends in product(*(ranges[name] for name in names)):
        yield dict(zip(names, ends, strict=True))


def extremes(function: Callable[[Values], float], ranges: dict[str, Range]) -> Range:
    """Smallest and largest value over all corners.

    With 15 values there are 32768 corners. The models are monotonic in each value, so the worst corner is walked to: from each of
    two opposite corners, one value at a time is put to its other end while that helps. A test compares with all corners.
    """
    return -_largest(lambda values: -function(values), ranges), _largest(function, ranges)


def _largest(function: Callable[[Values], float], ranges: dict[str, Range]) -> float:
    found = float("-inf")
    for start in (0, 1):
        at = {name: each[start] for name, each in ranges.items()}
        best = function(at)
        better = True
        while better:  # ends: there are finitely many corners, and each step goes up
            better = False
            for name, (low, high) in ranges.items():
                other = {**at, name: low if at[name] == high else high}
                value = function(other)
                if value > best:
                    at, best, better = other, value, True
        found = max(found, best)
    return found


def spread(function: Callable[[Values], float], ranges: dict[str, Range], rng: random.Random, runs: int) -> Spread:
    """Extremes of function over all corners, and over `runs` draws, each value evenly distributed in its range.

    A draw outside the extremes is a mistake in a model and raises AssertionError.
    """
    low, high = extremes(function, ranges)
    names = sorted(ranges)
    drawn = sorted(function({name: rng.uniform(*ranges[name]) for name in names}) for _ in range(runs))
    slack = 1e-9 * (abs(low) + abs(high) + 1.0)
    assert low - slack <= drawn[0] <= drawn[-1] <= high + slack, "a model is not monotonic in one of its values"
    cut = runs // 1000
    return Spread(low, high, drawn[cut], drawn[-1 - cut])
