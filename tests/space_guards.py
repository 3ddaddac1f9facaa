"""Delete one guard of the table at a time, and find out which property notices.

Until the first step in which the tampered table answers otherwise, its kernel goes where the kernel has gone in the
walk. So the search starts at those steps, from the shortest path on, and follows only states that the walk has not
judged already: what it does not find in a configuration that it has finished, is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from unittest import mock

from pilotwire.firmware.kernel import table
from space_automaton import Edge
from space_kernel import scaled
from space_liveness import Liveness
from space_seen import PropertyError
from space_walk import Move, Place, ViolationError, Walk

MOST = 100_000
"""Transitions after which a search gives up."""
LIVE = 200
"""States from which a search asks what must come to pass."""

Row = tuple[int, int, int, int]


@dataclass(frozen=True)
class Deletion:
    """One guard less: a bit of `needs` or `bars` of one row, or the whole row."""

    words: str
    rows: tuple[Row, ...]

    def next_phase(self, phase: int, conditions: int) -> int:
        for row in self.rows:
            if row[0] == phase and row[1] & conditions == row[1] and not row[2] & conditions:
                return row[3]
        return phase


def deletions() -> Iterator[Deletion]:
    """All that there are."""
    rows = table.TABLE
    names = table.CONDITION_NAMES
    for index, (phase, needs, bars, then) in enumerate(rows):
        before, after = rows[:index], rows[index + 1 :]
        needed = [names[bit] for bit in range(len(names)) if needs >> bit & 1]
        barred = ["not " + names[bit] for bit in range(len(names)) if bars >> bit & 1]
        row = f"row {index}, {table.PHASE_NAMES[phase]} -> {table.PHASE_NAMES[then]} if {' and '.join(needed + barred)}"
        yield Deletion(f"{row}: deleted", before + after)
        for bit in range(len(names)):
            one = 1 << bit
            if needs & one:
                changed = (phase, needs & ~one, bars, then)
                yield Deletion(f"{row}: without {names[bit]}", (*before, changed, *after))
            if bars & one:
                changed = (phase, needs, bars & ~one, then)
                yield Deletion(f"{row}: without not {names[bit]}", (*before, changed, *after))


class Search:
    """One deletion in one configuration that has been walked. Without `reports` the kernel may report what it likes."""

    def __init__(self, walk: Walk, deletion: Deletion, reports: bool = True) -> None:
        self.walk, self.deletion, self.reports = walk, deletion, reports
        self.complete = False
        """Nothing is left to search."""
        self._answers_otherwise: list[bool] = []
        self._edges: dict[tuple[int, int], Edge] = {}
        self._live = Liveness(walk.automaton, walk.world, self.step)
        self._queue: list[tuple[Place, int, str]] = []  # place, where it comes from, what has happened
        self._known: set[Place] = set()

    def otherwise(self, asked: int) -> bool:
        """Whether the tampered table has another answer to this."""
        known = self._answers_otherwise
        for phase, conditions in self.walk.automaton.asked[len(known) : asked + 1]:
            known.append(table.next_phase(phase, conditions) != self.deletion.next_phase(phase, conditions))
        return known[asked]

    def step(self, state: int, stimulus: int) -> Edge:
        """One tick by the tampered table."""
        edge = self.walk.edge(state, stimulus)
        if not self.otherwise(edge.asked):
            return edge
        key = state, stimulus
        if key not in self._edges:
            with mock.patch.object(table, "TABLE", self.deletion.rows):
                self._edges[key] = self.walk.automaton.step(state, stimulus)
        return self._edges[key]

    def find(self, most: int) -> None:
        """Raises ViolationError for the first broken property within `most` transitions; finished before, it is complete."""
        with scaled(self.walk.configuration.quanta):
            self._find(most)

    def _find(self, most: int) -> None:
        walk = self.walk
        count = 0
        for index, place, move in walk.starts(self.otherwise):
            count += 1
            if count > most:
                return
            state = self._judge(-index - 1, place, move)
            if count <= LIVE and (words := self._live.check(state)):
                raise ViolationError(words, self._path(-index - 1, move[0]))
        done = 0
        while done < len(self._queue):
            place, origin, words = self._queue[done]
            if done < LIVE and (late := self._live.check(place[0])):
                raise ViolationError(late, self._path(origin, words))
            for move in walk.moves(walk.automaton.view[place[0]], place[1]):
                count += 1
                self._judge(done, place, move)
            if count > most:
                return
            done += 1
        self.complete = True

    def _judge(self, origin: int, place: Place, move: Move) -> int:
        words, world, stimulus = move
        edge = self.step(place[0], stimulus)
        try:
            ghost = self.walk.observer.step(place[2], edge.seen, self.reports)
        except PropertyError as broken:
            raise ViolationError(str(broken), self._path(origin, words)) from None
        found = edge.state, world, ghost
        if found not in self._known and not self.walk.knows(found):
            self._known.add(found)
            self._queue.append((found, origin, words))
        return edge.state

    def _path(self, origin: int, words: str) -> list[str]:
        """The way through the queue, and before it (negative numbers) through the walk."""
        backwards = [words]
        while origin >= 0:
            _, origin, words = self._queue[origin]
            backwards.append(words)
        return self.walk.path(-origin - 1) + backwards[::-1]


@dataclass(frozen=True)
class Verdict:
    """What became of one deletion."""

    deletion: Deletion
    found: bool
    words: str = ""
    configuration: str = ""
    path: tuple[str, ...] = ()
    only_reports: bool = False
    """Nothing but the reported phase tells."""
    complete: bool = False
    """Not found, and there is nowhere left to search."""


def judge(deletion: Deletion, walks: Sequence[Walk]) -> Verdict:
    """Search for it in all configurations, small ones first; by what the pins do, and only then by what is reported."""
    complete = True
    for reports in (False, True):
        for walk in sorted(walks, key=lambda walk: len(walk.places)):
            search = Search(walk, deletion, reports)
            try:
                search.find(MOST)
            except ViolationError as violation:
                found = violation.words, walk.configuration.name, tuple(violation.path)
                return Verdict(deletion, True, *found, only_reports=reports)
            complete = complete and search.complete and walk.complete
    return Verdict(deletion, False, complete=complete)
