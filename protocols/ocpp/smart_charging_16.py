"""SetChargingProfile and ClearChargingProfile of OCPP 1.6: what is accepted, what it replaces, what is kept.

Profiles are durable with the transaction they belong to: TxDefaultProfile and ChargePointMaxProfile survive a restart,
a TxProfile goes with the end of its transaction. What is refused and why stands in `_objection` and `fits`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from . import wire_time
from ._generated import v16
from .charging_profile import CHARGE_POINT_MAX, TX, Installed, Period, Profile
from .errors import PayloadError
from .store import OcppStore, ProfileRow, TransactionRow

MAX_STACK_LEVEL = 99
MAX_PERIODS = 100
MAX_INSTALLED = 50
_LONGEST_S = 10 * 366 * 86_400


class RefusedProfileError(Exception):
    """A profile that cannot be installed; the text says why."""


def profile_from_wire(message: v16.ChargingProfile) -> Profile:
    """Read a ChargingProfile; raises RefusedProfileError for one whose parts contradict each other."""
    if why := _objection(message):
        raise RefusedProfileError(why)
    schedule = message.chargingSchedule
    try:
        return Profile(
            profile_id=message.chargingProfileId,
            stack_level=message.stackLevel,
            purpose=message.chargingProfilePurpose,
            kind=message.chargingProfileKind,
            unit=schedule.chargingRateUnit,
            periods=tuple(
                Period(part.startPeriod * 1000, part.limit, 3 if part.numberPhases is None else part.numberPhases)
                for part in schedule.chargingSchedulePeriod
            ),
            recurrence=message.recurrencyKind or "",
            valid_from_unix_ms=_instant(message.validFrom),
            valid_to_unix_ms=_instant(message.validTo),
            start_unix_ms=_instant(schedule.startSchedule),
            duration_ms=None if schedule.duration is None else schedule.duration * 1000,
        )
    except (ValueError, OverflowError) as error:
        raise RefusedProfileError(f"a time cannot be read: {error}") from None


def _instant(text: str | None) -> int | None:
    return None if text is None else wire_time.from_text(text)


def _objection(message: v16.ChargingProfile) -> str:
    schedule = message.chargingSchedule
    periods = schedule.chargingSchedulePeriod
    if not (_fits_64_bits(message.chargingProfileId) and _fits_64_bits(message.transactionId or 0)):
        return "an id does not fit in 64 bits"
    if not 0 <= message.stackLevel <= MAX_STACK_LEVEL:
        return f"stackLevel {message.stackLevel}; 0 to {MAX_STACK_LEVEL} are possible"
    if not 0 < len(periods) <= MAX_PERIODS:
        return f"{len(periods)} periods; 1 to {MAX_PERIODS} are possible"
    starts = [period.startPeriod for period in periods]
    if starts[0] != 0 or sorted(set(starts)) != starts or starts[-1] > _LONGEST_S:
        return "startPeriod must begin at 0 and grow"
    if any(period.limit < 0 for period in periods):
        return "a negative limit is not defined in 1.6"
    if any(period.numberPhases is not None and not 1 <= period.numberPhases <= 3 for period in periods):
        return "numberPhases must be 1, 2 or 3"
    if schedule.duration is not None and not 0 < schedule.duration <= _LONGEST_S:
        return f"duration {schedule.duration} s; 1 to {_LONGEST_S} are possible"
    if message.chargingProfileKind == "Recurring" and (
        message.recurrencyKind is None or schedule.startSchedule is None
    ):
        return "a Recurring profile needs recurrencyKind and startSchedule"
    return ""


def _fits_64_bits(number: int) -> bool:
    return -(2**63) <= number < 2**63


class ChargingProfiles:
    """The installed profiles, in memory and in the store alike."""

    def __init__(self, store: OcppStore, connectors: int) -> None:
        self._store = store
        self._connectors = connectors
        self._rows: list[ProfileRow] = []
        self._installed: list[Installed] = []
        alive = {row.tx_ref for row in store.running()}
        for row in store.profiles():
            if row.tx_ref is not None and row.tx_ref not in alive:
                continue
            try:
                profile = profile_from_wire(v16.MESSAGES.decode("ChargingProfile", row.profile_json))
            except (PayloadError, RefusedProfileError):
                continue  # written under other rules by another release; a station that does not start helps nobody
            self._rows.append(row)
            self._installed.append(Installed(row.connector, profile, row.tx_ref))

    def relevant(self, tx_ref: int | None) -> list[Installed]:
        """Profiles for a connector where this transaction runs (None: no transaction)."""
        return [item for item in self._installed if item.tx_ref is None or item.tx_ref == tx_ref]

    def fits(self, connector: int, message: v16.ChargingProfile, running: TransactionRow | None) -> None:
        """Raise RefusedProfileError unless the purpose goes with the connector and the transaction running there."""
        if not 0 <= connector <= self._connectors:
            raise RefusedProfileError(f"connector {connector}; 0 to {self._connectors} exist")
        purpose = message.chargingProfilePurpose
        if purpose == CHARGE_POINT_MAX and connector != 0:
            raise RefusedProfileError(f"{CHARGE_POINT_MAX} goes on connector 0 only")
        if purpose != TX:
            return
        if connector == 0:
            raise RefusedProfileError(f"{TX} needs a connector above 0")
        if running is None:
            raise RefusedProfileError(f"{TX} without a running transaction")
        if message.transactionId is not None and message.transactionId != running.transaction_id:
            raise RefusedProfileError(f"{TX} for transaction {message.transactionId}, which does not run here")

    def install(self, connector: int, message: v16.ChargingProfile, running: TransactionRow | None) -> None:
        """Put a profile in force, in place of what it replaces; raises RefusedProfileError."""
        profile = profile_from_wire(message)
        self.fits(connector, message, running)
        tx_ref = running.tx_ref if profile.purpose == TX and running is not None else None
        item = Installed(connector, profile, tx_ref)
        kept = [index for index, old in enumerate(self._installed) if not _replaces(item, old)]
        if len(kept) >= MAX_INSTALLED:
            raise RefusedProfileError(f"{MAX_INSTALLED} profiles are installed; clear one first")
        row = ProfileRow(connector, tx_ref, msgspec.json.encode(message))
        self._keep(kept, [row], [item])

    def clear(self, message: v16.ClearChargingProfile) -> bool:
        """Remove what a ClearChargingProfile means; False when nothing matched."""
        kept = [index for index, old in enumerate(self._installed) if not _matches(message, old)]
        if len(kept) == len(self._installed):
            return False
        self._keep(kept)
        return True

    def transaction_ended(self, tx_ref: int) -> bool:
        """Drop the TxProfiles of a transaction; whether there were any."""
        kept = [index for index, old in enumerate(self._installed) if old.tx_ref != tx_ref]
        if len(kept) == len(self._installed):
            return False
        self._keep(kept)
        return True

    def _keep(self, kept: list[int], rows: Sequence[ProfileRow] = (), items: Sequence[Installed] = ()) -> None:
        self._rows = [*(self._rows[index] for index in kept), *rows]
        self._installed = [*(self._installed[index] for index in kept), *items]
        self._store.replace_profiles(self._rows)


def _replaces(new: Installed, old: Installed) -> bool:
    """OCPP 1.6, 5.16: same chargingProfileId, or same stackLevel and purpose (on the same connector)."""
    if new.profile.profile_id == old.profile.profile_id:
        return True
    same_place = (new.connector, new.profile.purpose) == (old.connector, old.profile.purpose)
    return same_place and new.profile.stack_level == old.profile.stack_level


def _matches(message: v16.ClearChargingProfile, old: Installed) -> bool:
    """OCPP 1.6, 6.7: an id names one profile; otherwise all given criteria must hold, none given means all."""
    if message.id is not None:
        return message.id == old.profile.profile_id
    return (
        message.connectorId in (None, old.connector)
        and message.chargingProfilePurpose in (None, old.profile.purpose)
        and message.stackLevel in (None, old.profile.stack_level)
    )
