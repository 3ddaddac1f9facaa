"""The simulated world: energy against closed forms, memory, mains, and that nothing closes without a live pilot."""

from __future__ import annotations

import pytest

from pilotwire.boards.sim.car import Car
from pilotwire.boards.sim.world import MAINS_OHM, MAINS_V, World


def drive(world: World, duty: float, coil: bool, ms: int) -> None:
    """A pilot board that only drives: the alive wave turns every 5 ms."""
    for _ in range(0, ms, 5):
        world.set_outputs(duty, coil, world.now_ms // 5 % 2)
        world.advance(5)


def closed(**settings: float | bool) -> World:
    """A world whose car has closed S2 and whose contacts closed a moment ago."""
    world = World(Car(**settings))  # type: ignore[arg-type]  # only numbers and switches
    world.car.plug()
    drive(world, 0.5333, False, 600)
    drive(world, 0.5333, True, 25)
    assert world.contactor.closed
    return world


def ramp_wh(amperes: float, rate_a_s: float) -> float:
    """Energy per phase while the current rises from 0: integral of (V - R i) i dt with i = rate t."""
    seconds = amperes / rate_a_s
    return (MAINS_V * rate_a_s * seconds**2 / 2 - MAINS_OHM * rate_a_s**2 * seconds**3 / 3) / 3600.0


def steady_wh(amperes: float, seconds: float) -> float:
    return (MAINS_V - MAINS_OHM * amperes) * amperes * seconds / 3600.0


@pytest.mark.parametrize("phases", [1, 2, 3])
@pytest.mark.parametrize(("amperes", "rate_a_s"), [(6.0, 2.0), (16.0, 16.0), (30.0, 10.0)])
def test_the_energy_is_the_integral_of_ramp_and_plateau(phases: int, amperes: float, rate_a_s: float) -> None:
    world = closed(phases=phases, charger_a=amperes, ramp_up_a_s=rate_a_s)
    assert world.energy_wh < 0.001
    drive(world, 0.5333, True, 60_000)
    wanted_wh = phases * (ramp_wh(amperes, rate_a_s) + steady_wh(amperes, 60.0 - amperes / rate_a_s))
    assert world.energy_wh == pytest.approx(wanted_wh, rel=1e-3)
    assert world.power_w() == pytest.approx(phases * (MAINS_V - MAINS_OHM * amperes) * amperes)


def test_one_and_two_phase_cars_load_only_their_phases() -> None:
    for phases in (1, 2, 3):
        world = closed(phases=phases, charger_a=16.0)
        drive(world, 0.5333, True, 3000)
        assert world.currents_a() == tuple(16.0 if phase < phases else 0.0 for phase in range(3))
        loaded_v = MAINS_V - 16.0 * MAINS_OHM
        assert world.voltages_v() == pytest.approx([loaded_v if phase < phases else MAINS_V for phase in range(3)])


def test_no_current_flows_through_open_contacts() -> None:
    world = World()
    world.car.plug()
    drive(world, 0.5333, False, 10_000)
    assert world.car.circuit.s2_closed
    assert world.currents_a() == (0.0, 0.0, 0.0)
    assert world.energy_wh == 0.0


def test_without_mains_there_is_neither_voltage_nor_power() -> None:
    world = closed()
    drive(world, 0.5333, True, 3000)
    world.mains = False
    drive(world, 0.5333, True, 100)
    assert world.voltages_v() == (0.0, 0.0, 0.0)
    assert world.power_w() == 0.0


def test_a_pilot_board_that_falls_silent_opens_the_contacts_within_65_ms_and_the_world_goes_on() -> None:
    world = closed()
    drive(world, 0.5333, True, 3000)
    silent_at_ms = world.now_ms
    energy_wh = world.energy_wh
    world.advance(1000)
    opened = [event["t_ms"] for event in world.events if event["name"] == "contacts_closed" and not event["value"]]
    assert 40 <= opened[-1] - silent_at_ms <= 65
    assert world.now_ms == silent_at_ms + 1000
    assert world.power_w() == 0.0
    assert world.energy_wh - energy_wh < steady_wh(32.0, 0.065) * 3


def test_the_inputs_are_the_circuits_levels_and_the_mirror_contact() -> None:
    world = World()
    assert world.inputs() == (12000, 12000, False)
    world.set_outputs(0.25, False, 0)
    assert world.inputs() == (12000, -12000, False)
    world.car.plug()
    assert world.inputs() == (8979, -12000, False)
    world.set_outputs(0.0, False, 1)
    assert world.inputs() == (-12000, -12000, False)
    assert closed().inputs() == (5995, -12000, True)


def test_every_change_is_an_event_with_its_time_once() -> None:
    world = World()
    world.advance(7)
    world.car.plug()
    world.advance(593)
    drive(world, 0.5, False, 600)
    drive(world, 0.5, True, 100)
    world.note("somebody", 5)
    seen = [(event["name"], event["value"]) for event in world.events]
    assert seen == [
        ("duty_permyriad", 10000),
        ("coil", False),
        ("contacts_closed", False),
        ("plugged", False),
        ("s2_closed", False),
        ("plugged", True),
        ("duty_permyriad", 5000),
        ("s2_closed", True),
        ("coil", True),
        ("contacts_closed", True),
        ("somebody", 5),
    ]
    times = {(event["name"], event["value"]): event["t_ms"] for event in world.events}
    assert times["plugged", True] == 8
    assert times["s2_closed", True] == 1100
    assert times["contacts_closed", True] == 1225
    assert [event["t_ms"] for event in world.events] == sorted(event["t_ms"] for event in world.events)


def test_the_trace_has_a_row_every_100_ms_with_every_quantity() -> None:
    world = closed(charger_a=16.0)
    drive(world, 0.5333, True, 4375)
    assert [row["t_ms"] for row in world.trace] == list(range(100, world.now_ms + 1, 100))
    row = world.trace[-1]
    assert row == {
        "t_ms": 5000,
        "cp_high_mv": 5995,
        "cp_low_mv": -12000,
        "duty_permyriad": 5333,
        "coil": 1,
        "closed": 1,
        "current_a": [16.0, 16.0, 16.0],
        "power_w": pytest.approx(10924.8),
        "energy_wh": pytest.approx(world.energy_wh, abs=1e-4),
    }


def test_the_meter_gets_a_sample_every_20_ms() -> None:
    world = World()
    samples: list[tuple[int, tuple[float, ...], tuple[float, ...]]] = []
    world.on_sample = lambda t_ms, volts, amperes: samples.append((t_ms, volts, amperes))
    world.advance(105)
    assert samples == [(t_ms, (230.0, 230.0, 230.0), (0.0, 0.0, 0.0)) for t_ms in (20, 40, 60, 80, 100)]


def test_time_passes_the_same_in_one_piece_or_in_many() -> None:
    whole, pieces = closed(), closed()
    for world, step_ms in ((whole, 40), (pieces, 1)):
        world.set_outputs(0.5333, True, 1 - world.now_ms // 5 % 2)
        for _ in range(0, 40, step_ms):
            world.advance(step_ms)
    assert whole.trace == pieces.trace
    assert whole.events == pieces.events
    assert whole.energy_wh == pieces.energy_wh
