"""The record that passes between the simulated world and a pilot program, once per tick, each way. MicroPython subset.

World to pilot: tick in modular ms, highest and lowest ADC value of the control pilot, input levels (bit 0: contacts closed).
Pilot to world: the same tick, PWM compare value, output levels (bit 0: coil, bit 1: alive wave).
"""

import struct

TO_PILOT = "<IHHB"
TO_WORLD = "<IHB"
TO_PILOT_SIZE = struct.calcsize(TO_PILOT)
TO_WORLD_SIZE = struct.calcsize(TO_WORLD)
