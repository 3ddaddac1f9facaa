"""RFC 3339 texts and unix milliseconds; the wall clock itself is never read here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_text(unix_ms: int) -> str:
    """`2024-01-02T03:04:05.678Z`; always UTC, always with milliseconds, so that equal instants are equal bytes."""
    return (_EPOCH + timedelta(milliseconds=unix_ms)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{unix_ms % 1000:03d}Z"


def from_text(text: str) -> int:
    """Unix milliseconds of an RFC 3339 text; without a zone it counts as UTC. Raises ValueError."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return (instant - _EPOCH) // timedelta(milliseconds=1)
