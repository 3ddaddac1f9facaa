"""`pilotwire replay FILE`: play a recording back to the same pure parts and compare what they make of it, byte by byte."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pilotwire.firmware.recording.cbor_sequence import MalformedError
from pilotwire.firmware.recording.known import unpack
from pilotwire.firmware.shell.snapshot import snapshot
from pilotwire.tools.replay.replayer import Recording, Replayer

EPILOG = """\
A recording is made with `pilotwire run --record FILE`. Exit status: 0 the replay is the same, 1 it differs, 2 FILE is unreadable.
"""


def main(argv: list[str] | None = None) -> int:
    """Replay one file."""
    parser = argparse.ArgumentParser(
        prog="pilotwire replay", description=(__doc__ or "").split("\n", 1)[0], epilog=EPILOG
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the recording")
    parser.add_argument(
        "--until", type=float, metavar="S", help="stop S seconds after the start and show the station then"
    )
    parser.add_argument(
        "--explain", type=float, metavar="S", help="say why the allocation was what it was S seconds after the start"
    )
    args = parser.parse_args(argv)
    try:
        recording = Recording(args.file)
        return _replay(recording, args.until, args.explain)
    except (OSError, MalformedError) as error:
        print(f"pilotwire replay: {error}", file=sys.stderr)
        return 2


def _replay(recording: Recording, until_s: float | None, explain_s: float | None) -> int:
    replayer = Replayer(recording)
    stop_s = explain_s if explain_s is not None else until_s
    stop_ms = None if stop_s is None else recording.start_ms + round(stop_s * 1000)
    now_ms, unix_ms = recording.start_ms, recording.start_unix_ms
    for record in recording.records:
        # What was sent and told carries no time of its own: it belongs to what came before it.
        if stop_ms is not None and record.now_ms > stop_ms:
            break
        difference = replayer.step(record)
        if difference is not None:
            print(
                f"record {difference.number} ({difference.kind}, {(record.now_ms - recording.start_ms) / 1000:.3f} s) differs"
            )
            print(f"  input:    {unpack(record.what)!r}")
            print(f"  recorded: {difference.recorded!r}")
            print(f"  replayed: {difference.replayed!r}")
            return 1
        if record.now_ms:
            now_ms, unix_ms = record.now_ms, record.unix_ms or unix_ms
    shot = snapshot(replayer.station, recording.settings.station.name, now_ms, unix_ms)
    if explain_s is not None:
        _explain(shot, replayer)
    elif until_s is not None:
        print(json.dumps(shot, indent=2))
    if recording.torn is not None:
        print(f"the last record is incomplete (byte {recording.torn}): power was lost while it was written")
    print(
        f"{replayer.number} records, {(now_ms - recording.start_ms) / 1000:.1f} s, the same effects; "
        f"recorded by pilotwire {recording.program} on Python {recording.python}"
    )
    return 0


def _explain(shot: dict[str, Any], replayer: Replayer) -> None:
    allocation = shot["allocation"]
    if allocation is None:
        print("nothing had been allocated yet")
    else:
        print(
            f"allocated {allocation['limit_ma'] / 1000:g} A, granted {allocation['granted_ma'] / 1000:g} A: {allocation['binding']}"
        )
        for reason in allocation["reasons"]:
            until = "" if reason["valid_until_ms"] is None else f", until {reason['valid_until_ms']} ms"
            print(f"  {reason['source']} {reason['id']}: {reason['value_ma'] / 1000:g} A{until}")
    print(f"session: {shot['session']['state']} ({shot['session']['step']}): {shot['session']['why']}")
    for row in replayer.journal.rows()[-8:]:
        print(f"  {row['at_ms']:>10} ms  {row['name']}  {row['data']}")


if __name__ == "__main__":
    sys.exit(main())
