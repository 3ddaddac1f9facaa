"""The front end on the fake RP2040 (rp2040_fake.py says what that one does not do): pins, levels, their age, what is lost."""

from __future__ import annotations

import math
import os
import random
import subprocess
from pathlib import Path

import pytest

import rp2040_fake
from pilotwire.boards.pico_serial.pins import PINS
from pilotwire.firmware.kernel import bands, heat, kernel, lease, params, table, variants
from pilotwire.firmware.kernel.inputs import OPEN_OHM, Inputs
from pilotwire.firmware.pilot import calibration, frontend, rp2040, rp2040_adc, rp2040_pins, rp2040_scales
from pilotwire.firmware.pilot import rp2040_sampling as sampling
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.tools.rig.rig import PACKAGE_ROOT, find_micropython
from rp2040_rig import KINDS, PHASES_US, DrivenKernel, Rig, code
from test_pilot_pins import Small

every_chip = pytest.mark.parametrize("kind", KINDS)
every_phase = pytest.mark.parametrize("phase_us", PHASES_US)

OUTPUTS = {
    "close": PINS.coil,
    "close_phases": PINS.coil_phases,
    "supply_enable": PINS.supply_enable,
    "cp_off": PINS.cp_off,
    "lock": PINS.lock,
    "vent": PINS.vent,
    "rcd_test": PINS.rcd_test,
}
SWITCHES = {
    "contacts_closed": PINS.contacts,
    "phases_closed": PINS.contacts_phases,
    "lock_closed": PINS.lock_closed,
    "rcd_dc": PINS.rcd_dc,
    "rcd_ac": PINS.rcd_ac,
    "earth_ok": PINS.earth_ok,
    "pen_lost": PINS.pen_lost,
    "stop_pressed": PINS.stop_pressed,
}
NO_LEVEL = (rp2040.NO_LEVEL_MV, rp2040.NO_LOW_MV)


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Rig:
    made = Rig(monkeypatch, request.param)
    made.start()
    return made


def mv(raw: int) -> int:
    return frontend.cp_mv(sampling.mean_u16(raw, 1))


# The start


@every_chip
def test_everything_is_off_and_x1_is_shown_from_the_first_moment(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch, kind)
    rig.start()
    chip = rig.chip
    assert {number: chip.levels[number] for number in PINS.outputs()} == dict.fromkeys(PINS.outputs(), 0)
    assert all(level == 0 for _, level in chip.log), "not even for a moment"
    assert chip.modes[PINS.cp_pwm] == "pwm"
    for _ in range(30):
        rig.run(0.37)
        assert chip.high_us(0) == 1000, "constantly high"


def test_the_pilot_signal_is_exactly_1_khz_and_its_pulse_never_longer_than_asked_for(rig: Rig) -> None:
    chip = rig.chip
    assert chip.period_us(chip.slices[0]) == 1000
    for permyriad in (500, 800, 1000, 2666, 5000, 8500, 9600, 10000, 0):
        rig.kernel.duty = permyriad
        rig.tick()
        rig.tick()
        assert permyriad / 10 - 0.03 < chip.high_us(0) <= permyriad / 10


def test_the_adc_is_nobody_elses_and_its_pads_are_analogue(rig: Rig) -> None:
    assert rig.chip.modes[PINS.cp_adc] == rig.chip.modes[PINS.mux_adc] == "adc"
    rig.run(100)
    assert rig.chip.overflows == 0
    assert rig.world.samples == pytest.approx(100 * sampling.PER_PERIOD, abs=2)


def test_dma_writes_nothing_outside_its_rings(rig: Rig) -> None:
    rig.run(50)
    sizes = [1 << sampling.RING_BITS, 1 << sampling.MARK_BITS, 4 * len(sampling.PLAN), 4]
    blocks = rig.chip._blocks
    assert [len(block) for _, block in blocks] == [2 * size for size in sizes]
    for (address, block), size in zip(blocks, sizes, strict=True):
        start = -address % size
        assert any(block[start : start + size])
        assert not any(block[:start])
        assert not any(block[start + size :])


def test_another_chip_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    monkeypatch.setitem(rp2040_fake.CHIP_ID, "RP2040", 0x10003927)
    with pytest.raises(ValueError, match="part number 3 is neither RP2040"):
        rig.start()


# Levels


@every_chip
@every_phase
@pytest.mark.parametrize("permyriad", [500, 800, 1000, 5000, 9600])
def test_both_levels_are_read_exactly_however_the_adc_lies_against_the_edge(
    kind: str, phase_us: float, permyriad: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(monkeypatch, kind, phase_us)
    rig.world.high, rig.world.low = code(9000), code(-11500)
    rig.start()
    rig.kernel.duty = permyriad
    for _ in range(3):
        rig.tick()
    for _ in range(8):
        rig.tick()
        assert rig.levels_mv() == (mv(code(9000)), mv(code(-11500)))
    assert rig.world.nonsense > 8, "there was something to be left out"


@pytest.mark.parametrize(("permyriad", "level_mv"), [(10000, 9000), (0, -12000)])
def test_a_constant_signal_has_one_level_which_is_both(permyriad: int, level_mv: int, rig: Rig) -> None:
    rig.world.high, rig.world.low = code(9000), code(-12000)
    rig.kernel.duty = permyriad
    for _ in range(3):
        rig.tick()
    assert rig.levels_mv() == (mv(code(level_mv)),) * 2


def test_a_change_of_duty_never_lets_one_level_be_taken_for_the_other(rig: Rig) -> None:
    dice = random.Random(4)
    rig.world.high, rig.world.low = code(6000), code(-12000)
    high, low = mv(code(6000)), mv(code(-12000))
    seen = set()
    for _ in range(2):
        rig.tick()
    for _ in range(400):
        rig.kernel.duty = dice.choice([0, 500, 1000, 5000, 9600, 10000])
        rig.tick(dice.choice([0.2, 0.9, 1, 1.1, 3, 4.9, 5, 5.3, 9]))
        assert rig.levels_mv() in {(high, low), (high, high), (low, low), NO_LEVEL}
        seen.add(rig.levels_mv())
    assert len(seen) >= 3


def test_a_new_duty_is_read_at_the_next_tick(rig: Rig) -> None:
    rig.tick()
    rig.tick()
    assert rig.levels_mv() == (mv(code(12000)),) * 2
    rig.kernel.duty = 1000
    rig.tick()  # sets it
    rig.tick()
    assert rig.levels_mv() == (mv(code(12000)), mv(code(-12000)))


# Age


def newest_age_us(rig: Rig, before_us: float) -> bool:
    """Whether a level that came so long before a tick is read by this tick, and nothing of the one before it."""
    rig.world.high = code(6000)
    rig.chip.run_us(8000 - before_us)
    rig.world.high = code(9000)
    rig.chip.run_us(before_us)
    assert rig.front is not None
    rig.front.sample(rig.inputs)
    return rig.inputs.cp_high_mv == mv(code(9000))


@pytest.mark.parametrize("permyriad", [500, 5000, 10000])
def test_no_reading_is_older_than_it_says_wherever_the_tick_falls_into_the_plan(
    permyriad: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    worst_is_reached = False
    for offset_us in (0, 7, 250, 500, 993, 999, 1500, 1999, 2500, 2999, 3500, 3999):
        rig = Rig(monkeypatch)
        rig.start()
        rig.kernel.duty = permyriad
        rig.tick()
        rig.tick()
        rig.chip.run_us(offset_us)
        assert newest_age_us(rig, sampling.PILOT_AGE_US), offset_us
        worst_is_reached |= not newest_age_us(rig, sampling.PILOT_AGE_US - 20)
    assert worst_is_reached, "the bound is no larger than it has to be"


def test_the_oldest_reading_and_one_tick_leave_the_kernel_its_time_to_leave_c() -> None:
    # times.FROM_C_MS 25, times and the contactor's own in docs/fault-table: what is spent here is 3 + 5 ms.
    assert sampling.PILOT_AGE_US < 3000


def test_every_slow_input_is_renewed_within_20_ms_and_read_from_its_own_address(rig: Rig) -> None:
    assert rig.front is not None
    for tick in range(60):
        rig.tick()
        if tick >= 5:
            values = [rig.front.read_u16(channel) for channel in range(1, 5)]
            assert values == [sampling.mean_u16(rig.world.slow[place], 1) for place in range(4)]
        if tick == 30:
            rig.world.slow = {place: 2000 + place for place in range(4)}
            for _ in range(4):
                rig.tick()
            rig.tick()


def test_a_slow_reading_is_never_taken_for_another_channel_whatever_the_ticks_do(rig: Rig) -> None:
    dice = random.Random(5)
    assert rig.front is not None
    own = {channel: {sampling.mean_u16(rig.world.slow[channel - 1], 1), 65535} for channel in range(1, 5)}
    for _ in range(250):
        rig.tick(dice.choice([0.1, 0.7, 1, 2.3, 4.1, 5, 5, 6.2, 17]))
        for channel in range(1, 5):
            assert rig.front.read_u16(channel) in own[channel]


# What is lost


def test_one_lost_result_costs_no_reading(rig: Rig) -> None:
    for _ in range(4):
        rig.tick()
    for _ in range(40):
        rig.run(1.3)
        rig.chip.lose = 3
        rig.tick(3.7)
        assert rig.levels_mv() == (mv(code(12000)),) * 2
        assert rig.chip.lose == 0


def test_when_every_period_loses_results_the_pilot_wire_is_not_read_any_more(rig: Rig) -> None:
    for _ in range(4):
        rig.tick()
    seen = []
    for _ in range(5):
        for _ in range(5):
            rig.chip.lose = 2
            rig.run(1)
        rig.tick(0)
        seen.append(rig.levels_mv())
    assert seen[0] == (mv(code(12000)),) * 2
    assert seen[-1] == seen[-2] == NO_LEVEL


@pytest.mark.parametrize("broken", ["pwm stops", "adc stops", "conversions fail"])
def test_a_front_end_that_stands_still_says_so_and_the_kernel_takes_it_for_a_fault(broken: str, rig: Rig) -> None:
    for _ in range(10):
        rig.tick()
    assert rig.inputs.board_ddeg == pytest.approx(rp2040_scales.ntc_ddeg(1600 << 4), abs=2)
    if broken == "pwm stops":
        rig.chip._next_wrap_us = None
    elif broken == "adc stops":
        rig.chip._next_adc_us = None
    else:
        rig.chip.spoil = 1_000_000
    for _ in range(rp2040.PILOT_MISSES + 2):
        rig.tick()
        assert rig.levels_mv() in {(mv(code(12000)),) * 2, NO_LEVEL}, "nothing that was written over is read"
    assert rig.levels_mv() == NO_LEVEL
    assert bands.band(rp2040.NO_LEVEL_MV, bands.C) == bands.INVALID
    assert rp2040.NO_LOW_MV > -10000, "no diode is proven by it"
    for _ in range(rp2040.SLOW_MISSES):
        rig.tick()
    assert rig.inputs.pp_ohm == OPEN_OHM
    assert rig.inputs.current_ma == frontend.current_ma(65535)
    assert rig.inputs.plug_ddeg < heat.SENSOR_MIN_DDEG
    assert rig.inputs.board_ddeg < heat.SENSOR_MIN_DDEG


def test_before_the_first_reading_there_is_none(rig: Rig) -> None:
    assert rig.front is not None
    rig.front.sample(rig.inputs)
    assert rig.levels_mv() == NO_LEVEL
    assert rig.inputs.pp_ohm == OPEN_OHM


def test_a_reading_that_the_ring_may_have_overtaken_is_thrown_away(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        rig.tick()
    rig.run(5)
    plain = rp2040_fake.Memory.__getitem__
    asleep_ms = 0.0

    def sleepy(memory: rp2040_fake.Memory, address: int) -> int:
        nonlocal asleep_ms
        if memory._size == 2 and asleep_ms:
            rig.run(asleep_ms)
            asleep_ms = 0.0
        return plain(memory, address)

    monkeypatch.setattr(rp2040_fake.Memory, "__getitem__", sleepy)
    assert rig.front is not None
    sampler = rig.front._sampler
    for sleep_ms, good in ((0.0, True), (2.0, True), (4.5, False), (9.0, False)):
        rig.run(5)
        sampler.update()
        asleep_ms = sleep_ms
        assert sampler.read_pilot() is good
    for sleep_ms, good in ((2.0, True), (4.5, False)):
        rig.run(5)
        sampler.update()
        asleep_ms = sleep_ms
        assert (sampler.read_slow() >= 0) is good


def test_no_intermediate_of_a_reading_reaches_2_to_the_30(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = rp2040_fake.Memory.__getitem__
    rig = Rig(monkeypatch)
    monkeypatch.setattr(
        rp2040_fake.Memory,
        "__getitem__",
        lambda memory, address: Small(plain(memory, address)) if address != 0x40000000 else plain(memory, address),
    )
    rig.start()
    rig.world.slow = dict.fromkeys(range(4), 4095)
    for permyriad in (500, 9600, 0, 10000):
        rig.kernel.duty = Small(permyriad)
        for _ in range(5):
            rig.tick()
    assert rig.levels_mv() == (mv(code(12000)),) * 2


# Pins


@pytest.mark.parametrize("output", OUTPUTS)
def test_each_output_of_the_kernel_has_one_pin_and_no_other(output: str, rig: Rig) -> None:
    assert rig.front is not None
    rig.front.drive(DrivenKernel(**{output: True}))
    high = {number for number in PINS.outputs() if rig.chip.levels[number]}
    assert high == {OUTPUTS[output], PINS.alive}
    rig.front.drive(DrivenKernel())
    assert not any(rig.chip.levels[number] for number in PINS.outputs())


@pytest.mark.parametrize("field", SWITCHES)
def test_each_switch_has_one_pin_and_no_other(field: str, rig: Rig) -> None:
    for level in (1, 0):
        for pin in SWITCHES.values():
            rig.chip.levels[pin] = 1 - level
        rig.chip.levels[SWITCHES[field]] = level
        rig.tick()
        assert [name for name in SWITCHES if getattr(rig.inputs, name) is bool(level)] == [field]


def test_a_board_without_any_wire_reads_danger_everywhere(rig: Rig) -> None:
    rig.tick()
    seen = {name: getattr(rig.inputs, name) for name in SWITCHES}
    assert seen == {
        "contacts_closed": True,
        "phases_closed": True,
        "lock_closed": False,
        "rcd_dc": True,
        "rcd_ac": True,
        "earth_ok": False,
        "pen_lost": True,
        "stop_pressed": True,
    }


def test_a_sample_leaves_nothing_of_the_last_one(rig: Rig) -> None:
    for name in vars(rig.inputs):
        setattr(rig.inputs, name, "old")
    rig.tick()
    assert set(vars(rig.inputs)) == set(vars(Inputs()))
    assert all(type(value) in (int, bool) for value in vars(rig.inputs).values())


def test_the_alive_wave_turns_once_in_each_drive_and_never_without_one(rig: Rig) -> None:
    assert rig.front is not None
    levels = []
    for _ in range(20):
        for _ in range(5):
            rig.run(5)
            rig.front.sample(rig.inputs)
        before = rig.chip.levels[PINS.alive]
        rig.front.drive(rig.kernel)
        levels.append(rig.chip.levels[PINS.alive])
        assert levels[-1] == 1 - before
    assert [level for number, level in rig.chip.log if number == PINS.alive] == [0, *levels]
    assert rig.chip.modes[PINS.alive] == "out", "no PWM, no PIO: a pin that only the program moves"
    running = [number for number, part in enumerate(rig.chip.slices) if part.csr & 1]
    assert running == [PINS.cp_pwm >> 1 & 7]


def test_a_program_that_breaks_in_the_middle_of_a_tick_does_not_turn_the_wave(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = params.Parameters(variants.IEC, params.seal(variants.IEC))
    assert rig.front is not None
    pilot = Pilot(rig.front, block, PilotLink(7, "alone"))
    rig.run(5)
    pilot.tick(0, b"")
    before = {number: rig.chip.levels[number] for number in OUTPUTS.values()} | {"alive": rig.chip.levels[PINS.alive]}

    def breaks(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(kernel.Kernel, "step", breaks)
    rig.run(5)
    with pytest.raises(MemoryError):
        pilot.tick(5, b"")
    after = {number: rig.chip.levels[number] for number in OUTPUTS.values()} | {"alive": rig.chip.levels[PINS.alive]}
    assert after == before


def numbers(**changed: object) -> dict[str, object]:
    return vars(PINS) | changed


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"coil": 3}, "GPIO 3 is used twice"),
        ({"mux_address": (21, 21)}, "GPIO 21 is used twice"),
        ({"cp_adc": 25}, "GPIO 25 has no ADC"),
        ({"cp_pwm": 19}, "even GPIO, not 19"),
        ({"lock": 30}, "there is no GPIO 30"),
    ],
)
def test_a_pin_table_that_cannot_work_is_refused(changed: dict[str, object], words: str) -> None:
    rp2040_pins.Pins(**numbers())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=words):
        rp2040_pins.Pins(**numbers(**changed))  # type: ignore[arg-type]


def test_the_pins_of_the_board_leave_the_line_alone() -> None:
    used = (PINS.cp_pwm, *PINS.outputs(), *PINS.danger_inputs(), *PINS.well_inputs(), PINS.cp_adc, PINS.mux_adc)
    assert not {0, 1} & set(used)


# Scales and calibration


def ntc_code(celsius: float) -> float:
    ohm = 10_000 * math.exp(3950 * (1 / (celsius + 273.15) - 1 / 298.15))
    return 65536 * ohm / (ohm + 10_000)


def test_the_table_of_the_temperature_sensor_is_the_one_of_its_formula() -> None:
    for row, value in enumerate(rp2040_scales.CODES):
        ddeg = rp2040_scales.HOTTEST_DDEG - row * rp2040_scales.STEP_DDEG
        assert value == round(ntc_code(ddeg / 10))


def test_between_two_rows_the_temperature_is_within_a_third_of_a_degree() -> None:
    for ddeg in range(-399, 1250):
        assert abs(rp2040_scales.ntc_ddeg(Small(round(ntc_code(ddeg / 10)))) - ddeg) <= 3


def test_a_warmer_sensor_never_reads_colder_and_a_broken_one_reads_outside_its_range() -> None:
    readings = [rp2040_scales.ntc_ddeg(value) for value in range(65536)]
    assert readings == sorted(readings, reverse=True)
    assert readings[0] > heat.SENSOR_MAX_DDEG + 100
    assert readings[65535] < heat.SENSOR_MIN_DDEG - 100
    assert rp2040_scales.ntc_ddeg(32768) == 250


class Noting:
    """A calibration that adds 16 codes per channel number and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: set[tuple[int, int]] = set()

    def correct(self, channel: int, u16: int) -> int:
        self.asked.add((channel, u16))
        return min(u16 + 160 * (channel + 1), 65535)


def test_every_analogue_reading_passes_the_calibration_of_its_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    rig.world.high, rig.world.low = code(6000), code(-12000)
    noting = Noting()
    front = rig.start(noting)
    rig.kernel.duty = 5000
    for _ in range(10):
        rig.tick()
    high, low = (sampling.mean_u16(code(value), 1) for value in (6000, -12000))
    slow = [sampling.mean_u16(rig.world.slow[place], 1) for place in range(4)]
    expected = {(calibration.CP, high), (calibration.CP, low)} | set(enumerate(slow, 1))
    assert expected <= noting.asked
    inputs = rig.inputs
    assert rig.levels_mv() == (frontend.cp_mv(high + 160), frontend.cp_mv(low + 160))
    assert inputs.pp_ohm == frontend.pp_ohm(slow[0] + 320)
    assert inputs.current_ma == frontend.current_ma(slow[1] + 480)
    assert inputs.plug_ddeg == rp2040_scales.ntc_ddeg(slow[2] + 640)
    assert inputs.board_ddeg == rp2040_scales.ntc_ddeg(slow[3] + 800)
    assert [front.read_u16(channel) for channel in range(5)] == [high, *slow], "for a calibration: not corrected"


def test_the_channels_are_those_of_the_calibration() -> None:
    names = [name for name, _ in calibration.CHANNELS]
    assert names == ["cp", "pp", "current", "plug-temp", "board-temp"]
    assert len(names) == 1 + rp2040.SLOW_CHANNELS


# With the kernel


def test_a_car_charges_on_this_board_and_the_coil_opens_when_it_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    front = rig.start()
    values = variants.IEC
    for index, value in ((params.FITTED, 0), (params.MIN_OFF_MS, 0), (params.FAULT_OFF_MS, 0)):
        values = params.changed(values, index, value)
    safety = kernel.Kernel(params.Parameters(values, params.seal(values)))
    levels = rig.chip.levels
    levels[PINS.lock_closed] = levels[PINS.earth_ok] = 1
    now_ms = 0

    def run(ms: int, lease_ma: int = 16000) -> None:
        nonlocal now_ms
        for _ in range(0, ms, 5):
            rig.run(5)
            now_ms += 5
            front.sample(rig.inputs)
            safety.step(now_ms, rig.inputs)
            safety.lease(lease.MODE_AC, lease_ma, 1000, 0, now_ms)
            front.drive(safety)
            levels[PINS.contacts] = levels[PINS.coil]
            levels[PINS.contacts_phases] = levels[PINS.coil_phases]

    levels[PINS.contacts] = levels[PINS.contacts_phases] = 0
    run(300)
    assert (safety.pilot_state, safety.faults) == (bands.A, 0)
    rig.world.high = code(9000)
    run(600)
    assert safety.pilot_state == bands.B
    assert rig.chip.high_us(0) == pytest.approx(266.6, abs=0.1)
    rig.world.high = code(6000)
    run(800)
    assert (safety.phase, levels[PINS.coil], safety.faults) == (table.CLOSED, 1, 0)
    rig.world.high = code(12000)
    run(45)
    assert levels[PINS.coil] == 0, "25 ms of evidence, one tick, and the age of a reading"


NO_HEAP = """
import sys
import micropython
import rp2040_fake

chip = rp2040_fake.Rp2040()
chip.level = lambda ain, now_us, since_us, high_us: 3000
sys.modules.update(chip.modules())

from pilotwire.boards.pico_serial.pins import PINS
from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.pilot.calibration import Calibration
from pilotwire.firmware.pilot.rp2040 import FrontEnd

class Kernel:
    duty = 10000
    cp_off = close = close_phases = supply_enable = lock = vent = rcd_test = True

front, inputs, kernel = FrontEnd(PINS, Calibration(b"")), Inputs(), Kernel()
fresh = 0
for tick in range(12):
    chip.run_us(5000)
    kernel.duty = 500 if tick & 1 else 9600
    chip.log = None
    micropython.heap_lock()
    try:
        front.sample(inputs)
        front.drive(kernel)
    finally:
        micropython.heap_unlock()
    fresh += inputs.cp_high_mv > 0
print(fresh, inputs.cp_high_mv, inputs.cp_low_mv, inputs.pp_ohm)
"""


def test_sample_and_drive_allocate_nothing_on_micropython() -> None:
    micropython = find_micropython()
    if micropython is None:
        pytest.skip("there is no MicroPython wheel for this machine")
    done = subprocess.run(
        [str(micropython), "-c", NO_HEAP],
        env={**os.environ, "MICROPYPATH": f"{PACKAGE_ROOT}:{Path(__file__).parent}:.frozen"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    u16 = sampling.mean_u16(3000, 1)
    assert done.stdout == f"12 {frontend.cp_mv(u16)} {frontend.cp_mv(u16)} {frontend.pp_ohm(u16)}\n", done.stderr


def test_an_access_to_a_register_that_the_fake_lacks_is_an_error_and_not_a_zero(rig: Rig) -> None:
    machine = rig.chip.modules()["machine"]
    for address in (0x40000004, 0x4004C020, rp2040_adc._DMA + 0x3FC, 0x20000000):
        with pytest.raises(KeyError):
            machine.mem32[address]  # type: ignore[attr-defined]
