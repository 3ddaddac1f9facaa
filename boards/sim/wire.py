"""The record that passes between the simulated world and a pilot program, once per tick, each way. MicroPython subset.

World to pilot: tick in modular ms, six ADC values (order: pins.ADC_PINS), input levels (bit 0 first: pins.INPUT_PINS).
Pilot to world: the same tick, PWM compare value, output levels (bit 0 first: pins.OUTPUT_PINS).
"""

import struct

TO_PILOT = "<I6HB"
TO_WORLD = "<IHB"
TO_PILOT_SIZE = struct.calcsize(TO_PILOT)
TO_WORLD_SIZE = struct.calcsize(TO_WORLD)
