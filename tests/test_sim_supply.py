"""The direct current supply and the sensors: what flows after enable has gone, and what the pilot reads of it."""

from __future__ import annotations

import math

import pytest

from bench_in_process import drive
from pilotwire.boards.sim.car import Car
from pilotwire.boards.sim.sensors import CurrentTransformer, TemperatureSensor
from pilotwire.boards.sim.supply import DcSupply
from pilotwire.boards.sim.world import World


def pass_time(supply: DcSupply, enabled: bool, ms: int, closed: bool = True) -> float:
    for _ in range(ms):
        supply.step(enabled, closed)
    return supply.current_a


def test_the_current_rises_in_a_ramp_to_what_is_set_and_stays() -> None:
    supply = DcSupply(amperes=80.0, rise_a_s=100.0)
    assert pass_time(supply, True, 300) == pytest.approx(30.0)
    assert pass_time(supply, True, 500) == pytest.approx(80.0)
    assert pass_time(supply, True, 5000) == pytest.approx(80.0)
    assert pass_time(DcSupply(), True, 1000) == 0.0, "no supply unless somebody sets one"


@pytest.mark.parametrize("fall_ms", [10.0, 100.0, 1000.0])
def test_without_enable_the_current_falls_by_its_time_constant(fall_ms: float) -> None:
    supply = DcSupply(amperes=100.0, rise_a_s=1e6, fall_ms=fall_ms)
    pass_time(supply, True, 10)
    assert pass_time(supply, False, round(fall_ms)) == pytest.approx(100.0 / math.e)
    assert pass_time(supply, False, round(fall_ms)) == pytest.approx(100.0 / math.e**2)
    assert pass_time(supply, False, round(10 * fall_ms)) == 0.0


def test_a_lower_setting_is_approached_the_same_way() -> None:
    supply = DcSupply(amperes=100.0, rise_a_s=1e6, fall_ms=50.0)
    pass_time(supply, True, 10)
    supply.amperes = 20.0
    assert pass_time(supply, True, 50) == pytest.approx(20.0 + 80.0 / math.e)
    assert pass_time(supply, True, 2000) == pytest.approx(20.0, abs=0.001)


def test_an_open_path_ends_the_current_at_once() -> None:
    supply = DcSupply(amperes=100.0, rise_a_s=1e6)
    pass_time(supply, True, 10)
    assert pass_time(supply, True, 1, closed=False) == 0.0


# In the world


def charging() -> World:
    """A car on direct current: 5 % on the pilot, S2 and contacts closed, the supply enabled."""
    world = World(Car(digital=True))
    world.supply.amperes = 60.0
    world.plug()
    drive(world, 0.05, False, 600)
    assert world.car.circuit.s2_closed
    drive(world, 0.05, True, 1000, supply_enable=1)
    assert world.supply.current_a == pytest.approx(60.0)
    return world


def test_direct_current_flows_through_the_contacts_to_a_car_that_asks_and_the_pilot_can_measure_it() -> None:
    world = charging()
    assert world.inputs().current_ma == 60000
    assert world.currents_a() == (0.0, 0.0, 0.0)
    assert world.row()["dc_a"] == 60.0


@pytest.mark.parametrize("wait_ms", [0, 100, 500])
def test_the_current_that_the_contacts_break_depends_on_how_long_enable_has_been_away(wait_ms: int) -> None:
    world = charging()
    drive(world, 0.05, True, wait_ms)
    drive(world, 0.05, False, 100)
    event = next(row for row in world.events if row["name"] == "broken_a")
    left_a = 60.0 * math.exp(-(wait_ms + 19) / 100.0)
    assert event["value"] == pytest.approx(left_a, abs=0.01)
    assert world.supply.current_a == 0.0
    assert [row["value"] for row in world.events if row["name"] == "supply_enable"] == [False, True, False]


def test_a_car_that_opens_s2_or_is_unplugged_ends_the_direct_current() -> None:
    for end in ("wants", "plug"):
        world = charging()
        if end == "plug":
            world.unplug()
        else:
            world.car.wants_charge = False
        drive(world, 0.05, True, 10, supply_enable=1)
        assert world.supply.current_a == 0.0


def test_without_contacts_or_enable_no_direct_current_begins() -> None:
    for close, supply_enable in ((False, 1), (True, 0)):
        world = World(Car(digital=True))
        world.supply.amperes = 60.0
        world.plug()
        drive(world, 0.05, close, 3000, supply_enable=supply_enable)
        assert world.supply.current_a == 0.0


# Sensors


@pytest.mark.parametrize(
    ("celsius", "ddeg"), [(-55, -400), (-40, -400), (0, 0), (25.04, 250), (69.96, 700), (125, 1250), (200, 1250)]
)
def test_a_temperature_sensor_is_linear_between_its_ends(celsius: float, ddeg: int) -> None:
    assert TemperatureSensor(celsius).ddeg() == ddeg


def test_a_broken_temperature_sensor_reads_outside_whatever_the_temperature_is() -> None:
    for celsius in (-100.0, 25.0, 300.0):
        assert TemperatureSensor(celsius, open=True).ddeg() == 1500
        assert TemperatureSensor(celsius, shorted=True).ddeg() == -600


def test_each_temperature_has_its_own_sensor() -> None:
    world = World()
    world.plug_sensor.celsius = 66.0
    world.board_sensor.shorted = True
    readings = world.inputs()
    assert (readings.plug_ddeg, readings.board_ddeg) == (660, -600)


def test_a_current_transformer_reads_milliamperes_and_can_be_falsified() -> None:
    assert CurrentTransformer().current_ma(15.9996) == 16000
    assert CurrentTransformer(factor=0.0).current_ma(16.0) == 0
    assert CurrentTransformer(factor=1.1, offset_a=0.5).current_ma(10.0) == 11500
    assert CurrentTransformer(offset_a=-1.0).current_ma(0.5) == 0
