"""The whole simulated board with the real pilot program: every part of the circuit is really in the loop.

What the kernel must do in each case is judged in its own tests; here it is that the case can be made at all.
"""

from __future__ import annotations

import operator

import pytest

from bench_in_process import Bench
from pilotwire.boards.sim.cable import CODING_OHM
from pilotwire.boards.sim.car import Car
from pilotwire.firmware.kernel import faults, params
from pilotwire.firmware.kernel.lease import MODE_AC_HLC, MODE_DC
from pilotwire.tools.rig.settings import SHORT_PAUSES


def names(bench: Bench) -> list[str]:
    return faults.names(bench.pilot.kernel.faults)


def test_before_the_first_charge_the_device_is_tested_and_the_plug_locked() -> None:
    bench = Bench()
    closed_ms = bench.charge()
    for output in ("rcd_dc", "rcd_ac"):
        tripped_ms = bench.when(output, True)
        assert bench.when("rcd_test", True) < tripped_ms < bench.when(output, False, tripped_ms) < closed_ms
    assert bench.when("lock", True) < bench.when("lock_closed", True) < closed_ms
    assert bench.when("phases_closed", True) < closed_ms + 50
    assert names(bench) == []


def test_unplugged_at_the_car_the_lock_lets_the_cable_go() -> None:
    bench = Bench()
    bench.charge()
    assert not bench.world.pull()
    at_ms = bench.now_ms
    bench.world.unplug()
    bench.run(1500)
    assert at_ms < bench.when("contacts_closed", False, at_ms) <= bench.when("lock_closed", False, at_ms)
    assert bench.when("cable_in_socket", False, at_ms) > bench.when("lock_closed", False, at_ms)


@pytest.mark.parametrize("amperes", [13, 20, 32])
def test_the_cables_resistor_limits_the_current(amperes: int) -> None:
    bench = Bench(max_ma=63000)
    bench.world.cable.ohm = CODING_OHM[amperes]
    bench.charge(63000)
    bench.run(3000)
    assert bench.world.currents_a()[0] == pytest.approx(amperes, abs=0.02)


def test_without_a_second_contactor_the_board_closes_all_phases_with_the_first() -> None:
    one = params.RCD_DC | params.RCD_TEST
    bench = Bench(changes=((params.FITTED, one), *SHORT_PAUSES))
    bench.charge()
    bench.run(3000)
    assert bench.find("phases_closed", True) is None
    assert bench.world.currents_a()[2] > 10.0


@pytest.mark.parametrize(
    ("part", "setting", "value", "fault"),
    [
        ("residual", "dc_ma", 6.0, "ResidualCurrentDc"),
        ("residual", "ac_ma", 30.0, "ResidualCurrentAc"),
        (None, "earth_ok", False, "EarthLost"),
        (None, "pen_lost", True, "PenLost"),
        (None, "stop_pressed", True, "EmergencyStop"),
        ("cable", "lost", True, "CableUnreadable"),
        ("car.circuit", "held", True, "PilotInvalid"),
        ("car.circuit", "shorted", True, "PilotShort"),
        ("car.circuit", "diode", False, "DiodeMissing"),
        ("plug_sensor", "celsius", 90.0, "PlugTooHot"),
        ("board_sensor", "celsius", 90.0, "BoardTooHot"),
        ("plug_sensor", "open", True, "TemperatureSensor"),
        ("board_sensor", "shorted", True, "TemperatureSensor"),
        ("contactor", "mirror_open", True, "ContactorNotClosed"),
        ("second", "mirror_open", True, "ContactorNotClosed"),
        ("transformer", "factor", 2.0, "OverCurrent"),
    ],
)
def test_each_trouble_of_the_circuit_reaches_the_kernel_and_ends_the_charge(
    part: str | None, setting: str, value: float | bool, fault: str
) -> None:
    bench = Bench()
    bench.charge()
    bench.run(2000)
    at_ms = bench.now_ms
    setattr(operator.attrgetter(part)(bench.world) if part else bench.world, setting, value)
    bench.run(15_000)
    assert fault in names(bench)
    assert bench.find("close", False, at_ms) is not None
    assert not bench.world.contactor.closed
    assert bench.world.currents_a() == (0.0, 0.0, 0.0)


def test_a_dead_self_test_and_a_jammed_lock_keep_the_contactor_open() -> None:
    for part, setting, fault in (("residual", "test_dead", "ResidualSelfTest"), ("lock", "jammed", "LockFailure")):
        bench = Bench()
        setattr(getattr(bench.world, part), setting, True)
        bench.world.plug()
        bench.permit(16000)
        bench.run(20_000)
        assert fault in names(bench)
        assert bench.find("contacts_closed", True) is None


@pytest.mark.parametrize("contactor", ["contactor", "second"])
def test_a_mirror_contact_that_moves_by_itself_is_noticed(contactor: str) -> None:
    bench = Bench()
    bench.run(2000)
    getattr(bench.world, contactor).mirror_closed = True
    bench.run(500)
    assert names(bench) == ["MirrorContact"]


def test_a_phantom_current_is_noticed_while_the_contacts_are_open() -> None:
    bench = Bench()
    bench.world.transformer.offset_a = 3.0
    bench.run(2000)
    assert "MirrorContact" in names(bench)


def test_a_welded_second_contactor_is_noticed() -> None:
    bench = Bench()
    bench.charge()
    bench.world.second.welded = True
    bench.permit(0)
    bench.run(8000)
    assert "ContactorWelded" in names(bench)


def test_a_sleeping_car_is_woken_up_by_the_relay_and_charges() -> None:
    bench = Bench(Car(sleeps=True))
    bench.world.plug()
    bench.permit(16000)
    bench.run(60_000)
    off_ms, on_ms = bench.when("cp_off", True), bench.when("cp_off", False, 1)
    assert 3000 <= on_ms - off_ms <= 5000
    assert bench.when("s2_closed", True) > on_ms
    assert bench.world.currents_a()[0] == pytest.approx(16.0, abs=0.02)


def test_a_car_without_s2_is_seen_as_simplified() -> None:
    bench = Bench(Car(simplified=True))
    bench.run(500)
    bench.charge()
    assert bench.pilot.kernel.simplified


def test_a_toggle_of_the_car_is_counted_by_the_pilot() -> None:
    bench = Bench(Car(wants_charge=False))
    bench.world.plug()
    bench.run(2000)
    bench.world.car.toggle(3, 300, 300)
    bench.run(5000)
    assert (bench.pilot.kernel.bcb_pulses, bench.pilot.kernel.bcb_sequences) == (3, 1)


def test_a_car_that_wants_ventilation_gets_it_where_the_board_has_it() -> None:
    everything = params.LIMITS[params.FITTED][1]
    bench = Bench(changes=((params.FITTED, everything), *SHORT_PAUSES))
    bench.world.car.circuit.ventilation = True
    bench.charge()
    assert bench.when("vent", True) <= bench.now_ms
    assert bench.world.inputs().cp_high_mv < 4000


def test_a_hot_plug_takes_current_away_step_by_step() -> None:
    bench = Bench()
    bench.charge(32000)
    bench.run(5000)
    bench.world.plug_sensor.celsius = 65.0
    bench.run(10_000)
    assert 6.0 < bench.world.currents_a()[0] < 28.0


def test_direct_current_is_broken_at_a_small_current_after_the_supply_has_gone() -> None:
    bench = Bench(Car(digital=True), changes=((params.DC_MAX_MA, 100000), *SHORT_PAUSES))
    bench.world.supply.amperes = 60.0
    bench.world.plug()
    bench.permit(60000, mode=MODE_DC)
    bench.run_until("direct current", lambda: bench.world.supply.current_a > 59.0, 10_000)
    bench.permit(0)
    off_ms = bench.now_ms
    bench.run(2000)
    assert bench.when("supply_enable", False, off_ms) < bench.when("contacts_closed", False, off_ms) <= off_ms + 1000
    broken = [row["value"] for row in bench.world.events if row["name"] == "broken_a"]
    assert 0.0 <= broken[-1] < 10.0


def test_a_car_on_5_percent_draws_what_it_has_agreed() -> None:
    bench = Bench(Car(digital=True, digital_a=12.0))
    bench.world.plug()
    bench.permit(16000, mode=MODE_AC_HLC)
    bench.run(8000)
    assert bench.world.duty == pytest.approx(0.05, abs=0.0001)
    assert bench.world.currents_a() == pytest.approx((12.0, 12.0, 12.0))


def test_the_true_pauses_hold_the_contactor_open_for_ten_seconds() -> None:
    waits = []
    for changes in ((), SHORT_PAUSES):
        bench = Bench(changes=changes)
        bench.run(12_000)
        bench.charge()
        bench.permit(0)
        bench.run_until("open", lambda bench=bench: not bench.world.contactor.closed, 8000)
        opened_ms = bench.now_ms
        bench.permit(16000)
        bench.run(20_000)
        waits.append(bench.when("contacts_closed", True, opened_ms) - opened_ms)
    assert waits[0] >= 10_000 > waits[1]
