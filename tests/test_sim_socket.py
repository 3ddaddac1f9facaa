"""The socket: a lock that travels, jams and lies, and a cable that comes, goes, is held and loses its proximity wire."""

from __future__ import annotations

import pytest

from bench_in_process import drive
from pilotwire.boards.sim.cable import CODING_OHM, Cable
from pilotwire.boards.sim.lock import SocketLock
from pilotwire.boards.sim.world import World
from pilotwire.firmware.kernel.inputs import OPEN_OHM


def pass_time(lock: SocketLock, drive_out: bool, ms: int) -> None:
    for _ in range(ms):
        lock.step(drive_out)


def steps_until(lock: SocketLock, closed: bool) -> int:
    for passed_ms in range(1, 5000):
        lock.step(closed)
        if lock.closed == closed:
            return passed_ms
    raise AssertionError(f"the lock did not report closed={closed}")


def locked() -> SocketLock:
    lock = SocketLock()
    pass_time(lock, True, 300)
    assert lock.closed
    return lock


@pytest.mark.parametrize("travel_ms", [1, 7, 300, 999])
def test_the_bolt_is_out_after_its_travel_and_reported_only_then(travel_ms: int) -> None:
    assert steps_until(SocketLock(travel_ms=travel_ms), closed=True) == travel_ms


def test_a_bolt_that_begins_to_move_back_is_no_longer_reported() -> None:
    assert steps_until(locked(), closed=False) == 1


def test_the_bolt_holds_a_plug_from_half_way_out_to_half_way_in() -> None:
    lock = SocketLock()
    pass_time(lock, True, 149)
    assert not lock.holds
    pass_time(lock, True, 2)
    assert lock.holds
    assert not lock.closed
    pass_time(lock, True, 149)
    assert lock.closed
    pass_time(lock, False, 149)
    assert lock.holds
    pass_time(lock, False, 2)
    assert not lock.holds


@pytest.mark.parametrize("at_ms", [0, 100, 200, 300])
def test_a_jammed_bolt_stays_where_it_is(at_ms: int) -> None:
    lock = SocketLock()
    pass_time(lock, True, at_ms)
    before = (lock.holds, lock.closed)
    lock.jammed = True
    for drive_out in (True, False, True):
        pass_time(lock, drive_out, 2000)
        assert (lock.holds, lock.closed) == before
    lock.jammed = False
    pass_time(lock, True, 300)
    assert lock.closed


def test_a_stuck_switch_reports_what_it_last_reported() -> None:
    lock = SocketLock(switch_stuck=True)
    pass_time(lock, True, 1000)
    assert (lock.holds, lock.closed) == (True, False)
    lock = locked()
    lock.switch_stuck = True
    pass_time(lock, False, 1000)
    assert (lock.holds, lock.closed) == (False, True)


@pytest.mark.parametrize(("amperes", "ohm"), [(13, 1500), (20, 680), (32, 220), (63, 100)])
def test_the_coding_resistors_are_the_fact_sheets(amperes: int, ohm: int) -> None:
    cable = Cable(ohm=CODING_OHM[amperes], in_socket=True)
    assert cable.proximity_ohm() == ohm


# In the world


def held() -> World:
    """A car is plugged in, and its plug is locked in the socket."""
    world = World()
    assert world.plug()
    drive(world, 1.0, False, 350, lock=1)
    assert world.inputs().lock_closed
    return world


def test_proximity_is_open_until_a_cable_is_in_and_again_when_it_is_out() -> None:
    world = World()
    assert world.inputs().pp_ohm == OPEN_OHM
    world.car.plug()
    assert world.inputs().pp_ohm == 220
    world.car.unplug()
    assert world.inputs().pp_ohm == OPEN_OHM


def test_any_resistor_and_a_lost_wire_are_read_at_once_while_the_plug_is_in() -> None:
    world = held()
    for ohm in (0.0, 59.0, 100.0, 1234.4, 4600.0):
        world.cable.ohm = ohm
        assert world.inputs().pp_ohm == round(ohm)
    world.cable.lost = True
    assert world.inputs().pp_ohm == OPEN_OHM
    assert world.car.circuit.plugged
    world.cable.lost = False
    assert world.inputs().pp_ohm == 4600


def test_a_locked_plug_does_not_come_out_of_the_socket() -> None:
    world = held()
    assert not world.pull()
    world.advance(100)
    assert world.car.circuit.plugged
    assert world.inputs().pp_ohm == 220


def test_pulled_at_the_car_the_other_end_stays_in_the_socket_until_the_lock_lets_go() -> None:
    world = held()
    world.unplug()
    drive(world, 1.0, False, 1000, lock=1)
    assert not world.car.circuit.plugged
    assert world.inputs().cp_high_mv == 12000
    assert world.inputs().pp_ohm == 220
    drive(world, 1.0, False, 145)
    assert world.inputs().pp_ohm == 220
    drive(world, 1.0, False, 10)
    assert world.inputs().pp_ohm == OPEN_OHM
    drive(world, 1.0, False, 500, lock=1)
    assert world.inputs().pp_ohm == OPEN_OHM, "a bolt holds nothing that has gone"


def test_an_unlocked_plug_comes_out_of_the_socket_and_takes_the_pilot_with_it() -> None:
    world = World()
    world.plug()
    world.advance(10)
    assert world.pull()
    assert (world.inputs().cp_high_mv, world.inputs().pp_ohm) == (12000, OPEN_OHM)


def test_a_driver_may_leave_the_cable_in_the_socket_and_pull_it_later() -> None:
    world = World()
    world.cable.left = True
    assert (world.inputs().cp_high_mv, world.inputs().pp_ohm) == (12000, 220)
    world.plug()
    world.unplug()
    world.advance(100)
    assert world.inputs().pp_ohm == 220
    assert world.pull()
    assert world.inputs().pp_ohm == OPEN_OHM


def test_nothing_goes_into_a_socket_whose_bolt_is_out() -> None:
    world = World()
    drive(world, 1.0, False, 500, lock=1)
    assert not world.plug()
    assert not world.car.circuit.plugged
    drive(world, 1.0, False, 500)
    assert world.plug()


def test_lock_and_cable_are_events() -> None:
    world = held()
    world.unplug()
    drive(world, 1.0, False, 500)
    rows = [(row["name"], row["value"], row["t_ms"]) for row in world.events if row["t_ms"] > 0]
    rows = [row for row in rows if row[0] in ("lock", "lock_closed", "cable_in_socket")]
    assert rows == [
        ("cable_in_socket", True, 1),
        ("lock_closed", True, 300),
        ("lock", False, 350),
        ("lock_closed", False, 351),
        ("cable_in_socket", False, 502),
    ]
