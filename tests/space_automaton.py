"""The kernel under one configuration as a table of transitions, computed as they are asked for and never twice."""

from __future__ import annotations

from typing import Any, NamedTuple

from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.kernel.kernel import Kernel
from space_kernel import State, new_kernel, snapshots
from space_seen import Before, Outputs, Seen
from space_world import Configuration, Stimulus, View


class Edge(NamedTuple):
    """What one tick does. All three are numbers."""

    state: int
    seen: int
    asked: int
    """How the table has been asked: phase and conditions."""


class Automaton:
    """States, stimuli, and what was seen, all numbered. Call inside `scaled`; a step goes by the table in force at that moment."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.states: list[State] = []
        self.before: list[Before] = []
        self.view: list[int] = []
        self.views: list[View] = []
        self.stimuli: list[Stimulus] = []
        self.seen: list[Seen] = []
        self.asked: list[tuple[int, int]] = []
        self._kernel = new_kernel(configuration.parameters)
        self._inputs = Inputs()
        self._save, self._load, self.fields = snapshots(self._kernel)
        self._started = self.fields.index("_started")
        self._numbers: tuple[dict[Any, int], ...] = ({}, {}, {}, {}, {})
        self.start = self._state()

    def stimulus(self, stimulus: Stimulus) -> int:
        return _numbered(self._numbers[0], self.stimuli, stimulus)

    def step(self, state: int, stimulus: int) -> Edge:
        """One tick."""
        kernel = self._kernel
        self._load(kernel, self.states[state])
        apply(kernel, self._inputs, self.stimuli[stimulus], 0)
        now = outputs(kernel)
        before = self.before[state]
        started = self.states[state][self._started]
        seen = self._numbers[1].setdefault((before, stimulus, now, started), len(self.seen))
        if seen == len(self.seen):
            self.seen.append(Seen(self.configuration, before, self.stimuli[stimulus], now, started))
        asked = _numbered(self._numbers[2], self.asked, (before.phase, kernel.conditions))
        return Edge(self._state(), seen, asked)

    def _state(self) -> int:
        kernel = self._kernel
        number = _numbered(self._numbers[3], self.states, self._save(kernel))
        if number == len(self.before):
            now = outputs(kernel)
            self.before.append(Before(*(getattr(now, name) for name in Before._fields)))
            signal = "off" if now.cp_off else "F" if now.duty == 0 else "X1" if now.duty == 10000 else "PWM"
            view = View(signal, now.close, now.close_phases, now.lock, now.rcd_test)
            self.view.append(_numbered(self._numbers[4], self.views, view))
        return number


def apply(kernel: Kernel, inputs: Inputs, stimulus: Stimulus, now_ms: int) -> None:
    """One tick of a kernel whose last one was at now_ms."""
    inputs.cp_high_mv = stimulus.high_mv
    inputs.cp_low_mv = stimulus.low_mv
    inputs.contacts_closed = stimulus.main
    inputs.phases_closed = stimulus.second
    inputs.pp_ohm = stimulus.pp_ohm
    inputs.lock_closed = stimulus.lock_closed
    inputs.rcd_dc = stimulus.tripped
    inputs.earth_ok = stimulus.earth
    inputs.pen_lost = stimulus.pen
    inputs.stop_pressed = stimulus.stop
    inputs.plug_ddeg = stimulus.plug
    inputs.current_ma = stimulus.current
    if stimulus.damage:
        kernel.parameters.damaged = True
    if stimulus.withdrawn:
        kernel.lease(0, 0, 0, 0, now_ms)
    elif stimulus.lease is not None:
        mode, limit_ma, phases = stimulus.lease
        kernel.lease(mode, limit_ma, 2, phases, now_ms)
    if stimulus.request:
        kernel.request(stimulus.request)
    kernel.step(now_ms + stimulus.ms, inputs)


def outputs(kernel: Kernel) -> Outputs:
    return Outputs(
        kernel.duty,
        kernel.cp_off,
        kernel.close,
        kernel.close_phases,
        kernel.supply_enable,
        kernel.lock,
        kernel.vent,
        kernel.rcd_test,
        kernel.phase,
        kernel.faults,
        kernel.limit_ma,
        kernel.phases,
        kernel.pilot_state,
    )


def _numbered(numbers: dict[Any, int], things: list[Any], thing: Any) -> int:
    number = numbers.setdefault(thing, len(things))
    if number == len(things):
        things.append(thing)
    return number
