"""What the timing bench prints and writes: every row in a well-formed table, and a failure that cannot be overlooked."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pilotwire.tools.bench.pilot import report
from pilotwire.tools.bench.pilot.play import IN_PROCESS, MICROPYTHON, REAL_TIME, Outcome, Task
from pilotwire.tools.bench.pilot.report import Results
from pilotwire.tools.bench.pilot.row import Row, Scene
from pilotwire.tools.bench.pilot.scenes import ELSEWHERE, ROWS, SCENES
from tree import REPO


def scene(name: str) -> Scene:
    return next(each for each in SCENES if each.id == name)


def row(name: str) -> Row:
    return next(each for each in ROWS if each.id == name)


def made_up(value: int | None = 40) -> Results:
    """One value for each row: the least or greatest that is allowed, or `value` for s2-open."""
    results = Results(SCENES, seed=42, program="pilot on paper")
    for each in SCENES:
        for column, number in ((IN_PROCESS, 200), (MICROPYTHON, 20), (REAL_TIME, 5)):
            if column == REAL_TIME and not each.rows_of(real=True):
                continue
            outcome = Outcome(Task(column, each.id, 0, number, 42))
            for row in each.rows:
                good = row.most if row.most is not None else row.least
                for _ in range(number):
                    outcome.add({row.id: value if each.id == "s2-open" else good})
            results.add(outcome)
    return results


def test_the_report_has_every_row_in_a_well_formed_table() -> None:
    text = report.markdown(made_up())
    lines = text.splitlines()
    width = 0
    for line in lines:
        if line.startswith("|"):
            cells = line.count(" | ") + 1 if not line.startswith("|---") else line.count("---")
            width = width or cells
            assert cells == width, line
        else:
            width = 0
    for each in (*ROWS, *ELSEWHERE):
        assert sum(f"| {each.what} |" in line and f"| {each.requirement} |" in line for line in lines) >= 1, each.what
    assert text.count("\n## ") == 1 + 4
    assert "(n = 200 where nothing else is said)" in text
    assert "(n = 20)" in text
    assert "(n = 5, for times of about 1 s" in text
    assert "numbers: 42." in text
    assert report.NOT_MET not in text


def test_the_report_names_no_machine_and_no_path() -> None:
    text = report.markdown(made_up())
    for word in (str(REPO), str(Path.home()), socket.gethostname(), "/tmp", "{"):
        assert word not in text


@pytest.mark.parametrize(("value", "shown"), [(51, "51 / 51 / 51"), (None, "never / never / never")])
def test_a_row_that_fails_says_so_in_table_and_report(value: int | None, shown: str) -> None:
    results = made_up(value)
    failed = [each.id for each in results.not_met]
    assert failed == (["s2-open-command"] if value else ["s2-open-command", "s2-open-contacts"])
    for text in (report.terminal(results), report.markdown(results)):
        line = next(line for line in text.splitlines() if shown in line)
        assert report.NOT_MET in line


def test_never_is_worse_than_any_number_and_few_samples_say_their_number() -> None:
    results = made_up()
    few = Results([scene("s2-open"), scene("cp-short")])
    few.values = {
        ("s2-open-command", IN_PROCESS): [30, None, 20, 25],
        ("s2-open-contacts", IN_PROCESS): [1, 3, 2, 4],
        ("cp-short-command", IN_PROCESS): [12000],
    }
    assert report.cell(few, row("s2-open-command"), IN_PROCESS) == "20 / 25 / never"
    assert report.cell(few, row("s2-open-contacts"), IN_PROCESS) == "1 / 2 / 4"
    assert report.cell(few, row("cp-short-command"), IN_PROCESS) == "12 000 / 12 000 / 12 000 (n = 1)"
    assert report.cell(results, row("bcb-pulses"), REAL_TIME) == report.NOTHING


def test_the_page_in_docs_has_these_rows_and_no_failure() -> None:
    page = (REPO / "docs" / "timing.md").read_text(encoding="utf-8")
    assert report.NOT_MET not in page
    assert report.LEFT_OUT not in page
    for each in (*ROWS, *ELSEWHERE):
        assert f"| {each.what} | {each.source} [{each.mark}] | {each.requirement} |" in page, (
            f"{each.what}: run `pilotwire bench pilot --write docs/timing.md`"
        )
