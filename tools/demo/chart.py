"""Small pictures made of characters: a voltage gauge and a block chart. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from rich.text import Text

WINDOW_S = 90.0
"""The chart spans one demo; older values scroll out."""
FULL_SCALE_V = 12.0
BLOCKS = " ▁▂▃▄▅▆▇█"


class History:
    """One quantity over the last WINDOW_S seconds; bounded, because a panel may stay up for days."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=2000)

    def add(self, at_s: float, value: float) -> None:
        """Remember one sample; times must not run backwards, a sample that does is dropped."""
        if not self._samples or at_s >= self._samples[-1][0]:
            self._samples.append((at_s, value))

    def columns(self, now_s: float, count: int) -> list[float | None]:
        """Return `count` time slots, oldest first: each the largest sample in it, or the value it inherited.

        None stands where nothing is known: before the first sample and after now.
        """
        start_s = max(0.0, now_s - WINDOW_S)
        slots: list[float | None] = [None] * count
        held: float | None = None
        for at_s, value in self._samples:
            index = math.floor((at_s - start_s) / WINDOW_S * count)
            if index < 0:
                held = value
            elif index < count:
                before = slots[index]
                slots[index] = value if before is None else max(before, value)
        last = min(count - 1, int((now_s - start_s) / WINDOW_S * count))
        for index in range(last + 1):
            if slots[index] is None:
                slots[index] = held
            held = slots[index]
        return slots


def block_chart(values: Sequence[float | None], rows: int) -> list[str]:
    """Return `rows` lines, top first, in which the largest value is as high as the chart; None leaves a gap."""
    top = max((value for value in values if value is not None), default=0.0)
    steps = len(BLOCKS) - 1
    lines = []
    for row in range(rows - 1, -1, -1):
        line = ""
        for value in values:
            level = 0 if value is None or top <= 0.0 else round(max(0.0, value) / top * rows * steps)
            if row == 0 and value is not None:
                level = max(1, level)  # a known zero is a thin line, not a gap
            line += BLOCKS[min(steps, max(0, level - row * steps))]
        lines.append(line)
    return lines


def gauge(name: str, volts: float | None, width: int, style: str, *, scale: bool = False) -> Text:
    """Draw a voltage between -12 and +12 V as a bar that grows from zero, on one line of `width` characters.

    With `scale` the line carries the ends and the zero of the scale instead of a value.
    """
    label = "" if scale else f"{name:<4} {'   ?  ' if volts is None else f'{volts:+6.1f}'} V "
    label = f"{label:<14}"
    cells = max(5, width - len(label))
    zero = cells // 2
    if scale:
        ends = f"-12{'0':>{zero - 2}}{'+12 V':>{cells - zero - 1}}"
        return Text(label + ends, style, no_wrap=True, overflow="crop")
    track = ["─"] * cells
    track[zero] = "┼"
    line = Text(label, no_wrap=True, overflow="crop")
    if volts is None:
        return line.append("".join(track), "dim")
    place = min(cells - 1, max(0, round((volts / FULL_SCALE_V + 1.0) / 2.0 * (cells - 1))))
    low, high = sorted((zero, place))
    for cell in range(low, high + 1):
        if cell != zero:
            track[cell] = "━"
    track[place] = "●"
    line.append("".join(track[:low]), "dim")
    line.append("".join(track[low : high + 1]), style)
    return line.append("".join(track[high + 1 :]), "dim")
