"""The residual current device: when it trips, when it releases, its self-test, its faults, and that it cuts the coils by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench_in_process import drive
from pilotwire.boards.sim.residual import ResidualDevice
from pilotwire.boards.sim.world import World


def steps_until(
    device: ResidualDevice, what: Callable[[], bool], test: bool = False, closed: bool = True
) -> int | None:
    """Milliseconds until what() holds; None when it does not within two seconds."""
    for passed_ms in range(1, 2000):
        device.step(test, closed)
        if what():
            return passed_ms
    return None


def outputs(device: ResidualDevice) -> tuple[bool, bool]:
    return device.dc.tripped, device.ac.tripped


@pytest.mark.parametrize(("dc_ma", "ac_ma"), [(0.0, 0.0), (5.99, 0.0), (0.0, 29.9), (5.9, 29.9)])
def test_a_small_residual_current_trips_nothing(dc_ma: float, ac_ma: float) -> None:
    device = ResidualDevice(dc_ma=dc_ma, ac_ma=ac_ma)
    assert steps_until(device, lambda: device.tripped) is None


@pytest.mark.parametrize(
    ("dc_ma", "ac_ma", "tripped"), [(6.0, 0.0, (True, False)), (0.0, 30.0, (False, True)), (60.0, 300.0, (True, True))]
)
@pytest.mark.parametrize("delay_ms", [1, 20, 300])
def test_each_kind_of_current_trips_its_output_after_the_delay(
    dc_ma: float, ac_ma: float, tripped: tuple[bool, bool], delay_ms: int
) -> None:
    device = ResidualDevice(dc_ma=dc_ma, ac_ma=ac_ma, delay_ms=delay_ms)
    assert steps_until(device, lambda: device.tripped) == delay_ms
    assert outputs(device) == tripped


def test_a_current_that_is_shorter_than_the_delay_trips_nothing() -> None:
    device = ResidualDevice()
    for _ in range(50):
        device.dc_ma = 60.0
        for _ in range(19):
            device.step(False, True)
        device.dc_ma = 0.0
        device.step(False, True)
    assert not device.tripped


def test_it_stays_tripped_while_the_current_flows_and_releases_200_ms_after() -> None:
    device = ResidualDevice(dc_ma=6.0)
    steps_until(device, lambda: device.tripped)
    assert steps_until(device, lambda: not device.tripped) is None
    device.dc_ma = 0.0
    assert steps_until(device, lambda: not device.tripped) == 200


@pytest.mark.parametrize("kind", ["dc_ma", "ac_ma"])
def test_a_leak_behind_the_contacts_flows_only_while_they_are_closed(kind: str) -> None:
    device = ResidualDevice(behind_contacts=True)
    setattr(device, kind, 300.0)
    assert steps_until(device, lambda: device.tripped, closed=False) is None
    assert steps_until(device, lambda: device.tripped, closed=True) == 20
    assert steps_until(device, lambda: not device.tripped, closed=False) == 200


@pytest.mark.parametrize("test_ms", [80, 660])
def test_the_self_test_trips_both_outputs_and_releases_them_after_it(test_ms: int) -> None:
    device = ResidualDevice(test_ms=test_ms)
    assert steps_until(device, lambda: device.tripped, test=True) == test_ms
    assert outputs(device) == (True, True)
    assert steps_until(device, lambda: not device.tripped, test=True) is None, "while the input is held"
    assert steps_until(device, lambda: not device.tripped) == 200


def test_a_self_test_that_is_given_up_early_trips_nothing_later() -> None:
    device = ResidualDevice()
    for _ in range(30):
        for _ in range(79):
            device.step(True, False)
        device.step(False, False)
    assert not device.tripped


def test_a_dead_self_test_trips_nothing_but_real_currents_still_do() -> None:
    device = ResidualDevice(test_dead=True)
    assert steps_until(device, lambda: device.tripped, test=True) is None
    device.dc_ma = 6.0
    assert steps_until(device, lambda: device.tripped) == 20


@pytest.mark.parametrize("stuck_at", [False, True])
def test_a_stuck_output_stays_as_it_is_and_the_other_one_works(stuck_at: bool) -> None:
    device = ResidualDevice()
    device.dc.tripped, device.dc.stuck = stuck_at, True
    assert steps_until(device, lambda: device.ac.tripped, test=True) == 80
    assert device.dc.tripped is stuck_at
    assert steps_until(device, lambda: not device.ac.tripped) == 200
    assert device.dc.tripped is stuck_at


def test_the_thresholds_can_be_those_of_another_standard() -> None:
    device = ResidualDevice(ac_ma=20.0, ac_trip_ma=20.0)
    assert steps_until(device, lambda: device.tripped) == 20


# In the world


def charging() -> World:
    world = World()
    world.plug()
    drive(world, 0.5333, False, 600)
    drive(world, 0.5333, True, 2000)
    assert world.currents_a()[2] > 10.0
    return world


@pytest.mark.parametrize("kind", ["dc_ma", "ac_ma"])
def test_a_trip_opens_both_contactors_although_the_pilot_goes_on_commanding_them(kind: str) -> None:
    world = charging()
    setattr(world.residual, kind, 60.0)
    at_ms = world.now_ms
    drive(world, 0.5333, True, 1000)
    times = {(row["name"], row["value"]): row["t_ms"] - at_ms for row in world.events if row["t_ms"] >= at_ms}
    assert times["rcd_dc" if kind == "dc_ma" else "rcd_ac", True] == 20
    assert times["coil", False] == times["coil_phases", False] == 20
    assert times["contacts_closed", False] == times["phases_closed", False] == 39
    assert ("close", False) not in times
    assert world.currents_a() == (0.0, 0.0, 0.0)


def test_after_the_release_a_command_that_still_stands_closes_again() -> None:
    world = charging()
    world.residual.dc_ma = 6.0
    drive(world, 0.5333, True, 500)
    assert not world.contactor.closed
    world.residual.dc_ma = 0.0
    drive(world, 0.5333, True, 195)
    assert not world.contactor.coil
    drive(world, 0.5333, True, 100)
    assert world.contactor.closed, "only the pilot can know better"


def test_a_self_test_is_seen_by_the_pilot_and_cuts_the_coils_too() -> None:
    world = charging()
    drive(world, 0.5333, True, 200, rcd_test=1)
    readings = world.inputs()
    assert (readings.rcd_dc, readings.rcd_ac, readings.contacts_closed) == (True, True, False)
