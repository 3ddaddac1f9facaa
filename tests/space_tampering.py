"""Kernels that have been tampered with, outside the table: one time off by one quantum, one fault in another class, one
line of code missing. A rule that lets one of them pass watches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from pilotwire.firmware.kernel import (
    contactor,
    diode,
    duty,
    faults,
    lock,
    params,
    proximity,
    residual,
    signal,
    table,
)
from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.kernel.kernel import Kernel
from space_configurations import CONFIGURATIONS
from space_walk import ViolationError, Walk
from space_world import Configuration

NAMED = {configuration.name: configuration for configuration in CONFIGURATIONS}


@dataclass(frozen=True)
class Tampering:
    """One change; walking `configuration` must end in a violation that says `words`."""

    name: str
    configuration: str
    words: str
    patch: Callable[[], AbstractContextManager[Any]] | None = None
    time: tuple[str, int] | None = None
    """Name of a time or parameter, and by how many quanta it is off."""

    def violation(self) -> ViolationError | None:
        """What the walk finds."""
        configuration = NAMED[self.configuration]
        tampered = configuration if self.time is None else _off(configuration, *self.time)
        with ExitStack() as patches:
            if self.patch is not None:
                patches.enter_context(self.patch())
            try:
                Walk(configuration, tampered).run()
            except ViolationError as violation:
                return violation
        return None


def _off(configuration: Configuration, name: str, quanta: int) -> Configuration:
    if name in configuration.quanta:
        return replace(configuration, times={**configuration.times, name: configuration.quanta[name] + quanta})
    index = getattr(params, name)
    return replace(configuration, values={**configuration.values, index: configuration.parameters[index] + quanta})


TIMES = [
    Tampering(f"{name} {quanta:+d}", configuration, words, time=(name, quanta))
    for name, quanta, configuration, words in (
        ("STOP_MS", 1, "ventilation", "closed too long after X1"),
        ("STOP_MS", -1, "ventilation", "opens under load too early"),
        ("SPACING_MS", -1, "ventilation", "the duty changes too early"),
        ("SPACING_MS", 1, "duties", "the duty could say the new limit, and does not"),
        ("TELL_MS", 1, "direct, faults", "PWM goes on too long after a prompt stop"),
        ("TELL_MS", -1, "direct, faults", "PWM ends before the car has been told long enough"),
        ("F_HOLD_MS", 1, "emergency", "F too long"),
        ("F_HOLD_MS", -1, "emergency", "F too short"),
        ("STEP_EF_MS", 1, "steps", "F too long"),
        ("STEP_EF_MS", -1, "steps", "step EF too short"),
        ("STEP_X1_MS", 1, "steps", "step X1 too long"),
        ("STEP_X1_MS", -1, "steps", "step X1 too short"),
        ("WAKE_MS", 1, "steps", "the wire is off too long"),
        ("WAKE_MS", -1, "steps", "the wire is off too short"),
        ("WAKE_AFTER_MS", 1, "steps", "does not wake up a car that sleeps"),
        ("WAKE_AFTER_MS", -1, "steps", "wakes the car up too early"),
        ("SETTLE_MS", -2, "steps", "the duty changes too early"),
        ("DEAD_MS", 1, "phases", "the wire is off too long"),
        ("DEAD_MS", -1, "phases", "the wire is off too short"),
        ("ZERO_MS", -1, "phases", "the number of phases changes under way"),
        ("DRAIN_MS", 1, "direct, slow", "contacts closed too long after the supply is disabled"),
        ("DRAIN_MS", -1, "direct, slow", "opens under more than relay-safe current too early"),
        ("MIN_OFF_MS", -1, "ventilation", "PWM starts although the contactor has not rested, proven open"),
        ("FAULT_OFF_MS", -1, "emergency", "PWM starts although the contactor has not rested, proven open"),
        ("TO_C_MS", -1, "slow", "closes before the car has asked long enough"),
        ("FROM_C_MS", 1, "slow", "PWM without a car"),
        ("OTHER_MS", 1, "slow", "PWM without a car"),
        ("INVALID_MS", 1, "pilot wire", "PilotInvalid is not reported, or gone without its clearing rule"),
        ("DIODE_GOOD_MS", -1, "diode", "closes although the diode has not been seen"),
        ("DIODE_BAD_MS", 1, "diode", "DiodeMissing is not reported, or gone without its clearing rule"),
        ("FEEDBACK_MS", 1, "contactor", "is not reported, or gone without its clearing rule"),
        ("RECOVER_MS", -1, "emergency", "EmergencyStop is not reported, or gone without its clearing rule"),
        ("TRIP_MS", 1, "residual", "ResidualSelfTest is not reported, or gone without its clearing rule"),
        ("TEST_PERIOD_MS", 1, "direct, self-test", "PWM starts without a good self-test"),
        ("EARTH_MS", 1, "earth", "EarthLost is not reported, or gone without its clearing rule"),
        ("PEN_MS", 1, "earth", "PenLost is not reported, or gone without its clearing rule"),
        ("SENSOR_MS", 1, "graceful", "PlugTooHot is not reported, or gone without its clearing rule"),
        ("CABLE_MS", -1, "cable", "PWM starts without a cable"),
        ("OVERRUN_MS", 1, "slow", "PilotOverrun is not reported, or gone without its clearing rule"),
        ("RELEASE_MS", 1, "residual", "ResidualSelfTest is not reported, or gone without its clearing rule"),
        ("OVER_MS", 1, "over-current", "OverCurrent is not reported, or gone without its clearing rule"),
        ("PHANTOM_MS", 1, "direct", "MirrorContact is not reported, or gone without its clearing rule"),
        ("LOCK_MS", 1, "lock", "LockFailure is not reported, or gone without its clearing rule"),
        ("RECLOSE_MS", -1, "reclose", "recloses unasked"),
    )
]


@contextmanager
def _fault(bit: int, column: int, value: int) -> Iterator[None]:
    """The table of faults with another class (3) or clearing (4)."""
    rows = tuple((*row[:column], value, *row[column + 1 :]) if row[0] == bit else row for row in faults.FAULTS)
    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(faults, "FAULTS", rows))
        for name, kind in (("GRACEFUL", 1), ("PROMPT", 2), ("EMERGENCY", 3)):
            mask = sum(int(row[0]) for row in rows if row[3] == kind)
            patches.enter_context(mock.patch.object(faults, f"ALL_{name}", mask))
        yield


def _faults(column: int, changes: tuple[tuple[int, int, str, str], ...]) -> Iterator[Tampering]:
    what = {3: "class", 4: "clearing"}[column]
    for bit, value, configuration, words in changes:
        name = f"{what} of {faults.names(bit)[0]} is {value}"
        yield Tampering(name, configuration, words, lambda bit=bit, value=value: _fault(bit, column, value))  # type: ignore[misc]


NO_F, STAYS, NO_X1 = "an emergency without F", "stays closed in spite of a prompt or emergency fault", "no X1"
GONE, TOLD = "gone without its clearing rule", "PWM ends"
CLASSES = _faults(
    3,
    (
        (faults.STOP_BUTTON, faults.PROMPT, "emergency", NO_F),
        (faults.STOP_BUTTON, faults.GRACEFUL, "emergency", NO_F),
        (faults.DIODE, faults.PROMPT, "diode", "in spite of an emergency"),
        (faults.NOT_CLOSED, faults.PROMPT, "contactor", "in spite of an emergency"),
        (faults.WELDED, faults.PROMPT, "contactor", NO_F),
        (faults.MIRROR, faults.PROMPT, "contactor", NO_F),
        (faults.PARAMETERS, faults.PROMPT, "late, damage", NO_F),
        (faults.RESIDUAL_DC, faults.PROMPT, "residual", NO_F),
        (faults.RESIDUAL_TEST, faults.PROMPT, "residual", NO_F),
        (faults.EARTH, faults.PROMPT, "earth", NO_F),
        (faults.PEN, faults.PROMPT, "earth", NO_F),
        (faults.STATION_STOP, faults.GRACEFUL, "steps, prompt", TOLD),
        (faults.PILOT_SHORT, faults.EMERGENCY, "prompt", "F for no reason"),
        (faults.PILOT_INVALID, faults.EMERGENCY, "pilot wire", "F for no reason"),
        (faults.CABLE, faults.GRACEFUL, "cable", TOLD),
        (faults.LOCK, faults.PROMPT, "lock", "opens under load"),
        (faults.PLUG_HOT, faults.PROMPT, "graceful", "PWM goes on in spite of a fault"),
        (faults.OVER_CURRENT, faults.GRACEFUL, "over-current", STAYS),
    ),
)
CLEARINGS = _faults(
    4,
    (
        (faults.STOP_BUTTON, faults.BY_CAUSE, "emergency", GONE),
        (faults.STOP_BUTTON, faults.BY_REPLUG, "emergency", GONE),
        (faults.DIODE, faults.BY_CAUSE, "diode", GONE),
        (faults.DIODE, faults.BY_REPLUG, "diode", GONE),
        (faults.NOT_CLOSED, faults.BY_CAUSE, "contactor", GONE),
        (faults.WELDED, faults.BY_CAUSE, "contactor", GONE),
        (faults.MIRROR, faults.BY_CAUSE, "contactor", GONE),
        (faults.LOCK, faults.BY_CAUSE, "lock", GONE),
        (faults.RESIDUAL_DC, faults.BY_CAUSE, "residual", "recloses unasked"),
        (faults.RESIDUAL_TEST, faults.BY_REPLUG, "residual", GONE),
        (faults.EARTH, faults.BY_REPLUG, "earth", GONE),
        (faults.PEN, faults.BY_REPLUG, "earth", GONE),
        (faults.OVER_CURRENT, faults.BY_CAUSE, "over-current", GONE),
        (faults.STATION_STOP, faults.BY_CAUSE, "steps, prompt", GONE),
    ),
)


def _always(thing: object, name: str, value: object) -> Callable[[], AbstractContextManager[Any]]:
    """A property or method that knows one answer only."""
    fixed = property(lambda self: value) if isinstance(vars(thing)[name], property) else lambda self, *rest: value
    return lambda: mock.patch.object(thing, name, fixed)


def _then(thing: type, name: str, afterwards: Callable[[Any], None]) -> Callable[[], AbstractContextManager[Any]]:
    """A method that does one thing more at its end."""
    whole = getattr(thing, name)

    def longer(self: Any, *rest: Any) -> Any:
        answer = whole(self, *rest)
        afterwards(self)
        return answer

    return lambda: mock.patch.object(thing, name, longer)


def _set(name: str, value: object, where: Callable[[Any], object] = lambda _: True) -> Callable[[Any], None]:
    def afterwards(self: Any) -> None:
        if where(self):
            setattr(self, name, value)

    return afterwards


def _condition(bit: int, where: Callable[[Any], object]) -> Callable[[], AbstractContextManager[Any]]:
    """A condition of the table that is taken for granted."""
    whole = Kernel._find_conditions

    def granted(kernel: Kernel, inputs: Inputs) -> int:
        return whole(kernel, inputs) | (bit if where(kernel) else 0)

    return lambda: mock.patch.object(Kernel, "_find_conditions", granted)


def _cause(mask: int) -> Callable[[], AbstractContextManager[Any]]:
    """Causes of faults that are not looked at under load."""
    whole = Kernel._find_causes

    def fewer(kernel: Kernel, inputs: Inputs, passed_ms: int) -> int:
        return whole(kernel, inputs, passed_ms) & (mask if kernel.close else -1)

    return lambda: mock.patch.object(Kernel, "_find_causes", fewer)


def _driven(name: str, value: object, phase: int) -> Callable[[], AbstractContextManager[Any]]:
    """An output that is wrong in one phase."""
    return _then(Kernel, "_drive", _set(name, value, lambda kernel: kernel.phase == phase))


def _show(permyriad: int, phase: int) -> Callable[[], AbstractContextManager[Any]]:
    """The same for the pilot signal."""

    def show(kernel: Any) -> None:
        if kernel.phase == phase:
            kernel._signal.show(permyriad)

    return _then(Kernel, "_drive", show)


def _row(row: tuple[int, int, int, int]) -> Callable[[], AbstractContextManager[Any]]:
    """One row more in the table."""
    return lambda: mock.patch.object(table, "TABLE", (*table.TABLE, row))


def _let_go(self: Any) -> None:
    if self.phase == table.STOPPING:
        self._lock.drive = False


CODE = (
    Tampering("the limit is the lease's alone", "temperature", "limit", _always(Kernel, "_allowed_ma", 16000)),
    Tampering(
        "the cable has no say", "socket", "limit", _then(proximity.Cable, "update", _set("ma", 32000, lambda c: c.ma))
    ),
    Tampering(
        "spacing is forgotten", "ventilation", "the duty changes too early", _always(signal.Signal, "spaced", True)
    ),
    Tampering("any diode is good", "diode", "the diode has not been seen", _always(diode.Diode, "good", True)),
    Tampering("no diode is bad", "diode", "DiodeMissing is not reported", _always(diode.Diode, "bad", False)),
    Tampering("contacts are never judged", "contactor", "is not reported", _always(contactor.Feedback, "update", 0)),
    Tampering("the lock is not looked at", "lock", "without the lock", _then(lock.Lock, "update", _set("holds", True))),
    Tampering(
        "the lock moves at any time", "lock", "without the lock", _then(lock.Lock, "update", _set("drive", False))
    ),
    Tampering("any self-test is good", "residual", "self-test", _always(residual.Residual, "good", True)),
    Tampering(
        "a self-test is good for all cars", "residual", "self-test", _always(residual.Residual, "unplugged", None)
    ),
    Tampering("a trip is not noticed", "residual", "is not reported", _always(residual.Residual, "update", 0)),
    Tampering(
        "supply without power",
        "direct",
        "supply",
        _then(Kernel, "_drive", _set("supply_enable", True, lambda k: k.close)),
    ),
    Tampering(
        "supply never", "direct", "supply disabled for no reason", _then(Kernel, "_drive", _set("supply_enable", False))
    ),
    Tampering(
        "no ventilation", "ventilation", "ventilation does not follow", _then(Kernel, "_drive", _set("vent", False))
    ),
    Tampering("phases change under way", "phases", "phases", _then(Kernel, "_enter", _set("_powered", False))),
    Tampering(
        "one contactor for three phases",
        "phases",
        "second contactor",
        _then(Kernel, "_enter", _set("close_phases", False)),
    ),
    Tampering("woken again and again", "steps", "twice", _then(Kernel, "_enter", _set("_wake", True))),
    Tampering("unplugging changes nothing", "steps", "wake", _always(Kernel, "_unplugged", None)),
    Tampering(
        "a simple car is like any other", "simplified", "limit", _then(Kernel, "_measure", _set("simplified", False))
    ),
    Tampering(
        "X1 is nominal duty",
        "duties",
        "limit",
        lambda: mock.patch.object(duty, "duty_permyriad", lambda ma: ma // 6 + 1),
    ),
    Tampering("another mode is the same", "duties", "told", _condition(table.POWER, lambda k: k._lease.power)),
    Tampering("power is not asked for", "direct", "lease for power", _condition(table.POWER, lambda k: k._lease.mode)),
    Tampering("the lock lets go under load", "lock", "the lock moves", _then(Kernel, "_watch_lock", _let_go)),
    Tampering("F under load", "ventilation", "closed while the pilot shows F", _show(0, table.STOPPING)),
    Tampering("closing at X1", "ventilation", "closes without PWM", _show(10000, table.CLOSED)),
    Tampering("wire off under load", "ventilation", "wire is off", _driven("cp_off", True, table.STOPPING)),
    Tampering(
        "supply to open contacts", "direct", "without DC or open", _driven("supply_enable", True, table.OFFERING)
    ),
    Tampering("supply while draining", "direct, slow", "at once", _driven("supply_enable", True, table.DRAINING)),
    Tampering(
        "step X1 ends with D", "steps", "PWM before step X1 is over", _row((table.STEP_X1, 0, table.CAR, table.IDLE))
    ),
    Tampering("a cable lost under load is no fault", "cable", "stays closed without a cable", _cause(~faults.CABLE)),
    Tampering(
        "faults are forgotten",
        "emergency",
        "gone",
        _then(Kernel, "_judge_faults", _set("faults", 0, lambda k: k.phase == 8)),
    ),
)

ALL = (*TIMES, *CLASSES, *CLEARINGS, *CODE)
