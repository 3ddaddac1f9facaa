"""The list of checks: a check is a function that asks one thing of the pilot and returns the figure it has measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pilotwire.tools.link.probe import ConformanceError, Probe

ORDINARY = ""
LEASE = "lease"
"""Gives leases: only with no car, and not with --no-lease."""
NARROW = "narrow"
"""Leaves a parameter narrower until the pilot's next start: only with --narrow."""
SLOW = "slow"
"""Takes longer than ten seconds: only with --slow."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, what the page (docs/link.md) wants, the function, and what must be allowed for it to run."""

    name: str
    wants: str
    function: Callable[[Probe], str]
    needs: tuple[str, ...]


CHECKS: list[Check] = []


def check(name: str, wants: str, *needs: str) -> Callable[[Callable[[Probe], str]], Callable[[Probe], str]]:
    """Puts a function on the list; checks run in the order in which they stand there."""

    def put(function: Callable[[Probe], str]) -> Callable[[Probe], str]:
        CHECKS.append(Check(name, wants, function, needs))
        return function

    return put


def require(condition: object, text: str) -> None:
    """Raise ConformanceError with this text unless the condition holds."""
    if not condition:
        raise ConformanceError(text)
