"""One long random script for the pilot program, the same on CPython and MicroPython; the hash of all it put out is the result.

    micropython pilot_script.py TICKS SEED START_MS

prints one line: SHA-256, contactor closings, all fault bits ever seen, frames rejected. It drives the whole program (pins, kernel,
link) with frames as a station sends them, some late, some senseless, some damaged. MicroPython subset.
"""

import binascii
import hashlib
import struct
import sys

from pilotwire.firmware.pilot import frontend
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link import frame, messages

BOOT = 4711
MASK = (1 << 30) - 1
LEVELS_MV = (6000, 6000, 6000, 6000, 6000, 6000, 9000, 9000, 12000, 12000, 3000, 0, -12000, 14000, -5000)


class Lcg:
    """Random numbers that are the same everywhere (the constants of the C standard's example)."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, end: int) -> int:
        """A number from 0 to end - 1."""
        self._state = (self._state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._state >> 8) % end


class Script:
    """Pins and station for one pilot program."""

    def __init__(self, seed: int, start_ms: int) -> None:
        self.rng = Lcg(seed)
        self.now_ms = start_ms & MASK
        self.wires = Wires()
        self.pilot = Pilot(Machine(self.wires), 32000, BOOT, "script")
        self.fault_bits = 0
        self._level_mv = 12000
        self._low_mv = -12000
        self._contacts = 0
        self._obey = True
        self._seq = 0

    def tick(self) -> bytes:
        """One tick; returns everything that came out of the program."""
        rng, wires, kernel = self.rng, self.wires, self.pilot.kernel
        self.now_ms = (self.now_ms + (5 if rng.below(2000) else rng.below(300))) & MASK
        self._disturb()
        duty = wires.duty_u16[frontend.CP_PWM]
        high_mv = self._level_mv if duty else -12000
        low_mv = high_mv if duty in (0, 65535) else self._low_mv
        wires.adc_u16[frontend.CP_HIGH] = frontend.cp_u16(high_mv)
        wires.adc_u16[frontend.CP_LOW] = frontend.cp_u16(low_mv)
        if self._obey:
            self._contacts = wires.level[frontend.COIL]
        wires.level[frontend.CONTACTS] = self._contacts
        out = self.pilot.tick(self.now_ms, self._received())
        self.fault_bits |= kernel.faults
        return out + struct.pack(
            "<IHBBBBHI",
            self.now_ms,
            wires.duty_u16[frontend.CP_PWM],
            wires.level[frontend.COIL],
            wires.level[frontend.ALIVE],
            kernel.phase,
            kernel.pilot_state,
            kernel.faults,
            kernel.lease_left_ms(),
        )

    def _disturb(self) -> None:
        rng = self.rng
        if not rng.below(150):
            self._level_mv = LEVELS_MV[rng.below(len(LEVELS_MV))]
            if not rng.below(10):
                self._level_mv = rng.below(30000) - 15000
        if not rng.below(300):
            self._low_mv = -5600 if not rng.below(12) else -12000
        if not rng.below(150):
            self._obey = bool(rng.below(3))

    def _received(self) -> bytes:
        rng = self.rng
        kind = rng.below(200)
        if kind == 0:
            return self._frame([messages.HELLO, self._seq, messages.VERSION if rng.below(20) else 2, 0, "station"])
        if kind == 1:
            return bytes([rng.below(256) for _ in range(rng.below(40))])
        if kind > 12 or self.now_ms >> 13 & 7 == 0:  # the station also falls silent for 8 s now and then
            return b""
        boot = BOOT if rng.below(30) else BOOT + 1
        age_ms = rng.below(120) if rng.below(20) else rng.below(3000) - 100
        mode = 1 if rng.below(30) else rng.below(3)
        limit_ma = (6000, 10000, 16000, 32000, 63000)[rng.below(5)] if rng.below(30) else rng.below(90000)
        ttl_ms = 1000 if rng.below(30) else rng.below(6000)
        issued_ms = (self.now_ms - age_ms) & MASK
        clear = 0 if rng.below(10) else 1
        return self._frame([messages.LEASE, self._seq, 0, boot, issued_ms, mode, limit_ma, ttl_ms, clear])

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
