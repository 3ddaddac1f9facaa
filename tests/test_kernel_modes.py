"""The four modes of a lease: duty, closing, supply enable, and what the end of a lease or another mode does to a closed one."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_E, KernelBench
from kernel_exact import exactly
from kernel_phases import FullBench, in_phase
from pilotwire.firmware.kernel import params, table, times
from pilotwire.firmware.kernel.duty import DUTY_HLC, DUTY_X1
from pilotwire.firmware.kernel.lease import MODE_AC, MODE_AC_HLC, MODE_BPT, MODE_DC, MODE_NONE
from pilotwire.firmware.kernel.table import CLOSED, DRAINING, FAULTED, IDLE, OFFERING, STOPPING

MODES = [MODE_AC, MODE_AC_HLC, MODE_DC, MODE_BPT]
DIRECT = [MODE_DC, MODE_BPT]
DC_BOARD = (params.DC_MAX_MA, 200_000)
DUTY = {MODE_AC: 2666, MODE_AC_HLC: 500, MODE_DC: 500, MODE_BPT: 500}


def closed(mode: int, limit_ma: int = 16000, current_ma: int = 0) -> FullBench:
    """A bench that has charged in this mode for half a second."""
    bench = FullBench()
    bench.mode = mode
    bench.charging(limit_ma)
    bench.inputs.current_ma = current_ma
    bench.run(500)
    assert bench.kernel.phase == CLOSED
    return bench


def test_the_modes_have_the_numbers_of_the_link() -> None:
    assert (MODE_NONE, *MODES) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_has_its_duty_and_closes(mode: int) -> None:
    bench = KernelBench(DC_BOARD)
    bench.mode, bench.granted_ma, bench.level_mv = mode, 16000, LEVEL_B
    bench.run(500)
    assert (bench.kernel.phase, bench.kernel.duty) == (OFFERING, DUTY[mode])
    bench.level_mv = LEVEL_C
    exactly(bench, "close", lambda: bench.kernel.close, 250)
    assert (bench.kernel.phase, bench.kernel.duty) == (CLOSED, DUTY[mode])


@pytest.mark.parametrize("mode", MODES[1:])
def test_without_power_five_per_cent_are_offered_and_nothing_closes(mode: int) -> None:
    bench = KernelBench(DC_BOARD)
    bench.mode, bench.granted_ma, bench.level_mv = mode, 0, LEVEL_C
    bench.run(1000)
    assert (bench.kernel.phase, bench.kernel.duty, bench.kernel.limit_ma) == (OFFERING, DUTY_HLC, 0)
    bench.never("close", lambda: bench.kernel.close or bench.kernel.supply_enable, 5000)
    bench.grant(1)
    exactly(bench, "close", lambda: bench.kernel.close, 1)


@pytest.mark.parametrize("mode", DIRECT)
def test_a_board_without_direct_current_refuses_it(mode: int) -> None:
    bench = KernelBench()
    bench.mode, bench.level_mv = mode, LEVEL_C
    bench.run(500)
    assert not bench.grant(16000)
    bench.granted_ma = 16000
    bench.never("PWM", lambda: bench.kernel.duty != DUTY_X1 or bench.kernel.close, 1000)
    bench = KernelBench((params.DC_MAX_MA, 1))
    bench.mode = mode
    assert bench.charging(), "any direct current is some"


@pytest.mark.parametrize("mode", MODES)
def test_the_supply_is_enabled_for_direct_current_only_and_once_the_contacts_report_closed(mode: int) -> None:
    bench = FullBench()
    bench.mode, bench.granted_ma, bench.level_mv, bench.contact_delay_ms = mode, 16000, LEVEL_B, 50
    bench.until(OFFERING)
    bench.level_mv = LEVEL_C
    bench.never("supply", lambda: bench.kernel.supply_enable, 249, tick_ms=1)
    exactly(bench, "contacts closed", lambda: bench.kernel.contacts_closed, 51, tick_ms=1)
    assert bench.kernel.supply_enable == (mode in DIRECT)
    bench.run(5000)
    assert bench.kernel.supply_enable == (mode in DIRECT)


@pytest.mark.parametrize("mode", DIRECT)
def test_the_supply_is_not_enabled_while_one_contactor_is_closed_by_itself(mode: int) -> None:
    bench = FullBench()
    bench.mode, bench.granted_ma, bench.level_mv, bench.stuck_open = mode, 16000, LEVEL_C, True
    bench.never("supply", lambda: bench.kernel.supply_enable, 1000)


@pytest.mark.parametrize("mode", DIRECT)
def test_when_a_dc_lease_ends_the_supply_goes_off_in_that_step_and_the_contacts_open_in_900_ms(mode: int) -> None:
    bench = closed(mode, current_ma=5001)
    bench.granted_ma = None
    bench.grant(16000)
    exactly(bench, "supply off", lambda: not bench.kernel.supply_enable, 1000)
    assert (bench.kernel.phase, bench.kernel.duty, bench.kernel.close) == (DRAINING, DUTY_HLC, True)
    exactly(bench, "open", lambda: not bench.kernel.close, 900)
    assert (bench.kernel.phase, bench.kernel.duty) == (IDLE, DUTY_X1)
    assert bench.run_until("open contacts", lambda: not bench.kernel.contacts_closed, 100) <= 100


@pytest.mark.parametrize("current_ma", [0, 5000])
def test_with_a_relay_safe_current_they_open_in_the_next_step(current_ma: int) -> None:
    bench = closed(MODE_DC, current_ma=current_ma)
    bench.withdraw()
    exactly(bench, "supply off", lambda: not bench.kernel.supply_enable, 1)
    assert bench.kernel.close
    exactly(bench, "open", lambda: not bench.kernel.close, 1)


def test_a_current_that_falls_while_draining_lets_them_open() -> None:
    bench = closed(MODE_DC, current_ma=60_000)
    bench.withdraw()
    bench.tick(1)
    for current_ma in range(50_000, 5000, -5000):
        bench.inputs.current_ma = current_ma
        bench.tick(5)
        assert bench.kernel.close
    bench.inputs.current_ma = 5000
    exactly(bench, "open", lambda: not bench.kernel.close, 1)


def test_a_board_that_cannot_measure_current_waits_900_ms() -> None:
    bench = KernelBench(DC_BOARD)
    bench.mode = MODE_DC
    bench.charging()
    bench.run(100)
    assert bench.kernel.supply_enable
    bench.granted_ma = None
    bench.kernel.lease(MODE_NONE, 0, 0, 0, bench.clock_ms)
    exactly(bench, "supply off", lambda: not bench.kernel.supply_enable, 1)
    exactly(bench, "open", lambda: not bench.kernel.close, 900)


@pytest.mark.parametrize("mode", DIRECT)
def test_a_dc_lease_without_power_drains_and_keeps_the_offer(mode: int) -> None:
    bench = closed(mode, current_ma=20_000)
    bench.granted_ma = 0
    bench.grant(0)
    exactly(bench, "supply off", lambda: not bench.kernel.supply_enable, 1)
    assert (bench.kernel.phase, bench.kernel.close) == (DRAINING, True)
    exactly(bench, "open", lambda: not bench.kernel.close, 900)
    assert (bench.kernel.phase, bench.kernel.duty) == (OFFERING, DUTY_HLC)


def test_a_self_test_that_is_too_old_drains_too(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = closed(MODE_DC, current_ma=20_000)
    monkeypatch.setattr(times, "TEST_PERIOD_MS", 0)
    exactly(bench, "supply off", lambda: not bench.kernel.supply_enable, 1)
    assert (bench.kernel.phase, bench.kernel.duty, bench.kernel.close) == (DRAINING, DUTY_HLC, True)
    exactly(bench, "open", lambda: not bench.kernel.close, 900)


def test_a_lease_that_comes_back_while_draining_does_not_bring_the_supply_back() -> None:
    bench = closed(MODE_DC, current_ma=20_000)
    bench.withdraw()
    bench.tick(1)
    bench.change_lease(16000, mode=MODE_DC)
    bench.never("supply", lambda: bench.kernel.supply_enable, 898, tick_ms=1)
    assert bench.kernel.phase == DRAINING
    bench.inputs.current_ma = 0
    bench.run_until("closed again", lambda: bench.kernel.cycles == 2, 1000)
    assert not bench.kernel.supply_enable
    bench.run_until("supply, with contacts closed", lambda: bench.kernel.supply_enable, 100)


@pytest.mark.parametrize("mode", DIRECT)
@pytest.mark.parametrize(("level_mv", "phase"), [(LEVEL_A, IDLE), (LEVEL_B, OFFERING)])
def test_a_car_that_leaves_c_takes_supply_and_contactor_away_after_25_ms(mode: int, level_mv: int, phase: int) -> None:
    bench = closed(mode, current_ma=20_000)
    bench.level_mv = level_mv
    exactly(bench, "supply off", lambda: not bench.kernel.supply_enable, 25)
    assert (bench.kernel.close, bench.kernel.phase) == (False, phase)


def test_a_prompt_stop_takes_supply_and_contactor_away_at_once_even_while_draining() -> None:
    bench = closed(MODE_DC, current_ma=20_000)
    bench.kernel.request(4)
    exactly(bench, "open", lambda: not bench.kernel.close, 1)
    assert (bench.kernel.supply_enable, bench.kernel.duty) == (False, DUTY_HLC)
    bench = in_phase(DRAINING)
    bench.level_mv = LEVEL_E
    exactly(bench, "open", lambda: not bench.kernel.close, 25)


@pytest.mark.parametrize("mode", [MODE_AC, MODE_AC_HLC])
def test_when_an_ac_lease_ends_it_is_a_graceful_stop(mode: int) -> None:
    bench = closed(mode, current_ma=10_000)
    bench.granted_ma = None
    bench.grant(16000)
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 1000)
    assert (bench.kernel.phase, bench.kernel.close) == (STOPPING, True)
    exactly(bench, "open", lambda: not bench.kernel.close, 6200)


def test_an_hlc_lease_without_power_is_a_graceful_stop_and_then_five_per_cent() -> None:
    bench = closed(MODE_AC_HLC)
    bench.granted_ma = 0
    bench.grant(0)
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 1)
    bench.level_mv = LEVEL_B
    exactly(bench, "open", lambda: not bench.kernel.close, 25)
    exactly(bench, "5 %", lambda: bench.kernel.duty == DUTY_HLC, 5000 - 25)


def test_an_hlc_lease_whose_power_comes_back_before_the_car_has_followed_goes_on_with_closed_contacts() -> None:
    bench = closed(MODE_AC_HLC)
    bench.change_lease(0, mode=MODE_AC_HLC)
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 1)
    bench.change_lease(16000, mode=MODE_AC_HLC)
    exactly(bench, "5 %", lambda: bench.kernel.duty == DUTY_HLC, 5000)
    assert (bench.kernel.phase, bench.kernel.close, bench.kernel.cycles) == (CLOSED, True, 1)


@pytest.mark.parametrize("before", MODES)
@pytest.mark.parametrize("after", MODES)
def test_another_mode_ends_power_in_the_next_step_and_begins_with_open_contacts(before: int, after: int) -> None:
    bench = closed(before, current_ma=6000)
    bench.change_lease(10_000, mode=after)
    bench.tick(1)
    if before == after:
        bench.run(7000)
        assert (bench.kernel.phase, bench.kernel.cycles) == (CLOSED, 1)
        return
    assert not bench.kernel.supply_enable
    if before in DIRECT:
        assert (bench.kernel.phase, bench.kernel.duty) == (DRAINING, DUTY_HLC)
        exactly(bench, "open", lambda: not bench.kernel.close, 900)
        assert bench.kernel.phase == OFFERING
    else:
        assert (bench.kernel.phase, bench.kernel.duty) == (STOPPING, DUTY_X1)
        exactly(bench, "open", lambda: not bench.kernel.close, 6200)
        assert bench.kernel.phase == IDLE
    bench.inputs.current_ma = 0
    bench.run_until("closed again", lambda: bench.kernel.cycles == 2, 6000)
    assert not bench.kernel.contacts_closed
    assert (bench.kernel.duty == DUTY_HLC) == (after != MODE_AC)
    bench.run(500)
    assert bench.kernel.supply_enable == (after in DIRECT)


@pytest.mark.parametrize(("before", "after"), [(MODE_AC, MODE_DC), (MODE_AC, MODE_AC_HLC), (MODE_DC, MODE_AC)])
def test_a_car_that_obeys_the_duty_of_the_last_mode_is_not_closed_in_the_next_one(before: int, after: int) -> None:
    bench = FullBench()
    bench.level_mv, bench.mode, bench.granted_ma = LEVEL_B, before, 16000
    bench.until(OFFERING)
    bench.run(500)
    bench.change_lease(16000, mode=after)
    bench.level_mv = LEVEL_C
    exactly(bench, "the other duty", lambda: bench.kernel.duty == DUTY[after], 4500)
    assert not bench.kernel.close
    exactly(bench, "close", lambda: bench.kernel.close, 1)


def test_between_modes_of_the_same_duty_an_offer_goes_on() -> None:
    bench = FullBench()
    bench.level_mv, bench.mode, bench.granted_ma = LEVEL_B, MODE_AC_HLC, 16000
    bench.until(OFFERING)
    bench.change_lease(16000, mode=MODE_DC)
    bench.level_mv = LEVEL_C
    exactly(bench, "close", lambda: bench.kernel.close, 250, tick_ms=1)


def test_each_mode_is_open_and_off_after_every_course() -> None:
    bench = closed(MODE_BPT)
    bench.level_mv = LEVEL_E
    bench.run(100)
    kernel = bench.kernel
    assert (kernel.phase, kernel.close, kernel.close_phases, kernel.supply_enable) == (FAULTED, False, False, False)
    assert not kernel.conditions & table.DIRECT
