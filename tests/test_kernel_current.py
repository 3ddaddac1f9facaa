"""The pilot's own current transformer: over-current, the time a car has to follow, and current where there can be none."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_B, LEVEL_C
from kernel_board import EVERYTHING, KernelBoard
from pilotwire.firmware.kernel import faults, params, table
from pilotwire.firmware.kernel.current import RELAY_SAFE_MA, ZERO_MA, Current
from pilotwire.firmware.kernel.lease import MODE_AC_HLC, MODE_BPT, MODE_DC

# (limit + 0.5 A) * 1.1, the largest current that is none too many.
BORDERS = ((0, 550), (6000, 7150), (10002, 11552), (16000, 18150), (31998, 35747), (80000, 88550))


def fed(current: Current, ma: int, limit_ma: int, ms: int, closed: bool = True) -> list[int]:
    return [current.update(ma, limit_ma, closed, 1) for _ in range(ms)]


# --- the transformer alone


@pytest.mark.parametrize(("limit_ma", "border_ma"), BORDERS)
def test_over_current_is_ten_per_cent_and_half_an_ampere_for_7_s(limit_ma: int, border_ma: int) -> None:
    assert not any(fed(Current(), border_ma, limit_ma, 7500))
    found = fed(Current(), border_ma + 1, limit_ma, 7001)
    assert not any(found[:6999])
    assert found[6999:] == [faults.OVER_CURRENT] * 2


def test_below_the_border_the_evidence_goes_away_as_fast_as_it_came() -> None:
    current = Current()
    assert not any(fed(current, 30000, 16000, 6000))
    assert not any(fed(current, 18150, 16000, 1000))
    found = fed(current, 30000, 16000, 2000)
    assert (any(found[:1999]), found[1999]) == (False, faults.OVER_CURRENT)
    # It does not go below nothing.
    assert not any(fed(current, 0, 16000, 20_000)[1:])
    found = fed(current, 30000, 16000, 7000)
    assert (any(found[:6999]), found[6999]) == (False, faults.OVER_CURRENT)


def test_a_current_that_is_too_high_most_of_the_time_is_found() -> None:
    current = Current()
    found = 0
    for _ in range(100):
        found |= max(fed(current, 30000, 16000, 200) + fed(current, 0, 16000, 100))
    assert found == faults.OVER_CURRENT


def test_after_a_reduction_the_old_limit_counts_for_3_s() -> None:
    current = Current()
    fed(current, 32000, 32000, 100)
    found = fed(current, 32000, 16000, 10_000)
    # 3 s in which 32 A are no over-current, the last of them with the new limit; then 7 s of evidence: 10 s in all.
    assert (any(found[:9998]), found[9998]) == (False, faults.OVER_CURRENT)
    current = Current()
    fed(current, 32000, 32000, 100)
    assert not any(fed(current, 32000, 16000, 2999) + fed(current, 18150, 16000, 8000))


def test_after_a_reduction_a_current_above_the_old_limit_is_counted_at_once() -> None:
    current = Current()
    fed(current, 32000, 32000, 100)
    found = fed(current, 40000, 16000, 7000)
    assert (any(found[:6999]), found[6999]) == (False, faults.OVER_CURRENT)


def test_a_raise_counts_at_once_and_ends_the_waiting() -> None:
    current = Current()
    fed(current, 16000, 16000, 100)
    assert not any(fed(current, 32000, 32000, 8000))
    fed(current, 32000, 16000, 2000)
    fed(current, 32000, 32000, 1)
    found = fed(current, 32000, 16000, 9999)
    assert (any(found[:9998]), found[9998]) == (False, faults.OVER_CURRENT)


def test_two_reductions_in_a_row_have_3_s_each() -> None:
    current = Current()
    fed(current, 0, 32000, 100)
    fed(current, 0, 16000, 3000)
    found = fed(current, 18150, 6000, 9999)
    assert (any(found[:9998]), found[9998]) == (False, faults.OVER_CURRENT)


def test_after_an_opening_nothing_is_inherited() -> None:
    current = Current()
    fed(current, 40000, 32000, 6999)
    fed(current, 0, 32000, 1, closed=False)
    assert not any(fed(current, 40000, 32000, 6999))
    fed(current, 0, 32000, 1, closed=False)
    found = fed(current, 8000, 6000, 7000)  # the limit before the opening, 32 A, does not count
    assert (any(found[:6999]), found[6999]) == (False, faults.OVER_CURRENT)
    fed(current, 0, 6000, 1, closed=False)
    found = fed(current, 551, 0, 7000)  # nor does any other: a limit of nothing counts at once
    assert (any(found[:6999]), found[6999]) == (False, faults.OVER_CURRENT)


def test_current_through_open_contacts_is_a_mirror_fault_after_250_ms() -> None:
    assert not any(fed(Current(), 999, 0, 1000, closed=False))
    current = Current()
    found = fed(current, 1000, 32000, 251, closed=False)
    assert (any(found[:249]), found[249:]) == (False, [faults.MIRROR] * 2)
    assert fed(current, 999, 0, 1, closed=False) == [0]
    for _ in range(3):
        assert not any(fed(current, 1000, 0, 249, closed=False) + fed(current, 999, 0, 1, closed=False))


def test_contacts_that_report_closed_take_all_evidence_of_a_phantom_away() -> None:
    current = Current()
    fed(current, 1000, 0, 249, closed=False)
    fed(current, 1000, 16000, 1)
    found = fed(current, 1000, 0, 250, closed=False)
    assert (any(found[:249]), found[249]) == (False, faults.MIRROR)


def test_currents_that_are_none_and_that_contacts_may_open() -> None:
    assert (ZERO_MA, RELAY_SAFE_MA) == (500, 5000)


# --- the kernel with it


def test_over_current_is_a_prompt_stop_after_7_s_at_the_border_of_what_the_car_is_told() -> None:
    for load_ma, found in ((18145, 0), (18146, faults.OVER_CURRENT)):  # the duty says 15.996 A
        board = KernelBoard().closed()
        board.load_ma = load_ma
        if found:
            board.exactly(7000, "open", lambda board=board: not board.kernel.close, coarse_ms=5)
            assert (board.kernel.faults, board.kernel.phase) == (found, table.TELLING)
        else:
            board.never("a fault", lambda board=board: board.kernel.faults, 8000)


def test_a_car_that_does_not_follow_a_reduction_is_stopped_within_10_s_of_it() -> None:
    board = KernelBoard().closed()
    board.run(5000)
    board.load_ma = 16000
    board.granted_ma = 8000
    board.run_until("8 A", lambda: board.kernel.limit_ma == 7998, 200, tick_ms=1)
    board.exactly(9999, "open", lambda: not board.kernel.close)
    assert board.kernel.faults == faults.OVER_CURRENT


def test_a_car_that_follows_a_reduction_within_3_s_is_left_alone() -> None:
    board = KernelBoard().closed()
    board.run(5000)
    board.load_ma = 16000
    board.granted_ma = 8000
    board.run_until("8 A", lambda: board.kernel.limit_ma == 7998, 200, tick_ms=1)
    board.run(2999, tick_ms=1)
    board.load_ma = 9347
    board.always("charging", lambda: board.kernel.close and not board.kernel.faults, 10_000)


@pytest.mark.parametrize("mode", [MODE_DC, MODE_BPT])
def test_direct_current_is_the_supply_s_own_business(mode: int) -> None:
    board = KernelBoard((params.DC_MAX_MA, 500000))
    board.mode, board.granted_ma, board.level_mv, board.load_ma = mode, 100000, LEVEL_C, 400000
    board.run_until("supply", lambda: board.kernel.supply_enable, 3000)
    board.always("charging", lambda: board.kernel.close and not board.kernel.faults, 9000, tick_ms=10)


def test_with_digital_communication_the_limit_of_the_lease_counts() -> None:
    board = KernelBoard()
    board.mode = MODE_AC_HLC
    board.closed()
    assert (board.kernel.duty, board.kernel.limit_ma) == (500, 16000)
    board.load_ma = 18150
    board.always("charging", lambda: board.kernel.close, 8000)
    board.load_ma = 18151
    board.exactly(7000, "open", lambda: not board.kernel.close, coarse_ms=5)
    assert board.kernel.faults == faults.OVER_CURRENT


def test_while_it_stops_gracefully_the_car_has_its_6_2_s_whatever_it_draws() -> None:
    board = KernelBoard().closed()
    board.load_ma = 50000
    board.run(5000)
    board.withdraw()
    board.exactly(1, "X1", lambda: board.kernel.duty == 10000)
    board.exactly(6200, "open", lambda: not board.kernel.close, coarse_ms=5)
    assert not board.kernel.faults


@pytest.mark.parametrize("stage", ["idle", "offering"])
def test_current_through_contacts_that_report_open_is_a_mirror_fault(stage: str) -> None:
    board = KernelBoard()
    getattr(board, stage)()
    board.stray_ma = 999
    board.run(1000)
    assert not board.kernel.faults
    board.stray_ma = 1000
    board.exactly(250, "the fault", lambda: board.kernel.faults)
    assert (board.kernel.faults, board.kernel.phase) == (faults.MIRROR, table.SHOWING_F)


def test_a_current_that_dies_out_after_an_opening_is_none() -> None:
    board = KernelBoard().closed()
    board.load_ma = board.stray_ma = 16000
    board.level_mv = LEVEL_B
    board.run_until("contacts open", lambda: not board.kernel.contacts_closed, 200, tick_ms=1)
    board.run(248, tick_ms=1)
    board.stray_ma = 0
    board.run(2000)
    assert not board.kernel.faults


def test_current_through_one_contactor_is_no_phantom() -> None:
    board = KernelBoard()
    board.phases = 1
    board.offering()
    board.closed()
    board.load_ma = 16000
    board.always("charging", lambda: board.kernel.close and not board.kernel.phases_closed, 2000)


def test_current_through_a_second_contactor_that_is_welded_is_no_phantom_either() -> None:
    board = KernelBoard()
    board.phase_contacts = board.welded = True
    board.load_ma = 16000
    board.run(1000)
    assert (board.contacts, board.kernel.phases_closed) == (False, True)
    assert board.kernel.faults == faults.WELDED


def test_a_board_without_transformer_knows_nothing_of_currents() -> None:
    board = KernelBoard(fitted=EVERYTHING & ~params.CURRENT).closed()
    board.load_ma = board.stray_ma = 60000
    board.always("charging", lambda: board.kernel.close and not board.kernel.faults, 9000, tick_ms=10)
    board.level_mv = LEVEL_B
    board.run(2000)
    assert not board.kernel.faults
