"""What the pilot tries at each start before it may charge: does the front end see the pilot signal, does the hardware cut the coil
off without the alive wave, does the supervisor fire.

All of it happens with the pilot wire in state A, contacts that report open and, as the configuration says how, a dead outlet.
Whatever does not answer as it must raises RefusedError. Time is real: where this process itself was kept waiting, a measurement
proves nothing and is taken again.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

from pilotwire.boards.linux_direct import refusal
from pilotwire.boards.linux_direct.config import Config
from pilotwire.boards.linux_direct.front import Front
from pilotwire.boards.linux_direct.refusal import RefusedError
from pilotwire.boards.linux_direct.watchdog import Feeder
from pilotwire.firmware.kernel import bands, diode, duty
from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.pilot.program import TICK_MS

A_MIN_MV = bands.EDGES_MV[0][1]
LEVEL_MS = 50  # a level must stand this long
LEVELS = (
    (500, "5 %"),
    (9500, "95 %"),
)  # the shortest pulse that the kernel shows, and the same for the negative half wave
HOLD_MS = 40  # the charge pump holds the coil at least so long (kernel/times.py, OVERRUN_MS); release_ms is the most
LOST_MS = 20  # a gap between two looks that spoils a measurement
TRIES = 5
SPEED_READS = 101


class Bench:
    """The board on the bench: looks every 5 ms, feeds the supervisor, turns the alive wave, watches what must stay as it is."""

    def __init__(self, config: Config, front: Front, feeder: Feeder | None) -> None:
        self.inputs = Inputs()
        self.alive = False
        self.fed = True
        self.guarded = False
        self.state_a = False
        self.contacts_open = False
        self.worst_gap_ms = 0.0
        self.worst_ever_ms = 0.0
        self._front = front
        self.lines = front.lines
        self._feeder = feeder
        self._guard = "" if config.cutoff is None else config.cutoff.guard
        self._due_s = time.monotonic()

    def looks(self, ms: float) -> Iterator[float]:
        """One look per tick for at least `ms` milliseconds; gives the milliseconds since the start. Always one at the end."""
        start_s = last_s = self._due_s = time.monotonic()
        while True:
            self._due_s += TICK_MS / 1000.0
            time.sleep(max(0.0, self._due_s - time.monotonic()))
            if self.alive:
                self._front.turn()
                self.lines.flush()
            now_s = time.monotonic()
            gap_ms = 1000.0 * (now_s - last_s)
            self.worst_gap_ms = max(self.worst_gap_ms, gap_ms)
            self.worst_ever_ms = max(self.worst_ever_ms, gap_ms)
            last_s = now_s
            self._front.sample(self.inputs)
            self._watch()
            if self._feeder is not None and self.fed:
                self._feeder.feed(time.monotonic_ns())
            yield 1000.0 * (now_s - start_s)
            if 1000.0 * (now_s - start_s) >= ms:
                return

    def _watch(self) -> None:
        high_mv = self.inputs.cp_high_mv
        if self.state_a and not A_MIN_MV <= high_mv <= bands.TOP_MV:
            raise RefusedError(
                refusal.CP_NOT_A,
                f"the pilot wire is at {high_mv} mV, the self-test needs state A ({A_MIN_MV}..{bands.TOP_MV} mV): "
                "unplug the car, or look for a fault of the wire",
            )
        closed = self.inputs.contacts_closed or self.inputs.phases_closed
        if self.contacts_open and closed:
            raise RefusedError(
                refusal.CONTACTS_CLOSED,
                "the contacts report closed with the coil off: welded, a broken mirror contact, or a coil that is on by itself",
            )
        if self.guarded and self._guard == "isolator" and self.lines.get("mains_present"):
            raise RefusedError(
                refusal.OUTLET_LIVE,
                "there is mains at the contactor (mains_present) although the test needs it isolated",
            )
        if self.guarded and self._guard == "interlock" and closed:
            raise RefusedError(
                refusal.OUTLET_LIVE, "the contacts closed during the test although coil_isolate keeps the coil off"
            )


def check_speed(config: Config, front: Front) -> int:
    """Median time of reading all inputs, in microseconds; raises RefusedError where that does not fit into a tick."""
    inputs = Inputs()
    taken_ns = []
    for _ in range(SPEED_READS):
        before_ns = time.monotonic_ns()
        front.sample(inputs)
        taken_ns.append(time.monotonic_ns() - before_ns)
    median_us = int(statistics.median(taken_ns)) // 1000
    if median_us > config.iio.budget_us:
        raise RefusedError(
            refusal.IIO_SLOW,
            f"reading all inputs takes {median_us} us, the budget is {config.iio.budget_us} us of a tick of {TICK_MS} ms; "
            "use a faster converter or fewer channels",
        )
    return median_us


def check_signal(config: Config, front: Front, bench: Bench) -> None:
    """State A and open contacts; then the shortest pulses, both ways, and state F must be seen; ends in X1."""
    front.silence()
    for _ in bench.looks(config.iio.settle_ms):
        pass
    bench.state_a = True
    bench.contacts_open = True
    for _ in bench.looks(2 * LEVEL_MS):
        pass
    bench.state_a = False
    for permyriad, name in LEVELS:
        front.pwm.show(permyriad)
        _see(config, bench, name, lambda high, low: A_MIN_MV <= high <= bands.TOP_MV and low <= diode.MAX_MV)
    front.pwm.show(duty.DUTY_F)
    _see(config, bench, "state F", lambda high, low: high <= bands.F_MAX_MV and low <= diode.MAX_MV)
    front.pwm.show(duty.DUTY_X1)
    _see(config, bench, "X1", lambda high, _low: A_MIN_MV <= high <= bands.TOP_MV)
    wrong = front.pwm.check()
    if wrong:
        raise RefusedError(refusal.PWM, wrong)
    bench.state_a = True


def _see(config: Config, bench: Bench, name: str, right: Callable[[int, int], bool]) -> None:
    """A level must be there within settle_ms and stay for LEVEL_MS."""
    wrong = ""

    def attempt() -> float | None:
        nonlocal wrong
        wrong = ""
        for ms in bench.looks(config.iio.settle_ms + LEVEL_MS):
            high_mv, low_mv = bench.inputs.cp_high_mv, bench.inputs.cp_low_mv
            if ms >= config.iio.settle_ms and not right(high_mv, low_mv):
                wrong = f"{high_mv} and {low_mv} mV"
        return None if wrong else 0.0

    def failure() -> RefusedError:
        return RefusedError(
            refusal.CP_PULSE,
            f"the front end does not see {name} on the pilot wire within {config.iio.settle_ms} ms: it reads {wrong}; "
            "the peak detectors are too slow, the signal is not there, or a car has just been plugged in",
        )

    tried(bench, attempt, failure)


def tried(bench: Bench, attempt: Callable[[], float | None], failure: Callable[[], RefusedError]) -> float:
    """What attempt() gives; where it gives None, its failure counts only if this process was not kept waiting meanwhile."""
    for _ in range(TRIES):
        bench.worst_gap_ms = 0.0
        result = attempt()
        if result is not None:
            return result
        if bench.worst_gap_ms < LOST_MS:
            raise failure()
    raise late(bench.worst_gap_ms)


class Coil:
    """The coil under test: commands all coils and the isolating relay, reads what senses them."""

    def __init__(self, config: Config, front: Front, bench: Bench) -> None:
        if config.cutoff is None:
            raise RefusedError(
                refusal.CUTOFF_UNDECLARED,
                "no hardware cut-off is declared; fit a charge pump between alive line and coil and describe it in [cutoff]",
            )
        self._cutoff = config.cutoff
        self._front = front
        self._lines = front.lines
        self._bench = bench
        self._senses = ["coil_sense" if "coil_sense" in config.lines else "contacts"]
        if "coil_phases" in config.lines:
            self._senses.append("coil_sense_phases" if "coil_sense_phases" in config.lines else "contacts_phases")

    def test(self) -> int:
        """Milliseconds from the last edge of the alive wave until the coil was seen off; raises RefusedError."""
        bench, cutoff = self._bench, self._cutoff
        bench.contacts_open = False
        bench.guarded = True
        self._lines.put("coil_isolate", True)
        self._lines.flush()
        # Whatever a pilot before us has left in the pump drains, and the isolating relay moves.
        for _ in bench.looks(max(cutoff.release_ms, HOLD_MS) + LEVEL_MS):
            pass
        bench.alive = True
        self._must_stay_off(
            False, refusal.COIL_WITHOUT_COMMAND, "is fed by the alive wave although it is not commanded"
        )
        tried(bench, self.pull, self._never_pulled)
        released_ms = tried(bench, self._pull_and_drop, self._not_released)
        self._command(False)
        for level, name in ((False, "low"), (True, "high")):
            self._front.hold(level)
            self._lines.flush()
            for _ in bench.looks(max(cutoff.release_ms, HOLD_MS) + LEVEL_MS):  # the edge that led there is forgotten
                pass
            self._must_stay_off(
                True, refusal.COIL_WITHOUT_ALIVE, f"is fed although the alive line stands still at {name}"
            )
        self.off()
        return round(released_ms)

    def pull(self) -> float | None:
        """Command the coil with the alive wave; milliseconds until it was seen on, None when it was not."""
        self._bench.alive = True
        self._command(True)
        for ms in self._bench.looks(self._cutoff.pull_in_ms):
            if all(map(self._lines.get, self._senses)):
                return ms
        self._command(False)
        return None

    def seen(self) -> bool:
        """Whether any coil is seen on, as of the last look."""
        return any(map(self._lines.get, self._senses))

    def off(self) -> None:
        """Everything off, contacts open, the outlet back as it was; raises RefusedError."""
        self._bench.alive = False
        self._front.silence()
        self._lines.put("coil_isolate", True)
        self._lines.flush()
        for _ in self._bench.looks(max(self._cutoff.release_ms, HOLD_MS) + LEVEL_MS):
            pass
        if self.seen() or self._bench.inputs.contacts_closed or self._bench.inputs.phases_closed:
            raise RefusedError(refusal.CONTACTS_CLOSED, "the coil or the contacts have stayed on after the self-test")
        self._bench.guarded = False
        self._front.silence()

    def _never_pulled(self) -> RefusedError:
        return RefusedError(
            refusal.COIL_NEVER_PULLED,
            f"the coil was never seen on ({', '.join(self._senses)}) within {self._cutoff.pull_in_ms} ms of its command: "
            "a test of its release would prove nothing; look at the sense wire, the charge pump and the coil",
        )

    def _not_released(self) -> RefusedError:
        return RefusedError(
            refusal.COIL_NOT_RELEASED,
            f"the coil has not released {self._cutoff.release_ms} ms after the alive wave stopped: the cut-off does not work",
        )

    def _pull_and_drop(self) -> float | None:
        """Pull in, stop the wave with the coil still commanded; milliseconds until it was seen off, None when it was not."""
        if self.pull() is None:
            return None
        self._bench.alive = False
        for ms in self._bench.looks(self._cutoff.release_ms):
            if not self.seen():
                return ms if ms <= self._cutoff.release_ms + TICK_MS else None
        return None

    def _must_stay_off(self, commanded: bool, reason: str, what: str) -> None:
        self._command(commanded)
        for _ in self._bench.looks(HOLD_MS + self._cutoff.pull_in_ms):
            if self.seen():
                raise RefusedError(reason, f"the coil {what}: the hardware cut-off or a driver is broken")
        self._command(False)

    def _command(self, on: bool) -> None:
        self._lines.put("coil", on)
        self._lines.put("coil_phases", on)
        self._lines.flush()


def check_supervisor(config: Config, bench: Bench, coil: Coil) -> int:
    """A GPIO supervisor must trip, and take the coil with it, when it is not fed; milliseconds that took. Raises RefusedError."""
    settings = config.watchdog
    assert settings is not None
    lines = bench.lines
    fault = ""

    def attempt() -> float | None:
        nonlocal fault
        fault = ""
        bench.fed = True
        await_recovery(config, bench)
        if coil.pull() is None:
            fault = "the coil could not be seen on before"
            return None
        bench.fed = False
        for ms in bench.looks(settings.timeout_ms):
            if lines.get("tripped") and not coil.seen():
                return ms if ms <= settings.timeout_ms + TICK_MS else None
        fault = "the coil stayed on" if lines.get("tripped") else "its output has not tripped"
        return None

    def failure() -> RefusedError:
        return RefusedError(
            refusal.WATCHDOG_DEAD,
            f"the supervisor was not fed for {settings.timeout_ms} ms and {fault}: it protects nothing",
        )

    bench.guarded = True
    lines.put("coil_isolate", True)
    lines.flush()
    for _ in bench.looks(LEVEL_MS):
        pass
    tripped_ms = tried(bench, attempt, failure)
    bench.fed = True
    coil.off()
    await_recovery(config, bench)
    return round(tripped_ms)


def await_recovery(config: Config, bench: Bench) -> None:
    """A supervisor that is fed lets go of the coil; raises RefusedError where it does not. Nothing to do for another watchdog."""
    settings = config.watchdog
    if settings is None or settings.kind != "gpio":
        return
    for _ in bench.looks(settings.recover_ms):
        if not bench.lines.get("tripped"):
            return
    raise RefusedError(
        refusal.WATCHDOG_STUCK,
        f"the supervisor reports tripped although it has been fed for {settings.recover_ms} ms: it, or its sense wire, is stuck",
    )


def late(gap_ms: float) -> RefusedError:
    """This process has not been run in time."""
    return RefusedError(
        refusal.TICKS_LATE,
        f"this machine kept the pilot waiting for {gap_ms:.0f} ms; a tick is {TICK_MS} ms and the hardware lets go after "
        f"{HOLD_MS} ms: take load off it, or give the pilot a processor of its own",
    )
