"""The parameters of a board: ranges, seal, narrowing, and damage that is found wherever it happens."""

from __future__ import annotations

import struct
from binascii import crc_hqx

import pytest

from kernel_bench import LEVEL_B, LEVEL_C, KernelBench, block
from kernel_board import KernelBoard
from pilotwire.firmware.kernel import faults, params, table, variants
from pilotwire.firmware.kernel.kernel import Kernel
from pilotwire.firmware.kernel.lease import REQUEST_CLEAR

FIXED, DOWN, UP = 0, 1, 2

# Name, smallest, largest, what the station may do with it.
RANGES = (
    ("MAX_MA", 6000, 80000, DOWN),
    ("PHASES", 1, 3, DOWN),
    ("FITTED", 0, 8191, FIXED),
    ("TO_C_MS", 100, 1000, UP),
    ("MIN_OFF_MS", 0, 600000, UP),
    ("FAULT_OFF_MS", 0, 600000, UP),
    ("WAKE_AFTER_MS", 0, 600000, FIXED),
    ("DEAD_MS", 10000, 300000, UP),
    ("SWITCH_PHASES", 0, 1, DOWN),
    ("RECLOSE_TRIES", 0, 4, DOWN),
    ("RECLOSE_MS", 300000, 3600000, UP),
    ("SIMPLE_MA", 6000, 80000, DOWN),
    ("DERATE_DDEG", 300, 800, DOWN),
    ("STOP_DDEG", 350, 900, DOWN),
    ("DC_MAX_MA", 0, 500000, DOWN),
    ("TTL_MS", 500, 5000, DOWN),
)
INDEXES = range(len(RANGES))
NARROWEST = [6000, 1, 0, 1000, 600000, 600000, 0, 300000, 0, 0, 3600000, 6000, 300, 350, 0, 500]
# Every value somewhere inside its range, and none beside another's limits.
MIDDLE = (40000, 3, 8191, 300, 20000, 40000, 40000, 70000, 1, 3, 1000000, 20000, 500, 700, 300000, 2000)
BITS = (
    "SOCKET",
    "LOCK",
    "VENTILATION",
    "SECOND",
    "RCD_DC",
    "RCD_AC",
    "RCD_TEST",
    "EARTH",
    "PEN",
    "STOP_BUTTON",
    "CURRENT",
)
BITS += ("PLUG_TEMP", "BOARD_TEMP")


def crc_of(values: tuple[int, ...]) -> int:
    """The seal as anyone can compute it: CRC-16/CCITT over the values, 32 bits each, lowest byte first."""
    return crc_hqx(struct.pack(f"<{len(values)}I", *(value & 0xFFFFFFFF for value in values)), 0xFFFF)


def sealed(values: tuple[int, ...]) -> params.Parameters:
    return params.Parameters(values, crc_of(values))


def with_value(index: int, value: int) -> tuple[int, ...]:
    return (*MIDDLE[:index], value, *MIDDLE[index + 1 :])


def test_the_ranges_are_the_published_ones() -> None:
    assert tuple((name, *params.LIMITS[getattr(params, name)]) for name, *_ in RANGES) == RANGES
    assert [getattr(params, name) for name, *_ in RANGES] == list(INDEXES)
    assert [getattr(params, name) for name in BITS] == [1 << bit for bit in range(13)]
    assert (params.FIXED, params.DOWN, params.UP) == (FIXED, DOWN, UP)


# --- the seal


def test_the_crc_is_crc_16_ccitt() -> None:
    crc = 0xFFFF
    for byte in b"123456789":
        crc = params.crc_byte(crc, byte)
    assert crc == 0x29B1  # the check value of CRC-16/CCITT-FALSE


@pytest.mark.parametrize("values", [MIDDLE, variants.IEC, variants.J1772, tuple(NARROWEST), block()])
def test_a_seal_covers_four_bytes_of_every_value(values: tuple[int, ...]) -> None:
    assert params.seal(values) == crc_of(values)
    assert not params.Parameters(values, params.seal(values)).damaged


@pytest.mark.parametrize("bit", range(16))
def test_a_seal_that_is_wrong_in_one_bit_does_not_fit(bit: int) -> None:
    assert params.Parameters(MIDDLE, crc_of(MIDDLE) ^ 1 << bit).damaged


@pytest.mark.parametrize("index", INDEXES)
def test_a_value_that_has_changed_after_sealing_does_not_fit(index: int) -> None:
    values = with_value(
        index, {params.PHASES: 1, params.FITTED: 8191 ^ params.VENTILATION}.get(index, MIDDLE[index] - 1)
    )
    assert not sealed(values).damaged
    assert params.Parameters(values, crc_of(MIDDLE)).damaged


def test_changed_replaces_one_value() -> None:
    for index in INDEXES:
        assert params.changed(MIDDLE, index, -7) == with_value(index, -7)


# --- the range


@pytest.mark.parametrize("index", INDEXES)
def test_a_value_may_reach_its_limits_and_not_pass_them(index: int) -> None:
    _, least, most, _ = RANGES[index]
    for value, good in ((least, True), (most, True), (least - 1, False), (most + 1, False)):
        values = list(with_value(index, value))
        if index == params.DERATE_DDEG:
            values[params.STOP_DDEG] = 900
        elif index == params.STOP_DDEG:
            values[params.DERATE_DDEG] = 300
        block_ = tuple(values)
        assert sealed(block_).damaged != good, (index, value)


@pytest.mark.parametrize(
    ("fitted", "good"),
    [
        (params.SOCKET, True),
        (params.LOCK, False),  # a lock needs a socket
        (params.LOCK | params.SOCKET, True),
        (params.RCD_TEST, False),  # a self-test needs an output that trips
        (params.RCD_TEST | params.RCD_DC, True),
        (params.RCD_TEST | params.RCD_AC, True),
        (params.RCD_DC | params.RCD_AC, True),
        (8191 & ~params.SOCKET, False),
        (8191 & ~params.RCD_DC & ~params.RCD_AC, False),
    ],
)
def test_what_is_fitted_must_make_sense(fitted: int, good: bool) -> None:
    assert sealed(with_value(params.FITTED, fitted)).damaged != good


def test_two_phases_are_no_way_to_wire_a_board() -> None:
    assert sealed(with_value(params.PHASES, 2)).damaged
    assert not sealed(with_value(params.PHASES, 1)).damaged


@pytest.mark.parametrize(("derate", "stop", "good"), [(699, 700, True), (700, 700, False), (701, 700, False)])
def test_derating_begins_below_the_stop(derate: int, stop: int, good: bool) -> None:
    values = params.changed(with_value(params.DERATE_DDEG, derate), params.STOP_DDEG, stop)
    assert sealed(values).damaged != good


@pytest.mark.parametrize("values", [(), MIDDLE[:-1], (*MIDDLE, 0)])
def test_a_block_of_another_length_is_no_block(values: tuple[int, ...]) -> None:
    assert sealed(values).damaged
    assert not params.in_range(values)


def test_what_stands_in_for_a_damaged_block_is_the_narrowest_of_everything() -> None:
    assert params.narrowest() == NARROWEST
    assert params.in_range(params.narrowest())
    damaged = params.Parameters(MIDDLE, 0)
    assert damaged.value == NARROWEST
    assert sealed(MIDDLE).value == list(MIDDLE)


@pytest.mark.parametrize("bit", range(13))
def test_fitted_is_any_of_the_bits(bit: int) -> None:
    one = params.Parameters(MIDDLE, crc_of(MIDDLE))
    one.value[params.FITTED] = 1 << bit
    assert one.fitted(1 << bit)
    assert one.fitted(8191)
    assert not one.fitted(8191 & ~(1 << bit))


# --- narrowing


def narrower(index: int) -> int:
    """The next value in the direction that is allowed, or in either one where none is."""
    if index == params.PHASES:
        return 1
    return MIDDLE[index] + (1 if RANGES[index][3] == UP else -1)


@pytest.mark.parametrize("index", INDEXES)
def test_the_station_can_narrow_a_value_and_not_widen_it(index: int) -> None:
    _, least, most, direction = RANGES[index]
    parameters = sealed(MIDDLE)
    allowed = direction != FIXED
    assert parameters.narrow(index, narrower(index)) == allowed
    assert parameters.value == list(with_value(index, narrower(index) if allowed else MIDDLE[index]))
    assert parameters.narrow(index, MIDDLE[index]) == (not allowed), "back again"
    end = most if direction == UP else least
    if index == params.STOP_DDEG:
        end = MIDDLE[params.DERATE_DDEG] + 1
    beyond = end + (1 if direction == UP else -1)
    assert not parameters.narrow(index, beyond)
    assert parameters.narrow(index, end) == allowed
    in_force = end if allowed else MIDDLE[index]
    assert not parameters.narrow(index, beyond)
    assert parameters.value == list(with_value(index, in_force))
    assert not parameters.damaged


@pytest.mark.parametrize("index", INDEXES)
def test_a_value_that_is_in_force_already_is_granted(index: int) -> None:
    parameters = sealed(MIDDLE)
    assert parameters.narrow(index, MIDDLE[index])
    assert parameters.value == list(MIDDLE)


# The first two would be a proper narrowing of MAX_MA and TTL_MS if they counted from the end.
@pytest.mark.parametrize(("index", "value"), [(-16, 10000), (-1, 1000), (16, 0), (17, 0)])
def test_an_index_that_is_none_is_refused(index: int, value: int) -> None:
    parameters = sealed(MIDDLE)
    assert not parameters.narrow(index, value)
    assert parameters.value == list(MIDDLE)


def test_values_that_do_not_fit_each_other_are_refused() -> None:
    parameters = sealed(MIDDLE)
    assert not parameters.narrow(params.STOP_DDEG, MIDDLE[params.DERATE_DDEG])
    assert not parameters.narrow(params.PHASES, 2)
    assert parameters.value == list(MIDDLE)


def test_a_damaged_block_is_not_narrowed() -> None:
    damaged = params.Parameters(MIDDLE, 0)
    assert not damaged.narrow(params.TO_C_MS, 1000)
    assert not damaged.narrow(params.MAX_MA, 6000)
    parameters = sealed(MIDDLE)
    parameters.damaged = True
    assert not parameters.narrow(params.MAX_MA, 10000)
    assert parameters.value == list(MIDDLE)


def test_narrowing_finds_damage_in_memory_and_does_not_seal_it() -> None:
    parameters = sealed(MIDDLE)
    parameters.value[params.TO_C_MS] ^= 1  # still in its range, and not yet found by check()
    assert not parameters.narrow(params.MAX_MA, 10000)
    assert parameters.damaged
    assert parameters.value[params.MAX_MA] == MIDDLE[params.MAX_MA]


@pytest.mark.parametrize("checks", range(0, 66, 5))
def test_a_narrowed_block_is_as_sound_as_before_wherever_its_check_stood(checks: int) -> None:
    parameters = sealed(MIDDLE)
    for index in INDEXES:
        for _ in range(checks):
            parameters.check()
        parameters.narrow(index, narrower(index))
    for _ in range(130):
        parameters.check()
    assert not parameters.damaged
    parameters.value[0] += 1
    for _ in range(128):
        parameters.check()
    assert parameters.damaged


# --- memory

ROUND = 64  # bytes of a block: one is checked in each tick


def checks_until_found(parameters: params.Parameters) -> int:
    for checks in range(1, 2 * ROUND + 1):
        parameters.check()
        if parameters.damaged:
            return checks
    raise AssertionError("never found")


def test_a_sound_block_stays_sound() -> None:
    parameters = sealed(MIDDLE)
    for _ in range(10 * ROUND):
        parameters.check()
        assert not parameters.damaged


@pytest.mark.parametrize("index", INDEXES)
def test_any_bit_that_flips_is_found_at_the_end_of_the_round_that_reads_it(index: int) -> None:
    for bit in range(32):
        done = (5 * bit + 3 * index) % ROUND
        parameters = sealed(MIDDLE)
        for _ in range(done):
            parameters.check()
        parameters.value[index] ^= 1 << bit
        byte = 4 * index + bit // 8
        rounds = 1 if done <= byte else 2
        assert checks_until_found(parameters) == rounds * ROUND - done, (index, bit)


@pytest.mark.parametrize("bit", range(16))
def test_a_seal_that_loses_a_bit_in_memory_is_found(bit: int) -> None:
    parameters = sealed(MIDDLE)
    parameters._crc ^= 1 << bit
    assert checks_until_found(parameters) == ROUND


def test_damage_once_found_is_never_forgotten() -> None:
    parameters = sealed(MIDDLE)
    parameters.value[3] ^= 1
    checks_until_found(parameters)
    parameters.value[3] ^= 1
    for _ in range(2 * ROUND):
        parameters.check()
    assert parameters.damaged


# --- the kernel with it


@pytest.mark.parametrize("index", INDEXES)
def test_the_kernel_opens_within_128_ticks_of_a_flipped_bit_and_never_closes_again(index: int) -> None:
    bench = KernelBench().charging()
    bench.kernel.parameters.value[index] ^= 1 << 20  # out of reach of any rule that could open before the check does
    bench.run_until("open", lambda: not bench.kernel.close, 128 * 5)
    assert bench.kernel.faults & faults.PARAMETERS
    bench.kernel.parameters.value[index] ^= 1 << 20
    for level_mv in (LEVEL_B, 12000, LEVEL_C):
        bench.level_mv = level_mv
        for _ in range(100):
            bench.kernel.request(REQUEST_CLEAR)
            bench.tick(20)
            assert bench.kernel.faults & faults.PARAMETERS
            assert not bench.kernel.close


def test_a_kernel_with_a_damaged_block_shows_f_and_then_no_power_to_anyone() -> None:
    bench = KernelBench()
    bench.kernel = Kernel(params.Parameters(block(), 0))
    bench.level_mv, bench.granted_ma = LEVEL_C, 16000
    bench.tick(1)
    assert (bench.kernel.phase, bench.kernel.faults) == (table.SHOWING_F, faults.PARAMETERS)
    bench.run(1000)
    assert bench.kernel.phase == table.FAULTED
    bench.never("PWM", lambda: bench.kernel.duty != 10000 or bench.kernel.close, 5000)


def test_the_kernel_goes_by_a_narrowed_value_from_the_next_tick_on() -> None:
    board = KernelBoard().closed()
    assert board.kernel.parameters.narrow(params.MAX_MA, 9000)
    board.run_until("9 A", lambda: board.kernel.limit_ma == 9000, 6000)
    assert not board.kernel.parameters.narrow(params.MAX_MA, 16000)
    board.always("9 A", lambda: board.kernel.limit_ma == 9000 and board.kernel.close, 6000)
