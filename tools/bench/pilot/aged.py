"""A pilot some of whose long waits are left out: two timers of its kernel are moved on when the bench says so. MicroPython subset.

Nobody waits a day or a quarter of an hour for each sample. The timer is not set to where it is wanted but moved on by an amount
that is known to the millisecond, so that a time measured in the circuit, plus that amount, is the time that the kernel has counted.
Nothing else of the pilot is touched, and no other timer notices: a scene lets everything else come to rest before it leaves a wait
out (after a fault the car is told for 6 s, and the duty rests for 5 s), or the rest of the pilot would still be busy at its end.

The bench says so in the tick: it is modular and leaves the two highest of its 32 bits free.
"""

from pilotwire.firmware.kernel import faults, params, times, variants
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD, add
from pilotwire.firmware.pilot.program import Pilot

AGE_SELF_TEST = TICKS_PERIOD  # this bit in the tick: the last good self-test is SELF_TEST_SKIPPED_MS older from now on
AGE_FAULTS = TICKS_PERIOD << 1  # this bit: causes of faults that are away have been so for FAULTS_SKIPPED_MS longer

SELF_TEST_SKIPPED_MS = times.TEST_PERIOD_MS - 10000  # 10 s of its 24 h are waited for
FAULTS_SKIPPED_MS = variants.IEC[params.RECLOSE_MS] - 15000  # 15 s of the time before reclosing are waited for


class AgedPilot(Pilot):
    """The pilot program, and a hand on two of its kernel's timers."""

    def tick(self, now_ms: int, received: "bytes | bytearray") -> bytes:
        """One tick at now_ms, with AGE_SELF_TEST and AGE_FAULTS in it where the bench wants them."""
        if now_ms & AGE_SELF_TEST:
            residual = self.kernel._residual
            residual._age_ms = add(residual._age_ms, SELF_TEST_SKIPPED_MS)
        if now_ms & AGE_FAULTS:
            away_ms = self.kernel._clearing._away_ms
            for number in range(len(away_ms)):
                if self.kernel.faults & faults.FAULTS[number][0] and away_ms[number]:
                    away_ms[number] = add(away_ms[number], FAULTS_SKIPPED_MS)
        return Pilot.tick(self, now_ms & (TICKS_PERIOD - 1), received)
