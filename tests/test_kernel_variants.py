"""The two blocks a board can start from: what is in them, how they differ, and that a kernel charges with each."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_B, LEVEL_C
from kernel_board import KernelBoard
from pilotwire.firmware.kernel import faults, params, variants

IEC = {
    "MAX_MA": 32000,
    "PHASES": 3,
    "FITTED": params.RCD_DC | params.RCD_TEST,  # fixed cable; IEC 62955 device with self-test
    "TO_C_MS": 250,
    "MIN_OFF_MS": 10000,
    "FAULT_OFF_MS": 30000,
    "WAKE_AFTER_MS": 30000,
    "DEAD_MS": 60000,
    "SWITCH_PHASES": 0,  # opt-in
    "RECLOSE_TRIES": 0,  # opt-in
    "RECLOSE_MS": 900000,  # 15 min
    "SIMPLE_MA": 80000,  # no cap
    "DERATE_DDEG": 600,
    "STOP_DDEG": 700,
    "DC_MAX_MA": 0,
    "TTL_MS": 5000,
}
# One phase, CCID20 with self-test, earth monitor, no wake-up.
J1772 = IEC | {"PHASES": 1, "FITTED": params.RCD_AC | params.RCD_TEST | params.EARTH, "WAKE_AFTER_MS": 0}

BLOCKS = [(variants.IEC, IEC), (variants.J1772, J1772)]
IDS = ["IEC", "J1772"]


class VariantBoard(KernelBoard):
    """A board with a block as it stands, nothing taken out."""

    def __init__(self, values: tuple[int, ...]) -> None:
        super().__init__(*enumerate(values), fitted=values[params.FITTED])
        assert self.kernel.parameters.value == list(values)


@pytest.mark.parametrize(("values", "expected"), BLOCKS, ids=IDS)
def test_a_variant_is_its_published_values_and_fits_the_ranges(
    values: tuple[int, ...], expected: dict[str, int]
) -> None:
    assert {name: values[getattr(params, name)] for name in expected} == expected
    assert len(values) == len(expected)
    assert params.in_range(values)
    assert not params.Parameters(values, params.seal(values)).damaged


def test_the_variants_differ_in_phases_hardware_and_wake_up_alone() -> None:
    differing = [name for name in IEC if variants.IEC[getattr(params, name)] != variants.J1772[getattr(params, name)]]
    assert differing == ["PHASES", "FITTED", "WAKE_AFTER_MS"]


@pytest.mark.parametrize(("values", "expected"), BLOCKS, ids=IDS)
def test_a_car_charges_with_each_variant(values: tuple[int, ...], expected: dict[str, int]) -> None:
    board = VariantBoard(values)
    board.level_mv, board.granted_ma = LEVEL_C, 32000
    board.run_until("charging", lambda: board.kernel.contacts_closed, 11_000)
    assert board.now_ms > expected["MIN_OFF_MS"]
    assert (board.kernel.limit_ma, board.kernel.phases) == (31998, expected["PHASES"])


@pytest.mark.parametrize(("values", "found"), [(variants.IEC, 0), (variants.J1772, faults.EARTH)], ids=IDS)
def test_only_the_j1772_board_has_an_earth_monitor(values: tuple[int, ...], found: int) -> None:
    board = VariantBoard(values)
    board.run(2000)
    board.inputs.earth_ok = False
    board.run(100)
    assert board.kernel.faults == found


@pytest.mark.parametrize(("values", "dc", "ac"), [(variants.IEC, 1024, 0), (variants.J1772, 0, 2048)], ids=IDS)
def test_each_variant_listens_to_its_own_residual_current_device(values: tuple[int, ...], dc: int, ac: int) -> None:
    for output, found in (("rcd_dc", dc), ("rcd_ac", ac)):
        board = VariantBoard(values)
        board.run(2000)
        board.rcd_follows = False
        board.inputs.rcd_dc = board.inputs.rcd_ac = False
        setattr(board.inputs, output, True)
        board.run(100)
        assert board.kernel.faults == found


@pytest.mark.parametrize(("values", "wakes"), [(variants.IEC, True), (variants.J1772, False)], ids=IDS)
def test_only_the_iec_board_wakes_a_sleeping_car(values: tuple[int, ...], wakes: bool) -> None:
    board = VariantBoard(values)
    board.level_mv, board.granted_ma = LEVEL_B, 16000
    board.run_until("PWM", lambda: board.kernel.duty != 10000, 11_000)
    if wakes:
        board.exactly(30000, "wake-up", lambda: board.kernel.cp_off, coarse_ms=20)
    else:
        board.never("wake-up", lambda: board.kernel.cp_off, 40_000, tick_ms=20)
