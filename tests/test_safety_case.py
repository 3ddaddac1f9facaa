"""docs/safety.md names the tests that prove each reaction: they exist, and every fault of the kernel is in the case."""

from __future__ import annotations

import re

import pytest

from pilotwire.firmware.kernel import times
from tree import REPO

TEXT = (REPO / "docs" / "safety.md").read_text()
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", TEXT)))


def test_the_safety_case_names_tests() -> None:
    assert len(NAMED) >= 20


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_each_test_that_the_safety_case_names_exists(file: str, test: str) -> None:
    text = (REPO / "tests" / file).read_text()
    assert re.search(rf"^def {test}\b" if test else r"^def test_", text, re.MULTILINE)


def test_each_row_of_hazards_has_a_proof() -> None:
    rows = re.search(r"\| Hazard .*?\n\n", TEXT, re.DOTALL)
    assert rows is not None
    for row in rows.group(0).strip().splitlines()[2:]:
        assert re.search(r"`test_\w+\.py", row.split("|")[3]), row


def test_the_published_times_are_those_of_this_kernel() -> None:
    rows = [
        line for line in (REPO / "docs" / "timing.md").read_text().splitlines() if "state F shown after fault" in line
    ]
    assert rows
    for row in rows:
        shown = row.split("|")[4].split("/")  # min / median / max, in process
        assert {int(value) for value in shown} == {times.F_HOLD_MS}, (
            "written before the last change: pilotwire bench pilot --write"
        )
