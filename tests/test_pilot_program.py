"""The whole pilot program (pins, kernel, link) in the simulated world; every time is the world's."""

from __future__ import annotations

import random

import pytest

from bench_in_process import Bench
from pilotwire.boards.sim.car import Car
from pilotwire.boards.sim.parameters import build
from pilotwire.firmware.kernel import faults, params, table
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD
from pilotwire.firmware.pilot import frontend
from pilotwire.firmware.pilot.frontend import FrontEnd
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link import frame, messages
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.protocols.link.station import PilotHello, PilotLost

TTL_MS = 1000


def opened_after(bench: Bench, since_ms: int) -> int:
    """Milliseconds from since_ms until the contacts reported open; fails the test when they did not."""
    return bench.when("contacts_closed", False, since_ms) - since_ms


def test_a_session_from_plug_to_unplug() -> None:
    bench = Bench()
    bench.run(500)
    bench.permit(16000)
    bench.run(3000)
    assert bench.world.duty == 1.0, "no car, no PWM"
    plugged_at_ms = bench.now_ms
    closed_at_ms = bench.charge(16000)
    assert closed_at_ms - plugged_at_ms < 1500
    bench.run(20_000)
    assert bench.world.currents_a() == pytest.approx((15.996,) * 3, abs=0.01)
    bench.permit(10000)
    bench.run_until("10 A", lambda: bench.world.car.current_a <= 10.0, 2000)
    bench.permit(0)
    stopped_at_ms = bench.now_ms
    bench.run(3200)
    assert opened_after(bench, stopped_at_ms) <= 3200
    bench.world.car.unplug()
    bench.run(500)
    assert bench.world.energy_wh > 50.0
    assert (bench.pilot.kernel.cycles, bench.pilot.kernel.faults, bench.pilot.kernel.phase) == (1, 0, table.IDLE)


def test_the_car_closes_s2_and_has_power_within_three_seconds() -> None:
    bench = Bench(Car(wants_charge=False))
    bench.world.car.plug()
    bench.permit(16000)
    bench.run(5000)
    bench.world.car.wants_charge = True
    bench.run(1000)
    s2_at_ms = bench.when("s2_closed", True)
    assert bench.when("contacts_closed", True) - s2_at_ms <= 400


def test_a_car_without_s2_is_closed_only_with_lease_and_pwm() -> None:
    bench = Bench()
    bench.world.car.plug()
    bench.world.car.circuit.s2_closed = True
    bench.run(5000)
    assert bench.find("contacts_closed", True) is None
    assert bench.world.duty == 1.0
    bench.permit(16000)
    bench.run(1000)
    assert bench.when("contacts_closed", True) > bench.when("duty_permyriad", 2666)


# Unplugging under load: contacts open within 100 ms, whatever else is going on.

PHASES = [*range(5), *range(5, 105, 7)]


@pytest.mark.parametrize("settings", [{}, {"charger_a": 63.0}, {"ramp_up_a_s": 2.0}], ids=str)
@pytest.mark.parametrize("offset_ms", PHASES)
def test_unplugging_under_load_opens_within_100_ms(offset_ms: int, settings: dict[str, float]) -> None:
    bench = Bench(Car(**settings), max_ma=63000)  # type: ignore[arg-type]  # only numbers
    bench.charge(63000)
    bench.run(3000 + offset_ms // 5 * 5)
    bench.world.advance(offset_ms % 5)  # between two ticks of the pilot
    assert bench.world.power_w() > 1000.0
    unplugged_at_ms = bench.now_ms
    bench.world.car.unplug()
    bench.world.advance(5 - offset_ms % 5)
    bench.run(200)
    assert opened_after(bench, unplugged_at_ms) <= 100
    assert bench.pilot.kernel.phase == table.IDLE
    assert bench.world.duty == 1.0


@pytest.mark.parametrize("stopping_for_ms", [0, 5, 1000, 2000, 5000, 6150, 6190, 6195, 6200])
def test_unplugging_while_stopping_opens_within_100_ms(stopping_for_ms: int) -> None:
    bench = Bench(Car(obeys_x1=False))
    bench.charge()
    bench.run(5000)
    bench.permit(0)
    bench.run_until("X1", lambda: bench.world.duty == 1.0, 100)
    bench.run(stopping_for_ms)
    assert bench.world.contactor.closed
    unplugged_at_ms = bench.now_ms
    bench.world.car.unplug()
    bench.run(200)
    assert opened_after(bench, unplugged_at_ms) <= 100


@pytest.mark.parametrize("after_closing_ms", [0, 5, 10, 20, 30, 40, 60, 100, 250])
def test_unplugging_in_the_moment_of_closing_opens_within_100_ms(after_closing_ms: int) -> None:
    bench = Bench()
    bench.world.car.plug()
    bench.permit(16000)
    bench.run_until("the closing command", lambda: bench.pilot.kernel.close, 3000)
    bench.run(after_closing_ms)
    unplugged_at_ms = bench.now_ms
    bench.world.car.unplug()
    bench.run(500)
    assert not bench.world.contactor.closed
    closed_at_ms = bench.find("contacts_closed", True)
    assert closed_at_ms is None or opened_after(bench, closed_at_ms) + closed_at_ms - unplugged_at_ms <= 100
    assert bench.pilot.kernel.faults == 0


@pytest.mark.parametrize("tick_ms", [1, 2, 10, 20])
def test_unplugging_opens_within_100_ms_at_other_tick_lengths(tick_ms: int) -> None:
    bench = Bench()
    bench.tick_ms = tick_ms
    bench.charge()
    for offset_ms in range(tick_ms):
        bench.run(1000)
        bench.world.advance(offset_ms)
        unplugged_at_ms = bench.now_ms
        bench.world.car.unplug()
        bench.world.advance(tick_ms - offset_ms)
        bench.run(300)
        assert opened_after(bench, unplugged_at_ms) <= 100
        bench.world.car.plug()
        bench.run_until("current", lambda: bench.world.car.current_a > 1.0, 5000)


@pytest.mark.parametrize("offset_ms", range(5))
def test_a_car_that_opens_s2_under_load_is_opened_within_100_ms(offset_ms: int) -> None:
    bench = Bench()
    bench.charge()
    bench.run(3000)
    bench.world.advance(offset_ms)
    opened_at_ms = bench.now_ms
    bench.world.car.circuit.s2_closed = False
    bench.world.car.wants_charge = False
    bench.world.advance(5 - offset_ms)
    bench.run(200)
    assert opened_after(bench, opened_at_ms) <= 100


@pytest.mark.parametrize("offset_ms", range(5))
def test_a_pilot_wire_shorted_to_earth_opens_within_100_ms_and_recovers(offset_ms: int) -> None:
    bench = Bench()
    bench.charge()
    bench.world.advance(offset_ms)
    shorted_at_ms = bench.now_ms
    bench.world.car.circuit.shorted = True
    bench.world.advance(5 - offset_ms)
    bench.run(1000)
    assert opened_after(bench, shorted_at_ms) <= 100
    assert bench.pilot.kernel.faults == faults.PILOT_SHORT
    bench.world.car.circuit.shorted = False
    bench.run_until("charging again", lambda: bench.world.contactor.closed, 7000)
    assert bench.pilot.kernel.faults == 0


# The station falls silent, or asks to stop.


@pytest.mark.parametrize("silent_after_ms", [0, 5, 50, 95])
def test_when_the_station_dies_an_obeying_car_is_opened_within_ttl_plus_3_2_s(silent_after_ms: int) -> None:
    bench = Bench()
    bench.charge()
    bench.run(3000 + silent_after_ms)
    bench.station_alive = False
    died_at_ms = bench.now_ms
    bench.run(TTL_MS + 4000)
    x1_at_ms = bench.when("duty_permyriad", 10000, died_at_ms)
    assert TTL_MS - 110 <= x1_at_ms - died_at_ms <= TTL_MS + 5
    assert opened_after(bench, died_at_ms) <= TTL_MS + 3200
    bench.run(20_000)
    assert bench.find("contacts_closed", True, died_at_ms) is None
    bench.start_station()
    bench.permit(16000)
    bench.run_until("charging again", lambda: bench.world.contactor.closed, 5000)


@pytest.mark.parametrize("silent_after_ms", [0, 5, 50, 95])
def test_when_the_station_dies_an_ignoring_car_is_opened_6_0_to_6_5_s_after_x1(silent_after_ms: int) -> None:
    bench = Bench(Car(obeys_x1=False))
    bench.charge()
    bench.run(3000 + silent_after_ms)
    bench.station_alive = False
    died_at_ms = bench.now_ms
    bench.run(TTL_MS + 7000)
    x1_at_ms = bench.when("duty_permyriad", 10000, died_at_ms)
    assert 6000 <= opened_after(bench, x1_at_ms) <= 6500
    assert opened_after(bench, died_at_ms) <= TTL_MS + 6500


def test_a_lease_that_waited_in_the_line_while_the_program_stood_still_is_judged_at_the_true_time() -> None:
    for waited_ms, left_ms in ((95, TTL_MS - 95), (1500, 0)):
        wires = Wires()
        pilot = Pilot(FrontEnd(Machine(wires)), build(()), PilotLink(7, "alone"))
        pilot.tick(5, frame.encode([messages.HELLO, 1, messages.VERSION, 3, "station", b"", b"", 0, 0, b"", 0]))
        lease = frame.encode([messages.LEASE, 2, 0, 7, 3, 5, 1, 16000, TTL_MS, 0, 0])
        pilot.tick(5 + waited_ms, lease)
        assert pilot.kernel.lease_left_ms() == left_ms


# The pilot dies, stands still, comes back.


@pytest.mark.parametrize("offset_ms", [0, 1, 2, 3, 4, 50])
def test_when_the_pilot_dies_the_charge_pump_opens_within_100_ms_and_the_station_knows_within_500(
    offset_ms: int,
) -> None:
    bench = Bench()
    bench.charge()
    bench.run(3000 + offset_ms)
    bench.pilot_alive = False
    died_at_ms = bench.now_ms
    bench.run(500)
    assert opened_after(bench, died_at_ms) <= 100
    assert isinstance(bench.events[-1], PilotLost)
    assert not bench.station.online
    bench.run(3000)
    bench.start_pilot()
    bench.run_until("charging again", lambda: bench.world.contactor.closed, 6000)
    assert [event.boot for event in bench.events if isinstance(event, PilotHello)] == [1001, 1002]
    assert bench.pilot.kernel.faults == 0


@pytest.mark.parametrize("stood_ms", [45, 60, 105, 400, 5000])
def test_a_pilot_that_stood_still_opens_says_overrun_and_recovers(stood_ms: int) -> None:
    bench = Bench()
    bench.charge()
    bench.pilot_alive = False
    stopped_at_ms = bench.now_ms
    bench.run(stood_ms)
    bench.pilot_alive = True
    bench.run(5)
    assert bench.pilot.kernel.faults & faults.OVERRUN
    assert not bench.pilot.kernel.close
    bench.run(60)
    assert opened_after(bench, stopped_at_ms) <= 100
    bench.run_until("charging again", lambda: bench.world.contactor.closed, 6000)
    assert bench.pilot.kernel.faults == 0


@pytest.mark.parametrize("tick_ms", [40, 45, 60, 90, 100])
def test_a_program_that_is_too_slow_for_the_charge_pump_opens_once_and_does_not_chatter(tick_ms: int) -> None:
    bench = Bench()
    bench.charge()
    bench.run(2000)
    slow_since_ms = bench.now_ms
    bench.tick_ms = tick_ms
    bench.run(20_000)
    moves = [event["value"] for event in bench.world.events if event["name"] == "contacts_closed"][2:]
    assert moves == ([] if tick_ms == 40 else [False])
    assert bool(bench.pilot.kernel.faults & faults.OVERRUN) == (tick_ms > 40)
    assert tick_ms == 40 or opened_after(bench, slow_since_ms) <= 150


def test_a_restart_under_load_is_silent_and_never_finds_itself_closed() -> None:
    bench = Bench(Car(obeys_x1=False))
    bench.charge()
    for _ in range(5):
        bench.run(500)
        restarted_at_ms = bench.now_ms
        bench.start_pilot()
        assert bench.wires.level[frontend.COIL] == 0
        assert bench.wires.duty_u16[frontend.CP_PWM] == 65535
        bench.run(100)
        assert opened_after(bench, restarted_at_ms) <= 100
        bench.run_until("charging again", lambda: bench.world.car.current_a > 1.0, 6000)


# Faults of car and contactor.


def test_a_car_without_diode_is_refused_until_it_is_unplugged() -> None:
    bench = Bench()
    bench.world.car.circuit.diode = False
    bench.world.car.plug()
    bench.permit(16000)
    bench.run(10_000)
    assert bench.find("contacts_closed", True) is None
    assert bench.pilot.kernel.faults == faults.DIODE
    bench.world.car.unplug()
    bench.world.car.circuit.diode = True
    bench.run(1000)
    bench.charge()


def test_a_diode_that_fails_under_load_opens_within_100_ms() -> None:
    bench = Bench()
    bench.charge()
    bench.run(2000)
    failed_at_ms = bench.now_ms
    bench.world.car.circuit.diode = False
    bench.run(1000)
    assert opened_after(bench, failed_at_ms) <= 100
    assert bench.pilot.kernel.faults == faults.DIODE


def test_a_car_that_asks_for_ventilation_is_not_closed() -> None:
    bench = Bench()
    bench.world.car.circuit.ventilation = True
    bench.world.car.plug()
    bench.permit(16000)
    bench.run(10_000)
    asked_at_ms = bench.when("s2_closed", True)
    assert bench.when("duty_permyriad", 10000, asked_at_ms) - asked_at_ms <= 300, (
        "PWM is withdrawn: there will be no power"
    )
    assert bench.find("contacts_closed", True) is None


@pytest.mark.parametrize(("fault", "bit"), [("welded", faults.WELDED), ("stuck_open", faults.NOT_CLOSED)])
def test_a_contactor_that_does_not_obey_is_found_reported_and_cleared_by_command(fault: str, bit: int) -> None:
    bench = Bench()
    if fault == "welded":
        bench.charge()
        bench.world.contactor.welded = True
        bench.world.car.unplug()
    else:
        bench.world.contactor.stuck_open = True
        bench.world.car.plug()
        bench.permit(16000)
    bench.run(3000)
    assert bench.station.state is not None
    assert bench.station.state.faults == bit
    bench.world.contactor.welded = bench.world.contactor.stuck_open = False
    bench.world.car.plug()
    bench.run(3000)
    assert bench.station.state.faults == bit
    assert not bench.pilot.kernel.close
    bench.station.clear_faults()
    bench.run_until("charging", lambda: bench.world.contactor.closed, 5000)


# The clock and the line.


def test_a_session_across_the_wrap_of_the_pilots_clock_is_the_same_session() -> None:
    memories = []
    for start_ms in (0, TICKS_PERIOD - 4000, TICKS_PERIOD // 2 - 4000):
        bench = Bench(pilot_start_ms=start_ms)
        bench.charge()
        bench.run(5000)
        bench.permit(8000)
        bench.run(6000)
        bench.world.car.unplug()
        bench.run(500)
        assert not [event for event in bench.events if isinstance(event, PilotLost)]
        memories.append((bench.world.events, bench.world.trace))
    assert memories[0] == memories[1] == memories[2]


@pytest.mark.parametrize("seed", range(5))
def test_over_a_noisy_line_permission_never_outlives_the_last_lease_sent(seed: int) -> None:
    rng = random.Random(seed)
    bench = Bench(Car(obeys_x1=False))
    sent_ms = [-100_000]

    def spoil(data: bytes) -> bytes:
        if data and rng.random() < 0.2:
            return rng.choice((b"", rng.randbytes(50), data[:-3], bytes(byte ^ 0x10 for byte in data), data + data))
        return data

    def to_pilot(data: bytes) -> bytes:
        if bench.station_alive and any(message[0] == messages.LEASE and message[6] for message in whole(data)):
            sent_ms[0] = bench.now_ms
        return spoil(data)

    bench.line_to_pilot, bench.line_to_station = to_pilot, spoil
    bench.world.car.plug()
    for _ in range(60):
        bench.permit(rng.choice((0, 6000, 16000, 32000)))
        bench.station_alive = rng.random() < 0.8
        for _ in range(rng.randrange(1, 60)):
            bench.run(100)
            if bench.world.contactor.closed:
                assert bench.now_ms - sent_ms[0] <= TTL_MS + 6500
    assert bench.pilot.kernel.cycles >= 3
    assert bench.pilot.link.rejected > 10
    assert bench.pilot.kernel.faults == 0


def whole(data: bytes) -> list[list[object]]:
    return frame.FrameReader().receive(data)


# What the station wants to be narrower than it is built in.


def test_what_the_station_narrows_holds_against_its_own_leases_and_after_a_restart_of_the_pilot() -> None:
    bench = Bench()
    bench.station.narrow(params.MAX_MA, 10000)
    bench.station.narrow(params.MAX_MA + 99, 1)  # no such parameter: ignored
    bench.charge(16000)
    assert bench.pilot.kernel.limit_ma == 9996
    bench.station.narrow(params.MAX_MA, 20000)
    bench.run(1000)
    assert bench.pilot.kernel.parameters.value[params.MAX_MA] == 10000, "nothing gets wider while the program runs"
    bench.station.narrow(params.MAX_MA, 8000)
    bench.start_pilot()
    bench.run_until("open contacts", lambda: not bench.world.contactor.closed, 200)
    bench.run_until("charging again", lambda: bench.world.contactor.closed, 9000)
    assert bench.pilot.kernel.limit_ma == 7998
