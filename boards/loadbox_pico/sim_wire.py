"""The record that passes between a simulated circuit and the load box's program, once per tick, each way. MicroPython subset.

Circuit to box: tick in modular ms, level of the comparator, how many of the words count, eight words of the state machine
(edges.py), the ADC's ring (levels.py). Box to circuit: the same tick, mask of the relays, ohms of proximity.
"""

import struct

from pilotwire.boards.loadbox_pico.levels import RING_SIZE

WORDS = 8  # what the state machine's FIFO holds
CLOCK_HZ = 125_000_000  # of the state machine

TO_BOX = f"<IBB{WORDS}I{RING_SIZE}s"
TO_CIRCUIT = "<IBH"
TO_BOX_SIZE = struct.calcsize(TO_BOX)
TO_CIRCUIT_SIZE = struct.calcsize(TO_CIRCUIT)
