"""One long random script for the safety kernel alone, the same on CPython and MicroPython.

    micropython kernel_script.py hash TICKS SEED START_MS              all that the kernel puts out and reports goes into a SHA-256
    micropython kernel_script.py extreme TICKS SEED START_MS           the same, with everything at the ends of its range at times
    micropython kernel_script.py locked TICKS SEED START_MS [BREACH]   with the heap locked while the kernel works

The first two print the hash; all print then what was seen on the way: closings of the contactor, and as bit masks in decimal all
faults, all phases, all rows of the table that led from one phase to another. MicroPython subset; what runs in each tick allocates
nothing.
"""

import binascii
import hashlib
import struct
import sys

from kernel_world import World
from pilotwire.firmware.kernel import params, table, variants

REPORT = "<12i12B"


def quick(block: "tuple[int, ...]") -> "tuple[int, ...]":
    """The same board with short pauses, so that a script of some minutes sees many sessions."""
    block = params.changed(block, params.MIN_OFF_MS, 500)
    block = params.changed(block, params.FAULT_OFF_MS, 1000)
    block = params.changed(block, params.DEAD_MS, 10000)
    return params.changed(block, params.WAKE_AFTER_MS, 4000)


def everything() -> "tuple[int, ...]":
    """A board with all that there is."""
    block = quick(variants.IEC)
    block = params.changed(block, params.FITTED, params.LIMITS[params.FITTED][1])
    block = params.changed(block, params.SWITCH_PHASES, 1)
    block = params.changed(block, params.SIMPLE_MA, 10000)
    block = params.changed(block, params.RECLOSE_TRIES, 4)
    return params.changed(block, params.RECLOSE_MS, params.LIMITS[params.RECLOSE_MS][0])


def direct() -> "tuple[int, ...]":
    """A DC board."""
    block = params.changed(quick(variants.IEC), params.DC_MAX_MA, 500000)
    return params.changed(block, params.FITTED, params.CURRENT | params.EARTH | params.STOP_BUTTON | params.PLUG_TEMP)


def bounds(which: int) -> "tuple[int, ...]":
    """All that there is, and every other parameter at its smallest (0) or largest (1) value, but for the pauses."""
    block = quick(tuple([limits[which] for limits in params.LIMITS]))
    block = params.changed(block, params.FITTED, params.LIMITS[params.FITTED][1])
    return params.changed(block, params.DERATE_DDEG, params.LIMITS[params.DERATE_DDEG][0])


class Lives:
    """One kernel after another, each with a block of parameters and for its share of the ticks."""

    def __init__(self, ticks: int, extreme: bool) -> None:
        # Block, share in thousandths, and whether it is left alone with its faults.
        self._rows = [
            (everything(), 220, False),
            (quick(variants.IEC), 80, False),
            (everything(), 220, False),
            (quick(variants.J1772), 80, False),
            (everything(), 120, True),
            (direct(), 140, False),
            (everything(), 140, False),
        ]
        if extreme:
            self._rows[1] = (bounds(0), 80, False)
            self._rows[2] = (bounds(1), 220, False)
            self._rows[4] = (bounds(1), 120, False)
        self._ticks = ticks
        self._next = 0
        self._until = 0

    def begin(self, world: World, tick: int) -> bool:
        """Give the world its next kernel when it is due; returns whether it was."""
        if tick < self._until or self._next == len(self._rows):
            return False
        block, share, patient = self._rows[self._next]
        world.restart(block, patient)
        self._next += 1
        self._until += self._ticks * share // 1000
        return True

    def ends(self, tick: int) -> bool:
        """Whether the present kernel is about to be replaced."""
        return tick == self._until - 100


class Recorder:
    """What the kernel of a world put out, and where it has been."""

    def __init__(self) -> None:
        self.buffer = bytearray(struct.calcsize(REPORT))
        self.closings = 0
        self.faults = 0
        self.phases = 0
        self._rows = bytearray(len(table.TABLE))
        self._phase = table.IDLE

    def note(self, world: World) -> None:
        """Remember what was reached; no allocation."""
        kernel = world.kernel
        self.faults |= kernel.faults
        if kernel.phase == self._phase:
            return
        self.phases |= 1 << kernel.phase
        if kernel.phase == table.CLOSED and self._phase != table.STOPPING:
            self.closings += 1
        for index in range(len(table.TABLE)):
            row = table.TABLE[index]
            if row[0] == self._phase and row[1] & kernel.conditions == row[1] and not row[2] & kernel.conditions:
                self._rows[index] = 1
                break
        self._phase = kernel.phase

    def restarted(self) -> None:
        """The kernel has been made anew."""
        self._phase = table.IDLE

    def pack(self, world: World) -> None:
        """All outputs and reports into the buffer."""
        kernel = world.kernel
        struct.pack_into(
            REPORT,
            self.buffer,
            0,
            world.now_ms,
            kernel.duty,
            kernel.conditions,
            kernel.faults,
            kernel.limit_ma,
            kernel.cable_ma,
            kernel.derated_ma,
            kernel.cycles,
            kernel.lease_left_ms(),
            kernel.cp_high_mv,
            kernel.cp_low_mv,
            kernel.bcb_sequences,
            kernel.phase,
            kernel.pilot_state,
            kernel.phases,
            kernel.bcb_pulses & 255,
            int(kernel.cp_off) | int(kernel.simplified) << 1,
            int(kernel.close) | int(kernel.close_phases) << 1,
            int(kernel.contacts_closed) | int(kernel.phases_closed) << 1,
            int(kernel.supply_enable),
            int(kernel.lock),
            int(kernel.vent),
            int(kernel.rcd_test),
            world.station.granted & 255,
        )

    def line(self) -> str:
        """Closings, fault bits, phases, rows."""
        rows = 0
        for index in range(len(self._rows)):
            rows |= self._rows[index] << index
        return f"{self.closings} {self.faults} {self.phases} {rows}"


def run(ticks: int, seed: int, start_ms: int, extreme: bool = False) -> str:
    """The line that `hash` prints, or `extreme`."""
    world = World(seed, start_ms, extreme)
    lives = Lives(ticks, extreme)
    recorder = Recorder()
    digest = hashlib.sha256()
    for tick in range(ticks):
        if lives.begin(world, tick):
            recorder.restarted()
        world.decay = world.decay or lives.ends(tick)
        world.tick()
        recorder.note(world)
        recorder.pack(world)
        digest.update(recorder.buffer)
    return binascii.hexlify(digest.digest()).decode() + " " + recorder.line()


def run_locked(ticks: int, seed: int, start_ms: int, breach: str) -> str:
    """The line that `locked` prints; MemoryError where the kernel, or this script, asks for memory in a tick.

    There is no warming up: what a kernel needs in its first tick it shall take when it is made. What this cannot see: an integer
    too large for the target, because a small integer has 63 bits here (int_range.py looks for those); and the frame of a large
    function, which MicroPython puts on the heap where it can and gives back at the function's end.
    """
    import micropython  # noqa: PLC0415 - only there

    if breach:
        __import__("kernel_breaches").seed(breach)
    world = World(seed, start_ms, False)
    lives = Lives(ticks, False)
    recorder = Recorder()
    for tick in range(ticks):
        if lives.begin(world, tick):
            recorder.restarted()
        world.decay = world.decay or lives.ends(tick)
        micropython.heap_lock()
        try:
            world.tick()
            recorder.note(world)
        finally:
            micropython.heap_unlock()
    return recorder.line()


if __name__ == "__main__":
    _mode, _ticks, _seed, _start_ms = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    if _mode in ("hash", "extreme"):
        print(run(_ticks, _seed, _start_ms, _mode == "extreme"))
    else:
        print(run_locked(_ticks, _seed, _start_ms, sys.argv[5] if len(sys.argv) > 5 else ""))
