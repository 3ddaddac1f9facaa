"""What the load box's comparator and ADC make of a pilot signal, for whoever simulates it. Host only.

Edges are exponential, as a source of 1 kOhm and the capacitance of cable and car make them. What it leaves out: noise other than
the last bit of the ADC, its non-linearity, jitter of the source.
"""

from __future__ import annotations

import math
import struct
from array import array

from pilotwire.boards.loadbox_pico import edges, levels, sim_wire
from pilotwire.firmware.pilot.frontend import cp_u16

THRESHOLD_MV = 1500  # of the comparator
TAU_US = 2.5  # 1 kOhm and 2500 pF
_PAIRS = 4


def crosses(high_mv: int, low_mv: int) -> bool:
    """Whether the comparator sees edges."""
    return low_mv < THRESHOLD_MV < high_mv


def record(now_ms: int, high_mv: int, low_mv: int, duty: float, frequency_hz: float = 1000.0) -> bytes:
    """One record to the box (sim_wire.py) for a wire with these levels; `duty` 0..1 is what the station's source has."""
    constant = not 0.0 < duty < 1.0
    words: list[int] = []
    if not constant and crosses(high_mv, low_mv):
        cycles = round(sim_wire.CLOCK_HZ / frequency_hz)
        high_cycles = round(cycles * duty)
        words = [edges.word_of(high_cycles, True), edges.word_of(cycles - high_cycles, False)] * _PAIRS
    ring = _ring(now_ms, high_mv, low_mv, 1.0 if duty >= 1.0 else max(0.0, duty), 1e6 / frequency_hz)
    level = int((high_mv if duty > 0.0 else low_mv) > THRESHOLD_MV)
    padded = words + [0] * (sim_wire.WORDS - len(words))
    return struct.pack(sim_wire.TO_BOX, now_ms, level, len(words), *padded, ring)


def _ring(now_ms: int, high_mv: int, low_mv: int, duty: float, period_us: float) -> bytes:
    # The box's clock drifts against the station's: the phase wanders through the period, in steps that never repeat soon.
    phase_us = now_ms * 7.3 % period_us
    samples = array("H")
    for place in range(levels.SAMPLES):
        mv = _wire_mv((phase_us + place * levels.SAMPLE_US) % period_us, high_mv, low_mv, duty * period_us, period_us)
        code = (cp_u16(round(mv)) >> 4) + (place & 1)  # the last bit trembles
        samples.append(min(code, 4095))
    return samples.tobytes()


def _wire_mv(at_us: float, high_mv: int, low_mv: int, high_us: float, period_us: float) -> float:
    if high_us <= 0.0:
        return low_mv
    if high_us >= period_us:
        return high_mv
    if at_us < high_us:
        return high_mv + (low_mv - high_mv) * math.exp(-at_us / TAU_US)
    return low_mv + (high_mv - low_mv) * math.exp(-(at_us - high_us) / TAU_US)
