"""The cable in the socket: what its resistor says, for how long it must say it, and what the kernel makes of it."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, LEVEL_E, KernelBench
from kernel_board import EVERYTHING, KernelBoard
from pilotwire.firmware.kernel import faults, params, table
from pilotwire.firmware.kernel.inputs import OPEN_OHM
from pilotwire.firmware.kernel.lease import REQUEST_STOP
from pilotwire.firmware.kernel.proximity import Cable, cable_ma

# First and last ohm of each answer. Accepted: 80..140 63 A, 164..308 32 A, 400..936 20 A, 1100..2460 13 A; below 60 and above
# 4500 there is no current; between two bands the smaller current counts.
BANDS = (
    (0, 59, 0),
    (60, 79, 32000),
    (80, 140, 63000),
    (141, 163, 32000),
    (164, 308, 32000),
    (309, 399, 20000),
    (400, 936, 20000),
    (937, 1099, 13000),
    (1100, 2460, 13000),
    (2461, 4500, 13000),
    (4501, OPEN_OHM, 0),
)
NOMINAL = ((1500, 13000), (680, 20000), (220, 32000), (100, 63000))
X1 = 10000


@pytest.mark.parametrize(("first_ohm", "last_ohm", "ma"), BANDS)
def test_a_resistor_means_the_same_from_one_edge_of_its_band_to_the_other(
    first_ohm: int, last_ohm: int, ma: int
) -> None:
    single_ma = 70000 if ma == 63000 else ma
    for ohm in {first_ohm, first_ohm + 1, (first_ohm + last_ohm) // 2, last_ohm - 1, last_ohm}:
        assert cable_ma(ohm, 3) == ma, ohm
        assert cable_ma(ohm, 1) == single_ma, ohm


def test_the_bands_leave_no_gap() -> None:
    assert [row[0] for row in BANDS[1:]] == [row[1] + 1 for row in BANDS[:-1]]


@pytest.mark.parametrize(("ohm", "ma"), NOMINAL)
def test_a_nominal_resistor_means_its_cable(ohm: int, ma: int) -> None:
    assert cable_ma(ohm, 3) == ma


def test_open_means_nothing_connected() -> None:
    assert OPEN_OHM == 100000


# --- the cable alone


def plugged(ohm: int = 220, phases: int = 3) -> Cable:
    cable = Cable()
    for _ in range(150):
        cable.update(ohm, phases, True, 1)
    return cable


def test_a_cable_is_known_after_100_ms() -> None:
    cable = Cable()
    for _ in range(99):
        cable.update(220, 3, True, 1)
        assert cable.ma == 0
    cable.update(220, 3, True, 1)
    assert cable.ma == 32000


def test_evidence_is_for_one_current_and_not_for_one_resistance() -> None:
    cable = Cable()
    for tick in range(100):
        assert cable.ma == 0
        cable.update((164, 308)[tick % 2], 3, True, 1)
    assert cable.ma == 32000


def test_a_cable_that_wavers_between_two_bands_is_not_known() -> None:
    cable = Cable()
    for _ in range(20):
        for ohm in (220, 680):
            for _ in range(99):
                cable.update(ohm, 3, True, 1)
                assert cable.ma == 0


def test_a_cable_is_known_before_the_car_is() -> None:
    cable = Cable()
    for _ in range(200):
        cable.update(220, 3, False, 1)
        assert cable.ma == 0
    cable.update(220, 3, True, 1)
    assert cable.ma == 32000


def test_a_disturbance_of_99_ms_changes_nothing_and_one_of_100_ms_counts() -> None:
    for ohm, ma in ((OPEN_OHM, 0), (680, 20000)):
        cable = plugged()
        for _ in range(99):
            cable.update(ohm, 3, True, 1)
            assert cable.ma == 32000
        for _ in range(99):
            cable.update(220, 3, True, 1)
            assert cable.ma == 32000
        for _ in range(99):
            cable.update(ohm, 3, True, 1)
            assert cable.ma == 32000
        cable.update(ohm, 3, True, 1)
        assert cable.ma == ma


@pytest.mark.parametrize(("good_of_10", "lost"), [(1, True), (4, True), (5, False), (9, False)])
def test_a_wire_that_is_open_more_often_than_not_is_lost(good_of_10: int, lost: bool) -> None:
    cable = plugged()
    for number in range(2000):
        cable.update(220 if number % 10 < good_of_10 else OPEN_OHM, 3, True, 1)
    assert cable.ma == (0 if lost else 32000)
    for _ in range(100):
        cable.update(220, 3, True, 1)
    assert cable.ma == 32000, "it comes back after as much evidence as ever"


def test_narrowing_the_phases_does_not_widen_the_cable() -> None:
    board = KernelBoard((params.MAX_MA, 80_000), (params.PHASES, 3), fitted=params.SOCKET)
    assert board.kernel.parameters.narrow(params.PHASES, 1)
    board.inputs.pp_ohm, board.level_mv = 100, LEVEL_B
    board.run(500)
    assert board.kernel.cable_ma == 63000, "the wires are those of three phases"


def test_the_smallest_current_that_a_cable_has_shown_counts_until_it_is_unplugged() -> None:
    cable = plugged()
    for ohm, ma in ((680, 20000), (100, 20000), (1500, 13000), (220, 13000), (OPEN_OHM, 0), (220, 13000)):
        for _ in range(100):
            cable.update(ohm, 3, True, 1)
        assert cable.ma == ma
    cable.update(220, 3, False, 1)
    assert cable.ma == 13000, "a pilot wire that shows no car for a moment is no other cable"
    cable.forget()
    cable.update(220, 3, False, 1)
    assert cable.ma == 0
    cable.update(220, 3, True, 1)
    assert cable.ma == 32000


def test_a_short_of_the_pilot_wire_does_not_make_a_cable_larger() -> None:
    bench = KernelBench((params.FITTED, params.SOCKET), (params.MAX_MA, 63000), (params.TO_C_MS, 250))
    bench.inputs.pp_ohm = 680
    bench.charging(63000)
    assert bench.kernel.cable_ma == 20000
    bench.inputs.pp_ohm = 100
    bench.level_mv = LEVEL_E
    bench.run(500)
    bench.level_mv = LEVEL_C
    bench.run(500)
    assert bench.kernel.cable_ma == 20000
    bench.level_mv = LEVEL_A
    bench.run(500)
    bench.level_mv = LEVEL_C
    bench.run(500)
    assert bench.kernel.cable_ma == 63000


def test_the_time_without_a_cable_counts_only_while_there_is_a_car() -> None:
    cable = Cable()
    for _ in range(50):
        cable.update(OPEN_OHM, 3, False, 1)
    assert cable.missing_ms == 0
    for _ in range(50):
        cable.update(OPEN_OHM, 3, True, 1)
    assert cable.missing_ms == 50
    cable.update(OPEN_OHM, 3, False, 1)
    assert cable.missing_ms == 0
    cable.update(OPEN_OHM, 3, True, 7)
    assert cable.missing_ms == 7


def test_the_time_without_a_cable_starts_from_nothing() -> None:
    cable = Cable()
    assert cable.missing_ms == 0
    cable.update(OPEN_OHM, 3, True, 7)
    assert cable.missing_ms == 7


def test_a_cable_that_is_known_is_not_missing() -> None:
    cable = plugged()
    assert cable.missing_ms == 0


# --- the kernel with it


def socket(*changes: tuple[int, int], ohm: int = 220) -> KernelBoard:
    """A board with a socket, without lock and all the rest."""
    board = KernelBoard((params.MAX_MA, 80000), *changes, fitted=params.SOCKET)
    board.inputs.pp_ohm = ohm
    return board


@pytest.mark.parametrize(
    ("ohm", "phases", "told_ma"), [(1500, 3, 12996), (680, 3, 19998), (100, 3, 63000), (100, 1, 70000)]
)
def test_the_car_is_told_no_more_than_its_cable_carries(ohm: int, phases: int, told_ma: int) -> None:
    board = socket((params.PHASES, phases), ohm=ohm)
    board.level_mv, board.granted_ma = LEVEL_C, 80000
    board.run_until("charging", lambda: board.kernel.close, 2000)
    assert board.kernel.cable_ma >= told_ma == board.kernel.limit_ma


def test_a_cable_that_turns_out_smaller_lowers_the_limit_and_one_that_turns_out_larger_does_not_raise_it() -> None:
    board = socket()
    board.closed()
    board.granted_ma = 32000
    board.run_until("32 A", lambda: board.kernel.limit_ma == 31998, 6000)
    board.run(5000)
    board.inputs.pp_ohm = 680
    board.exactly(100, "20 A", lambda: board.kernel.limit_ma == 19998)
    board.inputs.pp_ohm = 100
    board.always("20 A", lambda: (board.kernel.limit_ma, board.kernel.close) == (19998, True), 6000)
    board.level_mv = LEVEL_A
    board.run(200)
    board.level_mv = LEVEL_C
    board.run_until("charging", lambda: board.kernel.close, 3000)
    assert board.kernel.cable_ma == 63000


@pytest.mark.parametrize("ohm", [OPEN_OHM, 4501, 59, 0])
def test_a_cable_lost_while_charging_opens_after_100_ms(ohm: int) -> None:
    board = socket()
    board.closed()
    board.inputs.pp_ohm = ohm
    board.exactly(100, "open", lambda: not board.kernel.close)
    assert (board.kernel.faults, board.kernel.cable_ma) == (faults.CABLE, 0)


def test_a_car_without_a_readable_cable_gets_no_pwm_and_after_3_s_a_fault() -> None:
    board = socket(ohm=OPEN_OHM)
    board.granted_ma = 16000
    board.run(500)
    board.level_mv = LEVEL_B
    board.exactly(50, "the car", lambda: board.kernel.pilot_state == 2)
    assert not board.kernel.faults
    assert board.kernel.conditions & table.CAR
    assert not board.kernel.conditions & table.CABLE_OK
    for _ in range(2999):
        assert (board.kernel.faults, board.kernel.duty) == (0, X1)
        board.tick(1)
    assert (board.kernel.faults, board.kernel.phase) == (faults.CABLE, table.FAULTED)


def test_a_cable_that_is_read_within_the_3_s_is_no_fault() -> None:
    board = socket(ohm=OPEN_OHM)
    board.granted_ma, board.level_mv = 16000, LEVEL_B
    board.run(2900, tick_ms=1)
    board.inputs.pp_ohm = 220
    board.exactly(100, "PWM", lambda: board.kernel.duty != X1)
    assert not board.kernel.faults


def test_without_a_car_a_socket_may_be_empty_for_ever() -> None:
    board = socket(ohm=OPEN_OHM)
    board.never("a fault", lambda: board.kernel.faults, 20_000, tick_ms=20)


def test_a_car_that_unplugs_while_its_cable_is_lost_leaves_no_fault() -> None:
    board = socket()
    board.closed()
    board.inputs.pp_ohm = OPEN_OHM
    board.run(50)
    board.level_mv = LEVEL_A
    board.never("a fault", lambda: board.kernel.faults, 5000)


@pytest.mark.parametrize("ohm", [0, 1500, OPEN_OHM])
def test_a_board_with_a_fixed_cable_does_not_look_at_proximity(ohm: int) -> None:
    board = KernelBoard(fitted=EVERYTHING & ~params.SOCKET & ~params.LOCK)
    board.inputs.pp_ohm = ohm
    board.closed()
    assert board.kernel.limit_ma == 15996
    board.always("charging", lambda: board.kernel.close and not board.kernel.faults, 4000)


def test_the_fault_lasts_as_long_as_the_cable_is_unreadable_even_where_nobody_needs_it() -> None:
    board = socket()
    board.closed()
    board.inputs.pp_ohm = OPEN_OHM
    board.run(100)
    board.withdraw()
    board.tick()
    assert board.kernel.phase == table.FAULTED
    board.always("fault", lambda: board.kernel.faults == faults.CABLE, 2800)


def test_a_cable_lost_while_a_stop_is_being_told_is_a_fault_too() -> None:
    board = socket()
    board.closed()
    board.kernel.request(REQUEST_STOP)
    board.tick()
    assert board.kernel.phase == table.TELLING
    board.inputs.pp_ohm = OPEN_OHM
    board.exactly(100, "the fault", lambda: board.kernel.faults & faults.CABLE)


@pytest.mark.parametrize("fitted", [0, params.VENTILATION])
def test_a_car_in_state_d_needs_its_cable_as_well(fitted: int) -> None:
    board = KernelBoard(fitted=params.SOCKET | fitted)
    board.level_mv = LEVEL_D
    board.run(500)
    assert board.kernel.cable_ma == 32000
    board.inputs.pp_ohm = OPEN_OHM
    board.exactly(3099, "the fault", lambda: board.kernel.faults)
    assert board.kernel.faults == faults.CABLE
