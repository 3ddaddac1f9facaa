"""The lease: nothing happens without one, it runs out, it can only narrow, and nothing stale prolongs it."""

from __future__ import annotations

import pytest

from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, LEVEL_E, LEVEL_F, LEVEL_UNDEFINED, KernelBench, parameters
from kernel_exact import exactly
from kernel_phases import FITTED, FullBench, in_phase
from pilotwire.firmware.kernel import bands, params, table
from pilotwire.firmware.kernel.duty import DUTY_F, DUTY_HLC, DUTY_X1
from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.kernel.kernel import Kernel
from pilotwire.firmware.kernel.lease import MODE_AC, MODE_AC_HLC, MODE_BPT, MODE_DC, MODE_NONE, Lease
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD

LEVELS = [LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_D, LEVEL_E, LEVEL_F, LEVEL_UNDEFINED]


@pytest.mark.parametrize("level_mv", LEVELS)
def test_boot_is_silent(level_mv: int) -> None:
    bench = KernelBench()
    kernel = bench.kernel
    assert (kernel.duty, kernel.close, kernel.close_phases, kernel.cp_off) == (DUTY_X1, False, False, False)
    assert (kernel.supply_enable, kernel.lock, kernel.vent, kernel.rcd_test) == (False, False, False, False)
    bench.level_mv = level_mv
    bench.never("close or PWM", lambda: kernel.close or kernel.duty not in (DUTY_X1, DUTY_F), 20_000, tick_ms=20)
    assert (kernel.lease_left_ms(), kernel.cycles, kernel.limit_ma) == (0, 0, 0)


def test_before_its_first_step_the_kernel_reports_nothing() -> None:
    kernel = Kernel(parameters())
    assert (kernel.conditions, kernel.faults, kernel.lease_left_ms()) == (0, 0, 0)
    assert (kernel.contacts_closed, kernel.phases_closed) == (False, False)


@pytest.mark.parametrize("first_ms", [0, 100, TICKS_PERIOD - 900, TICKS_PERIOD // 2 + 5])
def test_a_lease_from_before_the_first_step_is_refused(first_ms: int) -> None:
    kernel = Kernel(parameters())
    assert not kernel.lease(MODE_AC, 16000, 1000, 0, 0)
    kernel.step(first_ms, Inputs())
    assert kernel.lease_left_ms() == 0
    assert kernel.lease(MODE_AC, 16000, 1000, 0, first_ms)


def test_the_lease_counts_from_its_issue_and_runs_out() -> None:
    bench = KernelBench()
    bench.run(100)
    assert bench.grant(16000)
    assert bench.kernel.lease_left_ms() == 1000
    bench.run(400)
    assert bench.kernel.lease_left_ms() == 600
    exactly(bench, "the end", lambda: not bench.kernel.conditions & table.PERMIT, 600)
    bench.never("a lease", bench.kernel.lease_left_ms, 5000)


@pytest.mark.parametrize("phase", [table.OFFERING, table.CLOSED])
def test_a_lease_ends_to_the_millisecond(phase: int) -> None:
    bench = in_phase(phase)
    bench.granted_ma, bench.ttl_ms = None, 777
    bench.grant(16000)
    exactly(bench, "X1", lambda: bench.kernel.duty == DUTY_X1, 777)


# Mode, limit and time to live of leases that are none.
NONSENSE = [
    (MODE_NONE, 16000, 1000),
    (MODE_NONE, 0, 0),
    (-1, 16000, 1000),
    (5, 16000, 1000),
    (255, 16000, 1000),
    (MODE_AC, 0, 1000),
    (MODE_AC, 5999, 1000),
    (MODE_AC, -16000, 1000),
    (MODE_AC_HLC, -1, 1000),
    (MODE_DC, -1, 1000),
    (MODE_BPT, -1, 1000),
    (MODE_AC, 16000, 0),
    (MODE_AC, 16000, -1),
    (MODE_AC, 16000, 5001),
    (MODE_AC, 16000, TICKS_PERIOD - 1),
]


@pytest.mark.parametrize(("mode", "limit_ma", "ttl_ms"), NONSENSE)
def test_a_lease_that_withdraws_or_makes_no_sense_ends_permission(mode: int, limit_ma: int, ttl_ms: int) -> None:
    bench = KernelBench((params.DC_MAX_MA, 1000)).charging()
    bench.granted_ma = None
    assert not bench.kernel.lease(mode, limit_ma, ttl_ms, 0, bench.clock_ms)
    assert bench.kernel.lease_left_ms() == 0
    bench.tick(1)
    assert (bench.kernel.phase, bench.kernel.duty) == (table.STOPPING, DUTY_X1)

    fresh = KernelBench((params.DC_MAX_MA, 1000))
    fresh.level_mv = LEVEL_C
    for _ in range(10):
        assert not fresh.kernel.lease(mode, limit_ma, ttl_ms, 0, fresh.clock_ms)
        fresh.never("PWM", lambda: fresh.kernel.duty != DUTY_X1, 100)


def test_the_bounds_themselves_are_allowed() -> None:
    bench = KernelBench((params.DC_MAX_MA, 1000))
    bench.tick()
    assert bench.kernel.lease(MODE_AC, 6000, 1, 0, bench.clock_ms)
    for mode in (MODE_AC_HLC, MODE_DC, MODE_BPT):
        assert bench.kernel.lease(mode, 0, 1, 0, bench.clock_ms)
    assert bench.kernel.lease(MODE_AC, 6000, 5000, 0, bench.clock_ms)
    assert bench.kernel.lease_left_ms() == 5000


@pytest.mark.parametrize("ttl_max_ms", [500, 1000])
def test_no_lease_lives_longer_than_the_parameter_says(ttl_max_ms: int) -> None:
    bench = KernelBench((params.TTL_MS, ttl_max_ms))
    bench.run(2000)
    for ttl_ms, left_ms in ((5000, ttl_max_ms), (ttl_max_ms + 1, ttl_max_ms), (ttl_max_ms, ttl_max_ms), (499, 499)):
        assert bench.kernel.lease(MODE_AC, 16000, ttl_ms, 0, bench.clock_ms)
        assert bench.kernel.lease_left_ms() == left_ms
    assert not bench.kernel.lease(MODE_AC, 16000, 5001, 0, bench.clock_ms)
    assert bench.kernel.lease_left_ms() == 0


def test_a_lease_as_old_as_its_ttl_is_refused_and_one_millisecond_less_counts_for_that_millisecond() -> None:
    bench = KernelBench()
    bench.run(2000)
    assert not bench.kernel.lease(MODE_AC, 16000, 1000, 0, bench.clock_ms - 1000)
    assert bench.kernel.lease_left_ms() == 0
    assert bench.kernel.lease(MODE_AC, 16000, 1000, 0, bench.clock_ms - 999)
    assert bench.kernel.lease_left_ms() == 1


def test_a_refused_lease_changes_nothing_of_the_present_one() -> None:
    bench = KernelBench()
    bench.level_mv = LEVEL_B
    bench.run(2000)
    bench.kernel.lease(MODE_AC, 16000, 1000, 3, bench.clock_ms - 10)
    assert not bench.kernel.lease(MODE_AC_HLC, 6000, 5000, 1, bench.clock_ms - 11)
    assert bench.kernel.lease_left_ms() == 990
    bench.tick(1)
    assert (bench.kernel.duty, bench.kernel.lease_left_ms()) == (2666, 989)


@pytest.mark.parametrize("ahead_ms", [1, 100, 5000, TICKS_PERIOD // 2])
def test_a_lease_from_the_future_is_refused(ahead_ms: int) -> None:
    bench = KernelBench(start_ms=1000)
    bench.tick()
    assert not bench.kernel.lease(MODE_AC, 16000, 1000, 0, (bench.clock_ms + ahead_ms) % TICKS_PERIOD)
    assert bench.kernel.lease_left_ms() == 0


def test_a_delayed_lease_cannot_prolong_the_present_one() -> None:
    bench = KernelBench().charging()
    bench.granted_ma = None
    issued_ms = bench.clock_ms
    bench.grant(16000)
    bench.run(500)
    bench.kernel.lease(MODE_AC, 16000, 1000, 0, issued_ms)  # the same one once more
    assert bench.kernel.lease_left_ms() == 500
    bench.kernel.lease(MODE_AC, 32000, 1000, 0, issued_ms - 300)  # an older one overtaken on the way
    assert bench.kernel.lease_left_ms() == 500
    bench.run(500)
    for age_ms in range(1000, 5000, 100):
        assert not bench.kernel.lease(MODE_AC, 16000, 1000, 0, bench.clock_ms - age_ms)
    bench.tick()
    assert bench.kernel.phase == table.STOPPING


def test_a_lease_that_was_overtaken_by_a_withdrawal_or_a_lower_one_is_refused() -> None:
    bench = KernelBench().charging(limit_ma=32000)
    bench.granted_ma = None
    overtaken_ms = bench.clock_ms
    bench.run(100)
    bench.kernel.lease(MODE_AC, 10000, 1000, 0, bench.clock_ms)
    assert not bench.kernel.lease(MODE_AC, 32000, 1000, 0, overtaken_ms)
    bench.run(100)
    bench.kernel.lease(MODE_NONE, 0, 0, 0, bench.clock_ms)
    assert not bench.kernel.lease(MODE_AC, 32000, 1000, 0, overtaken_ms)
    assert not bench.kernel.lease(MODE_AC, 32000, 5000, 0, bench.clock_ms - 1)
    assert bench.kernel.lease_left_ms() == 0
    bench.run(100)
    assert bench.kernel.lease(MODE_AC, 16000, 1000, 0, bench.clock_ms)


def test_an_overtaken_withdrawal_ends_permission_and_bars_no_newer_lease() -> None:
    bench = KernelBench().charging()
    bench.granted_ma = None
    bench.grant(16000)
    assert not bench.kernel.lease(MODE_NONE, 0, 0, 0, bench.clock_ms - 60_000)
    assert bench.kernel.lease_left_ms() == 0
    assert not bench.kernel.lease(MODE_AC, 16000, 1000, 0, bench.clock_ms - 10), "older than the one that it ended"
    assert bench.kernel.lease(MODE_AC, 16000, 1000, 0, bench.clock_ms)


@pytest.mark.parametrize("ahead_ms", [0, 1, 5000])
def test_what_a_withdrawal_has_ended_no_lease_of_the_same_millisecond_or_an_older_one_brings_back(
    ahead_ms: int,
) -> None:
    bench = KernelBench().charging()
    bench.granted_ma = None
    bench.run(100)
    ended_ms = bench.clock_ms
    bench.grant(16000)
    assert not bench.kernel.lease(MODE_NONE, 0, 0, 0, ended_ms + ahead_ms)
    for _ in range(10):
        for issued_ms in (ended_ms, ended_ms - 1):
            assert not bench.kernel.lease(MODE_AC, 16000, 5000, 0, issued_ms)
        bench.tick()
    assert bench.kernel.lease(MODE_AC, 16000, 5000, 0, ended_ms + 1)


def test_even_a_lease_that_came_too_late_overtakes_older_ones() -> None:
    bench = KernelBench()
    bench.run(2000)
    assert not bench.kernel.lease(MODE_AC, 16000, 100, 0, bench.clock_ms - 100)
    assert not bench.kernel.lease(MODE_AC, 32000, 5000, 0, bench.clock_ms - 101)
    assert bench.kernel.lease(MODE_AC, 32000, 5000, 0, bench.clock_ms - 100)


def test_a_lease_that_was_longer_under_way_than_the_one_before_it_is_taken() -> None:
    bench = KernelBench()
    bench.tick()
    bench.grant(16000)
    for age_ms in (0, 50, 5, 90, 190):
        bench.run(100)
        assert bench.kernel.lease(MODE_AC, 16000, 1000, 0, bench.clock_ms - age_ms)
        assert bench.kernel.lease_left_ms() == 1000 - age_ms


def test_the_first_lease_may_be_5_s_old() -> None:
    for age_ms, heard in ((4999, True), (5000, False)):
        assert Lease().take(MODE_AC, 6000, 5000, 0, 10_000 - age_ms, 10_000, False) == heard


def test_what_is_no_permission_has_no_power_and_no_time_left() -> None:
    lease = Lease()
    assert (lease.mode, lease.power, lease.direct, lease.left_ms(0)) == (MODE_NONE, False, False, 0)
    assert (lease.ma, lease.phases) == (0, 0)
    assert lease.take(MODE_DC, 1, 1000, 0, 0, 0, True)
    assert (lease.power, lease.direct, lease.left_ms(999), lease.left_ms(1001)) == (True, True, 1, 0)
    lease.pass_time(999, 999)
    assert lease.mode == MODE_DC
    lease.forget()
    assert (lease.mode, lease.power, lease.direct, lease.left_ms(0)) == (MODE_NONE, False, False, 0)
    for mode, direct in ((MODE_AC, False), (MODE_AC_HLC, False), (MODE_DC, True), (MODE_BPT, True)):
        assert lease.take(mode, 6000, 1000, 0, 0, 0, True)
        assert (lease.direct, lease.power) == (direct, True)
    assert lease.take(MODE_AC_HLC, 0, 1000, 0, 0, 0, True)
    assert not lease.power


# Limits.


def told_ma(mode: int, limit_ma: int, *changes: tuple[int, int], level_mv: int = LEVEL_B, **inputs: int) -> int:
    """The limit of a car that has just been plugged in."""
    bench = FullBench(*changes)
    for name, value in inputs.items():
        assert hasattr(bench.inputs, name)
        setattr(bench.inputs, name, value)
    bench.run(500)
    bench.level_mv, bench.mode, bench.granted_ma = level_mv, mode, limit_ma
    bench.until(table.OFFERING)
    assert bench.kernel.duty == DUTY_HLC or mode == MODE_AC
    return bench.kernel.limit_ma


BIG = (params.MAX_MA, 80000)


@pytest.mark.parametrize(
    ("limit_ma", "changes", "inputs", "limit"),
    [
        (80000, [], {}, 32000),  # the IEC board
        (32000, [], {}, 32000),
        (16000, [], {}, 16000),
        (6000, [], {}, 6000),
        (80000, [(params.MAX_MA, 12000)], {}, 12000),
        (80000, [BIG], {}, 32000),  # the 32 A cable
        (80000, [BIG], {"pp_ohm": 100}, 63000),
        (80000, [BIG, (params.PHASES, 1)], {"pp_ohm": 100}, 70000),
        (80000, [BIG], {"pp_ohm": 680}, 20000),
        (80000, [BIG], {"pp_ohm": 1500}, 13000),
        (80000, [BIG, (params.FITTED, 0)], {"pp_ohm": 1500}, 80000),  # a fixed cable has no resistor to read
        (80000, [], {"plug_ddeg": 600}, 32000),
        (80000, [], {"plug_ddeg": 650}, 19000),
        (80000, [], {"plug_ddeg": 699}, 6000),
        (80000, [(params.FITTED, FITTED & ~params.PLUG_TEMP)], {"plug_ddeg": 699}, 32000),
        (10000, [], {"plug_ddeg": 650}, 10000),
    ],
)
def test_the_smallest_of_all_limits_is_told(
    limit_ma: int, changes: list[tuple[int, int]], inputs: dict[str, int], limit: int
) -> None:
    assert told_ma(MODE_AC_HLC, limit_ma, *changes, **inputs) == limit
    told = told_ma(MODE_AC, limit_ma, *changes, **inputs)
    assert limit - 25 < told <= limit  # as the duty can say it


@pytest.mark.parametrize(("simple_ma", "limit"), [(10_000, 10_000), (80_000, 16_000), (6000, 6000)])
def test_a_car_without_s2_is_capped_as_the_parameter_says(simple_ma: int, limit: int) -> None:
    cap = (params.SIMPLE_MA, simple_ma)
    for mode, told in ((MODE_AC_HLC, limit), (MODE_AC, limit // 6 * 6)):
        assert told_ma(mode, 16000, cap, level_mv=LEVEL_C) == told
        assert told_ma(mode, 16000, cap, level_mv=LEVEL_D) == told
        assert told_ma(mode, 16000, cap, level_mv=LEVEL_B) == (16000 if mode == MODE_AC_HLC else 15996)


@pytest.mark.parametrize(
    ("path", "simplified"),
    [("AC", True), ("AD", True), ("ABC", False), ("AEC", False), ("EC", False), ("C", True), ("D", True)],
)
def test_a_car_is_a_simple_one_if_it_came_to_c_from_a_or_from_nowhere(path: str, simplified: bool) -> None:
    bench = FullBench()
    for letter in path:
        bench.level_mv = {"A": LEVEL_A, "B": LEVEL_B, "C": LEVEL_C, "D": LEVEL_D, "E": LEVEL_E}[letter]
        bench.run(500)
    assert bench.kernel.simplified == simplified
    bench.level_mv = LEVEL_E
    bench.run(500)
    assert bench.kernel.simplified == simplified, "it stays what it is"
    for level_mv in (LEVEL_B, LEVEL_A):
        bench.level_mv = LEVEL_E
        bench.run(200)
        bench.kernel.simplified = True
        bench.level_mv = level_mv
        bench.run_until("seen", lambda: bench.kernel.pilot_state != bands.E, 200)
        assert not bench.kernel.simplified, "S2 has been seen open, or it is unplugged"


@pytest.mark.parametrize("mode", [MODE_DC, MODE_BPT])
def test_direct_current_has_a_limit_of_its_own(mode: int) -> None:
    hot = {"plug_ddeg": 650, "pp_ohm": 1500}
    for limit_ma, limit in ((500_000, 200_000), (200_000, 200_000), (100, 100), (0, 0)):
        assert told_ma(mode, limit_ma, (params.SIMPLE_MA, 6000), level_mv=LEVEL_C, **hot) == limit


def test_the_limit_under_five_per_cent_follows_every_lease_at_once() -> None:
    bench = FullBench()
    bench.level_mv, bench.mode, bench.granted_ma = LEVEL_B, MODE_AC_HLC, 16000
    bench.until(table.OFFERING)
    for limit_ma in (6001, 5, 20000):
        bench.grant(limit_ma)
        assert bench.kernel.limit_ma == limit_ma
    bench.withdraw()
    assert bench.kernel.limit_ma == 0


def test_a_derating_that_begins_while_charging_is_signalled_at_the_first_permitted_instant() -> None:
    bench = in_phase(table.CLOSED)
    bench.run(6000)
    assert bench.kernel.limit_ma == 15_996
    bench.inputs.plug_ddeg = 670
    exactly(bench, "the lower limit", lambda: bench.kernel.limit_ma == 13_500, 1)


# The number of phases.


@pytest.mark.parametrize(("wanted", "phases"), [(0, 3), (1, 1), (3, 3), (2, 3), (-1, 3), (4, 3)])
def test_a_lease_chooses_one_or_three_phases_before_the_first_closing(wanted: int, phases: int) -> None:
    bench = FullBench()
    bench.phases = wanted
    bench.run(1000)  # contacts open and no current for so long: proven
    bench.charging()
    bench.run(500)
    assert bench.kernel.phases == phases
    assert (bench.contacts, bench.phase_contacts) == (True, phases == 3)
    assert (bench.kernel.contacts_closed, bench.kernel.phases_closed) == (True, phases == 3)


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ([(params.FITTED, FITTED & ~params.SECOND)], MODE_AC),
        ([], MODE_DC),
        ([], MODE_BPT),
    ],
)
def test_without_a_second_contactor_or_with_direct_current_there_is_no_choice(
    changes: list[tuple[int, int]], mode: int
) -> None:
    bench = FullBench(*changes)
    bench.phases, bench.mode = 1, mode
    bench.run(1000)
    bench.charging()
    assert bench.kernel.phases == 3
    assert bench.kernel.close_phases == (not changes)


def test_where_one_phase_is_wired_three_are_not_to_be_had() -> None:
    bench = FullBench((params.PHASES, 1))
    bench.phases = 3
    bench.run(1000)
    bench.charging()
    assert (bench.kernel.phases, bench.kernel.close_phases) == (1, False)
