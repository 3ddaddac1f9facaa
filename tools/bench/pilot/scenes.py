"""All scenes and all rows, in the order of the fact sheet."""

from __future__ import annotations

from pilotwire.tools.bench.pilot import section4, section5, section6
from pilotwire.tools.bench.pilot.row import Row

SCENES = (*section4.SCENES, *section5.SCENES, *section6.SCENES)
ROWS: tuple[Row, ...] = tuple(row for scene in SCENES for row in scene.rows)
ELSEWHERE = (*section4.ELSEWHERE, *section5.ELSEWHERE, *section6.ELSEWHERE)

SECTIONS = (
    ("4", "Sequences of the control pilot (section 4)"),
    ("5", "Residual current, earth, contactor (section 5)"),
    ("6", "Over-current, temperature, phases (section 6)"),
    ("", "Decisions of this project (sections 3, 8 and 9, design)"),
)
"""Heading of each table, by section of the sheet; "" takes what is left."""


def in_section(section: str, of_row: str) -> bool:
    """Whether a row of the sheet's section `of_row` belongs into the table of `section`."""
    named = [key for key, _ in SECTIONS if key]
    return of_row == section if section else of_row not in named
