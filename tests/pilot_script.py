"""One long random script for the pilot program, the same on CPython and MicroPython; the hash of all it put out is the result.

    micropython pilot_script.py TICKS SEED START_MS

prints one line: SHA-256, contactor closings, all fault bits ever seen, frames rejected. It drives the whole program (pins, kernel,
link) in the surroundings of kernel_world.py, with frames as a station sends them, some late, some senseless, some damaged.
MicroPython subset.
"""

import binascii
import hashlib
import struct
import sys

from kernel_station import MASK
from kernel_world import SILENCE, STATION_STOP, World
from pilotwire.boards.sim import parameters, pins
from pilotwire.firmware.kernel import lease, params
from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.pilot import frontend
from pilotwire.firmware.pilot.frontend import FrontEnd
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link import frame, messages
from pilotwire.protocols.link.pilot import PilotLink

BOOT = 4711
BLOCK = ((params.MIN_OFF_MS, 500), (params.FAULT_OFF_MS, 1000), (params.WAKE_AFTER_MS, 4000), (params.SWITCH_PHASES, 1))


def adc_u16(inputs: Inputs) -> "tuple[int, ...]":
    """Readings for what the kernel shall see, in the order of pins.ADC_PINS."""
    return (
        frontend.cp_u16(inputs.cp_high_mv),
        frontend.cp_u16(inputs.cp_low_mv),
        frontend.pp_u16(inputs.pp_ohm),
        frontend.current_u16(inputs.current_ma),
        frontend.temp_u16(inputs.plug_ddeg),
        frontend.temp_u16(inputs.board_ddeg),
    )


def levels(inputs: Inputs) -> int:
    """The same as bits, in the order of pins.INPUT_PINS."""
    ordered = (
        inputs.contacts_closed,
        inputs.phases_closed,
        inputs.lock_closed,
        inputs.rcd_dc,
        inputs.rcd_ac,
        inputs.earth_ok,
        inputs.pen_lost,
        inputs.stop_pressed,
    )
    bits = 0
    for place in range(len(ordered)):
        bits |= int(ordered[place]) << place
    return bits


class Script:
    """Pins and station for one pilot program."""

    def __init__(self, seed: int, start_ms: int) -> None:
        self.world = World(seed, start_ms, False)
        self.rng = self.world.rng
        self.wires = Wires()
        self.pilot = Pilot(FrontEnd(Machine(self.wires)), parameters.build(BLOCK), PilotLink(BOOT, "script"))
        self.world.adopt(self.pilot.kernel, False)
        self.fault_bits = 0
        self._seq = 0

    def tick(self) -> bytes:
        """One tick; returns everything that came out of the program."""
        world, kernel = self.world, self.pilot.kernel
        world.pass_time()
        pins.put_inputs(self.wires, adc_u16(world.inputs), levels(world.inputs))
        out = self.pilot.tick(world.now_ms, self._received())
        self.fault_bits |= kernel.faults
        duty_u16, driven = pins.take_outputs(self.wires)
        return out + struct.pack(
            "<IHBBIIH", world.now_ms, duty_u16, driven, kernel.phase, kernel.conditions, kernel.faults, kernel.cycles
        )

    def _received(self) -> bytes:
        rng = self.rng
        if self.world.event == SILENCE:
            return b""
        kind = rng.below(400)
        if kind == 0:
            head = [messages.HELLO, self._seq, messages.VERSION if rng.below(10) else 1, 1 + rng.below(2), "station"]
            head += [b"", b"", 0, 0, b"", 0]
            return self._frame(head)
        if kind == 1:
            return bytes([rng.below(256) for _ in range(rng.below(40))])
        if kind > 40:
            return b""
        boot = BOOT if rng.below(30) else BOOT + 1
        age_ms = rng.below(120) if rng.below(20) else rng.below(3000) - 100
        mode = lease.MODE_AC if rng.below(40) else rng.below(6)
        limit_ma = (6000, 10000, 16000, 32000, 63000)[rng.below(5)] if rng.below(30) else rng.below(90000)
        ttl_ms = 3000 if rng.below(30) else rng.below(6000)
        phases = (1, 3)[self.world.now_ms >> 15 & 1] if rng.below(40) else rng.below(5)
        requests = lease.REQUEST_CLEAR if not rng.below(10) else 0
        if not rng.below(40):
            requests |= rng.below(32) & ~lease.REQUEST_STOP
        if self.world.event == STATION_STOP:
            requests |= lease.REQUEST_STOP
        issued_ms = (self.world.now_ms - age_ms) & MASK
        session = self.pilot.link.session if rng.below(30) else 3
        head = [messages.LEASE, self._seq, 0, boot, session, issued_ms]
        head += [mode, limit_ma, ttl_ms, phases, requests]
        return self._frame(head)

    def _frame(self, message: "list[object]") -> bytes:
        self._seq = (self._seq + 1) & 0xFFFF
        data = bytearray(frame.encode(message))
        if not self.rng.below(20):
            data[self.rng.below(len(data))] ^= 1 << self.rng.below(8)
        return bytes(data)


def run(ticks: int, seed: int, start_ms: int) -> str:
    """The line that main prints."""
    script = Script(seed, start_ms)
    digest = hashlib.sha256()
    for _ in range(ticks):
        digest.update(script.tick())
    pilot = script.pilot
    text = binascii.hexlify(digest.digest()).decode()
    return f"{text} {pilot.kernel.cycles} {script.fault_bits} {pilot.link.rejected}"


if __name__ == "__main__":
    print(run(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
