"""`pilotwire run`: the station as a service would run it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sqlite3
import sys
import time
from pathlib import Path

from pilotwire.boards.sim.board import build
from pilotwire.firmware.config import Settings, load
from pilotwire.firmware.shell.service import Service
from pilotwire.firmware.store.database import StoreError

EPILOG = """\
The station grants leases to the pilot and never closes the contactor itself: when this process dies, the pilot stops
the car within seconds. SIGTERM and Ctrl-C end it gracefully. A running transaction is closed, with the meter's reading,
at the next start. docs/station.example.toml shows a configuration with every key.
"""


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM or Ctrl-C; exit status 0 then, 1 when the station failed."""
    parser = argparse.ArgumentParser(prog="pilotwire run", description="Run the station.", epilog=EPILOG)
    parser.add_argument("--config", required=True, metavar="FILE", help="the station's settings (TOML)")
    parser.add_argument("--record", metavar="FILE", type=Path, help="write every input to FILE, for `pilotwire replay`")
    parser.add_argument("--verbose", action="store_true", help="log more, to standard error")
    args = parser.parse_args(argv)
    logging.basicConfig(
        level=logging.INFO if args.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    settings = load(args.config)
    try:
        asyncio.run(_serve(settings, args.record))
    except (StoreError, sqlite3.Error) as error:
        # What cannot be written down must not go on: the lease ends with this process.
        what = "" if isinstance(error, StoreError) else f"{settings.station.data_dir}: the database failed: "
        print(f"pilotwire run: {what}{error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"pilotwire run: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings, record: Path | None) -> None:
    service = Service(settings, build(settings), lambda: time.time_ns() // 1_000_000, record)
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    service.start()
    ended = [asyncio.ensure_future(stopping.wait()), asyncio.ensure_future(service.wait())]
    try:
        done, _ = await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in ended:
            task.cancel()
        await service.stop()


if __name__ == "__main__":
    sys.exit(main())
