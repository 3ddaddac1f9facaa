"""Each fault: how it is found, that it opens at once, what clears it, and that nothing closes before that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench_in_process import Bench
from kernel_bench import LEVEL_A, LEVEL_B, LEVEL_C, LEVEL_E, LEVEL_F, LEVEL_UNDEFINED, KernelBench
from pilotwire.firmware.kernel import faults, table
from pilotwire.firmware.kernel.duty import DUTY_F, DUTY_X1
from pilotwire.firmware.kernel.faults import DIODE, NOT_CLOSED, OVERRUN, PILOT_INVALID, PILOT_SHORT, WELDED
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD


def short(bench: KernelBench) -> None:
    bench.level_mv = LEVEL_E


def minus_12_v(bench: KernelBench) -> None:
    bench.level_mv = LEVEL_F


def undefined(bench: KernelBench) -> None:
    bench.level_mv = LEVEL_UNDEFINED


def above_13_v(bench: KernelBench) -> None:
    bench.level_mv = 13500


def no_diode(bench: KernelBench) -> None:
    bench.low_mv = -5600


def contacts_fall(bench: KernelBench) -> None:
    bench.contacts, bench.stuck_open = False, True


def lost_time(bench: KernelBench) -> None:
    bench.tick(41)


CAUSES = [
    (short, PILOT_SHORT, 30),
    (minus_12_v, PILOT_SHORT, 30),
    (undefined, PILOT_INVALID, 205),
    (above_13_v, PILOT_INVALID, 205),
    (no_diode, DIODE, 55),
    (contacts_fall, NOT_CLOSED, 25),
    (lost_time, OVERRUN, 41),
]


def name_of(value: object) -> str | None:
    return getattr(value, "__name__", None)


@pytest.mark.parametrize(("cause", "bit", "within_ms"), CAUSES, ids=name_of)
def test_a_fault_while_charging_opens_at_once_and_shows_f_for_300_ms(
    cause: Callable[[KernelBench], None], bit: int, within_ms: int
) -> None:
    bench = KernelBench().charging()
    bench.run(1000)
    caused_at_ms = bench.now_ms
    cause(bench)
    bench.run_until("open command", lambda: not bench.kernel.close, 1000)
    assert bench.now_ms - caused_at_ms <= within_ms
    assert bench.kernel.faults == bit, faults.names(bench.kernel.faults)
    assert bench.kernel.phase == table.FAULTED
    bench.never("another signal than F", lambda: bench.kernel.duty != DUTY_F, 290)
    bench.run(20)
    assert bench.kernel.duty == DUTY_X1


@pytest.mark.parametrize(("cause", "bit", "within_ms"), CAUSES[:-1], ids=name_of)
def test_while_its_cause_lasts_a_fault_stays_and_nothing_closes(
    cause: Callable[[KernelBench], None], bit: int, within_ms: int
) -> None:
    bench = KernelBench().charging()
    cause(bench)
    bench.run(within_ms + 10)

    def wrong() -> bool:
        return bench.kernel.close or bench.kernel.faults != bit or bench.kernel.duty not in (DUTY_X1, DUTY_F)

    bench.never("recovery", wrong, 20_000)


@pytest.mark.parametrize(
    ("cause", "level_mv"), [(short, LEVEL_C), (minus_12_v, LEVEL_B), (undefined, LEVEL_C), (short, LEVEL_A)]
)
def test_a_pilot_fault_clears_after_one_second_of_a_proper_state(
    cause: Callable[[KernelBench], None], level_mv: int
) -> None:
    bench = KernelBench().charging()
    cause(bench)
    bench.run(1000)
    bench.level_mv = level_mv
    took_ms = bench.run_until("no fault", lambda: not bench.kernel.faults, 3000)
    evidence_ms = 250 if level_mv == LEVEL_C else 50
    assert evidence_ms + 1000 <= took_ms + 5 <= evidence_ms + 1015
    bench.level_mv = LEVEL_C
    bench.run_until("close", lambda: bench.kernel.close, 1000)


def test_a_pilot_that_is_proper_only_now_and_then_does_not_clear() -> None:
    bench = KernelBench().charging()
    for _ in range(20):
        short(bench)
        bench.run(100)
        bench.level_mv = LEVEL_B
        bench.never("clearing", lambda: not bench.kernel.faults or bench.kernel.close, 1000)


def test_the_fault_f_itself_shows_is_not_taken_for_a_measurement() -> None:
    bench = KernelBench().charging()
    short(bench)
    bench.run(100)
    assert bench.kernel.duty == DUTY_F
    bench.level_mv = LEVEL_B  # healthy again, but our own -12 V hides it
    bench.run(1400)
    assert not bench.kernel.faults & PILOT_INVALID
    bench.run(200)
    assert not bench.kernel.faults


def test_a_car_without_diode_is_never_closed_and_cleared_by_unplugging() -> None:
    bench = KernelBench()
    bench.level_mv, bench.granted_ma, bench.low_mv = LEVEL_C, 16000, -5600
    bench.run_until("the fault", lambda: bench.kernel.faults == DIODE, 1000)
    bench.low_mv = -12000  # it cannot be believed before it has been away
    for level_mv in (LEVEL_B, LEVEL_C):
        bench.level_mv = level_mv
        bench.never("recovery", lambda: not bench.kernel.faults & DIODE or bench.kernel.close, 5000)
    bench.kernel.clear()
    bench.never("recovery", lambda: not bench.kernel.faults & DIODE or bench.kernel.close, 1000)
    bench.level_mv = LEVEL_A
    bench.run(100)
    assert not bench.kernel.faults
    assert bench.kernel.cycles == 0
    bench.level_mv = LEVEL_C
    bench.run_until("close", lambda: bench.kernel.close, 1000)


@pytest.mark.parametrize(
    ("low_mv", "good"), [(-12600, True), (-10000, True), (-9999, False), (0, False), (5000, False)]
)
def test_the_negative_level_must_reach_minus_10_v(low_mv: int, good: bool) -> None:
    bench = KernelBench()
    bench.level_mv, bench.granted_ma, bench.low_mv = LEVEL_C, 16000, low_mv
    bench.run(2000)
    assert bench.kernel.close == good
    assert bool(bench.kernel.faults & DIODE) != good


def test_a_short_disturbance_of_the_negative_level_is_no_fault() -> None:
    bench = KernelBench().charging()
    for _ in range(50):
        bench.low_mv = -5600
        bench.run(45)
        bench.low_mv = -12000
        bench.never("a fault", lambda: bench.kernel.faults or not bench.kernel.close, 20)


def test_contacts_that_have_not_closed_yet_have_250_ms_for_it() -> None:
    bench = KernelBench()
    bench.contact_delay_ms = 240
    bench.charging()
    assert bench.kernel.faults == 0

    stuck = KernelBench()
    stuck.stuck_open = True
    stuck.level_mv, stuck.granted_ma = LEVEL_C, 16000
    stuck.run_until("close", lambda: stuck.kernel.close, 1000)
    assert 245 <= stuck.run_until("the fault", lambda: stuck.kernel.faults == NOT_CLOSED, 1000) <= 260


def test_a_mirror_contact_that_bounces_for_one_tick_is_no_fault() -> None:
    bench = KernelBench().charging()
    bench.contact_delay_ms = 0
    for _ in range(20):
        bench.contacts, bench.stuck_open = False, True
        bench.tick()
        bench.stuck_open = False
        bench.tick()
        assert bench.contacts
    assert bench.kernel.faults == 0
    assert bench.kernel.close


@pytest.mark.parametrize("ending", ["lease", "car"])
def test_contacts_that_stay_closed_are_welded_after_250_ms(ending: str) -> None:
    bench = KernelBench().charging()
    bench.welded = True
    if ending == "car":
        bench.level_mv = LEVEL_B
    else:
        bench.granted_ma = None
    bench.run_until("open command", lambda: not bench.kernel.close, 8000)
    assert 245 <= bench.run_until("the fault", lambda: bench.kernel.faults, 1000) <= 260
    assert bench.kernel.faults == WELDED
    assert bench.kernel.phase == table.FAULTED


def test_contacts_closed_at_power_up_are_welded() -> None:
    bench = KernelBench()
    bench.contacts = bench.welded = True
    bench.run(300)
    assert bench.kernel.faults == WELDED


def mechanical(bench: KernelBench, bit: int) -> None:
    """Bring a charging kernel to one of the contactor's faults, the car still there."""
    if bit == WELDED:
        bench.welded = True
        bench.level_mv = LEVEL_B
    else:
        contacts_fall(bench)
    bench.run_until("the fault", lambda: bench.kernel.faults == bit, 1000)
    bench.level_mv = LEVEL_C


@pytest.mark.parametrize("bit", [WELDED, NOT_CLOSED])
def test_a_contactor_fault_clears_by_command_once_contacts_are_open_for_a_second(bit: int) -> None:
    bench = KernelBench().charging()
    mechanical(bench, bit)
    bench.kernel.clear()
    bench.tick()
    assert bench.kernel.faults == bit, "contacts are not proven open yet"
    bench.welded = bench.stuck_open = False
    bench.never("recovery by itself", lambda: not bench.kernel.faults or bench.kernel.close, 5000)
    bench.kernel.clear()
    bench.tick()
    assert not bench.kernel.faults
    bench.run_until("close", lambda: bench.kernel.close, 1000)


@pytest.mark.parametrize("bit", [WELDED, NOT_CLOSED])
def test_a_contactor_fault_clears_by_unplugging_once_contacts_are_open_for_a_second(bit: int) -> None:
    bench = KernelBench().charging()
    mechanical(bench, bit)
    bench.level_mv = LEVEL_A
    if bit == WELDED:
        bench.never("recovery", lambda: not bench.kernel.faults, 5000)  # not while they are still closed
        bench.welded = False
    bench.run_until("recovery", lambda: not bench.kernel.faults, 1100)
    assert not bench.contacts


def test_a_command_to_clear_is_not_kept_for_later() -> None:
    bench = KernelBench().charging()
    bench.kernel.clear()
    bench.run(100)
    mechanical(bench, NOT_CLOSED)
    bench.never("recovery", lambda: not bench.kernel.faults, 5000)


@pytest.mark.parametrize(
    ("tick_ms", "lost"), [(1, False), (39, False), (40, False), (41, True), (60_000, True), (-1, True)]
)
def test_a_tick_later_than_40_ms_has_lost_control(tick_ms: int, lost: bool) -> None:
    bench = KernelBench(start_ms=5000).charging()
    bench.tick(tick_ms)
    assert bool(bench.kernel.faults & OVERRUN) == lost
    assert bench.kernel.close != lost


@pytest.mark.parametrize("gap_ms", [41, 5000, TICKS_PERIOD // 2, TICKS_PERIOD - 1])
def test_after_lost_time_lease_and_pilot_state_start_from_nothing(gap_ms: int) -> None:
    bench = KernelBench().charging()
    bench.granted_ma = None
    bench.ttl_ms = 5000
    bench.grant(16000)
    bench.tick(gap_ms)
    assert (bench.kernel.lease_left_ms(), bench.kernel.pilot_state, bench.kernel.close) == (0, 0, False)
    bench.granted_ma = 16000
    opened_ms = bench.run_until("contacts open", lambda: not bench.contacts, 100)
    cleared_ms = bench.run_until("no fault", lambda: not bench.kernel.faults, 3000)
    assert 1000 <= cleared_ms + opened_ms <= 1100
    bench.run_until("close", lambda: bench.kernel.close, 1000)


def test_lost_time_is_shown_for_a_second_even_if_contacts_have_long_been_open() -> None:
    bench = KernelBench()
    bench.run(10_000)
    bench.tick(1000)
    bench.never("recovery", lambda: bench.kernel.faults != OVERRUN, 990)
    bench.run(20)
    assert not bench.kernel.faults


def test_one_fault_that_clears_leaves_the_other_alone() -> None:
    bench = KernelBench().charging()
    mechanical(bench, NOT_CLOSED)
    short(bench)
    bench.run(1000)
    assert bench.kernel.faults == NOT_CLOSED | PILOT_SHORT
    assert faults.names(bench.kernel.faults) == ["PilotShort", "ContactorNotClosed"]
    bench.level_mv = LEVEL_C
    bench.never("close", lambda: bench.kernel.close, 5000)
    assert bench.kernel.faults == NOT_CLOSED


def test_every_fault_has_its_own_bit_in_order_and_a_known_clearing_rule() -> None:
    assert [bit for bit, _, _ in faults.FAULTS] == [1 << number for number in range(len(faults.FAULTS))]
    rules = {faults.CLEAR_VALID, faults.CLEAR_UNPLUG, faults.CLEAR_COMMAND, faults.CLEAR_TIME}
    assert {rule for _, _, rule in faults.FAULTS} == rules
    assert len({name for _, name, _ in faults.FAULTS}) == len(faults.FAULTS)


def test_no_gap_between_ticks_leads_to_a_closing_that_the_kernel_does_not_know_of() -> None:
    for gap_ms in range(5, 155, 5):
        bench = Bench()
        bench.charge()
        bench.pilot_alive = False
        bench.run(gap_ms)
        bench.pilot_alive = True
        bench.run(6000)
        closings = [event for event in bench.world.events if event["name"] == "contacts_closed" and event["value"]]
        assert len(closings) == bench.pilot.kernel.cycles, f"gap of {gap_ms} ms"


def test_contacts_that_fall_open_under_a_standing_command_are_a_fault_at_once() -> None:
    bench = Bench()
    bench.charge()
    bench.world.contactor.stuck_open = True  # and now the coil's supply fails
    bench.world.contactor.closed = False
    lost_ms = bench.now_ms
    bench.run_until("the coil command to go", lambda: not bench.pilot.kernel.close, 100)
    assert bench.now_ms - lost_ms <= 25
    assert bench.pilot.kernel.faults & faults.NOT_CLOSED
