"""The pilot circuit, the contactor and the car as physics: voltages, delays, reactions, against the fact sheet."""

from __future__ import annotations

import pytest

from pilotwire.boards.sim.car import Car, advertised_a
from pilotwire.boards.sim.circuit import SOURCE_MV, EvCircuit, parallel_ohm, source_levels_mv
from pilotwire.boards.sim.contactor import CLOSE_DELAY_MS, HOLD_MS, OPEN_DELAY_MS, ChargePump, Contactor

# R total in ohms and the high level in volts: fact sheet on IEC 61851-1, section 1 ("Voltage on CP", marked [D]).
SHEET = [
    (4610, 9.99),
    (2740, 8.98),
    (1870, 8.06),
    (1254, 6.99),
    (882, 6.00),
    (612, 4.99),
    (246, 2.93),
    (182, 2.44),
    (0, 0.70),
]


@pytest.mark.parametrize(("load_ohm", "volts"), SHEET)
def test_the_level_is_the_fact_sheets_for_every_resistor(load_ohm: int, volts: float) -> None:
    circuit = EvCircuit(plugged=True, r_b_ohm=float(load_ohm))
    assert circuit.level_mv(SOURCE_MV) == pytest.approx(volts * 1000.0, abs=20.0)
    formula_mv = 700.0 + 11_300.0 * load_ohm / (load_ohm + 1000.0)
    assert circuit.level_mv(SOURCE_MV) == pytest.approx(formula_mv, abs=1.0)
    assert circuit.level_mv(-SOURCE_MV) == -12000.0, "the diode blocks"


@pytest.mark.parametrize(
    ("s2_closed", "ventilation", "volts"),
    [(False, False, 8.98), (False, True, 8.98), (True, False, 6.00), (True, True, 2.93)],
)
def test_s2_and_ventilation_switch_the_second_resistor(s2_closed: bool, ventilation: bool, volts: float) -> None:
    circuit = EvCircuit(plugged=True, s2_closed=s2_closed, ventilation=ventilation)
    assert circuit.levels_mv(0.5) == pytest.approx((volts * 1000.0, -12000), abs=20.0)


def test_an_open_circuit_shows_the_source() -> None:
    assert EvCircuit(s2_closed=True).levels_mv(0.5) == (12000, -12000)


def test_without_a_diode_the_negative_half_wave_is_loaded_too() -> None:
    circuit = EvCircuit(plugged=True, s2_closed=True, diode=False)
    assert circuit.levels_mv(0.5) == pytest.approx((12000 * 882 / 1882, -12000 * 882 / 1882), abs=5)


@pytest.mark.parametrize("plugged", [False, True])
def test_a_short_to_earth_takes_both_half_waves_to_zero(plugged: bool) -> None:
    high, low = EvCircuit(plugged=plugged, shorted=True).levels_mv(0.5)
    assert abs(high) <= 1
    assert abs(low) <= 1


def test_a_foreign_source_holds_the_wire_whatever_station_and_car_do() -> None:
    for circuit in (EvCircuit(), EvCircuit(plugged=True, s2_closed=True, shorted=True)):
        circuit.held, circuit.held_mv = True, -4321.0
        for duty in (0.0, 0.5, 1.0):
            assert circuit.levels_mv(duty) == (-4321, -4321)


@pytest.mark.parametrize(
    "circuit", [EvCircuit(), EvCircuit(plugged=True), EvCircuit(plugged=True, s2_closed=True)], ids=repr
)
def test_a_constant_source_has_one_level(circuit: EvCircuit) -> None:
    high, low = circuit.levels_mv(0.5)
    assert circuit.levels_mv(1.0) == (high, high)
    assert circuit.levels_mv(0.0) == (low, low)


def test_parallel_resistors_are_what_ohm_says() -> None:
    assert parallel_ohm(2740.0, 1300.0) == pytest.approx(881.7, abs=0.1)
    assert parallel_ohm(2740.0, 270.0) == pytest.approx(245.8, abs=0.1)


@pytest.mark.parametrize(("duty", "levels"), [(1.0, (12000, 12000)), (0.5, (12000, -12000)), (0.0, (-12000, -12000))])
def test_the_unloaded_source_shows_its_own_levels(duty: float, levels: tuple[int, int]) -> None:
    assert source_levels_mv(duty) == levels
    assert EvCircuit().levels_mv(duty) == levels


# Contactor


def drive(contactor: Contactor, powered: bool, ms: int) -> None:
    for _ in range(ms):
        contactor.step(powered)


def steps_until(contactor: Contactor, closed: bool, powered: bool) -> int:
    for passed_ms in range(1, 500):
        contactor.step(powered)
        if contactor.closed == closed:
            return passed_ms
    raise AssertionError(f"contacts did not become closed={closed}")


def test_contacts_follow_the_coil_after_their_delays() -> None:
    contactor = Contactor()
    assert steps_until(contactor, closed=True, powered=True) == CLOSE_DELAY_MS
    assert steps_until(contactor, closed=False, powered=False) == OPEN_DELAY_MS


def test_the_delays_of_a_contactor_can_be_chosen() -> None:
    contactor = Contactor(close_ms=40, open_ms=7)
    assert steps_until(contactor, closed=True, powered=True) == 40
    assert steps_until(contactor, closed=False, powered=False) == 7


def test_a_command_shorter_than_the_delay_moves_nothing() -> None:
    contactor = Contactor()
    for _ in range(20):
        drive(contactor, True, CLOSE_DELAY_MS - 1)
        drive(contactor, False, 5)
        assert not contactor.closed


def test_a_welded_contact_stays_closed_and_a_stuck_one_open() -> None:
    contactor = Contactor()
    drive(contactor, True, 100)
    contactor.welded = True
    drive(contactor, False, 1000)
    assert contactor.closed
    contactor.welded = False
    drive(contactor, False, 100)
    assert not contactor.closed
    contactor.stuck_open = True
    drive(contactor, True, 1000)
    assert contactor.coil
    assert not contactor.closed


@pytest.mark.parametrize("powered", [False, True])
def test_the_mirror_contact_reports_the_contacts_unless_it_is_stuck_itself(powered: bool) -> None:
    contactor = Contactor()
    drive(contactor, powered, 100)
    assert contactor.reported is powered
    contactor.mirror_open = True
    assert contactor.reported is False
    contactor.mirror_open = False
    contactor.mirror_closed = True
    assert contactor.reported is True
    assert contactor.closed is powered


# Charge pump


def test_there_is_no_coil_voltage_without_a_wave() -> None:
    pump = ChargePump()
    assert not any(pump.step() for _ in range(1000))


def test_a_wave_of_100_hz_keeps_the_pump_charged() -> None:
    pump = ChargePump()
    for passed_ms in range(1000):
        if passed_ms % 5 == 0:
            pump.drive(1 - passed_ms // 5 % 2)
        assert pump.step()


@pytest.mark.parametrize("level", [0, 1])
def test_when_the_wave_stops_the_coil_voltage_lasts_for_40_ms(level: int) -> None:
    pump = ChargePump()
    pump.drive(1 - level)
    pump.drive(level)
    assert [pump.step() for _ in range(100)] == [True] * HOLD_MS + [False] * (100 - HOLD_MS)
    pump.drive(level)
    assert not pump.step(), "a level that stands still is no wave"


# Car


def pass_time(car: Car, duty: float, ms: int, mains_v: float = 0.0) -> None:
    for _ in range(ms):
        car.step(duty, mains_v)


def plugged(**settings: float | bool) -> Car:
    car = Car(**settings)  # type: ignore[arg-type]  # only numbers and switches
    car.plug()
    return car


def charging(duty: float = 0.5333, **settings: float | bool) -> Car:
    """A car that has been charging for ten seconds."""
    car = plugged(**settings)
    pass_time(car, duty, 600)
    assert car.circuit.s2_closed
    pass_time(car, duty, 10_000, 230.0)
    assert car.current_a > 1.0
    return car


@pytest.mark.parametrize(
    ("percent", "amperes"),
    [(0, 0), (3, 0), (5, 0), (7.9, 0), (8, 6), (9.9, 6), (10, 6), (16, 9.6), (53.33, 31.998), (85, 51), (85.01, 52.525),
     (88, 60), (96, 80), (96.5, 80), (97, 80), (97.1, 0), (100, 0)],
)  # fmt: skip
def test_the_car_reads_the_duty_as_the_fact_sheet_does(percent: float, amperes: float) -> None:
    assert advertised_a(percent / 100.0) == pytest.approx(amperes)


def test_the_car_closes_s2_when_it_has_seen_pwm_for_half_a_second() -> None:
    car = plugged()
    pass_time(car, 0.25, 499)
    assert not car.circuit.s2_closed
    pass_time(car, 0.25, 1)
    assert car.circuit.s2_closed


@pytest.mark.parametrize("duty", [0.0, 0.05, 0.075, 0.98, 1.0])
def test_the_car_does_not_ask_at_a_duty_that_allows_no_current(duty: float) -> None:
    car = plugged()
    pass_time(car, duty, 10_000)
    assert not car.circuit.s2_closed


def test_a_car_that_does_not_want_or_is_full_or_is_not_plugged_does_not_ask() -> None:
    for car in (plugged(wants_charge=False), plugged(stored_wh=52_000.0), Car()):
        pass_time(car, 0.25, 10_000)
        assert not car.circuit.s2_closed


@pytest.mark.parametrize("duty", [1.0, 0.0, 0.05])
@pytest.mark.parametrize("charger_a", [6.0, 16.0, 32.0, 63.0])
def test_an_obeying_car_opens_s2_within_three_seconds_of_x1_and_without_current(duty: float, charger_a: float) -> None:
    car = charging(0.92, charger_a=charger_a)
    for passed_ms in range(1, 3001):
        car.step(duty, 230.0)
        if not car.circuit.s2_closed:
            assert passed_ms > 2000
            assert car.current_a == 0.0
            return
    raise AssertionError("S2 is still closed three seconds after X1")


def test_an_ignoring_car_goes_on_drawing() -> None:
    car = charging(obeys_x1=False)
    before_a = car.current_a
    pass_time(car, 1.0, 20_000, 230.0)
    assert car.circuit.s2_closed
    assert car.current_a == before_a


def test_a_car_that_wants_no_more_ramps_down_and_then_opens_s2() -> None:
    car = charging()
    car.wants_charge = False
    pass_time(car, 0.5333, 500, 230.0)
    assert car.circuit.s2_closed, "not under load"
    assert 0.0 < car.current_a < 31.0
    pass_time(car, 0.5333, 600, 230.0)
    assert not car.circuit.s2_closed


def test_the_current_ramps_at_its_rate_to_the_least_of_duty_and_charger() -> None:
    car = plugged(ramp_up_a_s=16.0, charger_a=20.0)
    pass_time(car, 0.5333, 600)
    pass_time(car, 0.5333, 500, 230.0)
    assert car.current_a == pytest.approx(8.0, abs=0.05)
    pass_time(car, 0.5333, 5000, 230.0)
    assert car.current_a == 20.0
    pass_time(car, 0.1667, 100, 230.0)
    assert car.current_a == pytest.approx(20.0 - 3.2, abs=0.05)
    pass_time(car, 0.1667, 5000, 230.0)
    assert car.current_a == pytest.approx(10.0, abs=0.01)


def test_there_is_no_current_without_mains() -> None:
    car = charging()
    car.step(0.5333, 0.0)
    assert car.current_a == 0.0


@pytest.mark.parametrize(("soc", "share"), [(0.5, 1.0), (0.8, 1.0), (0.9, 0.5), (0.95, 0.25), (0.995, 0.05)])
def test_the_current_tapers_off_above_80_percent(soc: float, share: float) -> None:
    car = charging(stored_wh=52_000.0 * soc, charger_a=32.0, capacity_wh=52_000.0)
    assert car.current_a == pytest.approx(min(32.0 * share, 31.998), rel=0.02)


def test_a_full_battery_takes_no_more_and_opens_s2() -> None:
    car = plugged(stored_wh=51_990.0, time_scale=60.0)
    pass_time(car, 0.5333, 600)
    pass_time(car, 0.5333, 60_000, 230.0)
    assert car.soc == 1.0
    assert car.current_a == 0.0
    assert not car.circuit.s2_closed


@pytest.mark.parametrize("time_scale", [1.0, 60.0])
def test_the_battery_gets_the_scaled_energy_less_the_chargers_loss(time_scale: float) -> None:
    car = plugged(charger_a=16.0, time_scale=time_scale, ramp_up_a_s=1e6)
    pass_time(car, 0.5333, 600)
    before_wh = car.stored_wh
    pass_time(car, 0.5333, 36_000, 230.0)
    assert car.stored_wh - before_wh == pytest.approx(time_scale * 0.92 * 3 * 230.0 * 16.0 * 0.01, rel=1e-3)


def test_unplugging_ends_current_and_request_and_the_next_plug_starts_afresh() -> None:
    car = charging()
    car.unplug()
    assert (car.current_a, car.circuit.s2_closed, car.circuit.plugged) == (0.0, False, False)
    pass_time(car, 0.5333, 1000, 230.0)
    assert car.current_a == 0.0
    car.plug()
    pass_time(car, 0.5333, 499)
    assert not car.circuit.s2_closed
