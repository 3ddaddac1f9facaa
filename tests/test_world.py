"""The simulated world: energy against closed forms, memory, mains, and that nothing closes without a live pilot."""

from __future__ import annotations

import pytest

from bench_in_process import drive
from pilotwire.boards.sim.car import Car
from pilotwire.boards.sim.signals import Outputs, Readings
from pilotwire.boards.sim.world import EVENTS, MAINS_OHM, MAINS_V, World


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


def pilot_levels(world: World) -> tuple[int, int, bool]:
    readings = world.inputs()
    return readings.cp_high_mv, readings.cp_low_mv, readings.contacts_closed


def test_the_inputs_are_the_circuits_levels_and_the_mirror_contact() -> None:
    world = World()
    assert pilot_levels(world) == (12000, 12000, False)
    world.set_outputs(Outputs(0.25))
    assert pilot_levels(world) == (12000, -12000, False)
    world.car.plug()
    assert pilot_levels(world) == (8979, -12000, False)
    world.set_outputs(Outputs(0.0))
    assert pilot_levels(world) == (-12000, -12000, False)
    assert pilot_levels(closed()) == (5995, -12000, True)


def test_a_fresh_world_gives_the_pilot_board_nothing_to_complain_of() -> None:
    assert World().inputs() == Readings(12000, 12000)


@pytest.mark.parametrize("duty", [0.0, 0.25, 1.0])
def test_the_relay_takes_the_car_off_the_wire_for_both_sides(duty: float) -> None:
    world = closed()
    drive(world, duty, False, 500, cp_off=1)
    assert world.inputs()[:2] == (-12000 if duty == 0.0 else 12000, 12000 if duty == 1.0 else -12000), "the open source"
    drive(world, 0.25, False, 3000, cp_off=1)
    assert not world.car.circuit.s2_closed, "the car sees no PWM any more"
    assert world.car.circuit.plugged
    drive(world, 0.25, False, 5)
    assert world.inputs()[:2] == (8979, -12000)


def test_each_contactor_closes_its_own_phases() -> None:
    for phases in (1, 2, 3):
        world = closed(phases=phases, charger_a=16.0)
        drive(world, 0.5333, True, 3000)
        drive(world, 0.5333, True, 500, close_phases=0)
        assert world.currents_a() == (16.0, 0.0, 0.0)
        assert world.inputs()[6:8] == (True, False)
        drive(world, 0.5333, False, 500, close_phases=1)
        assert world.currents_a() == (0.0, 0.0, 0.0), "L2 and L3 have no way back without N"
        assert world.inputs()[6:8] == (False, True)


def test_without_a_second_contactor_the_first_one_switches_all_phases() -> None:
    world = World(Car(charger_a=16.0))
    world.second_contactor = False
    world.car.plug()
    drive(world, 0.5333, False, 600)
    drive(world, 0.5333, True, 3000, close_phases=0)
    assert world.currents_a() == (16.0, 16.0, 16.0)
    assert not world.inputs().phases_closed


def test_each_contactor_has_its_own_faults() -> None:
    world = closed()
    world.second.welded = True
    drive(world, 0.5333, False, 500)
    assert world.inputs()[6:8] == (False, True)
    world.second.welded, world.second.stuck_open = False, True
    drive(world, 0.5333, False, 500)
    drive(world, 0.5333, True, 500)
    assert world.inputs()[6:8] == (True, False)
    world.contactor.mirror_open = True
    assert world.inputs()[6:8] == (False, False)
    assert world.currents_a()[0] > 1.0, "the mirror contact lies, the current flows"


def test_the_battery_is_charged_by_the_phases_that_are_closed() -> None:
    gains = []
    for close_phases in (0, 1):
        world = closed(charger_a=16.0, ramp_up_a_s=1e6)
        before_wh = world.car.stored_wh
        drive(world, 0.5333, True, 10_000, close_phases=close_phases)
        gains.append(world.car.stored_wh - before_wh)
    assert gains[1] == pytest.approx(3 * gains[0], rel=0.01)
    assert gains[0] == pytest.approx(0.92 * steady_wh(16.0, 10.0), rel=0.01)


def test_the_current_transformer_sees_the_largest_phase_and_can_be_made_to_lie() -> None:
    world = closed(phases=1, charger_a=16.0)
    drive(world, 0.5333, True, 3000)
    assert world.inputs().current_ma == 16000
    world.transformer.factor = 1.25
    world.transformer.offset_a = 2.0
    assert world.inputs().current_ma == 22000
    drive(world, 0.5333, False, 100)
    assert world.inputs().current_ma == 2000, "a phantom current"
    world.transformer.offset_a = -5.0
    assert world.inputs().current_ma == 0


def test_the_current_that_contacts_break_is_an_event() -> None:
    world = closed(charger_a=16.0)
    drive(world, 0.5333, True, 3000)
    drive(world, 0.5333, True, 100, close_phases=0)
    drive(world, 0.5333, False, 100)
    drive(world, 0.5333, True, 40)
    drive(world, 0.5333, False, 100)
    broken = [(event["name"], event["value"]) for event in world.events if event["name"].endswith("broken_a")]
    assert broken[:2] == [("phases_broken_a", 16.0), ("broken_a", 16.0)]
    assert broken[2][0] == "broken_a"
    assert 0.0 < broken[2][1] < 1.0, "the ramp had only begun"


def test_every_change_is_an_event_with_its_time_once() -> None:
    world = World()
    world.advance(7)
    world.car.plug()
    world.advance(593)
    drive(world, 0.5, False, 600)
    drive(world, 0.5, True, 100)
    world.note("somebody", 5)
    seen = [(event["name"], event["value"]) for event in world.events]
    first, rest = seen[: len(EVENTS)], seen[len(EVENTS) :]
    assert [name for name, _ in first] == list(EVENTS)
    assert [name for name, value in first if value] == ["duty_permyriad", "earth_ok"]
    assert rest == [
        ("plugged", True),
        ("cable_in_socket", True),
        ("duty_permyriad", 5000),
        ("s2_closed", True),
        ("close", True),
        ("close_phases", True),
        ("coil", True),
        ("coil_phases", True),
        ("contacts_closed", True),
        ("phases_closed", True),
        ("somebody", 5),
    ]
    times = {(event["name"], event["value"]): event["t_ms"] for event in world.events}
    assert times["plugged", True] == 8
    assert times["s2_closed", True] == 1100
    assert times["close", True] == 1200
    assert times["coil", True] == 1201
    assert times["contacts_closed", True] == 1225
    assert [event["t_ms"] for event in world.events] == sorted(event["t_ms"] for event in world.events)


@pytest.mark.parametrize(
    ("output", "event"),
    [("supply_enable", "supply_enable"), ("cp_off", "cp_off"), ("lock", "lock"), ("vent", "vent"), ("rcd_test", "rcd_test"),
     ("close_phases", "close_phases"), ("close", "close")],
)  # fmt: skip
def test_each_output_of_the_board_is_an_event_at_the_millisecond_it_is_driven(output: str, event: str) -> None:
    world = World()
    world.advance(13)
    world.set_outputs(Outputs(**{output: 1}))
    world.advance(4)
    world.set_outputs(Outputs())
    seen = [(row["t_ms"], row["value"]) for row in world.events if row["name"] == event]
    assert seen == [(0, False), (13, True), (17, False)]


def test_each_guard_of_the_site_is_an_input_and_an_event() -> None:
    for name, value in (("earth_ok", False), ("pen_lost", True), ("stop_pressed", True)):
        world = World()
        setattr(world, name, value)
        world.advance(1)
        assert getattr(world.inputs(), name) is value
        changed = [
            key for key, reading in world.inputs()._asdict().items() if reading != getattr(World().inputs(), key)
        ]
        assert changed == [name]
        assert world.events[-1] == {"t_ms": 1, "name": name, "value": value}


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
        "phases_closed": 1,
        "pp_ohm": 220,
        "lock_closed": 0,
        "dc_a": 0.0,
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
        world.set_outputs(Outputs(0.5333, close=1, close_phases=1, alive=1 - world.now_ms // 5 % 2))
        for _ in range(0, 40, step_ms):
            world.advance(step_ms)
    assert whole.trace == pieces.trace
    assert whole.events == pieces.events
    assert whole.energy_wh == pieces.energy_wh
