"""`pilotwire demo`: a whole charging session before your eyes."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilotwire.firmware.store.database import StoreError
from pilotwire.tools.demo.scenario import STEPS, DemoError, Outcome, play
from pilotwire.tools.demo.stage import RealStage, Stage, VirtualStage
from pilotwire.tools.peers.csms import CsmsError
from pilotwire.tools.rig import virtual_clock
from pilotwire.tools.rig.process import RigError

EPILOG = """\
What runs: an independent OCPP central system, the simulated world (circuit, contactor, car), an independent Modbus meter, the
pilot program on MicroPython, and the station. Nothing touches hardware or leaves this machine.
The last line is `demo ok ...` when everything agreed; otherwise the exit status is 1 and the reason is printed.
"""
PANEL_PERIOD_S = 0.2
VIRTUAL_PANEL_PERIOD_S = 1.0

Update = Callable[[dict[str, Any] | None, dict[str, Any] | None, str, float], None]


def main(argv: list[str] | None = None) -> int:
    """Run the demo; exit status 0 when everything agreed."""
    parser = argparse.ArgumentParser(prog="pilotwire demo", description=__doc__, epilog=EPILOG)
    parser.add_argument("--headless", action="store_true", help="print lines instead of the live panel")
    parser.add_argument(
        "--fast", action="store_true", help="one process on a virtual clock (seconds instead of a minute)"
    )
    parser.add_argument(
        "--report", type=Path, default=Path("demo-report"), metavar="FOLDER", help="default: %(default)s"
    )
    args = parser.parse_args(argv)
    try:
        args.report.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--report {args.report}: cannot be made: {error.strerror}")
    # SIGTERM ends the demo like Ctrl-C does: everything it started is stopped and its files are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pilotwire-demo-") as scratch:
        try:
            with _view(args.headless or args.fast) as update:
                if args.fast:
                    outcome = virtual_clock.run(
                        lambda loop: _run(
                            VirtualStage(Path(scratch), loop), update, args.report, VIRTUAL_PANEL_PERIOD_S
                        )
                    )
                else:
                    stage = RealStage(Path(scratch))
                    outcome = asyncio.run(_run(stage, update, args.report, PANEL_PERIOD_S))
        except (DemoError, RigError, CsmsError, StoreError, OSError) as error:
            print(f"demo failed: {error}", file=sys.stderr)
            return 1
    _print_account(outcome, args.report, time.monotonic() - started)
    print(outcome.last_line, flush=True)
    return 0


@contextlib.contextmanager
def _view(lines: bool) -> Any:
    if lines:
        from pilotwire.tools.demo.lines import Lines  # noqa: PLC0415 - rich is not needed for lines

        yield Lines(sys.stdout).update
        return
    from pilotwire.tools.demo.panel import Panel  # noqa: PLC0415

    with Panel(STEPS) as panel:
        yield panel.update


async def _run(stage: Stage, update: Update, folder: Path, period_s: float) -> Outcome:
    """Play on the stage with the view following, then write the report."""
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    step = [STEPS[0]]

    def show(words: str) -> None:
        step[0] = words
        update(*_look(stage), words, loop.time() - started_s)

    update(None, None, STEPS[0], 0.0)
    try:
        await stage.start()
        followed = asyncio.ensure_future(_follow(stage, update, step, started_s, period_s))
        try:
            await _online(stage)
            outcome = await play(stage, show)
            outcome.note = stage.note
        finally:
            followed.cancel()
            await asyncio.gather(followed, return_exceptions=True)
        _report(stage, outcome, folder)
        return outcome
    finally:
        await stage.stop()


async def _online(stage: Stage) -> None:
    def online() -> bool:
        shot = stage.snapshot()
        return bool(shot and shot["pilot"]["online"] and shot["meter"] and shot["ocpp"]["registered"])

    until_s = asyncio.get_running_loop().time() + 20.0
    while not online():
        if asyncio.get_running_loop().time() > until_s:
            raise DemoError(f"station, pilot, meter and central system did not find each other: {stage.snapshot()}")
        await asyncio.sleep(0.1)


async def _follow(stage: Stage, update: Update, step: list[str], started_s: float, period_s: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        update(*_look(stage), step[0], loop.time() - started_s)
        await asyncio.sleep(period_s)


def _look(stage: Stage) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    return stage.snapshot(), stage.world_row()


def _report(stage: Stage, outcome: Outcome, folder: Path) -> None:
    from pilotwire.tools.demo.report import write_report  # noqa: PLC0415 - matplotlib costs a second

    _, trace = stage.history()
    journal = stage.journal()
    readings = [
        {**row["data"], "at_ms": stage.world_ms(row["data"]["at_ms"])} for row in journal if row["name"] == "MeterRead"
    ]
    summary = {
        "name": "pilotwire demo",
        "note": stage.note,
        "energies_wh": {name: round(value, 2) for name, value in outcome.energies_wh.items()},
        "contactor_cycles": outcome.contactor_cycles,
        "ocpp_transactions": outcome.ocpp_transactions,
        "faults": outcome.faults,
        "marks_ms": [{"t_ms": t_ms, "label": label} for t_ms, label in outcome.marks],
    }
    write_report(folder, trace, readings, outcome.marks, summary)
    _write_journal(folder / "events.jsonl", journal)


def _write_journal(path: Path, journal: list[dict[str, Any]]) -> None:

    path.write_text("".join(json.dumps(row) + "\n" for row in journal), encoding="utf-8")


def _print_account(outcome: Outcome, folder: Path, took_s: float) -> None:
    print(f"ran on: {outcome.note}")
    print("energy by four independent accounts:")
    for name, value in outcome.energies_wh.items():
        print(f"  {value:9.2f} Wh  {name}")
    print(f"report: {folder}/session.json, events.jsonl, session.svg, session.png   ({took_s:.1f} s)")


if __name__ == "__main__":
    sys.exit(main())
