"""What must come to pass: with good surroundings the kernel closes, with bad ones it opens for good.

Both are chains without choice: nothing changes but time. Each kernel state that the walk has found is a start, even those
that would have had to be left through several changes at once.
"""

from __future__ import annotations

from collections.abc import Callable

from pilotwire.firmware.kernel import faults, params
from space_automaton import Automaton, Edge
from space_seen import Before, Seen
from space_world import SILENT, START, World

SERVICE = 40
"""Ticks for which a car is unplugged and the clear command is given before a state with a latched fault must close."""
STANDING = ~(
    faults.PILOT_SHORT | faults.PILOT_INVALID | faults.OVERRUN | faults.CABLE | faults.PLUG_HOT | faults.SENSOR
)
"""Faults that do not clear by the end of their cause alone."""

Step = Callable[[int, int], Edge]


class Liveness:
    """Chains in one configuration; `step` is the kernel (or one whose table has been tampered with)."""

    def __init__(self, automaton: Automaton, world: World, step: Step) -> None:
        self.automaton, self.world, self.step = automaton, world, step
        configuration = automaton.configuration
        calm = {**START, **configuration.start}
        self._goods = [world.number({**calm, **good}) for good in configuration.good]
        self._service = [world.number({**calm, **good, "car": "A", "station": SILENT}) for good in configuration.good]
        self._bad = world.number({**calm, **configuration.good[0], "station": SILENT})
        self._closes_in: list[dict[int, int]] = [{} for _ in self._goods]
        self._open_in: dict[int, int] = {}
        self._served: list[dict[int, int]] = [{} for _ in self._goods]
        self._damaged = automaton.fields.index("parameters.damaged")
        self._let_go = automaton.fields.index("_let_go")
        self.longest = 0
        """Ticks that the slowest start has taken to close."""
        self.opening = 0
        """Ticks that the slowest start has taken to open for good."""

    def check(self, state: int) -> str:
        """What does not come to pass from this state; empty when all does."""
        automaton = self.automaton
        before, values = automaton.before[state], automaton.states[state]
        standing = before.faults & STANDING or values[self._let_go]
        for number, good in enumerate(self._goods):
            if not standing:
                ticks = self._closes(number, good, state)
                if ticks is None:
                    return "never closes although everything is good"
                self.longest = max(self.longest, ticks)
            if not values[self._damaged]:
                served = self._serve(number, state)
                if self._closes(number, good, served) is None:
                    return "never closes after the car has been replugged and faults have been cleared"
        ticks = self._opens(state)
        if ticks is None:
            return "does not open for good although the station is silent"
        self.opening = max(self.opening, ticks)
        return ""

    def _edge(self, state: int, world: int, act: str = "") -> Edge:
        automaton = self.automaton
        stimulus = self.world.stimulus(automaton.views[automaton.view[state]], world, act)
        return self.step(state, automaton.stimulus(stimulus))

    def _closes(self, number: int, world: int, state: int) -> int | None:
        memo = self._closes_in[number]
        chain: list[int] = []
        on_way = set()
        while state not in memo:
            if state in on_way:
                return None
            chain.append(state)
            on_way.add(state)
            edge = self._edge(state, world)
            if self._charges(self.automaton.seen[edge.seen]):
                memo[state] = 1
                chain.pop()
                break
            state = edge.state
        ticks = memo[state]
        for earlier in reversed(chain):
            ticks += 1
            memo[earlier] = ticks
        return ticks

    def _charges(self, seen: Seen) -> bool:
        now = seen.now
        if not now.close or not seen.pwm or not seen.power or seen.lease is None:
            return False
        switching = self.automaton.configuration.parameters[params.SWITCH_PHASES]
        return (seen.lease[0] < 3 or now.supply_enable) and (not switching or seen.lease[2] in (0, now.phases))

    def _serve(self, number: int, state: int) -> int:
        memo = self._served[number]
        start = state
        if start not in memo:
            for tick in range(SERVICE):
                # A command is an instant, and nobody knows when the contacts have been open long enough: again and again.
                after = self._edge(state, self._service[number], "clear" if tick < SERVICE // 2 else "").state
                if after == state and tick >= SERVICE // 2:
                    break
                state = after
            memo[start] = state
        return memo[start]

    def _opens(self, state: int) -> int | None:
        """Ticks until the contactor is open and the pilot without PWM for ever; None if that never comes."""
        memo = self._open_in
        chain: list[int] = []
        place: dict[int, int] = {}
        while state not in memo:
            if state in place:
                loop = chain[place[state] :]
                if any(self._alive(self.automaton.before[one]) for one in loop):
                    return None
                memo.update(dict.fromkeys(loop, 0))
                chain = chain[: place[state]]
                break
            place[state] = len(chain)
            chain.append(state)
            state = self._edge(state, self._bad).state
        ticks = memo[state]
        for earlier in reversed(chain):
            ticks = ticks + 1 if ticks or self._alive(self.automaton.before[earlier]) else 0
            memo[earlier] = ticks
        return memo[chain[0]] if chain else ticks

    def _alive(self, before: Before) -> bool:
        return before.close or 0 < before.duty < 10000
