"""A whole kernel beside the automaton that stands for it, under the same random events."""

from __future__ import annotations

import random

from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD
from space_automaton import Automaton, apply, outputs
from space_kernel import new_kernel, scaled
from space_world import Configuration, World


def side_by_side(configuration: Configuration, ticks: int, chance: random.Random) -> list[str]:
    """What has happened when the two part for the first time; empty when they never do.

    The whole kernel runs on and on, across the wrap of its clock; the automaton starts each tick from a state that has been
    made equal. It is quiet for a while between two events, and not always for long.
    """
    world = World(configuration)
    with scaled(configuration.quanta):
        kernel = new_kernel(configuration.parameters)
        automaton = Automaton(configuration)
        inputs, now_ms = Inputs(), TICKS_PERIOD - ticks // 2
        state, surroundings = automaton.start, world.start
        happened: list[str] = []
        quiet = 0
        for _ in range(ticks):
            moves = list(world.moves(surroundings))
            words, surroundings, act = moves[0] if quiet else chance.choice(moves)
            quiet = quiet - 1 if quiet else chance.choice((0, 0, 1, 2, 4, 12))
            happened.append(words)
            stimulus = world.stimulus(automaton.views[automaton.view[state]], surroundings, act)
            apply(kernel, inputs, stimulus, now_ms)
            now_ms = (now_ms + stimulus.ms) % TICKS_PERIOD
            edge = automaton.step(state, automaton.stimulus(stimulus))
            state = edge.state
            if automaton.seen[edge.seen].now != outputs(kernel):
                return happened
    return []
