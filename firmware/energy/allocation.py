"""Every limit in one place, one allocation with its reasons.

A limit never acts alone: all of them meet in allocate(), the smallest binds, and the result carries all the others in order,
so that the station can say at any moment why the current is what it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MIN_MA = 6000
"""Below this no control pilot can offer a current (IEC 61851-1, minimum of the duty cycle): the allocation is then a pause."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One upper bound on the current per phase, in milliamperes."""

    source: str
    """Who says so: "board", "cable", "ocpp", ..."""
    id: str
    """Which message, profile or setting of that source."""
    value_ma: int
    valid_until_ms: int | None = None
    """Station's monotonic time at which the limit has to be looked at again; None: it stays."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """What may flow per phase, and why. `limit_ma` is 0 (pause) or at least MIN_MA."""

    limit_ma: int
    binding: Limit
    reasons: tuple[Limit, ...]
    """All limits, smallest first; the first one binds."""
    valid_until_ms: int | None

    @property
    def why(self) -> str:
        """The binding reason in words."""
        limit = self.binding
        said = f"{limit.source} {limit.id} allows {limit.value_ma / 1000:g} A"
        return said if self.limit_ma else f"{said}, less than the {MIN_MA / 1000:g} A that a pilot can offer"


def allocate(limits: Iterable[Limit]) -> Allocation:
    """The smallest of all limits; with equal values the one listed first binds. Raises ValueError without any limit."""
    reasons = tuple(sorted(limits, key=lambda limit: limit.value_ma))
    if not reasons:
        raise ValueError("an allocation needs at least one limit: nothing must never mean 'no limit'")
    binding = reasons[0]
    untils = [limit.valid_until_ms for limit in reasons if limit.valid_until_ms is not None]
    return Allocation(
        limit_ma=binding.value_ma if binding.value_ma >= MIN_MA else 0,
        binding=binding,
        reasons=reasons,
        valid_until_ms=min(untils) if untils else None,
    )
