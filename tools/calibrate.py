"""`pilotwire calibrate`: two-point calibration of a pilot board's analogue inputs, over the pilot link."""

from __future__ import annotations

import argparse
import random
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from pilotwire.firmware.pilot import calibration, frontend
from pilotwire.firmware.pilot.calibration import CalibrationError, corrected
from pilotwire.firmware.shell.pilot_port import open_serial
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.station import StationLink
from pilotwire.tools.calibrate_line import Console, LineError, PilotLine

STEADY_CODES = 64
"""Two means of 64 samples that differ by more, 0.1 % of the scale, are no measurement."""
NTC_PULL_UP_OHM = 10_000
APPLY_S = 120.0

EPILOG = """\
what it does
  Every channel is compared with two references that you trust more than the board. From both the command computes a gain
  and an offset, shows the error before and after, has the pilot store them with its own unique id and a CRC, reads them
  back and compares. The pilot only reads while you work; it stores only in state A with the contactor proven open, so
  take the references off when you are asked to.

before you start
  Switch the mains off and lock it: the terminals are touched. The pilot is fed from its serial port or from an extra-low
  voltage supply. Stop the station (`pilotwire run`): a pilot listens to one only. Let the board warm up for ten minutes.

channels, and what to apply
{channels}

scripts
  With --apply nothing is asked: the program is run before each point as `PROGRAM CHANNEL VALUE UNIT` and must return when
  the value holds still, and as `PROGRAM off` before the result is stored. Values come from --low-... and --high-... Without
  --apply, each question takes one line of standard input, and an empty line takes the value in brackets.

examples
  pilotwire calibrate --port /dev/ttyACM0 --show            what is stored
  pilotwire calibrate --port /dev/ttyACM0 cp pp             asks for two voltages, then two resistors
  pilotwire calibrate --port /dev/ttyACM0 --dry-run cp      computes and shows, stores nothing
  pilotwire calibrate --port /dev/ttyACM0 --low-mv=-12000 --high-mv 12000 --apply ./bench-supply cp

exit status: 0 done, 1 the pilot or a measurement said no (the text says why), 2 wrong arguments.
"""


@dataclass(frozen=True, slots=True)
class Channel:
    """One input as a person at the bench sees it."""

    number: int
    unit: str
    low: int
    high: int
    """Values at which to calibrate unless told otherwise, in `unit`."""
    wanted: Callable[[int], int]
    """The code that a board without tolerances would read."""
    how: str


def ntc_u16(ohm: int) -> int:
    """Code of a resistor against the 10 kΩ that a temperature sensor is measured with."""
    return (frontend.ADC_MAX + 1) * ohm // (ohm + NTC_PULL_UP_OHM)


_NTC = "instead of the sensor, a resistor known to 0.1 %: about 1 kΩ (hot) and about 33 kΩ (cold)"
CHANNELS = {
    "cp": Channel(
        calibration.CP, "mv", 0, 12_000, frontend.cp_u16,
        "low: join CP and PE with a wire, that is 0 mV. high: take the wire off, measure CP against PE with a voltmeter\n"
        "(about 12000 mV) and enter what it says. Better: a bench supply at CP, -12000 and +12000 mV (25 mA flow)",
    ),
    "pp": Channel(
        calibration.PP, "ohm", 100, 1500, frontend.pp_u16,
        "a resistor known to 0.1 % between PP and PE: about 100 Ω and about 1500 Ω; enter what your ohmmeter says",
    ),
    "current": Channel(
        calibration.CURRENT, "ma", 6000, 32_000, frontend.current_u16,
        "a current through the transformer's window, measured with a better meter: 6 A and the board's largest. Ten turns\n"
        "of wire count ten times: 3.2 A through ten turns are 32000 mA. No bare mains conductors",
    ),
    "plug-temp": Channel(calibration.PLUG_TEMP, "ohm", 1000, 33_000, ntc_u16, _NTC),
    "board-temp": Channel(calibration.BOARD_TEMP, "ohm", 1000, 33_000, ntc_u16, _NTC),
}  # fmt: skip
UNITS = {"mv": "mV", "ohm": "Ω", "ma": "mA"}


@dataclass(frozen=True, slots=True)
class Point:
    """A reference and what was read there."""

    value: int
    raw: int
    wanted: int


def main(argv: list[str] | None = None) -> int:
    """Calibrate; exit status as in EPILOG."""
    parser = _parser()
    args = parser.parse_args(argv)
    wrong = _wrong(args)
    if wrong:
        parser.error(wrong)
    try:
        line = open_serial(args.port, args.baud)
    except OSError as error:
        print(f"pilotwire calibrate: {args.port}: {error}", file=sys.stderr)
        return 1
    try:
        pilot = PilotLine(line, StationLink("pilotwire calibrate", random.randrange(1, 1 << 28)))
        _calibrate(args, pilot, Console(pilot))
    except (LineError, CalibrationError) as error:
        print(f"pilotwire calibrate: {error}", file=sys.stderr)
        return 1
    finally:
        line.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    width = max(len(name) for name in CHANNELS)
    lines = [
        f"  {name:<{width}}  " + each.how.replace("\n", "\n" + " " * (width + 4)) for name, each in CHANNELS.items()
    ]
    parser = argparse.ArgumentParser(
        prog="pilotwire calibrate",
        description="Two-point calibration of a pilot board's analogue inputs.",
        epilog=EPILOG.format(channels="\n".join(lines)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("channels", nargs="*", metavar="CHANNEL", help=f"one or more of {', '.join(CHANNELS)}")
    parser.add_argument("--port", required=True, metavar="DEV", help="serial device of the pilot, e.g. /dev/ttyACM0")
    parser.add_argument("--baud", type=int, default=115_200, help="its speed (default: %(default)s)")
    parser.add_argument("--show", action="store_true", help="print what the pilot has stored, and do nothing else")
    parser.add_argument("--dry-run", action="store_true", help="do everything but storing")
    parser.add_argument("--apply", metavar="PROGRAM", help="program that applies the references, instead of questions")
    for unit, shown in UNITS.items():
        names = "/".join(name for name, each in CHANNELS.items() if each.unit == unit)
        for end in ("low", "high"):
            text = f"the {end} reference of {names}, in {shown}"
            parser.add_argument(f"--{end}-{unit}", type=int, metavar="VALUE", help=text)
    return parser


def _wrong(args: argparse.Namespace) -> str:
    """What is wrong with the arguments; empty when nothing is."""
    for name in args.channels:
        if name not in CHANNELS:
            return f"there is no channel {name}; they are {', '.join(CHANNELS)}"
    if len(set(args.channels)) != len(args.channels):
        return "a channel is named twice"
    if args.show:
        return "--show goes without channels" if args.channels else ""
    if not args.channels:
        return f"name at least one channel ({', '.join(CHANNELS)}), or --show"
    for unit in UNITS:
        users = [name for name in args.channels if CHANNELS[name].unit == unit]
        given = [end for end in ("low", "high") if _given(args, end, unit) is not None]
        if given and len(users) != 1:
            which = f"they could be meant for {' and '.join(users)}" if users else "no channel that takes them is named"
            return f"--low-{unit} and --high-{unit} are for one channel at a time: {which}"
    for name in args.channels:
        each = CHANNELS[name]
        low, high = (_value(args, end, each) for end in ("low", "high"))
        if each.wanted(low) >= each.wanted(high):
            return f"{name}: the low reference ({low} {UNITS[each.unit]}) must be below the high one ({high})"
    return ""


def _given(args: argparse.Namespace, end: str, unit: str) -> int | None:
    value: int | None = getattr(args, f"{end}_{unit}")
    return value


def _value(args: argparse.Namespace, end: str, channel: Channel) -> int:
    given = _given(args, end, channel.unit)
    if given is not None:
        return given
    return channel.low if end == "low" else channel.high


def _calibrate(args: argparse.Namespace, pilot: PilotLine, console: Console) -> None:
    hello = pilot.connect()
    board = hello.unique_id
    print(f"pilot: {hello.program}, board {board.hex() or 'without a unique id'}")
    if not hello.capabilities & messages.CAN_CALIBRATE:
        raise LineError("this pilot says that it cannot be calibrated: its program has no calibration service")
    stored = _stored(pilot, board)
    if args.show:
        _show(stored)
        return
    rows = stored or [(0, 0)] * len(calibration.CHANNELS)
    for name in args.channels:
        channel = CHANNELS[name]
        low, high = (_measure(args, pilot, console, name, end) for end in ("low", "high"))
        row = calibration.two_points(channel.number, (low.raw, low.wanted), (high.raw, high.wanted))
        _report(name, (low, high), row)
        rows[channel.number] = row
    if args.dry_run:
        print("dry run: nothing has been stored")
        return
    _store(args, pilot, console, calibration.seal(board, rows))


def _stored(pilot: PilotLine, board: bytes) -> list[tuple[int, int]]:
    """The rows that the pilot uses; none without a usable block, and then it is said why."""
    result = pilot.ask(messages.CALIBRATION_READ)
    if result.status == messages.OK and result.data:
        return calibration.unseal(result.data, board)
    if result.status == messages.OK:
        print("stored: nothing yet, readings are used as they are")
    elif result.status == messages.REFUSED:
        print(f"stored, but not used: {result.data.decode(errors='replace')}")
    else:
        raise LineError(f"the pilot does not say what it has stored: {pilot.said(result)}")
    return []


def _show(rows: list[tuple[int, int]]) -> None:
    if rows:
        print("channel     gain       offset in codes of 65536")
    for (name, _), (trim, offset) in zip(calibration.CHANNELS, rows, strict=False):
        print(f"{name:<10}  {1 + trim / (1 << calibration.SHIFT):.6f}  {offset:+d}")


def _measure(args: argparse.Namespace, pilot: PilotLine, console: Console, name: str, end: str) -> Point:
    channel = CHANNELS[name]
    value = _value(args, end, channel)
    unit = UNITS[channel.unit]
    if args.apply is not None:
        _run(pilot, [*shlex.split(args.apply), name, str(value), channel.unit])
    else:
        print(f"\n{name}, {end} point. {channel.how}.")
        value = console.number(f"{end} reference in {unit} when it is in place [{value}]: ", value)
    first, raw = (_raw(pilot, channel) for _ in range(2))
    if abs(first - raw) > STEADY_CODES:
        raise LineError(f"{name} does not hold still: it read {first}, then {raw} of 65536; look for a loose wire")
    point = Point(value, (first + raw + 1) // 2, channel.wanted(value))
    print(f"{name} {end}: {value} {unit} reads {point.raw}, should be {point.wanted}")
    return point


def _raw(pilot: PilotLine, channel: Channel) -> int:
    result = pilot.ask(messages.RAW_READ, channel.number)
    if result.status != messages.OK:
        raise LineError(f"no reading: {pilot.said(result)}")
    return result.number


def _report(name: str, points: tuple[Point, ...], row: tuple[int, int]) -> None:
    unit = UNITS[CHANNELS[name].unit]
    print(f"\n{name:<10} {'reference':>12} {'raw':>7} {'should be':>9} {'error before':>13} {'after':>9}")
    for point in points:
        before, after = (100 * (code - point.wanted) / 65536 for code in (point.raw, corrected(point.raw, *row)))
        reference = f"{point.value} {unit}"
        print(f"{'':<10} {reference:>12} {point.raw:>7} {point.wanted:>9} {before:>+12.3f}% {after:>+8.3f}%")
    print(f"{'':<10} gain {1 + row[0] / (1 << calibration.SHIFT):.6f}, offset {row[1]:+d} codes; % of the scale")


def _store(args: argparse.Namespace, pilot: PilotLine, console: Console, block: bytes) -> None:
    if args.apply is not None:
        _run(pilot, [*shlex.split(args.apply), "off"])
    else:
        console.line("\nTake all references off and leave the board with nothing connected, then press Enter: ")
    pilot.wait_for_idle()
    result = pilot.ask(messages.CALIBRATION_WRITE, 0, block)
    if result.status != messages.OK:
        raise LineError(f"not stored: {pilot.said(result)}")
    back = pilot.ask(messages.CALIBRATION_READ)
    if back.status != messages.OK or back.data != block:
        raise LineError(f"what was read back is not what was stored ({pilot.said(back)}); calibrate again")
    print(f"stored, read back and compared: {len(block)} bytes, in use from now on")


def _run(pilot: PilotLine, command: list[str]) -> None:
    """Run the program of --apply; the link is kept alive meanwhile."""
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise LineError(f"--apply: {command[0]}: {error.strerror}") from error
    try:
        pilot.pump(lambda: child.poll() is not None, APPLY_S, f"--apply: {shlex.join(command)} has not ended")
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    if child.returncode:
        raise LineError(f"--apply: {shlex.join(command)} ended with status {child.returncode}")


if __name__ == "__main__":
    sys.exit(main())
