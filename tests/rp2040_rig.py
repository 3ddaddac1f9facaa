"""A pilot board with the fake RP2040: a circuit on its analogue inputs, a clock that moves the chip, and the front end."""

from __future__ import annotations

import sys

import pytest

from pilotwire.boards.pico_serial.pins import PINS
from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD
from pilotwire.firmware.pilot import frontend
from pilotwire.firmware.pilot.rp2040 import FrontEnd
from rp2040_fake import Rp2040

KINDS = ("RP2040", "RP2350")
PHASES_US = (0.0, 0.5, 1.0, 1.9999, 2.0, 2.0001, 3.3, 3.9999)
"""Of the ADC against the wrap; at 2 us a result is ready just when the counter wraps."""

SETTLED_US = 9.999
CP_INPUT = PINS.cp_adc - 26
SLOW_INPUT = PINS.mux_adc - 26


def code(mv: int) -> int:
    """The ADC's 12 bits for a voltage on the pilot wire."""
    return frontend.cp_u16(mv) >> 4


class DrivenKernel:
    """What FrontEnd.drive reads of a kernel."""

    def __init__(self, **outputs: int) -> None:
        self.duty = 10000
        self.close = self.close_phases = self.supply_enable = False
        self.cp_off = self.lock = self.vent = self.rcd_test = False
        for name, value in outputs.items():
            assert hasattr(self, name)
            setattr(self, name, value)


class World:
    """The circuit. Around each edge, before the level has settled, the ADC sees nonsense that differs from sample to sample."""

    def __init__(self, chip: Rp2040) -> None:
        self.chip = chip
        self.high = code(12000)
        self.low = code(-12000)
        self.slow = {0: 1000, 1: 1200, 2: 1400, 3: 1600}
        self.samples = 0
        self.nonsense = 0

    def level(self, ain: int, now_us: float, since_us: float, high_us: float) -> int:
        self.samples += 1
        if ain == SLOW_INPUT:
            levels = self.chip.levels
            return self.slow[levels[PINS.mux_address[0]] | levels[PINS.mux_address[1]] << 1]
        assert ain == CP_INPUT
        if since_us < high_us:
            settled = high_us >= 1000 or since_us >= SETTLED_US
            level = self.high
        else:
            settled = high_us <= 0 or since_us - high_us >= SETTLED_US
            level = self.low
        if settled:
            return level
        self.nonsense += 1
        return 4095 if self.nonsense & 1 else 0


class Rig:
    """`run(ms)` lets time pass without the program, tick() does what one tick does with the front end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: str = "RP2040", phase_us: float = 1.0) -> None:
        self.chip = Rp2040(kind, phase_us)
        for name, module in self.chip.modules().items():
            monkeypatch.setitem(sys.modules, name, module)
        self.world = World(self.chip)
        self.chip.level = self.world.level
        self.inputs = Inputs()
        self.kernel = DrivenKernel()
        self.front: FrontEnd | None = None

    def start(self, correction: object | None = None) -> FrontEnd:
        self.front = FrontEnd(PINS, correction)
        return self.front

    def run(self, ms: float) -> None:
        self.chip.run_us(ms * 1000)

    def tick(self, ms: float = 5) -> Inputs:
        assert self.front is not None
        self.run(ms)
        self.front.sample(self.inputs)
        self.front.drive(self.kernel)
        return self.inputs

    def levels_mv(self) -> tuple[int, int]:
        return self.inputs.cp_high_mv, self.inputs.cp_low_mv


class Clock:
    """MicroPython's module time; sleeping lets the chip run. `slow_ms` is added to the next sleeps, one each."""

    def __init__(self, chip: Rp2040, now_ms: int = 0) -> None:
        self._chip = chip
        self._start_ms = now_ms
        self.slow_ms: list[int] = []
        self.slept_ms: list[int] = []

    def ticks_ms(self) -> int:
        return (self._start_ms + int(self._chip.now_us + 1e-6) // 1000) % TICKS_PERIOD

    def ticks_add(self, ticks: int, delta: int) -> int:
        return (ticks + delta) % TICKS_PERIOD

    def ticks_diff(self, late: int, early: int) -> int:
        return (late - early + TICKS_PERIOD // 2) % TICKS_PERIOD - TICKS_PERIOD // 2

    def sleep_ms(self, ms: int) -> None:
        self.slept_ms.append(ms)
        self._chip.run_us(1000 * (ms + (self.slow_ms.pop(0) if self.slow_ms else 0)))
