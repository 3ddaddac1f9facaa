"""The residual current device: its trips, and its self-test as the device alone sees it."""

from __future__ import annotations

import pytest

from kernel_board import EVERYTHING, KernelBoard
from pilotwire.firmware.kernel import faults, params
from pilotwire.firmware.kernel.residual import Residual

DC, AC = params.RCD_DC, params.RCD_AC
DAY_MS = 24 * 3600 * 1000
DEVICES = [DC, AC, DC | AC]
"""An RDC-DD (IEC 62955), a CCID20 (UL 2231), and a device with both outputs."""


def kinds(tripped: int) -> int:
    return (faults.RESIDUAL_DC if tripped & DC else 0) | (faults.RESIDUAL_AC if tripped & AC else 0)


def passed(residual: Residual, fitted: int) -> Residual:
    """A good self-test."""
    residual.start()
    assert residual.test
    assert residual.update(fitted, 1, fitted) == 0
    assert not residual.test
    assert residual.update(0, 1, fitted) == 0
    return residual


# --- the device alone


@pytest.mark.parametrize("fitted", DEVICES)
@pytest.mark.parametrize("tripped", [0, DC, AC, DC | AC])
def test_a_trip_output_is_a_fault_at_once_and_as_long_as_it_lasts(tripped: int, fitted: int) -> None:
    residual = Residual()
    for now in (tripped, tripped, 0, tripped):
        assert residual.update(now, 1, fitted) == kinds(now & fitted)


@pytest.mark.parametrize("fitted", DEVICES)
def test_a_self_test_wants_a_trip_within_740_ms_and_a_release_within_3_s(fitted: int) -> None:
    residual = Residual()
    residual.start()
    for _ in range(739):
        assert residual.update(0, 1, fitted) == 0
        assert residual.test
    assert residual.update(fitted, 1, fitted) == 0, "in the last millisecond"
    for _ in range(2999):
        assert not residual.test
        assert residual.update(fitted, 1, fitted) == 0
        assert not residual.good(True)
    assert residual.update(0, 1, fitted) == 0
    assert residual.good(True)


@pytest.mark.parametrize("fitted", DEVICES)
def test_a_device_that_does_not_trip_has_failed_after_740_ms(fitted: int) -> None:
    residual = passed(Residual(), fitted)
    residual.start()
    for _ in range(739):
        assert residual.update(0, 1, fitted) == 0
    assert residual.update(0, 1, fitted) == faults.RESIDUAL_TEST
    assert not residual.test
    assert not residual.good(False)
    assert residual.update(0, 1, fitted) == 0, "said once"
    assert not residual.good(False)


@pytest.mark.parametrize("fitted", DEVICES)
def test_a_device_that_does_not_release_has_failed_after_3_s_and_then_has_tripped(fitted: int) -> None:
    residual = passed(Residual(), fitted)
    residual.start()
    residual.update(fitted, 1, fitted)
    for _ in range(2999):
        assert residual.update(fitted, 1, fitted) == 0
    assert residual.update(fitted, 1, fitted) == faults.RESIDUAL_TEST
    assert not residual.good(False)
    assert residual.update(fitted, 1, fitted) == kinds(fitted)


@pytest.mark.parametrize("works", [DC, AC])
def test_where_there_are_two_outputs_both_must_trip(works: int) -> None:
    residual = Residual()
    residual.start()
    for _ in range(739):
        assert residual.update(works, 1, DC | AC) == 0
    assert residual.update(works, 1, DC | AC) == faults.RESIDUAL_TEST


@pytest.mark.parametrize("hangs", [DC, AC])
def test_where_there_are_two_outputs_both_must_be_released(hangs: int) -> None:
    residual = Residual()
    residual.start()
    residual.update(DC | AC, 1, DC | AC)
    for _ in range(2999):
        assert residual.update(hangs, 1, DC | AC) == 0
    assert residual.update(hangs, 1, DC | AC) == faults.RESIDUAL_TEST


def test_bits_of_other_hardware_are_no_outputs() -> None:
    residual = Residual()
    residual.start()
    residual.update(DC, 1, EVERYTHING & ~AC)
    assert not residual.test
    residual.update(EVERYTHING & ~DC, 1, EVERYTHING & ~AC)
    assert residual.good(True)


def test_a_test_that_is_running_is_not_started_again() -> None:
    residual = Residual()
    residual.start()
    for _ in range(500):
        residual.update(0, 1, DC)
    residual.start()
    for _ in range(239):
        assert residual.update(0, 1, DC) == 0
    assert residual.update(DC, 1, DC) == 0
    residual.start()
    assert not residual.test, "the outputs are about to be released"


def test_a_test_is_good_for_24_h_to_the_millisecond() -> None:
    residual = passed(Residual(), DC)
    age_ms = 0
    while age_ms < DAY_MS - 1:
        step_ms = min(10_000_000, DAY_MS - 1 - age_ms)
        residual.update(0, step_ms, DC)
        age_ms += step_ms
        assert residual.good(True)
    residual.update(0, 1, DC)
    assert not residual.good(True)
    assert not residual.good(False)
    for _ in range(100):
        residual.update(0, 10_000_000, DC)
        assert not residual.good(False), "and it stays old"
    assert passed(residual, DC).good(True)


def test_while_a_test_runs_the_last_one_counts_no_more() -> None:
    residual = passed(Residual(), DC)
    residual.start()
    for tripped in (0, DC):
        residual.update(tripped, 1, DC)
        assert not residual.good(True)
        assert not residual.good(False)
    residual.update(0, 1, DC)
    assert residual.good(True)


def test_a_test_before_the_first_one_is_missing() -> None:
    assert not Residual().good(False)
    assert not Residual().good(True)


def test_a_test_is_good_for_one_car() -> None:
    residual = passed(Residual(), DC)
    residual.unplugged()
    assert residual.good(False), "nobody there: good for its 24 h"
    assert not residual.good(True)
    assert passed(residual, DC).good(True)


# --- the kernel with it: trips


@pytest.mark.parametrize("stage", ["idle", "offering", "closed", "stopping"])
@pytest.mark.parametrize("tripped", [DC, AC, DC | AC])
def test_a_trip_opens_in_its_first_tick_and_is_latched(tripped: int, stage: str) -> None:
    board = KernelBoard()
    getattr(board, stage)()
    board.rcd_follows = False
    board.inputs.rcd_dc, board.inputs.rcd_ac = bool(tripped & DC), bool(tripped & AC)
    board.tick(1)
    assert (board.kernel.close, board.kernel.close_phases, board.kernel.faults) == (False, False, kinds(tripped))
    board.rcd_follows = True
    board.always("fault", lambda: board.kernel.faults == kinds(tripped) and not board.kernel.close, 5000)


@pytest.mark.parametrize("fitted", DEVICES)
def test_only_the_outputs_that_are_fitted_count(fitted: int) -> None:
    for output in (DC, AC):
        board = KernelBoard(fitted=EVERYTHING & ~(DC | AC) | fitted).idle()
        board.rcd_follows = False
        board.inputs.rcd_dc, board.inputs.rcd_ac = output == DC, output == AC
        board.run(100)
        assert board.kernel.faults == kinds(output & fitted)
