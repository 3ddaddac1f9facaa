"""The session's table as a table: whole, connected, and with one way only into a running transaction."""

from __future__ import annotations

import itertools

import pytest

from pilotwire.firmware.session import table
from pilotwire.firmware.session.session import Session

PRODUCT = list(itertools.product(table.STATES, table.TRIGGERS))


def entries_with(action: str) -> set[tuple[str, str]]:
    return {pair for pair, (_, actions) in table.TABLE.items() if action in actions}


@pytest.mark.parametrize(("state", "trigger"), PRODUCT)
def test_every_pair_of_state_and_trigger_stands_in_the_table(state: str, trigger: str) -> None:
    then, actions = table.TABLE[state, trigger]

    assert then in table.STATES
    for action in actions:
        assert callable(getattr(Session(), f"_{action}", None)), f"{action} has no method in Session"


def test_the_table_holds_nothing_but_the_product() -> None:
    assert len(set(table.STATES)) == 7
    assert len(set(table.TRIGGERS)) == 7
    assert set(table.TABLE) == set(PRODUCT)


def test_a_transaction_begins_only_from_starting_with_a_reading() -> None:
    assert entries_with(table.BEGIN) == {(table.STARTING, table.METERED)}
    assert {pair for pair, (then, _) in table.TABLE.items() if then == table.ACTIVE and pair[0] != table.ACTIVE} == {
        (table.STARTING, table.METERED)
    }


def test_a_transaction_ends_only_when_settling_ends() -> None:
    assert entries_with(table.END) == {(table.SETTLING, table.METERED), (table.SETTLING, table.TIMEOUT)}
    leaving = {pair for pair, (then, _) in table.TABLE.items() if pair[0] == table.SETTLING and then != table.SETTLING}
    assert leaving == entries_with(table.END)


def test_a_running_transaction_is_left_only_through_ending_and_settling() -> None:
    assert {then for (state, _), (then, _) in table.TABLE.items() if state == table.ACTIVE} == {
        table.ACTIVE,
        table.ENDING,
    }
    assert {then for (state, _), (then, _) in table.TABLE.items() if state == table.ENDING} == {
        table.ENDING,
        table.SETTLING,
    }


def test_every_state_can_be_reached_from_idle_and_idle_from_every_state() -> None:
    ways: dict[str, set[str]] = {state: set() for state in table.STATES}
    for (state, _), (then, _) in table.TABLE.items():
        ways[state].add(then)
    for state in table.STATES:
        reached, frontier = {state}, [state]
        while frontier:
            new = ways[frontier.pop()] - reached
            reached |= new
            frontier += new
        assert reached == set(table.STATES), f"from {state} only {sorted(reached)}"


def test_a_state_that_waits_does_something_when_its_time_is_up_and_no_other_state_does() -> None:
    for state in table.STATES:
        then, actions = table.TABLE[state, table.TIMEOUT]
        does_something = then != state or bool(actions)
        assert does_something == (state in table.TIMEOUTS_MS), state
