"""From measured values to a table on the terminal and to docs/timing.md."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pilotwire.boards.sim.contactor import CLOSE_DELAY_MS, OPEN_DELAY_MS
from pilotwire.firmware.kernel import times
from pilotwire.firmware.pilot.program import TICK_MS
from pilotwire.protocols.link.messages import PERIOD_MS
from pilotwire.tools.bench.pilot.aged import FAULTS_SKIPPED_MS, SELF_TEST_SKIPPED_MS
from pilotwire.tools.bench.pilot.play import COLUMNS, STALL_MS, TRIES, Outcome
from pilotwire.tools.bench.pilot.rigs import COARSE_TICK_MS, TTL_MS
from pilotwire.tools.bench.pilot.row import Row, Scene, number
from pilotwire.tools.bench.pilot.scenes import ELSEWHERE, SECTIONS, in_section

HEAD = """\
# Timing of the pilot, measured

Written by `pilotwire bench pilot --write docs/timing.md`; do not edit. Requirements and their numbering come from the
project's fact sheet on IEC 61851-1, which says of each number where it was read: **S** in a public source, **K** recalled
and to be verified against the standard, **D** derived. **ours** marks what the sheet leaves to us, and choices of this
project. Nothing here is a substitute for the standard, or for a measurement on hardware.

## How it was measured

A simulated circuit (`boards/sim`: pilot wire with the car's resistors, charge pump, contactors that take {close_ms} ms to close
and {open_ms} ms to open, residual current device, lock, sensors) goes on in steps of 1 ms. Times are taken from its own log of
events; the kernel is not asked. The pilot program sees the circuit through the scales of its front end, and is permitted
by a station over the link: a frame every {state_ms} ms each way, time to live {ttl_ms} ms. Its tick is {tick_ms} ms.
The event comes at a random millisecond within the tick, a random time after the circuit has reached its state.

* **In process** (n = {in_process} where nothing else is said): the pilot program under CPython, on a virtual clock.
  It computes in no time; the figures are those of its filters and its tick, and the same on every machine.
* **MicroPython** (n = {micropython}): the same files on real MicroPython in a process of its own, on the same virtual
  clock, one record each way per tick. Also the same on every machine.
* **Real time** (n = {real_time}, for times of about 1 s or less): MicroPython again, while the circuit's clock follows the
  system's. Computing, scheduling of processes and whatever else the machine did are in these figures, and a busy
  machine shows in the maximum. A sample in which a tick came more than {stall_ms} ms late was taken again, at most
  {again} times; {repeated}.

The pilot in the last two: {program}. Seed of the random numbers: {seed}.

A figure is min / median / max in the unit of the requirement. A duration that the pilot counts from an input begins with the
sample that stands for the whole tick in which the event fell: it may be up to one tick short, and the lower bounds of such
rows are {tick_ms} ms less. Before the event, and where nothing is expected for a second or more, the virtual clocks call the
pilot every {coarse_ms} ms instead (later than {overrun_ms} ms it would give up). The contactor's minimum off-times are set to 0
except where they are measured.

Three rows have a long wait in them, most of which was skipped, in both columns alike. When everything else had come to rest,
{self_test_s} s were added to the age of the last self-test (the two rows of the 24 hours), or {faults_s} s to the time for which
the fault's cause had been away (the row of automatic reclosing), in the kernel's memory, and the same amount to the figure. The
rest of these waits, and all other times, were waited for.
"""

OK = "ok"
NOT_MET = "NOT MET"
LEFT_OUT = "left out"
NOTHING = "–"


@dataclass(slots=True)
class Results:
    """All values of one run, by row and column."""

    scenes: Sequence[Scene]
    seed: int = 0
    program: str = ""
    """What the pilot in the child processes says of itself."""
    repeated: int = 0
    values: dict[tuple[str, str], list[int | None]] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """What one task has measured."""
        self.repeated += outcome.repeated
        self.program = outcome.program or self.program
        for row_id, values in outcome.values.items():
            self.values.setdefault((row_id, outcome.task.column), []).extend(values)

    def of(self, row: Row, column: str) -> list[int | None]:
        """Values of a row in a column."""
        return self.values.get((row.id, column), [])

    def rows(self, section: str | None = None) -> Iterator[Row]:
        """The rows that were asked for, those of one section's table or all."""
        for scene in self.scenes:
            for row in scene.rows:
                if section is None or in_section(section, row.section):
                    yield row

    def verdict(self, row: Row) -> str:
        """OK when every value meets the requirement; LEFT_OUT when there are none."""
        values = [value for column in COLUMNS for value in self.of(row, column)]
        if not values:
            return LEFT_OUT
        return OK if all(map(row.holds, values)) else NOT_MET

    @property
    def not_met(self) -> list[Row]:
        """The rows that do not meet their requirement."""
        return [row for row in self.rows() if self.verdict(row) == NOT_MET]

    def usual_number(self, column: str) -> int:
        """The number of samples that most rows of a column have."""
        numbers = [len(self.of(row, column)) for row in self.rows()]
        return statistics.mode([each for each in numbers if each] or [0])


def cell(results: Results, row: Row, column: str) -> str:
    """Least, median and greatest value; the number of samples where it is not the usual one."""
    values = results.of(row, column)
    if not values:
        return NOTHING
    # Never is later than any time and more than any number.
    ordered = sorted(values, key=lambda value: float("inf") if value is None else value)
    three = (ordered[0], statistics.median_low(range(len(ordered))), ordered[-1])
    text = " / ".join(number(value) for value in (three[0], ordered[three[1]], three[2]))
    few = len(values) != results.usual_number(column)
    return f"{text} (n = {len(values)})" if few else text


def terminal(results: Results) -> str:
    """The table for the terminal; rows by their names."""
    lines = []
    for section, heading in SECTIONS:
        rows = list(results.rows(section))
        if not rows:
            continue
        table = [["", "required", "", *COLUMNS, ""]]
        table += [
            [
                row.id,
                row.requirement,
                f"[{row.mark}]",
                *(cell(results, row, each) for each in COLUMNS),
                results.verdict(row),
            ]
            for row in rows
        ]
        widths = [max(len(line[place]) for line in table) for place in range(len(table[0]))]
        lines += [f"{heading}: min / median / max in the row's unit"]
        lines += [
            "  " + "  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip()
            for line in table
        ]
        lines += [""]
    if results.repeated:
        lines += [
            f"In real time {results.repeated} samples were taken again: a tick came more than {STALL_MS:g} ms late.",
            "",
        ]
    verdicts = [results.verdict(row) for row in results.rows()]
    lines += [", ".join(f"{verdicts.count(each)} rows {each}" for each in (OK, NOT_MET, LEFT_OUT) if each in verdicts)]
    lines += [f"  {NOT_MET}: {row.id}" for row in results.not_met]
    return "\n".join(lines)


def markdown(results: Results) -> str:
    """docs/timing.md."""
    in_process, micropython, real_time = (results.usual_number(column) for column in COLUMNS)
    repeated = f"{results.repeated} were" if results.repeated else "none was"
    head = HEAD.format(
        state_ms=PERIOD_MS,
        ttl_ms=TTL_MS,
        tick_ms=TICK_MS,
        coarse_ms=COARSE_TICK_MS,
        overrun_ms=times.OVERRUN_MS,
        close_ms=CLOSE_DELAY_MS,
        open_ms=OPEN_DELAY_MS,
        in_process=in_process,
        micropython=micropython or "not measured: there is no MicroPython for this machine",
        real_time=real_time,
        stall_ms=f"{STALL_MS:g}",
        again=TRIES - 1,
        repeated=repeated,
        program=results.program or "none has run",
        seed=results.seed,
        self_test_s=number(SELF_TEST_SKIPPED_MS // 1000),
        faults_s=number(FAULTS_SKIPPED_MS // 1000),
    )
    return head + "".join(_chapter(results, section, heading) for section, heading in SECTIONS)


def _chapter(results: Results, section: str, heading: str) -> str:
    lines = [
        f"\n## {heading}\n",
        "| what | source | required | in process | MicroPython | real time | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results.rows(section):
        cells = [cell(results, row, column) for column in COLUMNS]
        lines += [_line(row.what, f"{row.source} [{row.mark}]", row.requirement, *cells, results.verdict(row))]
    others = [each for each in ELSEWHERE if in_section(section, each.section)]
    if others:
        lines += ["\nRows of the sheet that the pilot program does not answer for:\n"]
        lines += ["| what | source | required | answered by | why |", "|---|---|---|---|---|"]
    for each in others:
        lines += [_line(each.what, f"{each.source} [{each.mark}]", each.requirement, each.by, each.reason)]
    return "\n".join(lines) + "\n"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
