"""Limits and their allocation: the smallest binds, and the explanation is true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotwire.firmware.energy.allocation import MIN_MA, Limit, allocate

SOURCES = st.sampled_from(("board", "cable", "breaker", "ocpp", "der"))
VALUES_MA = st.one_of(st.integers(0, 80_000), st.integers(MIN_MA - 2, MIN_MA + 2))
LIMIT = st.builds(Limit, SOURCES, st.text("abc", min_size=1, max_size=3), VALUES_MA, st.none() | st.integers(0, 10**9))
LIMITS = st.lists(LIMIT, min_size=1, max_size=8)


@given(LIMITS)
def test_the_smallest_limit_binds(limits: list[Limit]) -> None:
    allocation = allocate(limits)

    smallest_ma = min(limit.value_ma for limit in limits)
    assert allocation.binding in limits
    assert allocation.binding.value_ma == smallest_ma
    assert allocation.limit_ma == (smallest_ma if smallest_ma >= MIN_MA else 0)


@given(LIMITS, LIMIT, st.data())
def test_one_limit_more_never_raises_the_allocation(limits: list[Limit], more: Limit, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(limits)))
    with_more = [*limits[:place], more, *limits[place:]]

    assert allocate(with_more).limit_ma <= allocate(limits).limit_ma


@given(LIMITS, st.randoms(use_true_random=False))
def test_the_order_of_the_limits_does_not_change_how_much_may_flow(limits: list[Limit], dice: object) -> None:
    shuffled = list(limits)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]

    assert allocate(shuffled).limit_ma == allocate(limits).limit_ma


@given(LIMITS)
def test_the_explanation_names_a_limit_whose_value_is_the_allocation(limits: list[Limit]) -> None:
    allocation = allocate(limits)

    binding = allocation.binding
    assert f"{binding.source} {binding.id} allows {binding.value_ma / 1000:g} A" in allocation.why
    if allocation.limit_ma:
        assert allocation.limit_ma == binding.value_ma
        assert "less than" not in allocation.why
    else:
        assert binding.value_ma < MIN_MA
        assert "less than the 6 A that a pilot can offer" in allocation.why


@given(LIMITS)
def test_the_reasons_are_all_limits_smallest_first(limits: list[Limit]) -> None:
    reasons = allocate(limits).reasons

    assert sorted(map(repr, reasons)) == sorted(map(repr, limits))
    assert [limit.value_ma for limit in reasons] == sorted(limit.value_ma for limit in limits)
    assert reasons[0] == allocate(limits).binding


@given(LIMITS)
def test_an_allocation_is_valid_until_the_first_of_its_limits_has_to_be_looked_at_again(limits: list[Limit]) -> None:
    untils = [limit.valid_until_ms for limit in limits if limit.valid_until_ms is not None]

    assert allocate(limits).valid_until_ms == min(untils, default=None)


def test_no_limit_at_all_is_an_error_and_not_permission() -> None:
    with pytest.raises(ValueError, match="at least one limit"):
        allocate([])


@pytest.mark.parametrize(("value_ma", "limit_ma"), [(0, 0), (5_999, 0), (6_000, 6_000), (6_001, 6_001)])
def test_less_than_six_amperes_is_a_pause(value_ma: int, limit_ma: int) -> None:
    assert allocate([Limit("ocpp", "profile 1", value_ma), Limit("board", "b", 32_000)]).limit_ma == limit_ma


def test_of_equal_limits_the_one_listed_first_binds() -> None:
    board, cable = Limit("board", "b", 16_000), Limit("cable", "c", 16_000)

    assert allocate([board, cable]).binding == board
    assert allocate([cable, board]).binding == cable
