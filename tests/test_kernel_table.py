"""The table of phases, walked whole: every phase under every combination of conditions, and each condition of closing removed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, LEVEL_E, KernelBench
from pilotwire.firmware.kernel import duty, table
from pilotwire.firmware.kernel.table import (
    CAR,
    CLOSED,
    DIODE_OK,
    FAULT,
    FAULTED,
    IDLE,
    LEASE,
    OFFERING,
    PROVEN_OPEN,
    STOPPING,
    WANTS,
    next_phase,
)

PHASES = range(len(table.PHASE_NAMES))
CONDITIONS = range(256)
CLOSING = (LEASE, CAR, WANTS, DIODE_OK, PROVEN_OPEN)
ALL_OF_CLOSING = LEASE | CAR | WANTS | DIODE_OK | PROVEN_OPEN


def test_every_phase_and_every_combination_lead_to_a_defined_phase() -> None:
    assert {next_phase(phase, conditions) for phase in PHASES for conditions in CONDITIONS} == set(PHASES)


def test_a_fault_leads_to_faulted_from_everywhere() -> None:
    assert {next_phase(phase, conditions) for phase in PHASES for conditions in CONDITIONS if conditions & FAULT} == {
        FAULTED
    }


def test_the_contactor_is_commanded_only_with_its_conditions() -> None:
    for phase in PHASES:
        for conditions in CONDITIONS:
            then = next_phase(phase, conditions)
            if then not in (CLOSED, STOPPING):
                continue
            assert not conditions & FAULT
            assert conditions & WANTS
            assert then == STOPPING or conditions & LEASE
            if phase not in (CLOSED, STOPPING):
                assert phase == OFFERING, "nothing but Offering closes"
                assert conditions & ALL_OF_CLOSING == ALL_OF_CLOSING


def test_stopping_is_entered_from_closed_only_and_ends_with_its_time() -> None:
    for conditions in CONDITIONS:
        assert all(next_phase(phase, conditions) != STOPPING for phase in (IDLE, OFFERING, FAULTED))
        if conditions & table.STOP_TIMEOUT:
            assert next_phase(STOPPING, conditions) != STOPPING


def test_offering_closes_with_every_condition_and_with_none_missing() -> None:
    assert next_phase(OFFERING, ALL_OF_CLOSING) == CLOSED
    for missing in CLOSING:
        assert next_phase(OFFERING, ALL_OF_CLOSING & ~missing) != CLOSED


def test_without_a_lease_or_a_car_nothing_is_offered() -> None:
    for phase in PHASES:
        for conditions in CONDITIONS:
            if not conditions & LEASE or not conditions & CAR:
                assert next_phase(phase, conditions) != OFFERING or phase == CLOSED


def test_every_phase_settles() -> None:
    for phase in PHASES:
        for conditions in CONDITIONS:
            here = phase
            for _ in PHASES:
                here = next_phase(here, conditions)
            assert next_phase(here, conditions) == here, (phase, conditions)


def no_lease(bench: KernelBench) -> None:
    bench.granted_ma = None


def no_car(bench: KernelBench) -> None:
    bench.level_mv = LEVEL_A


def no_wish(bench: KernelBench) -> None:
    bench.level_mv = LEVEL_B


def ventilation(bench: KernelBench) -> None:
    bench.level_mv = LEVEL_D


def no_diode(bench: KernelBench) -> None:
    bench.low_mv = -5600


def shorted(bench: KernelBench) -> None:
    bench.level_mv = LEVEL_E


def contacts_report_closed(bench: KernelBench) -> None:
    bench.contacts = True
    bench.welded = True


@pytest.mark.parametrize(
    "remove",
    [no_lease, no_car, no_wish, ventilation, no_diode, shorted, contacts_report_closed],
    ids=lambda f: f.__name__,
)
def test_the_kernel_closes_with_everything_and_with_nothing_removed(remove: Callable[[KernelBench], None]) -> None:
    whole = KernelBench()
    whole.level_mv, whole.granted_ma = LEVEL_C, 16000
    whole.run_until("close", lambda: whole.kernel.close, 1000)

    bench = KernelBench()
    bench.level_mv, bench.granted_ma = LEVEL_C, 16000
    remove(bench)
    bench.never("close", lambda: bench.kernel.close, 10_000)
    assert bench.kernel.cycles == 0


@pytest.mark.parametrize(
    ("before", "removed", "phase"),
    [
        (LEVEL_C, LEVEL_B, OFFERING),
        (LEVEL_C, LEVEL_D, OFFERING),
        (LEVEL_C, LEVEL_A, IDLE),
        (LEVEL_C, LEVEL_E, FAULTED),
    ],
)
def test_leaving_c_under_load_opens_within_30_ms(before: int, removed: int, phase: int) -> None:
    bench = KernelBench().charging()
    bench.level_mv = before
    bench.run(1000)
    bench.level_mv = removed
    assert bench.run_until("open command", lambda: not bench.kernel.close, 100) <= 30
    assert bench.kernel.phase == phase


def test_closing_again_waits_until_the_contacts_are_proven_open() -> None:
    bench = KernelBench().charging()
    bench.contact_delay_ms = 200  # slow, but not yet a fault
    bench.granted_ma = None
    bench.run_until("the opening of a car that ignores X1", lambda: not bench.kernel.close, 8000)
    bench.granted_ma = 16000
    bench.never("close", lambda: bench.kernel.close and bench.contacts and bench.kernel.cycles == 2, 195)
    bench.run_until("close", lambda: bench.kernel.close, 50)
    assert not bench.contacts
    assert bench.kernel.faults == 0


def test_each_phase_has_its_pilot_signal() -> None:
    bench = KernelBench()
    kernel = bench.kernel
    bench.run(500)
    assert (kernel.phase, kernel.duty, kernel.limit_ma) == (IDLE, duty.DUTY_X1, 0)
    bench.level_mv, bench.granted_ma = LEVEL_B, 16000
    bench.run(500)
    assert (kernel.phase, kernel.duty, kernel.limit_ma) == (OFFERING, 2666, 15996)
    bench.level_mv = LEVEL_C
    bench.run(500)
    assert (kernel.phase, kernel.duty, kernel.limit_ma, kernel.cycles) == (CLOSED, 2666, 15996, 1)
    bench.granted_ma = None
    bench.run(1200)
    assert (kernel.phase, kernel.duty, kernel.limit_ma) == (STOPPING, duty.DUTY_X1, 0)
    bench.level_mv = LEVEL_E
    bench.run(100)
    assert (kernel.phase, kernel.duty, kernel.limit_ma) == (FAULTED, duty.DUTY_F, 0)
    bench.run(500)
    assert (kernel.phase, kernel.duty, kernel.limit_ma) == (FAULTED, duty.DUTY_X1, 0)


def test_a_car_that_asks_again_is_closed_again_and_each_closing_is_counted() -> None:
    bench = KernelBench().charging()
    for cycles in range(2, 6):
        bench.level_mv = LEVEL_B
        bench.run(500)
        assert not bench.kernel.contacts_closed
        bench.level_mv = LEVEL_C
        bench.run(500)
        assert bench.kernel.contacts_closed
        assert bench.kernel.cycles == cycles
