"""Between the simulated circuit and the pilot's pins: nothing is lost, swapped or rounded away on the way."""

from __future__ import annotations

import struct

import pytest

from pilotwire.boards.sim import pins, signals, wire
from pilotwire.boards.sim.signals import Outputs, Readings
from pilotwire.boards.sim.world import World
from pilotwire.firmware.kernel.inputs import OPEN_OHM, Inputs
from pilotwire.firmware.pilot.frontend import FrontEnd
from pilotwire.hal.machine import Machine, Wires

ANALOGUE = {
    "cp_high_mv": (-12000, 0, 8979, 12000),
    "cp_low_mv": (-12000, 5),
    "pp_ohm": (0, 100, 220, 680, 1500, 4500, OPEN_OHM),
    "current_ma": (0, 16000, 99998),
    "plug_ddeg": (-600, -400, 0, 251, 1250, 1500),
    "board_ddeg": (-600, 733, 1500),
}
SWITCHES = tuple(name for name in Readings._fields if name not in ANALOGUE)


class Driven:
    """A kernel's outputs, as FrontEnd.drive reads them."""

    def __init__(self) -> None:
        self.duty = 10000
        self.close = self.close_phases = self.supply_enable = False
        self.cp_off = self.lock = self.vent = self.rcd_test = False


def sampled(readings: Readings) -> Inputs:
    """The readings as the kernel gets them, across the wire record and all pins."""
    record = struct.pack(wire.TO_PILOT, 77, *signals.adc_u16(readings), signals.input_levels(readings))
    assert len(record) == wire.TO_PILOT_SIZE
    fields = struct.unpack(wire.TO_PILOT, record)
    assert fields[0] == 77
    wires, inputs = Wires(), Inputs()
    front = FrontEnd(Machine(wires))
    pins.put_inputs(wires, fields[1:-1], fields[-1])
    front.sample(inputs)
    return inputs


def crossed(duty: int, *on: str) -> Outputs:
    """A kernel's outputs as the world gets them."""
    wires, driven = Wires(), Driven()
    front = FrontEnd(Machine(wires))
    driven.duty = duty
    for name in on:
        setattr(driven, name, True)
    front.drive(driven)
    record = struct.pack(wire.TO_WORLD, 77, *pins.take_outputs(wires))
    assert len(record) == wire.TO_WORLD_SIZE
    return signals.outputs(*struct.unpack(wire.TO_WORLD, record)[1:])


def test_the_readings_are_the_kernels_inputs_and_nothing_else() -> None:
    assert set(Readings._fields) == set(vars(Inputs()))
    assert set(Outputs._fields) - {"alive"} == set(vars(Driven()))


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ANALOGUE.items() for value in values])
def test_an_analogue_value_reaches_the_kernel_within_its_last_digit(name: str, value: int) -> None:
    readings = Readings(12000, -12000)._replace(**{name: value})
    inputs = vars(sampled(readings))
    for field, expected in readings._asdict().items():
        assert inputs[field] == pytest.approx(expected, abs=1), field


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_reaches_the_kernel_alone(name: str) -> None:
    for others in (False, True):
        readings = Readings(0, 0)._replace(**{**dict.fromkeys(SWITCHES, others), name: not others})
        inputs = vars(sampled(readings))
        assert {field: inputs[field] for field in SWITCHES} == {field: getattr(readings, field) for field in SWITCHES}


@pytest.mark.parametrize("name", [name for name in Outputs._fields if name not in ("duty", "alive")])
def test_an_output_of_the_kernel_reaches_the_world_alone(name: str) -> None:
    assert crossed(10000, name) == Outputs(1.0, alive=1)._replace(**{name: 1})


@pytest.mark.parametrize("permyriad", [0, 500, 1000, 2666, 5333, 8500, 9600, 10000])
def test_the_duty_reaches_the_world_rounded_down(permyriad: int) -> None:
    outputs = crossed(permyriad)
    assert outputs == Outputs(outputs.duty, alive=1)
    assert 0.0 <= permyriad / 10000 - outputs.duty < 1 / 65535


def test_read_and_write_are_what_the_world_is_and_does() -> None:
    world = World()
    world.stop_pressed = True
    world.board_sensor.celsius = 61.5
    adc_u16, levels = signals.read(world)
    assert adc_u16 == signals.adc_u16(world.inputs())
    assert levels == signals.input_levels(world.inputs()) == 0b10100000
    signals.write(world, 65535, 0b00100001)
    assert world.outputs == Outputs(1.0, close=1, lock=1)
