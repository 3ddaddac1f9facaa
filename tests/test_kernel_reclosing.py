"""Residual current faults that clear by themselves, where a country allows it: off by default, few tries, long intervals."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B
from kernel_board import KernelBoard
from pilotwire.firmware.kernel import faults, params
from pilotwire.firmware.kernel.lease import REQUEST_CLEAR

# Mostly in a world where the interval may be shorter than the 5 minutes that the parameters allow.
AGAIN_MS = 8000


@pytest.fixture
def short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = list(params.LIMITS)
    limits[params.RECLOSE_MS] = (AGAIN_MS, AGAIN_MS, params.UP)
    monkeypatch.setattr(params, "LIMITS", tuple(limits))


def allowing(tries: int, interval_ms: int = AGAIN_MS) -> KernelBoard:
    return KernelBoard((params.RECLOSE_TRIES, tries), (params.RECLOSE_MS, interval_ms))


def trip(board: KernelBoard, output: str = "rcd_ac") -> None:
    board.rcd_follows = False
    board.inputs.rcd_dc = board.inputs.rcd_ac = False
    setattr(board.inputs, output, True)
    board.tick(1)
    assert board.kernel.faults
    assert not board.kernel.close
    board.rcd_follows = True


def test_by_default_it_never_recloses() -> None:
    board = KernelBoard((params.RECLOSE_MS, 300_000)).closed()
    trip(board)
    board.never("recovery", lambda: not board.kernel.faults or board.kernel.close, 310_000, tick_ms=40)


def test_the_interval_is_the_parameter_s() -> None:
    board = allowing(1, 300_000).closed()
    trip(board)
    board.exactly(300_000, "cleared", lambda: not board.kernel.faults, coarse_ms=40)


@pytest.mark.usefixtures("short_interval")
@pytest.mark.parametrize("output", ["rcd_dc", "rcd_ac"])
def test_where_that_is_allowed_a_trip_clears_by_itself_and_power_comes_back(output: str) -> None:
    board = allowing(1).closed()
    trip(board, output)
    board.exactly(AGAIN_MS, "cleared", lambda: not board.kernel.faults, coarse_ms=5)
    board.run_until("charging", lambda: board.kernel.contacts_closed, 6000)


@pytest.mark.usefixtures("short_interval")
@pytest.mark.parametrize("tries", [1, 4])
def test_each_car_has_its_number_of_tries(tries: int) -> None:
    board = allowing(tries)
    for _ in range(2):
        board.closed()
        for _ in range(tries):
            trip(board)
            board.run(1000)
            board.run_until("charging", lambda: board.kernel.contacts_closed, AGAIN_MS + 6000, tick_ms=10)
        trip(board)
        board.always("fault", lambda: board.kernel.faults, AGAIN_MS + 2000, tick_ms=20)
        board.level_mv = LEVEL_A
        board.run(1000)
        assert not board.kernel.faults


@pytest.mark.usefixtures("short_interval")
def test_both_outputs_at_once_use_up_one_try() -> None:
    board = allowing(2)
    board.closed()
    for _ in range(2):
        board.rcd_follows, board.inputs.rcd_dc, board.inputs.rcd_ac = False, True, True
        board.tick(1)
        board.rcd_follows = True
        board.exactly(AGAIN_MS, "cleared", lambda: not board.kernel.faults, coarse_ms=5)
        board.run_until("charging", lambda: board.kernel.contacts_closed, 6000)
    trip(board)
    board.always("fault", lambda: board.kernel.faults, AGAIN_MS + 2000, tick_ms=20)


@pytest.mark.usefixtures("short_interval")
def test_a_trip_that_returns_starts_the_interval_anew() -> None:
    board = allowing(4).closed()
    trip(board)
    board.run(AGAIN_MS - 1000)
    trip(board)
    board.exactly(AGAIN_MS, "cleared", lambda: not board.kernel.faults, coarse_ms=5)


@pytest.mark.usefixtures("short_interval")
@pytest.mark.parametrize("way", ["command", "unplugging"])
def test_clearing_it_by_hand_uses_up_no_try(way: str) -> None:
    board = allowing(1).closed()
    trip(board)
    # Contacts that come open late hold everything up, so that both ways are open in the same tick.
    board.contacts = board.welded = True
    board.run(AGAIN_MS)
    if way == "unplugging":
        board.level_mv = LEVEL_A
        board.run(100)
    board.contacts = board.welded = board.phase_contacts = False
    board.run(951, tick_ms=1)
    board.level_mv = LEVEL_B  # believed 50 ms later: one tick after all has cleared
    board.run(48, tick_ms=1)
    if way == "command":
        board.kernel.request(REQUEST_CLEAR)
    assert board.kernel.faults & faults.RESIDUAL_AC
    board.tick(1)
    assert not board.kernel.faults & faults.RESIDUAL_AC
    board.tick(1)
    board.order = REQUEST_CLEAR
    board.run(1000)
    board.order = 0
    assert (board.kernel.faults, board.kernel.pilot_state) == (0, 2)
    board.closed()
    trip(board)
    board.run(AGAIN_MS)
    assert not board.kernel.faults, "the try is still there"


@pytest.mark.usefixtures("short_interval")
def test_a_self_test_that_has_failed_never_recloses() -> None:
    board = allowing(4)
    board.run(1000)
    board.rcd_follows = False
    board.inputs.rcd_dc = board.inputs.rcd_ac = False
    board.level_mv = LEVEL_B
    board.run(1000)
    board.always("fault", lambda: board.kernel.faults == faults.RESIDUAL_TEST, AGAIN_MS + 2000)
