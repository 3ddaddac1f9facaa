"""Which limit charging profiles give at an instant, alone and against public vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pilotwire.protocols.ocpp import wire_time
from pilotwire.protocols.ocpp._generated import v16
from pilotwire.protocols.ocpp.charging_profile import (
    DAY_MS,
    NOMINAL_VOLTAGE_V,
    Installed,
    Period,
    Profile,
    ProfileLimit,
    limit_at,
    next_change_unix_ms,
)
from pilotwire.protocols.ocpp.smart_charging_16 import profile_from_wire

T0 = wire_time.from_text("2024-01-01T12:00:00Z")


def profile(purpose: str = "TxDefaultProfile", limit: float = 16, **fields: Any) -> Profile:
    defaults: dict[str, Any] = {
        "profile_id": 1,
        "stack_level": 0,
        "purpose": purpose,
        "kind": "Absolute",
        "unit": "A",
        "periods": (Period(0, limit),),
        "start_unix_ms": T0,
    }
    return Profile(**{**defaults, **fields})


def limit_a(*installed: Installed, at: int = T0, tx: int | None = T0, phases: int = 3) -> float | None:
    found = limit_at(installed, 1, tx, at, phases)
    return None if found is None else found.limit_a


def test_no_profile_is_no_limit() -> None:
    assert limit_at((), 1, T0, T0) is None


def test_the_answer_names_the_profile_that_binds() -> None:
    high = Installed(0, profile("ChargePointMaxProfile", 20, profile_id=7))
    low = Installed(1, profile("TxDefaultProfile", 12, profile_id=8, duration_ms=60_000))
    assert limit_at((high, low), 1, T0, T0) == ProfileLimit(12, "A", 8, "TxDefaultProfile", 3, T0 + 60_000)
    assert limit_at((high, low), 1, T0, T0 + 60_000) == ProfileLimit(20, "A", 7, "ChargePointMaxProfile", 3, None)


def test_the_highest_stack_level_counts_not_the_lowest_limit() -> None:
    assert limit_a(Installed(1, profile(limit=6)), Installed(1, profile(limit=16, stack_level=1))) == 16


def test_a_level_that_is_not_active_lets_the_next_one_through() -> None:
    upper = Installed(1, profile(limit=16, stack_level=1, duration_ms=1000))
    lower = Installed(1, profile(limit=6))
    assert limit_a(upper, lower, at=T0 + 999) == 16
    assert limit_a(upper, lower, at=T0 + 1000) == 6


def test_the_connectors_own_profile_replaces_the_one_on_connector_0_at_the_same_level() -> None:
    own, general = Installed(1, profile(limit=20)), Installed(0, profile(limit=10))
    assert limit_a(own, general) == limit_a(general, own) == 20
    assert limit_a(general, Installed(2, profile(limit=20))) == 10


def test_a_tx_profile_replaces_the_default_whatever_their_levels() -> None:
    default = Installed(1, profile(limit=6, stack_level=9))
    own = Installed(1, profile("TxProfile", 25))
    assert limit_a(default, own) == 25
    assert limit_a(default, own, tx=None) == 6


def test_the_station_maximum_caps_a_tx_profile() -> None:
    assert limit_a(Installed(0, profile("ChargePointMaxProfile", 10)), Installed(1, profile("TxProfile", 25))) == 10


def test_relative_counts_from_the_start_of_the_transaction() -> None:
    steps = (Period(0, 16), Period(60_000, 10))
    item = Installed(1, profile(kind="Relative", start_unix_ms=None, periods=steps))
    assert limit_a(item, at=T0 + 59_999) == 16
    assert limit_a(item, at=T0 + 60_000) == 10
    assert limit_a(item, at=T0 + 60_000, tx=T0 + 30_000) == 16
    assert limit_a(item, at=T0 + 60_000, tx=None) == 16


def test_absolute_without_a_start_counts_from_the_transaction() -> None:
    item = Installed(1, profile(start_unix_ms=None, duration_ms=1000))
    assert limit_a(item, at=T0 + 5999, tx=T0 + 5000) == 16
    assert limit_a(item, at=T0 + 6000, tx=T0 + 5000) is None


def test_a_schedule_that_has_not_begun_does_not_limit() -> None:
    assert limit_a(Installed(1, profile()), at=T0 - 1) is None


def test_validity_begins_inclusively_and_ends_exclusively() -> None:
    item = Installed(1, profile(valid_from_unix_ms=T0 + 10, valid_to_unix_ms=T0 + 20))
    assert [limit_a(item, at=T0 + ms) for ms in (9, 10, 19, 20)] == [None, 16, 16, None]


@pytest.mark.parametrize(("kind", "every_ms"), [("Daily", DAY_MS), ("Weekly", 7 * DAY_MS)])
def test_a_recurrence_repeats_in_both_directions_and_never_outlasts_its_period(kind: str, every_ms: int) -> None:
    item = Installed(1, profile(kind="Recurring", recurrence=kind, duration_ms=3_600_000))
    for times in (-2, -1, 0, 1, 5):
        start = T0 + times * every_ms
        assert [limit_a(item, at=start + ms) for ms in (-1, 0, 3_599_999, 3_600_000)] == [None, 16, 16, None]
    endless = Installed(1, profile(kind="Recurring", recurrence=kind, duration_ms=10 * every_ms))
    assert limit_at((endless,), 1, T0, T0 + 1) == ProfileLimit(16, "A", 1, "TxDefaultProfile", 3, T0 + every_ms)


@pytest.mark.parametrize(
    ("watts", "profile_phases", "station_phases", "amperes"),
    [(11_040, 3, 3, 16.0), (3_680, 1, 3, 16.0), (3_680, 3, 1, 16.0), (6_900, 3, 3, 10.0), (0, 3, 3, 0.0)],
)
def test_watts_become_amperes_per_phase(watts: float, profile_phases: int, station_phases: int, amperes: float) -> None:
    item = Installed(1, profile(unit="W", periods=(Period(0, watts, profile_phases),)))
    assert limit_a(item, phases=station_phases) == pytest.approx(amperes)


def test_the_fewest_phases_among_the_profiles_divide_the_watts() -> None:
    power = Installed(1, profile(unit="W", periods=(Period(0, 2300, 3),)))
    single = Installed(0, profile("ChargePointMaxProfile", periods=(Period(0, 32, 1),)))
    found = limit_at((power, single), 1, T0, T0)
    assert found is not None
    assert (found.limit_a, found.phases, found.unit) == (pytest.approx(10.0), 1, "W")


def test_the_next_change_is_known_while_nothing_limits() -> None:
    item = Installed(1, profile(valid_from_unix_ms=T0 + 500))
    assert limit_a(item) is None
    assert next_change_unix_ms((item,), 1, T0, T0) == T0 + 500


def test_without_a_transaction_a_relative_schedule_stays_at_its_beginning() -> None:
    item = Installed(1, profile(kind="Relative", periods=(Period(0, 16), Period(1000, 6))))
    assert next_change_unix_ms((item,), 1, None, T0) is None
    assert next_change_unix_ms((item,), 1, T0, T0) == T0 + 1000


# -- public vectors --------------------------------------------------------------------------------------------------

VECTORS = Path(__file__).resolve().parents[2] / "shared" / "data" / "ocpp_composite_vectors.json"


def vectors() -> list[dict[str, Any]]:
    if not VECTORS.is_file():
        return []
    return [one for one in json.loads(VECTORS.read_text("utf-8"))["vectors"] if one["ocpp"] == "1.6"]


absent = pytest.mark.skipif(
    not VECTORS.is_file(), reason="no ../shared/data/ocpp_composite_vectors.json beside the project"
)


def installed_of(vector: dict[str, Any]) -> list[Installed]:
    items: dict[tuple[Any, ...], Installed] = {}
    for one in vector["profiles"]:
        raw = dict(one["chargingProfile"])
        raw["chargingProfilePurpose"] = one.get("installedAs", raw["chargingProfilePurpose"])
        schedule = dict(raw["chargingSchedule"])
        schedule.pop("id", None)
        if raw["chargingProfileKind"] == "Recurring":
            schedule.setdefault("startSchedule", raw.get("validFrom"))
        raw["chargingSchedule"] = schedule
        message = v16.MESSAGES.decode("ChargingProfile", json.dumps(raw))
        parsed = profile_from_wire(message)
        # The same profile twice (the vectors' "#2") is the same profile.
        items[one["connectorId"], json.dumps(raw)] = Installed(one["connectorId"], parsed)
    return list(items.values())


def steps_of(installed: list[Installed], connector: int, tx: int, start: int, end: int) -> list[tuple[int, Any]]:
    """(start second, limit) of each step between two instants, as a composite schedule would list them."""
    found: list[tuple[int, Any]] = []
    at: int | None = start
    while at is not None and (at < end or at == start):
        limit = limit_at(installed, connector, tx, at)
        value = None if limit is None else (limit.limit_a, limit.phases)
        if not found or found[-1][1] != value:
            found.append(((at - start) // 1000, value))
        at = next_change_unix_ms(installed, connector, tx, at)
    return found


composite = [one for one in vectors() if "request" in one]


@absent
@pytest.mark.parametrize("vector", composite, ids=[one["id"] for one in composite])
def test_a_public_composite_schedule_is_reproduced_step_by_step(vector: dict[str, Any]) -> None:
    request, expected = vector["request"], vector["expected"]
    if request["connectorId"] == 0:
        pytest.skip("composite schedule of connector 0 (the sum over connectors) comes with GetCompositeSchedule")
    start = wire_time.from_text(request["start"])
    if "end" in request:
        end = wire_time.from_text(request["end"])
    else:
        end = start + request["duration"] * 1000
    started = [one["start"] for one in vector["transactions"] if one["connectorId"] == request["connectorId"]]
    tx = wire_time.from_text(started[0]) if started and started[0][0].isdigit() else start
    got = steps_of(installed_of(vector), request["connectorId"], tx, start, end)
    want = expected["chargingSchedulePeriod"]
    default = vector["config"].get(f"defaultLimit{request['chargingRateUnit']}")
    values: list[float | None] = []
    for _, step in got:
        if step is None:
            values.append(default)
        else:
            amperes, phases = step
            in_unit = amperes if request["chargingRateUnit"] == "A" else amperes * phases * NOMINAL_VOLTAGE_V
            values.append(in_unit)
    merged = [(second, value) for n, ((second, _), value) in enumerate(zip(got, values, strict=True))
              if n == 0 or value != pytest.approx(values[n - 1])]  # fmt: skip
    listed = [(one.get("startPeriod", 0), one["limit"]) for one in want]
    wanted = [one for n, one in enumerate(listed) if n == 0 or one[1] != listed[n - 1][1]]
    # Not every vector lists the end of the last schedule inside its window.
    assert [pytest.approx(v, abs=0.06) if v is not None else None for _, v in merged] == [v for _, v in wanted]
    for (second, _), (wanted_second, _) in zip(merged, wanted, strict=True):
        assert abs(second - wanted_second) < 10


instants = [one for one in vectors() if one.get("kind") == "limit-at-instant" and "mismatch" not in one["id"]]


@absent
@pytest.mark.parametrize("vector", instants, ids=[one["id"] for one in instants])
def test_a_public_limit_at_an_instant_is_reproduced(vector: dict[str, Any]) -> None:
    installed = installed_of(vector)
    for check in vector["expected"]:
        at = wire_time.from_text(check["at"])
        tx = wire_time.from_text(vector["config"]["now"]) if check.get("transactionActive") else None
        found = limit_at(installed, 1, tx, at)
        if check["limitA"] is None:
            assert found is None
            continue
        assert found is not None
        if "limitW" in check:
            # There the units are reported side by side; here the tighter one counts: 5000 W on one phase are 21.7 A.
            assert found.limit_a == min(check["limitA"], check["limitW"] / NOMINAL_VOLTAGE_V)
        else:
            assert found.limit_a == check["limitA"]


def test_profiles_are_values() -> None:
    assert msgspec.structs.replace(profile(), stack_level=3) == profile(stack_level=3)
