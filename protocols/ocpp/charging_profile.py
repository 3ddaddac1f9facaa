"""Which limit OCPP 1.6 charging profiles give at one instant: a pure function of profiles and time.

Rules (OCPP 1.6, 3.13 and 5.16):
- per purpose the active profile with the highest stackLevel counts; at equal level the one set on the connector itself
  replaces the one set on connector 0;
- an active TxProfile replaces TxDefaultProfile whatever their levels; the result is the lower of that and
  ChargePointMaxProfile;
- Absolute counts from startSchedule, Relative (and Absolute without startSchedule) from the start of the transaction,
  or from the instant asked about while none runs; Recurring from startSchedule every day or week, in both directions;
- a profile is active inside [validFrom, validTo) and inside its schedule's duration; a recurrence never outlasts its
  period;
- watts become amperes at 230 V per phase. The phases are the fewest among the profiles that count (numberPhases,
  3 when absent) and those of the station.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

NOMINAL_VOLTAGE_V = 230

DAY_MS = 86_400_000
_RECURRENCE_MS = {"Daily": DAY_MS, "Weekly": 7 * DAY_MS}

CHARGE_POINT_MAX = "ChargePointMaxProfile"
TX_DEFAULT = "TxDefaultProfile"
TX = "TxProfile"


class Period(msgspec.Struct, frozen=True):
    """A limit from an offset on."""

    start_ms: int
    """From the start of the schedule."""
    limit: float
    """In the profile's unit."""
    phases: int = 3


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One charging profile, times as integers."""

    profile_id: int
    stack_level: int
    purpose: str
    """ChargePointMaxProfile, TxDefaultProfile or TxProfile."""
    kind: str
    """Absolute, Recurring or Relative."""
    unit: str
    """"A" (per phase) or "W" (all phases)."""
    periods: tuple[Period, ...]
    """Ascending by start_ms, the first at 0."""
    recurrence: str = ""
    """Daily, Weekly or nothing."""
    valid_from_unix_ms: int | None = None
    valid_to_unix_ms: int | None = None
    start_unix_ms: int | None = None
    """startSchedule."""
    duration_ms: int | None = None
    """None: until the end of the transaction, or of the recurrence."""


class Installed(msgspec.Struct, frozen=True):
    """A profile where it was set."""

    connector: int
    profile: Profile
    tx_ref: int | None = None
    """The station's transaction a TxProfile belongs to."""


class ProfileLimit(msgspec.Struct, frozen=True):
    """The limit at an instant, and who set it."""

    limit_a: float
    """Amperes per phase."""
    unit: str
    """Unit the profile that binds was written in, "A" or "W"."""
    profile_id: int
    purpose: str
    phases: int
    """Phases the limit was reckoned for."""
    valid_until_unix_ms: int | None
    """Instant up to which the answer cannot change by itself; None: never."""


class _Active(msgspec.Struct, frozen=True):
    profile: Profile
    period: Period

    def limit_a(self, phases: int) -> float:
        if self.profile.unit == "A":
            return self.period.limit
        return self.period.limit / (NOMINAL_VOLTAGE_V * phases)


def limit_at(
    installed: Sequence[Installed],
    connector: int,
    tx_start_unix_ms: int | None,
    unix_ms: int,
    station_phases: int = 3,
) -> ProfileLimit | None:
    """The limit for a connector (1 and up) at `unix_ms`; None when no profile limits it.

    `tx_start_unix_ms` is the start of the transaction running there, None while none runs (TxProfiles are then passed
    over). TxProfiles of other transactions must not be among `installed`.
    """
    best: dict[str, tuple[tuple[int, bool], _Active]] = {}
    for item in _relevant(installed, connector, tx_start_unix_ms):
        period = _period_at(item.profile, tx_start_unix_ms, unix_ms)
        if period is None:
            continue
        rank = (item.profile.stack_level, item.connector > 0)
        purpose = item.profile.purpose
        if purpose not in best or rank > best[purpose][0]:
            best[purpose] = (rank, _Active(item.profile, period))
    if TX in best:
        best.pop(TX_DEFAULT, None)
    if not best:
        return None
    actives = [active for _, active in best.values()]
    phases = min(station_phases, *(active.period.phases for active in actives))
    binding = min(actives, key=lambda active: active.limit_a(phases))
    return ProfileLimit(
        limit_a=binding.limit_a(phases),
        unit=binding.profile.unit,
        profile_id=binding.profile.profile_id,
        purpose=binding.profile.purpose,
        phases=phases,
        valid_until_unix_ms=next_change_unix_ms(installed, connector, tx_start_unix_ms, unix_ms),
    )


def next_change_unix_ms(
    installed: Sequence[Installed], connector: int, tx_start_unix_ms: int | None, unix_ms: int
) -> int | None:
    """The first instant after `unix_ms` at which `limit_at` may answer differently without new profiles."""
    edges = (
        edge
        for item in _relevant(installed, connector, tx_start_unix_ms)
        for edge in _edges(item.profile, tx_start_unix_ms, unix_ms)
        if edge > unix_ms
    )
    return min(edges, default=None)


def _relevant(installed: Sequence[Installed], connector: int, tx_start_unix_ms: int | None) -> Iterable[Installed]:
    for item in installed:
        if item.connector not in (0, connector):
            continue
        if item.profile.purpose == TX and tx_start_unix_ms is None:
            continue
        yield item


def _base(profile: Profile, tx_start_unix_ms: int | None, unix_ms: int) -> tuple[int, int | None]:
    """Start of the schedule that could cover `unix_ms`, and its length in ms (None: open)."""
    if profile.kind == "Recurring" and profile.start_unix_ms is not None:
        every_ms = _RECURRENCE_MS.get(profile.recurrence, DAY_MS)
        start = profile.start_unix_ms + (unix_ms - profile.start_unix_ms) // every_ms * every_ms
        return start, profile.duration_ms  # a longer one is cut by the next recurrence, which begins a new start
    if profile.kind == "Absolute" and profile.start_unix_ms is not None:
        return profile.start_unix_ms, profile.duration_ms
    return (unix_ms if tx_start_unix_ms is None else tx_start_unix_ms), profile.duration_ms


def _period_at(profile: Profile, tx_start_unix_ms: int | None, unix_ms: int) -> Period | None:
    if profile.valid_from_unix_ms is not None and unix_ms < profile.valid_from_unix_ms:
        return None
    if profile.valid_to_unix_ms is not None and unix_ms >= profile.valid_to_unix_ms:
        return None
    start, length_ms = _base(profile, tx_start_unix_ms, unix_ms)
    offset_ms = unix_ms - start
    if offset_ms < 0 or (length_ms is not None and offset_ms >= length_ms):
        return None
    found = None
    for period in profile.periods:
        if period.start_ms <= offset_ms:
            found = period
    return found


def _edges(profile: Profile, tx_start_unix_ms: int | None, unix_ms: int) -> Iterable[int]:
    if profile.valid_from_unix_ms is not None:
        yield profile.valid_from_unix_ms
    if profile.valid_to_unix_ms is not None:
        yield profile.valid_to_unix_ms
    if tx_start_unix_ms is None and (profile.kind == "Relative" or profile.start_unix_ms is None):
        return  # counted from the instant asked about: it stays at its beginning until a transaction starts
    start, length_ms = _base(profile, tx_start_unix_ms, unix_ms)
    yield start
    if length_ms is not None:
        yield start + length_ms
    if profile.kind == "Recurring" and profile.start_unix_ms is not None:
        yield start + _RECURRENCE_MS.get(profile.recurrence, DAY_MS)
    for period in profile.periods:
        yield start + period.start_ms
