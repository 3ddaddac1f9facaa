"""The real safety kernel as a finite automaton: its whole state in one flat tuple, its times in quanta.

One quantum is one tick. Each time of times.py and each timed parameter becomes a small number of quanta; a longer time
never becomes the shorter one. A state is every field of the kernel and of its parts, generated from their `__dict__`, so
that a field added tomorrow is part of the state at once. Then, and only then, fields are made equal where no later step
can tell the difference (`_canonical`):

- an instant becomes its age, and a timer stops at the largest number that anything compares it with;
- what the next step writes before it reads it (conditions, levels, reports), or what only counts for reports, becomes a
  constant;
- a timer that nothing reads in the present state (phase time where no row asks TIME_UP, away time of a fault that is not
  there) is 0.

Left out: the pulse counter (it only reports) and the walk of the parameters' CRC (damage is an event of its own).
space_side_by_side.py runs a whole kernel beside it to show that nothing is lost.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import kernel_bench
from pilotwire.firmware.kernel import faults, params, residual, signal, table, ticks, times
from pilotwire.firmware.kernel.kernel import Kernel

State = tuple[Any, ...]
LONG_QUANTA = 1000

# Quanta of times.py, in the order of the real numbers.
QUANTA = {
    "LOST_MS": 1,
    "PWM_SETTLE_MS": 1,
    "FROM_C_MS": 1,
    "OVERRUN_MS": 1,
    "OTHER_MS": 1,
    "DIODE_BAD_MS": 1,
    "EARTH_MS": 1,
    "PEN_MS": 1,
    "DIODE_GOOD_MS": 2,
    "CABLE_MS": 2,
    "INVALID_MS": 2,
    "FEEDBACK_MS": 3,
    "PHANTOM_MS": 3,
    "F_HOLD_MS": 3,
    "LOCK_PAUSE_MS": 3,
    "TRIP_MS": 3,
    "SETTLE_MS": 3,
    "DRAIN_MS": 3,
    "ZERO_MS": 4,
    "RECOVER_MS": 4,
    "SENSOR_MS": 4,
    "LOCK_MS": 4,
    "RELEASE_MS": 4,
    "CABLE_WAIT_MS": 4,
    "STEP_X1_MS": 4,
    "FOLLOW_MS": 4,
    "WAKE_MS": 5,
    "STEP_EF_MS": 5,
    "SPACING_MS": 5,
    "TTL_MAX_MS": 5,
    "TELL_MS": 5,
    "STOP_MS": 6,
    "OVER_MS": 6,
    "TEST_PERIOD_MS": 20,
}

# Quanta of the timed parameters, which are a board's choice.
PARAMETERS = {
    params.TO_C_MS: 2,
    params.MIN_OFF_MS: 3,
    params.FAULT_OFF_MS: 4,
    params.WAKE_AFTER_MS: 0,
    params.DEAD_MS: 4,
    params.RECLOSE_MS: 5,
    params.TTL_MS: 2,
}


def check_order(quanta: Mapping[str, int]) -> None:
    """Refuse numbers that let a longer time become the shorter one."""
    order = sorted(quanta, key=lambda name: (getattr(times, name), quanta[name]))
    for shorter, longer in itertools.pairwise(order):
        if quanta[shorter] > quanta[longer]:
            raise ValueError(f"{shorter} has become longer than {longer}")


@contextmanager
def scaled(quanta: Mapping[str, int]) -> Iterator[None]:
    """The kernel's times in quanta."""
    with ExitStack() as patches:
        for name, quantum in quanta.items():
            patches.enter_context(mock.patch.object(times, name, quantum))
        for module in (ticks, residual, signal):
            patches.enter_context(mock.patch.object(module, "LONG_MS", LONG_QUANTA))
        yield


class _NoPulses:
    """The pulse counter, left out."""

    def update(self, high_mv: int, passed_ms: int) -> None:
        pass

    def stop(self) -> None:
        pass


def new_kernel(values: Sequence[int]) -> Kernel:
    """A kernel with these parameters, the timed ones in quanta; call inside `scaled`."""
    block = kernel_bench.parameters()
    block.value[:] = values  # times in quanta are out of range for a sealed block
    kernel = Kernel(block)
    kernel._pulses = _NoPulses()  # type: ignore[assignment]
    block.check = lambda: None  # type: ignore[method-assign]
    return kernel


def fields(thing: object, path: str = "") -> Iterator[str]:
    """Every field of the kernel and of its parts: `_signal.duty`, `_clearing._away_ms[3]`."""
    for name, value in vars(thing).items():
        place = path + name
        if isinstance(value, int):
            yield place
        elif isinstance(value, list):
            yield from (f"{place}[{index}]" for index in range(len(value)))
        elif place == "parameters":
            yield "parameters.damaged"
        elif not isinstance(value, _NoPulses):
            yield from fields(value, place + ".")


def _phase_times(kernel: Kernel) -> list[int]:
    """How far the phase time counts: where a row asks TIME_UP."""
    timed = {row[0] for row in table.TABLE if (row[1] | row[2]) & table.TIME_UP}
    if not kernel.parameters.value[params.WAKE_AFTER_MS]:
        timed.discard(table.OFFERING)
    most_ms = []
    for kernel.phase in range(len(table.PHASE_NAMES)):
        most_ms.append(kernel._phase_max_ms() if kernel.phase in timed else 0)
    kernel.phase = table.IDLE
    return most_ms


def _canonical(kernel: Kernel) -> dict[str, str]:
    """Expression, in terms of the kernel `k`, of each field that is not taken as it is."""
    value, fitted = kernel.parameters.value, kernel.parameters.fitted

    def upto(place: str, most: int, where: str = "") -> str:
        expression = f"(k.{place} if k.{place} < {most} else {most})"
        return f"({expression} if {where} else 0)" if where else expression

    rest = max(value[params.MIN_OFF_MS], value[params.FAULT_OFF_MS], times.RECOVER_MS, 1)
    same = {
        "_now_ms": "0",
        "_phase_ms": "(k._phase_ms if k._phase_ms < MOST[k.phase] else MOST[k.phase])",
        "_open_ms": upto("_open_ms", rest),
        "_zero_ms": upto("_zero_ms", times.ZERO_MS),
        "_signal._changed_ms": upto("_signal._changed_ms", times.SPACING_MS),
        "_diode._good_ms": upto("_diode._good_ms", times.DIODE_GOOD_MS),
        "_diode._bad_ms": upto("_diode._bad_ms", times.DIODE_BAD_MS),
        "_diode._pwm_ms": upto("_diode._pwm_ms", times.PWM_SETTLE_MS),
        "_cable._seen_ms": upto("_cable._seen_ms", times.CABLE_MS),
        "_cable._lost_ms": upto("_cable._lost_ms", times.CABLE_MS),
        "_cable.missing_ms": upto("_cable.missing_ms", times.CABLE_WAIT_MS),
        "_residual._age_ms": upto("_residual._age_ms", times.TEST_PERIOD_MS),
        "_current._over_ms": upto("_current._over_ms", times.OVER_MS),
        "_current._phantom_ms": upto("_current._phantom_ms", times.PHANTOM_MS),
        "_monitors._earth_ms": upto("_monitors._earth_ms", times.EARTH_MS),
        "_monitors._pen_ms": upto("_monitors._pen_ms", times.PEN_MS),
        # A lease that is over is no lease, whatever it was. One that is issued now is never older than the last one.
        "_lease._from_ms": f"(k._lease._from_ms - k._now_ms if k._lease.mode else {-LONG_QUANTA})",
        "_lease._heard_age_ms": "0",
        "_pilot._seen": "(k._pilot._seen if k._pilot._seen_for_ms else k._pilot.state)",
    }
    for sensor in ("_plug", "_board"):
        for timer in ("_hot_ms", "_broken_ms"):
            same[f"_heat.{sensor}.{timer}"] = upto(f"_heat.{sensor}.{timer}", times.SENSOR_MS)
    for place in ("ma", "phases", "_ttl_ms"):
        same[f"_lease.{place}"] = f"(k._lease.{place} if k._lease.mode else 0)"
    for number, row in enumerate(faults.FAULTS):
        most = max(times.RECOVER_MS, value[params.RECLOSE_MS]) if row[4] == faults.BY_RECLOSE else times.RECOVER_MS
        place = f"_clearing._away_ms[{number}]"
        same[place] = upto(place, most, f"k.faults & {row[0]}")
    idle = ["conditions", "cp_high_mv", "cp_low_mv", "_requests", "contacts_closed", "phases_closed", "cycles", "vent"]
    idle += ["supply_enable", "_heat.limit_ma"]
    if not fitted(params.SECOND):
        idle += ["_zero_ms", "_powered"]
    if not fitted(params.SOCKET):
        idle += ["_cable._seen_ms", "_cable._lost_ms", "_cable.missing_ms"]
    if not fitted(params.RCD_TEST):
        idle += ["_residual._age_ms"]
    if not value[params.WAKE_AFTER_MS]:
        idle += ["_wake"]
    if not value[params.RECLOSE_TRIES]:
        idle += ["_clearing._reclosed"]
    if value[params.SIMPLE_MA] >= value[params.MAX_MA]:
        idle += ["simplified"]
    return {**same, **dict.fromkeys(idle, "0")}


def snapshots(kernel: Kernel) -> tuple[Callable[[Kernel], State], Callable[[Kernel, State], None], tuple[str, ...]]:
    """Save and restore for kernels like this one, and the names of the fields."""
    names = tuple(fields(kernel))
    canonical = _canonical(kernel)
    if unknown := set(canonical) - set(names):
        raise LookupError(f"the kernel has no {', '.join(sorted(unknown))} any more")
    space: dict[str, Any] = {"MOST": _phase_times(kernel)}
    source = [
        f"def save(k): return ({', '.join(canonical.get(name, f'k.{name}') for name in names)},)",
        f"def load(k, t): {', '.join(f'k.{name}' for name in names)}, = t",
    ]
    exec("\n".join(source), space)
    return space["save"], space["load"], names
