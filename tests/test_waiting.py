"""What the pilot waits for, in words."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, KernelBench
from pilotwire.firmware.kernel import bands, params, table
from pilotwire.firmware.session.waiting import FOR_POWER, FOR_PWM, PASSING, waiting_for

READY = table.PERMIT | table.CAR | sum(bit for bit, _ in FOR_PWM)
ASKING = table.PERMIT | table.CAR | table.WANTS | sum(bit for bit, _ in FOR_POWER)


def words(bench: KernelBench) -> list[str]:
    kernel = bench.kernel
    return waiting_for(kernel.phase, kernel.conditions, kernel.pilot_state)


@pytest.mark.parametrize(("bit", "said"), FOR_PWM)
def test_each_condition_of_pwm_that_is_missing_is_named_alone(bit: int, said: str) -> None:
    assert waiting_for(table.IDLE, READY, bands.B) == []
    assert waiting_for(table.IDLE, READY & ~bit, bands.B) == [said]


@pytest.mark.parametrize(("bit", "said"), FOR_POWER)
def test_each_condition_of_power_that_is_missing_is_named_alone(bit: int, said: str) -> None:
    assert waiting_for(table.OFFERING, ASKING, bands.C) == []
    assert waiting_for(table.OFFERING, ASKING & ~bit, bands.C) == [said]


def test_the_words_name_every_condition_that_the_table_needs() -> None:
    needs = {row[3]: row[1] for row in table.TABLE if row[0] == table.IDLE and row[3] == table.OFFERING}
    needs |= {row[3]: row[1] for row in table.TABLE if row[0] == table.OFFERING and row[3] == table.CLOSED}
    assert needs == {table.OFFERING: READY, table.CLOSED: ASKING & ~(table.PERMIT | table.CAR)}


def test_without_a_lease_or_with_a_fault_the_pilot_waits_for_nothing_of_its_own() -> None:
    assert waiting_for(table.IDLE, table.CAR, bands.B) == []
    assert waiting_for(table.IDLE, table.CAR | table.PERMIT | table.FAULT, bands.B) == []


def test_every_phase_that_passes_by_itself_is_said() -> None:
    settled = {table.IDLE, table.OFFERING, table.CLOSED, table.TELLING, table.SHOWING_F, table.FAULTED}
    assert set(PASSING) == set(range(len(table.PHASE_NAMES))) - settled


def test_a_real_kernel_says_in_turn_what_it_waits_for() -> None:
    bench = KernelBench((params.FITTED, params.SOCKET | params.LOCK), (params.MIN_OFF_MS, 2000))
    bench.level_mv, bench.granted_ma = LEVEL_B, 16000
    bench.run(500)
    assert words(bench) == [
        "a readable cable in the socket",
        "the socket's lock",
        "the contactor's rest between two closings",
    ]
    bench.inputs.pp_ohm = 220
    bench.run(500)
    assert words(bench) == ["the socket's lock", "the contactor's rest between two closings"]
    bench.inputs.lock_closed = True
    bench.run(500)
    assert words(bench) == ["the contactor's rest between two closings"]
    bench.run(1000)
    assert (words(bench), bench.kernel.phase) == ([], table.OFFERING)


def test_a_car_that_asks_for_ventilation_is_told_that_there_is_none() -> None:
    bench = KernelBench()
    bench.level_mv, bench.granted_ma = LEVEL_D, 16000
    bench.run(1000)
    assert words(bench) == ["ventilation: the car asks for it and there is none"]
    bench.level_mv = LEVEL_A
    bench.run(1000)
    assert words(bench) == []


def test_a_charging_car_waits_for_nothing() -> None:
    bench = KernelBench().charging()
    bench.level_mv = LEVEL_C
    bench.run(1000)
    assert words(bench) == []
