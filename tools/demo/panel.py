"""The demo's live terminal panel: everything the station knows, and how old it is, on 80x24 characters or more.

`Panel` is the shell: it owns the terminal and decides when to draw. `Scene` is what is drawn: facts in, text out, no
clock. Where there is no terminal to draw on, `Panel` hands everything to `Lines`.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel as Frame
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pilotwire.tools.demo.chart import History, block_chart, gauge
from pilotwire.tools.demo.glance import (
    STATE_MEANINGS,
    STATION_SILENT_S,
    Glance,
    Message,
    PilotGlance,
    Reason,
    StationWatch,
    glance,
    meaning_of_duty,
    number,
    section,
    text,
)
from pilotwire.tools.demo.lines import Lines

REDRAW_EVERY_S = 0.1
WIDEST, HEAD_ROWS, LEAST_OCPP_ROWS = 132, 3, 3
STATE_STYLES = {"A": "black on white", "B": "black on yellow", "C": "black on green", "D": "black on green"}
ALARM = "bold white on red"


class Panel:
    """Shows the demo while it runs; use as a context manager around everything that calls `update`.

    `steps` are the demo's steps in order, for the progress bar. `console` is only given by tests. While the panel is up
    it owns the whole screen: what else is printed is lost. When it closes, the last picture stays in the terminal.
    """

    def __init__(
        self,
        steps: Sequence[str] = (),
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Console()
        self._clock = clock
        self._started_s = clock()
        self._drawn_s: float | None = None
        self._live: Live | None = None
        self.scene = Scene(steps)
        capable = self._console.is_terminal and not self._console.is_dumb_terminal
        drawable = capable and self._console.encoding.lower().startswith("utf")
        self._lines = None if drawable else Lines(self._console.file)

    def __enter__(self) -> Panel:
        self._started_s = self._clock()
        if self._lines is None:
            # No thread of rich's own: drawing happens in update(), so nothing is drawn half updated.
            self._live = Live(self.scene, console=self._console, screen=True, auto_refresh=False)
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is None:
            return
        self._live.stop()
        self._live = None
        height = min(self._console.height - 1, 24)
        self._console.print(self.scene, height=height)

    def update(
        self,
        snapshot: Mapping[str, Any] | None,
        world: Mapping[str, Any] | None,
        step: str,
        elapsed_s: float | None = None,
    ) -> None:
        """Take the latest station snapshot and world trace row (or None) and redraw, at most ten times a second.

        `elapsed_s` counts from the start of the demo; left out, the panel's own clock is used.
        """
        now_s = self._clock()
        elapsed_s = now_s - self._started_s if elapsed_s is None else elapsed_s
        if self._lines is not None:
            self._lines.update(snapshot, world, step, elapsed_s)
            return
        self.scene.take(snapshot, world, step, elapsed_s)
        if self._live is not None and (self._drawn_s is None or now_s - self._drawn_s >= REDRAW_EVERY_S):
            self._drawn_s = now_s
            self._live.refresh()


class Scene:
    """The picture: keeps the latest facts and the power history, renders at the size it is given."""

    def __init__(self, steps: Sequence[str] = ()) -> None:
        self._steps = list(steps)
        self._done = 0
        self._step = "starting"
        self._seen = Glance()
        self._world: Mapping[str, Any] = {}
        self._elapsed_s = 0.0
        self._silent_s = 0.0
        self._watch = StationWatch()
        self._power = History()
        self._heard = False
        """A pilot that has never answered is not lost, it is not there yet."""

    def take(
        self, snapshot: Mapping[str, Any] | None, world: Mapping[str, Any] | None, step: str, elapsed_s: float
    ) -> None:
        """Remember what is to be drawn next."""
        self._seen, self._world, self._elapsed_s = glance(snapshot), section(world), elapsed_s
        self._silent_s = self._watch.silent_s(self._seen.now_ms, elapsed_s)
        self._step = text(step) or "?"
        if step in self._steps:
            self._done = self._steps.index(step) + 1
        pilot, meter = self._seen.pilot, self._seen.meter
        self._heard = self._heard or (pilot is not None and not pilot.lost)
        if meter is not None and meter.power_w is not None and not meter.stale:
            self._power.add(elapsed_s, meter.power_w / 1000.0)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render at the given size; rows beyond 24 go to the chart, the reasons and the OCPP traffic."""
        width = min(options.max_width, WIDEST)
        height = options.height or console.height
        spare = max(0, height - 24)
        pilot_rows, energy_rows = 8 + min(2, spare // 8), 7 + spare // 3
        column, inner = width // 2, width // 2 - 4
        layout = Layout()
        layout.split_column(
            Layout(self._head(), size=HEAD_ROWS),
            Layout(name="top", size=pilot_rows),
            Layout(name="middle", size=energy_rows),
            Layout(self._ocpp(max(LEAST_OCPP_ROWS, height - HEAD_ROWS - pilot_rows - energy_rows) - 2)),
        )
        layout["top"].split_row(
            Layout(self._pilot(inner, pilot_rows - 2), size=column),
            Layout(self._allocation(width - column - 4, pilot_rows - 2)),
        )
        layout["middle"].split_row(
            Layout(self._energy(inner, energy_rows - 2), size=column),
            Layout(self._session(width - column - 4, energy_rows - 2)),
        )
        yield from console.render(layout, options.update(width=width, height=height))

    def _head(self) -> Frame:
        row = Table.grid(expand=True, padding=(0, 1))
        row.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
        row.add_column(ratio=2, no_wrap=True)
        row.add_column(justify="right", no_wrap=True, width=6)
        count = f"{self._done}/{len(self._steps)} " if self._steps else ""
        bar: RenderableType = ""
        if self._steps:
            bar = ProgressBar(total=len(self._steps), completed=self._done, complete_style="cyan")
        minutes, seconds = divmod(int(self._elapsed_s), 60)
        row.add_row(Text.assemble((count, "dim"), (self._step, "bold")), bar, f"{minutes:02d}:{seconds:02d}")
        title = Text("Pilotwire demo")
        if self._silent_s > STATION_SILENT_S:
            title.append(" ").append(f" STATION SILENT, values STALE for {self._silent_s:.1f} s ", ALARM)
        if self._seen.station:
            title.append(f" · {self._seen.station}")
        return _frame(row, title, "cyan")

    def _pilot(self, inner: int, rows: int) -> Frame:
        pilot = self._seen.pilot
        if pilot is None or (pilot.lost and not self._heard):
            return _frame(_waiting("pilot not heard yet"), Text("Control pilot"), "white")
        old = pilot.lost or pilot.stale or self._silent_s > STATION_SILENT_S
        style = "dim" if old else ""
        badge = Text.assemble((f" {pilot.state} ", STATE_STYLES.get(pilot.state, ALARM)), " ")
        badge.append(STATE_MEANINGS.get(pilot.state, "unknown letter"), "dim" if old else "bold")
        lines: list[RenderableType] = [
            _ends(badge, _pilot_age(pilot)),
            gauge("high", pilot.high_v, inner, style or "green"),
            gauge("low", pilot.low_v, inner, style or "blue"),
            _duty(pilot, style),
            _ends(_contactor(pilot, style), self._truth() if pilot.lost else _lease(pilot)),
            Text(f"FAULTS {', '.join(pilot.faults)}", ALARM) if pilot.faults else Text("no faults", "dim"),
        ]
        if rows > len(lines):
            lines.insert(1, gauge("", None, inner, "dim", scale=True))
        # "pilotwire pilot on micropython 1.28.0": beside this title only the last part is news, and it has to fit.
        program = (pilot.program or "").rpartition(" on ")[2]
        title = Text.assemble("Control pilot", (f" · {program}" if program else "", "dim"))
        return _frame(Group(*lines), title, "red" if pilot.lost or pilot.faults else "yellow" if old else "green")

    def _truth(self) -> Text:
        """Say where the contacts really are, which only the simulated circuit knows while the pilot is lost."""
        closed = number(self._world.get("closed"))
        return Text("" if closed is None else f"circuit: {'CLOSED' if closed else 'open'}", "bold")

    def _allocation(self, inner: int, rows: int) -> Frame:
        seen = self._seen
        if seen.limit_a is None and not seen.reasons:
            return _frame(_waiting("nothing allocated yet"), Text("Allocation"), "white")
        amps = "  ?  " if seen.limit_a is None else f" {seen.limit_a:.1f} A "
        why = _wrap(seen.binding or "no reason named", inner - len(amps) - 1, 2)
        first = Table.grid(padding=(0, 1))
        first.add_row(Text(amps, "bold black on cyan"), Text("\n".join(why), "bold", no_wrap=True, overflow="ellipsis"))
        table = Table.grid(expand=True, padding=(0, 1))
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        table.add_column(justify="right", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        room = rows - len(why)
        shown = seen.reasons if len(seen.reasons) <= room else seen.reasons[: max(0, room - 1)]
        for reason in shown:
            table.add_row(*_reason_cells(reason))
        if len(shown) < len(seen.reasons):
            table.add_row(Text(f"  and {len(seen.reasons) - len(shown)} more", "dim"), "", "")
        granted = "" if seen.granted_a is None else f" · {seen.granted_a:.1f} A granted"
        return _frame(Group(first, table), Text.assemble("Allocation", (granted, "dim")), "cyan")

    def _energy(self, inner: int, rows: int) -> Frame:
        meter = self._seen.meter
        table = Table.grid(expand=True, padding=(0, 1))
        table.add_column(width=7, no_wrap=True)
        table.add_column(ratio=1, justify="right", no_wrap=True)
        table.add_column(ratio=1, justify="right", no_wrap=True)
        title, border = Text("Power and energy"), "white"
        style = ""
        phases = _waiting("no meter reading yet")
        if meter is not None:
            border, style = ("yellow", "dim") if meter.stale else ("green", "bold")
            if meter.stale:
                title = Text(f"METER STALE {_age(meter.age_ms)}".rstrip(), "bold yellow").append(
                    " · power and energy", "dim"
                )
            table.add_row("meter", Text(_kilo(meter.power_w), style), Text(_wh(meter.energy_import_wh), style))
            phases = _line(" ".join(_phase(index, amps) for index, amps in enumerate(meter.current_a, 1)))
        power_w, energy_wh = number(self._world.get("power_w")), number(self._world.get("energy_wh"))
        if power_w is not None or energy_wh is not None:
            table.add_row("circuit", _kilo(power_w), _wh(energy_wh))
        chart_rows = max(1, rows - table.row_count - 1)
        columns = self._power.columns(self._elapsed_s, inner)
        peak = max((value for value in columns if value is not None), default=0.0)
        charted = Text("\n".join(block_chart(columns, chart_rows)), "green")
        if peak > 0.0 and not (meter and meter.stale):
            title.append(f" · peak {peak:.1f} kW", "dim")
        return _frame(Group(table, phases, charted), title, border)

    def _session(self, inner: int, rows: int) -> Frame:
        seen = self._seen
        if seen.session is None:
            return _frame(_waiting("the station is not up yet"), Text("Session"), "white")
        energy = Text("" if seen.transaction_wh is None else _wh(seen.transaction_wh), "bold")
        lines: list[RenderableType] = [_ends(Text(seen.session, "bold"), energy)]
        words = f"transaction {seen.transaction}" if seen.transaction else "no transaction"
        lines.extend(_line(part, "" if seen.transaction else "dim") for part in _wrap(words, inner, 2))
        lines.extend(_line(part, "italic") for part in _wrap(seen.why or "", inner, rows - len(lines)))
        title = Text.assemble("Session", (f" · {seen.session_step}" if seen.session_step else "", "dim"))
        return _frame(Group(*lines), title, "cyan")

    def _ocpp(self, rows: int) -> Frame:
        ocpp, title = self._seen.ocpp, Text("OCPP")
        if ocpp is None:
            words = "stand-alone: no central system configured" if self._seen.stand_alone else "not connected yet"
            return _frame(_waiting(words), title, "white")
        up = ocpp.connected is True
        title.append(" · connected" if up else " · NOT CONNECTED", "green" if up else "bold red")
        title.append(", registered" if ocpp.registered else ", not registered", "" if ocpp.registered else "yellow")
        if ocpp.queue:
            title.append(f", {ocpp.queue:.0f} queued", "yellow")
        shown = ocpp.traffic[-rows:] if rows > 0 else ()
        return _frame(Group(*map(_message, shown)), title, "cyan" if up else "red")


def _frame(body: RenderableType, title: Text, border: str) -> Frame:
    return Frame(body, title=title, title_align="left", border_style=border, box=box.ROUNDED, expand=True)


def _line(words: str, style: str = "") -> Text:
    return Text(words, style, no_wrap=True, overflow="ellipsis")


def _wrap(words: str, width: int, rows: int) -> list[str]:
    return textwrap.wrap(words, max(1, width), max_lines=rows, placeholder=" …")


def _waiting(words: str) -> Text:
    return _line(f"waiting: {words}", "dim italic")


def _ends(left: Text, right: Text) -> Table:
    row = Table.grid(expand=True, padding=(0, 1))
    row.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    row.add_column(justify="right", no_wrap=True)
    row.add_row(left, right)
    return row


def _age(age_ms: float | None) -> str:
    return "" if age_ms is None else f"{age_ms / 1000.0:.1f} s"


def _pilot_age(pilot: PilotGlance) -> Text:
    if pilot.lost:
        return Text(f"LOST {_age(pilot.age_ms)}".rstrip(), ALARM)
    if pilot.stale:
        return Text(f"STALE {_age(pilot.age_ms)}", "bold black on yellow")
    return Text("" if pilot.age_ms is None else f"{pilot.age_ms:.0f} ms ago", "dim")


def _duty(pilot: PilotGlance, style: str) -> Text:
    if pilot.duty_percent is None:
        return Text("duty ?", "dim")
    return _line(f"duty {pilot.duty_percent:.1f} %, {meaning_of_duty(pilot.duty_percent)}", style)


def _contactor(pilot: PilotGlance, style: str) -> Text:
    closed = pilot.contactor == "closed"
    words = "contactor " + ("● CLOSED" if closed else f"○ {pilot.contactor or '?'}")
    return _line(words, style or ("bold green" if closed else ""))


def _lease(pilot: PilotGlance) -> Text:
    if pilot.lease_left_s is None or pilot.lease_left_s <= 0.0:
        return Text("no lease", "bold red" if pilot.contactor == "closed" else "dim")
    return Text(f"lease {pilot.lease_left_s:.1f} s", "dim" if pilot.lost or pilot.stale else "")


def _reason_cells(reason: Reason) -> tuple[Text, Text, Text]:
    style = "bold cyan" if reason.binds else ""
    value = "no limit" if reason.value_a is None else f"{reason.value_a:.1f} A"
    left = "" if reason.left_s is None else "expired" if reason.left_s <= 0.0 else f"{reason.left_s:.0f} s"
    return Text(f"{'▶' if reason.binds else ' '} {reason.source}", style), Text(value, style), Text(left, "dim")


def _kilo(power_w: float | None) -> str:
    return "? kW" if power_w is None else f"{power_w / 1000.0:.2f} kW"


def _wh(energy_wh: float | None) -> str:
    return "? Wh" if energy_wh is None else f"{energy_wh:,.1f} Wh"


def _phase(index: int, amps: float | None) -> str:
    return f"L{index} {'?' if amps is None else f'{amps:.1f}':>4} A"


def _message(message: Message) -> Text:
    clock = "--:--:--"
    if message.unix_ms is not None and 0.0 <= message.unix_ms < 4e12:
        clock = datetime.fromtimestamp(message.unix_ms / 1000.0).astimezone().strftime("%H:%M:%S")
    row = Text(no_wrap=True, overflow="ellipsis")
    row.append(clock, "dim")
    row.append(" → " if message.outgoing else " ← ", "bold green" if message.outgoing else "bold magenta")
    row.append(f"{message.action:<26}", "bold red" if message.kind == "error" else "")
    return row.append(f" {message.kind}", "bold red" if message.kind == "error" else "dim")
