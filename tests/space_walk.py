"""The breadth-first walk through the product of kernel, surroundings and the rules' memories; every transition is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from space_automaton import Automaton, Edge
from space_fault_rules import Reports, rules
from space_kernel import check_order, scaled
from space_seen import Ghost, PropertyError
from space_world import Configuration, World

Place = tuple[int, int, int]
"""Numbers of the kernel's state, of the surroundings, and of what the rules remember."""

Move = tuple[str, int, int]
"""What happens: words, the surroundings that follow, the kernel's stimulus."""


class ViolationError(Exception):
    """A property is broken: which, and the events that lead there."""

    def __init__(self, words: str, path: list[str]) -> None:
        super().__init__(f"{words}: {shown(path)}")
        self.words, self.path = words, path


class Observer:
    """All rules at once; what they remember together is numbered."""

    def __init__(self, automaton: Automaton, configuration: Configuration) -> None:
        self._seen = automaton.seen
        self.rules = rules(configuration)
        self._memo: list[dict[tuple[Ghost, int], Ghost]] = [{} for _ in self.rules]
        self._numbers: dict[tuple[Ghost, ...], int] = {}
        self.ghosts: list[tuple[Ghost, ...]] = []
        self.after: list[dict[int, int]] = []
        self.start = self._number(tuple(rule.start for rule in self.rules))

    def step(self, number: int, seen: int, reports: bool = True) -> int:
        """Number of what is remembered after it; raises PropertyError. Without `reports` a kernel may report what it likes."""
        known = self.after[number].get(seen)
        if known is not None:
            return known
        ghosts = []
        honest = True
        for rule, memo, ghost in zip(self.rules, self._memo, self.ghosts[number], strict=True):
            key = ghost, seen
            after = memo.get(key)
            if after is None:
                try:
                    after = memo[key] = rule.step(ghost, self._seen[seen])
                except PropertyError:
                    if reports or not isinstance(rule, Reports):
                        raise
                    after, honest = ghost, False
            ghosts.append(after)
        after = self._number(tuple(ghosts))
        if honest:
            self.after[number][seen] = after
        return after

    def _number(self, ghosts: tuple[Ghost, ...]) -> int:
        number = self._numbers.setdefault(ghosts, len(self.ghosts))
        if number == len(self.ghosts):
            self.ghosts.append(ghosts)
            self.after.append({})
        return number


class Walk:
    """The walk of one configuration. `kernel` gives the kernel other times or parameters than the rules know, to test the rules."""

    def __init__(self, configuration: Configuration, kernel: Configuration | None = None) -> None:
        self.configuration = configuration
        self._kernel = kernel or configuration
        check_order(configuration.quanta)
        self.world = World(configuration)
        with scaled(self._kernel.quanta):
            self.automaton = Automaton(self._kernel)
        self.observer = Observer(self.automaton, configuration)
        self.edges: list[dict[int, Edge]] = []
        self.transitions = 0
        self.depth = 0
        self.size = 0
        """Number of places."""
        self.kernel_states = 0
        """States of the kernel that the walk has found; the automaton may know more when others have used it since."""
        self._moves: dict[tuple[int, int], list[Move]] = {}
        first = (self.automaton.start, self.world.start, self.observer.start)
        self.places = [first]
        self._from = [(0, "")]
        self._known = {first: 0}

    def moves(self, view: int, world: int) -> list[Move]:
        """All that can happen now."""
        moves = self._moves.get((view, world))
        if moves is None:
            seen = self.automaton.views[view]
            moves = self._moves[view, world] = [
                (words, after, self.automaton.stimulus(self.world.stimulus(seen, after, act)))
                for words, after, act in self.world.moves(world)
            ]
        return moves

    def edge(self, state: int, stimulus: int) -> Edge:
        """One tick of the kernel; call inside `scaled`."""
        edges = self.edges
        while len(edges) <= state:
            edges.append({})
        edge = edges[state].get(stimulus)
        if edge is None:
            edge = edges[state][stimulus] = self.automaton.step(state, stimulus)
        return edge

    def run(self) -> Walk:
        """To the end, or to the depth of the configuration; raises ViolationError at the first broken property."""
        with scaled(self._kernel.quanta):
            self._run()
        self.kernel_states = len(self.automaton.states)
        self.size = len(self.places)
        return self

    def _run(self) -> None:
        automaton, observer, known, places = self.automaton, self.observer, self._known, self.places
        done = 0
        while done < len(places) and self.depth != self.configuration.depth:
            self.depth += 1
            until = len(places)
            for index in range(done, until):
                state, world, ghost = places[index]
                after = observer.after[ghost]
                moves = self.moves(automaton.view[state], world)
                self.transitions += len(moves)
                for words, world_after, stimulus in moves:
                    edge = self.edge(state, stimulus)
                    ghost_after = after.get(edge.seen)
                    if ghost_after is None:
                        try:
                            ghost_after = observer.step(ghost, edge.seen)
                        except PropertyError as broken:
                            raise ViolationError(str(broken), [*self.path(index), words]) from None
                    place = (edge.state, world_after, ghost_after)
                    if place not in known:
                        known[place] = len(places)
                        places.append(place)
                        self._from.append((index, words))
            done = until

    @property
    def complete(self) -> bool:
        """There was nothing more to find."""
        return self.depth != self.configuration.depth

    def first(self, state: int) -> int:
        """Number of the first place with this state of the kernel."""
        return next(index for index, place in enumerate(self.places) if place[0] == state)

    def forget(self) -> None:
        """Let go of everything but the numbers."""
        for large in (self.places, self.edges, self._from, self._known, self._moves):
            large.clear()

    def knows(self, place: Place) -> bool:
        return place in self._known

    def path(self, index: int) -> list[str]:
        """What has happened until place number `index`, by the shortest way."""
        words = []
        while index:
            index, word = self._from[index]
            words.append(word)
        return words[::-1]

    def starts(self, otherwise: Callable[[int], bool]) -> Iterator[tuple[int, Place, Move]]:
        """Every transition of the walk in which the table has been asked something that `otherwise` picks; shortest ways first."""
        picked: dict[int, set[int]] = {}
        for state in range(self.kernel_states):
            stimuli = {stimulus for stimulus, edge in self.edges[state].items() if otherwise(edge.asked)}
            if stimuli:
                picked[state] = stimuli
        for index, place in enumerate(self.places if picked else ()):
            if place[0] in picked:
                stimuli = picked[place[0]]
                for move in self.moves(self.automaton.view[place[0]], place[1]):
                    if move[2] in stimuli:
                        yield index, place, move


def shown(path: Sequence[str]) -> str:
    """A path in one line: `car B, nothing x 3, station silent`."""
    words: list[str] = []
    times = 0
    for index, word in enumerate(path):
        times += 1
        if index + 1 == len(path) or path[index + 1] != word:
            words.append(word if times == 1 else f"{word} x {times}")
            times = 0
    return ", ".join(words)
