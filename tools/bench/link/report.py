"""From measured values to tables on the terminal and to docs/link-timing.md."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pilotwire.firmware.pilot.program import TICK_MS
from pilotwire.firmware.shell.pilot_port import TICK_S
from pilotwire.protocols.link.messages import PERIOD_MS, QUIET_MS
from pilotwire.tools.bench.link import priority
from pilotwire.tools.bench.link.cost import BATCHES, LOOPS
from pilotwire.tools.bench.link.measure import Results, Trips
from pilotwire.tools.bench.link.samples import BYTES_PER_S, Renewal, Traffic, duration, line_ms, percentile
from pilotwire.tools.bench.link.station_main import TTL_MS
from pilotwire.tools.bench.link.tally import SLOT_MS

HEAD = """\
# Timing of the pilot link, measured

Written by `pilotwire bench link --write docs/link-timing.md`; do not edit. A station on CPython and the pilot program
are joined by a pty, as `boards/sim` does it: {pilot}. The machine has {cores} cores.

What a pty leaves out: it hands bytes over at once. On a serial line of 115,200 baud (8N1, {bytes_per_s} bytes per second
each way) a byte takes {byte_us} µs more; where it matters the tables say how much that is. What MicroPython on a PC leaves
out: an RP2040 is slower, and the costs of frames below are no figures for it.
"""

TRIPS = """
## Round trip of a frame

A COMMAND PING and its RESULT, with data of 8 bytes and of {long} bytes (the most that fits), asked for at random moments.
*Asked* is from the request to the port (`firmware/shell/pilot_port.py`) until its event: the port gives a new request to
the line at its timer, every {port_ms} ms. *Line* is the part from the write to the pty until the read from it: the pilot
takes what has come, and answers, once in each tick of {tick_ms} ms, so that half a tick is the least to be expected on
average. *Wire* is what 115,200 baud would add for both frames. Times in ms.

"""

BYTES = """
## Bytes on the line

Counted at the pilot's end. Shares are of {bytes_per_s} bytes per second; those of a burst, of what the line carries in the
same {slot_ms} ms. *At once* is the most that one tick took or gave, and how long it would be on the wire. PINGs came one
after another, with pauses of up to 30 ms. *Whole run* includes the greetings of the three stations of this bench.

"""

COST = """
## Cost of a frame

Encoding, and decoding with all checks, in µs on this machine: the least of {batches} batches of {loops}.

"""

LEASES = """
## Renewal of the lease

The whole station (`pilotwire run` with its database and its meter; no back end) and a charging car. The pilot sends a
STATE every {period_ms} ms, each is answered by a LEASE that is good for {ttl_ms} ms from then.

* *Interval* is from one LEASE taken by the pilot to the next, on the system's clock; *age* is how long after its STATE a
  LEASE came, in ticks of {tick_ms} ms.
* *Left* is the smallest rest of a lease when the next one came, by the worse of two clocks: the system's, and the pilot's
  own, which in the simulation may stand still when the machine keeps the simulated hardware waiting. *Stood still* is by
  how much the two differ; a few ms are rounding. A lease is *lost* when it ends by either clock, or is withdrawn.
* *Stops*: the pilot left the phase of charging. *Openings*: of the contacts, by the circuit's own log.
* *Busy* is the share of all cores in use, by whatever ran on the machine; at rest the bench itself adds nothing to it. The
  load is one endless loop on each core, at normal priority and in the same scheduling group as the station. Simulated
  circuit and pilot go before everything, as hardware would (`tools/rig/process.py`).

Times in ms.

"""

OK = "ok"
NOT_MET = "NOT MET"
BAR = 40  # characters of the longest bar
# Intervals in ms. Fine around the period, where they belong.
EDGES = (0, 50, 80, 90, 95, 100, 105, 110, 120, 150, 200, QUIET_MS, 500, 1000)

Table = list[list[str]]


def terminal(results: Results) -> str:
    """All tables in columns."""
    lines: list[str] = []
    for heading, table in (
        ("round trip in ms", trips(results)),
        ("bytes on the line", traffic(results)),
        ("cost of a frame in µs", costs(results)),
        ("renewal of the lease, times in ms", renewals(results)),
    ):
        widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
        lines += [heading]
        for row in table:
            cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
            lines += ["  " + "  ".join(cells).rstrip()]
        lines += [""]
    lines += [f"left out: {each}" for each in results.left_out]
    if results.broken:
        lines += [f"the run ended early: {results.broken}"]
    return "\n".join([*lines, verdict(results)])


def markdown(results: Results) -> str:
    """docs/link-timing.md."""
    words = {
        "pilot": results.pilot,
        "cores": results.cores,
        "bytes_per_s": f"{BYTES_PER_S:,.0f}",
        "byte_us": f"{1e6 / BYTES_PER_S:.0f}",
        "long": max(each.length for each in results.trips),
        "port_ms": f"{TICK_S * 1000:g}",
        "tick_ms": TICK_MS,
        "slot_ms": SLOT_MS,
        "period_ms": PERIOD_MS,
        "ttl_ms": TTL_MS,
        "batches": BATCHES,
        "loops": LOOPS,
    }
    parts = [HEAD.format(**words)]
    parts += [f"\nNot measured: {each}.\n" for each in results.left_out]
    parts += [TRIPS.format(**words), *_rows(trips(results))]
    parts += [BYTES.format(**words), *_rows(traffic(results))]
    parts += [COST.format(**words), *_rows(costs(results))]
    parts += [LEASES.format(**words), *_rows(renewals(results)), f"\n{verdict(results)}\n"]
    parts += ["\n```\n", *(f"{line}\n" for line in picture(results.renewals)), "```\n"]
    parts += [priority.chapter(results)]
    return "".join(parts)


def verdict(results: Results) -> str:
    """One sentence: what was lost, in how much time."""
    seconds = sum(each.seconds for each in results.renewals)
    lost = sum(each.lost for each in results.renewals)
    taken = sum(len(each.gaps) for each in results.renewals)
    what = {0: "No lease was", 1: "1 lease was"}.get(lost, f"{lost} leases were")
    text = f"{what} lost in {duration(seconds)}, {taken} were renewed"
    stopped = sum(each.left_charging + each.openings for each in results.renewals)
    if stopped:
        text += "; charging was interrupted"
    return text + (f". {NOT_MET}: the run was not completed." if results.broken else ".")


def trips(results: Results) -> Table:
    """Round trips."""
    table = [["data", "machine", "n", "asked p50 / p95 / p99 / max", "line p50 / p95 / p99 / max", "wire"]]
    for each in results.trips:
        wire_ms = line_ms(2 * _frame_bytes(results, each))
        table += [
            [
                f"{each.length} bytes",
                each.load,
                str(len(each.asked_ms)),
                _percentiles(each.asked_ms, 1),
                _percentiles(each.line_ms, 1),
                f"+ {wire_ms:.1f}",
            ]
        ]
    return table


def traffic(results: Results) -> Table:
    """Bytes."""
    table = [["", "direction", "bytes/s", "share", f"worst {SLOT_MS} ms", "share", "at once", "on the wire"]]
    sources = [(f"charging, {each.name}", each.traffic) for each in results.renewals[:1]]
    sources += [(f"PINGs of {each.length} bytes, {each.load}", each.traffic) for each in results.trips]
    if results.whole is not None:
        sources += [("whole run", results.whole)]
    for name, each in sources:
        table += _both_ways(name, each)
    return table


def costs(results: Results) -> Table:
    """Costs, an interpreter beside the other."""
    names = list(dict.fromkeys(each.interpreter for each in results.costs))
    table = [["frame", "bytes", *(f"{name} {what}" for name in names for what in ("encodes", "decodes"))]]
    for name in dict.fromkeys(each.name for each in results.costs):
        rows = [each for each in results.costs if each.name == name]
        times_ns = [time_ns for each in rows for time_ns in (each.encode_ns, each.decode_ns)]
        table += [[name, str(rows[0].length), *(f"{time_ns / 1000:.1f}" for time_ns in times_ns)]]
    return table


def renewals(results: Results) -> Table:
    """Leases."""
    times = ("interval min / p50 / p99 / max", f"over {QUIET_MS}", "age p50 / p99 / max", "left", "stood still")
    table = [["", "time", "busy", "leases", *times, "lost", "stops", "openings", ""]]
    for each in results.renewals:
        intervals_ms = [gap.system_ms for gap in each.gaps] or [0]
        ages_ms = [gap.age_ms for gap in each.gaps] or [0]
        table += [
            [
                each.name,
                duration(each.seconds),
                f"{each.busy * 100:.0f} %",
                str(len(each.gaps)),
                f"{min(intervals_ms)} / {_three(intervals_ms)}",
                str(sum(interval_ms > QUIET_MS for interval_ms in intervals_ms)),
                _three(ages_ms),
                str(each.least_left_ms),
                str(each.stood_still_ms),
                str(each.lost),
                str(each.left_charging),
                str(each.openings),
                OK if each.holds else NOT_MET,
            ]
        ]
    return table


def picture(rows: Sequence[Renewal]) -> Iterator[str]:
    """Intervals between leases as bars. Their length goes with the logarithm of the number, or the rare ones could not be seen."""
    counts = [[_between(each, low, high) for low, high in _bins()] for each in rows]
    most = max((count for column in counts for count in column), default=0)
    for each, column in zip(rows, counts, strict=True):
        yield f"{each.name}: intervals between leases in ms, and how many there were (bars: logarithm)"
        used = [place for place, count in enumerate(column) if count]
        for place in range(used[0], used[-1] + 1) if used else ():
            low, high = _bins()[place]
            span = f"{low:4d} - {high:<5d}" if math.isfinite(high) else f"{low:4d} and up"
            count = column[place]
            length = math.ceil(BAR * math.log(count + 1) / math.log(most + 1))
            yield f"  {span:12} {'█' * length} {count}"


def _bins() -> list[tuple[int, float]]:
    return list(zip(EDGES, (*EDGES[1:], math.inf), strict=True))


def _between(each: Renewal, low: float, high: float) -> int:
    return sum(low <= gap.system_ms < high for gap in each.gaps)


def _both_ways(name: str, each: Traffic) -> Table:
    ways = (
        ("to the pilot", each.to_pilot_per_s, each.to_pilot_slot, each.to_pilot_once),
        ("to the station", each.from_pilot_per_s, each.from_pilot_slot, each.from_pilot_once),
    )
    slot_bytes = BYTES_PER_S * SLOT_MS / 1000.0
    table: Table = []
    for way, per_s, slot, once in ways:
        mean = (f"{per_s:.0f}", f"{per_s / BYTES_PER_S * 100:.1f} %")
        burst = (f"{slot} bytes", f"{slot / slot_bytes * 100:.0f} %")
        table += [[name, way, *mean, *burst, f"{once} bytes", f"{line_ms(once):.1f} ms"]]
    return table


def _frame_bytes(results: Results, trip: Trips) -> int:
    """Length of the COMMAND of this payload; its RESULT is as long but for a byte or two."""
    return next(each.length for each in results.costs if each.name == f"COMMAND, {trip.length} bytes")


def _percentiles(values: Sequence[float], digits: int) -> str:
    return " / ".join(f"{percentile(values, percent):.{digits}f}" for percent in (50, 95, 99, 100))


def _three(values: Sequence[int]) -> str:
    return " / ".join(f"{percentile(values, percent):.0f}" for percent in (50, 99, 100))


def _rows(table: Table) -> Iterator[str]:
    for number, row in enumerate(table):
        yield f"| {' | '.join(row)} |\n"
        if not number:
            yield f"|{'---|' * len(row)}\n"
