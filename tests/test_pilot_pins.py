"""The pilot program at its pins and on its line: scales, the alive wave, what is sent and when."""

from __future__ import annotations

import itertools
import os
import subprocess

import pytest

from bench_in_process import Bench
from pilotwire.boards.sim import parameters
from pilotwire.firmware.kernel import kernel
from pilotwire.firmware.kernel.inputs import OPEN_OHM, Inputs
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD
from pilotwire.firmware.pilot import frontend
from pilotwire.firmware.pilot.frontend import FrontEnd
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link import frame, messages
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.tools.rig.rig import PACKAGE_ROOT, find_micropython


def whole(data: bytes) -> list[list[object]]:
    return frame.FrameReader().receive(data)


def test_state_is_sent_every_100_ms_and_hello_every_500_until_a_station_answers() -> None:
    bench = Bench(pilot_start_ms=TICKS_PERIOD - 3000)
    seen: list[tuple[int, object]] = []

    def tap(data: bytes) -> bytes:
        seen.extend((bench.now_ms, message[0]) for message in whole(data))
        return data

    bench.line_to_station = tap
    bench.line_to_pilot = lambda data: b""
    bench.run(3000)
    assert seen == [(now_ms, messages.HELLO) for now_ms in range(0, 3000, 500)]
    bench.line_to_pilot = lambda data: data
    bench.run(1000)
    seen.clear()
    bench.run(1000)
    states = [now_ms for now_ms, kind in seen if kind == messages.STATE]
    assert len(states) == len(seen) == 10
    assert {later - earlier for earlier, later in itertools.pairwise(states)} == {100}


def test_the_station_reads_the_levels_on_the_wire() -> None:
    bench = Bench()
    bench.charge()
    bench.run(1000)
    state = bench.station.state
    assert state is not None
    assert [state.cp_high_mv, state.cp_low_mv] == pytest.approx([5995, -12000], abs=1)
    assert (state.duty, state.limit_ma, state.close, state.contacts_closed) == (2666, 15996, True, True)
    assert state.cycles == 1


# Scales. Every one goes from 16 bits to a unit and back; the microcontroller's small integers end at 2**30.

SCALES = {
    "control pilot": (frontend.cp_mv, frontend.cp_u16, range(-15000, 15000), 1),
    "proximity": (frontend.pp_ohm, frontend.pp_u16, range(4600), 1),
    "current": (frontend.current_ma, frontend.current_u16, range(0, 100000, 7), 1),
    "temperature": (frontend.temp_ddeg, frontend.temp_u16, range(-600, 1501), 0),
}
each_scale = pytest.mark.parametrize("scale", SCALES)


class Small(int):
    """An integer whose arithmetic fails outside the range of the target's small integers."""

    def _done(self, name: str, *others: int) -> int:
        result = getattr(int, name)(self, *others)
        assert -(2**30) <= result < 2**30, f"{int(self)} {name} {others} is {result}"
        return Small(result)

    def __add__(self, other: int) -> int:
        return self._done("__add__", other)

    def __radd__(self, other: int) -> int:
        return self._done("__radd__", other)

    def __sub__(self, other: int) -> int:
        return self._done("__sub__", other)

    def __rsub__(self, other: int) -> int:
        return self._done("__rsub__", other)

    def __mul__(self, other: int) -> int:
        return self._done("__mul__", other)

    def __rmul__(self, other: int) -> int:
        return self._done("__rmul__", other)

    def __floordiv__(self, other: int) -> int:
        return self._done("__floordiv__", other)

    def __rfloordiv__(self, other: int) -> int:
        return self._done("__rfloordiv__", other)

    def __lshift__(self, other: int) -> int:
        return self._done("__lshift__", other)

    def __rshift__(self, other: int) -> int:
        return self._done("__rshift__", other)


def test_a_small_integer_that_grows_too_large_is_noticed() -> None:
    assert Small(2**15) * (2**15 - 1) < 2**30
    for grow in (lambda: Small(2**15) * 2**15, lambda: Small(1) << 30, lambda: 2**29 + Small(2**29)):
        with pytest.raises(AssertionError):
            grow()


@each_scale
def test_a_scale_goes_both_ways(scale: str) -> None:
    to_unit, to_u16, values, error = SCALES[scale]
    for value in values:
        raw = to_u16(value)
        assert 0 <= raw <= 65535
        assert abs(to_unit(raw) - value) <= error


@each_scale
def test_a_scale_never_goes_back_while_the_reading_rises(scale: str) -> None:
    to_unit, to_u16, values, _ = SCALES[scale]
    readings = [to_unit(raw) for raw in range(65536)]
    assert readings == sorted(readings)
    assert len(set(readings)) > 2000
    raws = [to_u16(value) for value in values]
    assert raws == sorted(raws)


@each_scale
def test_no_intermediate_of_a_scale_reaches_2_to_the_30(scale: str) -> None:
    to_unit, to_u16, values, _ = SCALES[scale]
    for raw in (*range(0, 65536, 251), 65535):
        assert -(2**30) <= to_unit(Small(raw)) < 2**30
    for value in (*values[::17], values[-1], -200_000, -1, 99_999, 100_000, 100_001, 2**29):
        assert 0 <= to_u16(Small(value)) <= 65535


def test_no_intermediate_of_the_duty_reaches_2_to_the_30() -> None:
    for permyriad in range(10001):
        assert frontend.duty_u16(Small(permyriad)) <= permyriad * 65535 / 10000


@pytest.mark.parametrize(
    ("scale", "lowest", "highest"),
    [
        ("control pilot", -15000, 14999),
        ("proximity", 0, OPEN_OHM),
        ("current", 0, 99998),
        ("temperature", -600, 1500),
    ],
)
def test_the_ends_of_a_scale(scale: str, lowest: int, highest: int) -> None:
    to_unit, to_u16, _, _ = SCALES[scale]
    assert (to_unit(0), to_unit(65535)) == (lowest, highest)
    assert (to_u16(lowest - 200_000), to_u16(highest + 200_000)) == (0, 65535)


@pytest.mark.parametrize("ohm", [80, 140, 164, 308, 400, 936, 1100, 2460, 4500, 9_900, 50_000, 99_000])
def test_a_resistor_on_proximity_reads_within_a_tenth_of_a_per_cent(ohm: int) -> None:
    assert frontend.pp_ohm(frontend.pp_u16(ohm)) == pytest.approx(ohm, rel=0.001, abs=1)
    divider = 65536 * ohm / (ohm + frontend.PP_SOURCE_OHM)
    assert frontend.pp_u16(ohm) == pytest.approx(divider, abs=0.51)


def test_an_open_proximity_reads_as_open() -> None:
    assert frontend.pp_u16(OPEN_OHM) == frontend.pp_u16(10**9) == 65535
    assert frontend.pp_ohm(65535) == OPEN_OHM
    assert frontend.pp_ohm(frontend.pp_u16(99_000)) < OPEN_OHM


def test_a_broken_temperature_sensor_reads_outside_its_range_and_a_good_one_inside() -> None:
    for ddeg in (-400, 1250):
        assert frontend.temp_ddeg(frontend.temp_u16(ddeg)) == ddeg
    assert frontend.temp_ddeg(0) < -400 - 100
    assert frontend.temp_ddeg(65535) > 1250 + 100


# Pins

OUTPUTS = (
    frontend.COIL,
    frontend.ALIVE,
    frontend.COIL_PHASES,
    frontend.SUPPLY_ENABLE,
    frontend.CP_OFF,
    frontend.LOCK,
    frontend.VENT,
    frontend.RCD_TEST,
)


class DrivenKernel:
    """What FrontEnd.drive reads of a kernel."""

    def __init__(self, **outputs: int) -> None:
        self.duty = 10000
        self.close = self.close_phases = self.supply_enable = False
        self.cp_off = self.lock = self.vent = self.rcd_test = False
        for name, value in outputs.items():
            assert hasattr(self, name)
            setattr(self, name, value)


def test_the_pins_are_silent_from_the_first_moment() -> None:
    wires = Wires()
    frontend.FrontEnd(Machine(wires))
    assert wires.duty_u16 == {frontend.CP_PWM: 65535}
    assert wires.level == dict.fromkeys(OUTPUTS, 0)


@pytest.mark.parametrize(
    ("output", "pin"),
    [
        ("close", frontend.COIL),
        ("close_phases", frontend.COIL_PHASES),
        ("supply_enable", frontend.SUPPLY_ENABLE),
        ("cp_off", frontend.CP_OFF),
        ("lock", frontend.LOCK),
        ("vent", frontend.VENT),
        ("rcd_test", frontend.RCD_TEST),
    ],
)
def test_each_output_of_the_kernel_has_one_pin_and_no_other(output: str, pin: int) -> None:
    wires = Wires()
    front = frontend.FrontEnd(Machine(wires))
    front.drive(DrivenKernel(**{output: True}))
    assert {number for number, level in wires.level.items() if level} == {pin, frontend.ALIVE}
    assert wires.duty_u16 == {frontend.CP_PWM: 65535}
    front.drive(DrivenKernel(duty=2500))
    assert not any(wires.level.values())
    assert wires.duty_u16 == {frontend.CP_PWM: 16383}


@pytest.mark.parametrize(
    ("field", "pin"),
    [
        ("contacts_closed", frontend.CONTACTS),
        ("phases_closed", frontend.CONTACTS_PHASES),
        ("lock_closed", frontend.LOCK_CLOSED),
        ("rcd_dc", frontend.RCD_DC),
        ("rcd_ac", frontend.RCD_AC),
        ("earth_ok", frontend.EARTH_OK),
        ("pen_lost", frontend.PEN_LOST),
        ("stop_pressed", frontend.STOP_PRESSED),
    ],
)
def test_each_switch_has_one_pin_and_no_other(field: str, pin: int) -> None:
    wires = Wires()
    front, inputs = frontend.FrontEnd(Machine(wires)), Inputs()
    wires.level[pin] = 1
    front.sample(inputs)
    assert [name for name, value in vars(inputs).items() if value is True] == [field]
    wires.level[pin] = 0
    front.sample(inputs)
    assert getattr(inputs, field) is False


@pytest.mark.parametrize(
    ("field", "pin", "reads_zero", "reads_half"),
    [
        ("cp_high_mv", frontend.CP_HIGH, -15000, 0),
        ("cp_low_mv", frontend.CP_LOW, -15000, 0),
        ("pp_ohm", frontend.PP, 0, 1000),
        ("current_ma", frontend.CURRENT, 0, 50000),
        ("plug_ddeg", frontend.PLUG_TEMP, -600, 450),
        ("board_ddeg", frontend.BOARD_TEMP, -600, 450),
    ],
)
def test_each_analogue_value_has_one_pin_and_no_other(field: str, pin: int, reads_zero: int, reads_half: int) -> None:
    wires = Wires()
    front, before, inputs = frontend.FrontEnd(Machine(wires)), Inputs(), Inputs()
    front.sample(before)
    wires.adc_u16[pin] = 32768
    front.sample(inputs)
    assert (getattr(before, field), getattr(inputs, field)) == (reads_zero, reads_half)
    assert [name for name in vars(inputs) if getattr(inputs, name) != getattr(before, name)] == [field]


def test_a_sample_leaves_nothing_of_the_last_one() -> None:
    inputs = Inputs()
    for name in vars(inputs):
        setattr(inputs, name, "old")
    frontend.FrontEnd(Machine(Wires())).sample(inputs)
    assert all(type(value) in (int, bool) for value in vars(inputs).values())


NO_HEAP = """
import micropython
from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.pilot import frontend
from pilotwire.hal.machine import Machine, Wires

class Kernel:
    duty = 2666
    cp_off = close = close_phases = supply_enable = lock = vent = rcd_test = True

wires, inputs, kernel = Wires(), Inputs(), Kernel()
for pin in (frontend.CP_HIGH, frontend.CP_LOW, frontend.PP, frontend.CURRENT, frontend.PLUG_TEMP, frontend.BOARD_TEMP):
    wires.adc_u16[pin] = 65535
front = frontend.FrontEnd(Machine(wires))

def run():
    for _ in range(1000):
        front.sample(inputs)
        front.drive(kernel)

run()
micropython.heap_lock()
try:
    run()
    done = True
finally:
    micropython.heap_unlock()
print(done, inputs.pp_ohm)
"""


def test_sample_and_drive_allocate_nothing_on_micropython() -> None:
    micropython = find_micropython()
    if micropython is None:
        pytest.skip("there is no MicroPython wheel for this machine")
    done = subprocess.run(
        [str(micropython), "-c", NO_HEAP],
        env={**os.environ, "MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == f"True {OPEN_OHM}\n", done.stderr


def test_the_alive_wave_turns_once_in_every_tick_and_only_there() -> None:
    wires = Wires()
    pilot = Pilot(FrontEnd(Machine(wires)), parameters.build(()), PilotLink(7, "alone"))
    levels = []
    for now_ms in range(0, 100, 5):
        pilot.tick(now_ms, b"")
        levels.append(wires.level[frontend.ALIVE])
    assert levels == [1, 0] * 10


def test_a_program_that_breaks_in_the_middle_of_a_tick_does_not_turn_the_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    wires = Wires()
    pilot = Pilot(FrontEnd(Machine(wires)), parameters.build(()), PilotLink(7, "alone"))
    pilot.tick(0, b"")
    before = dict(wires.level)

    def breaks(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(kernel.Kernel, "step", breaks)
    with pytest.raises(MemoryError):
        pilot.tick(5, b"")
    assert wires.level == before


def test_the_machine_stand_in_knows_what_the_program_uses_and_refuses_another_frequency() -> None:
    wires = Wires()
    machine = Machine(wires)
    pin = machine.Pin(5, machine.Pin.OUT, value=1)
    assert (pin.value(), pin.value(0), wires.level[5]) == (1, 0, 0)
    assert machine.Pin(6, machine.Pin.IN).value() == 0
    assert 6 not in wires.level, "an input is not driven"
    assert machine.ADC(machine.Pin(26)).read_u16() == 0
    machine.PWM(machine.Pin(0), freq=1000, duty_u16=7).duty_u16(9)
    assert wires.duty_u16 == {0: 9}
    with pytest.raises(ValueError, match="1000 Hz"):
        machine.PWM(machine.Pin(0), freq=500)
