"""The demo without a terminal: one line when something changed, and one about every five seconds to show progress.

Lines are ASCII as long as the station's words are, so they survive any log; each begins with the seconds of the demo.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from pilotwire.tools.demo.glance import (
    STATE_MEANINGS,
    STATION_SILENT_S,
    Glance,
    Message,
    OcppGlance,
    PilotGlance,
    StationWatch,
    amps_of_duty,
    glance,
    number,
    section,
    text,
)

PROGRESS_EVERY_S = 5.0

ENDED = {
    "faults": "faults cleared",
    "silence": "station answers again",
    "transaction": "transaction closed",
}
"""What is said when a subject that had words has none any more."""


class Lines:
    """Prints what a person would want to have seen; same `update` as `Panel`."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._shown: dict[str, str] = {}
        self._traffic: tuple[Message, ...] = ()
        self._watch = StationWatch()
        self._progress_s: float | None = None

    def update(
        self, snapshot: Mapping[str, Any] | None, world: Mapping[str, Any] | None, step: str, elapsed_s: float
    ) -> None:
        """Print the lines that this snapshot deserves; `elapsed_s` counts from the start of the demo."""
        seen = glance(snapshot)
        silent_s = self._watch.silent_s(seen.now_ms, elapsed_s)
        for subject, words in _facts(seen, step, silent_s, heard="link" in self._shown):
            before = self._shown.get(subject, "")
            if before != words:
                self._shown[subject] = words
                self._print(elapsed_s, words or ENDED[subject])
        if seen.ocpp is not None:
            for message in _fresh(self._traffic, seen.ocpp.traffic):
                arrow = "->" if message.outgoing else "<-"
                self._print(elapsed_s, f"ocpp {arrow} {message.action}{_kind(message)}")
            self._traffic = seen.ocpp.traffic
        # The five seconds start with the first values, not with the first call: an empty table has no progress.
        values = _values(seen, section(world))
        if values and (self._progress_s is None or elapsed_s - self._progress_s >= PROGRESS_EVERY_S):
            self._progress_s = elapsed_s
            self._print(elapsed_s, values)

    def _print(self, elapsed_s: float, words: str) -> None:
        encoding = getattr(self._out, "encoding", None) or "utf-8"
        line = f"[{elapsed_s:6.1f} s] {words}\n"
        self._out.write(line.encode(encoding, "replace").decode(encoding))
        self._out.flush()


def _facts(seen: Glance, step: str, silent_s: float, heard: bool) -> Iterator[tuple[str, str]]:
    """Yield (subject, words); a subject is printed when its words change, and as ENDED says when they vanish."""
    yield "step", f"step: {text(step) or '?'}"
    if seen.now_ms is not None:
        yield "station", f"station {seen.station or ''} is up".replace("  ", " ")
    if silent_s > STATION_SILENT_S:
        yield "silence", "station is silent, the last values are STALE"
    elif seen.now_ms is not None:
        yield "silence", ""
    if seen.pilot is not None and (heard or not seen.pilot.lost):
        yield from _pilot_facts(seen.pilot)
    if seen.limit_a is not None:
        yield "allocation", f"allocation {seen.limit_a:.1f} A: {seen.binding or 'no reason named'}"
    if seen.session is not None:
        yield "session", f"session {seen.session}" + (f": {seen.why}" if seen.why else "")
        # The words carry no energy: that would be a change at every reading.
        yield "transaction", f"transaction {seen.transaction}" if seen.transaction else ""
    if seen.meter is not None:
        yield "meter", "meter STALE" if seen.meter.stale else "meter readings are fresh"
    if seen.ocpp is not None:
        yield "ocpp", _connection(seen.ocpp)
    elif seen.stand_alone:
        yield "ocpp", "stand-alone, no central system"


def _pilot_facts(pilot: PilotGlance) -> Iterator[tuple[str, str]]:
    yield "link", "pilot LOST" if pilot.lost else "pilot STALE" if pilot.stale else "pilot answers"
    yield "state", f"pilot state {pilot.state}: {STATE_MEANINGS.get(pilot.state, 'unknown letter')}"
    if pilot.contactor is not None:
        yield "contactor", f"contactor {pilot.contactor}"
    yield "faults", f"FAULTS {', '.join(pilot.faults)}" if pilot.faults else ""


def _connection(ocpp: OcppGlance) -> str:
    if not ocpp.connected:
        return "central system not connected"
    return "central system connected" + (", registered" if ocpp.registered else ", not registered")


def _kind(message: Message) -> str:
    return "" if message.kind == "call" else f" ({message.kind})"


def _fresh(before: Sequence[Message], now: Sequence[Message]) -> Sequence[Message]:
    """Return what a sliding window of messages shows for the first time.

    Messages carry no number, so the longest end of the old window that begins the new one is taken as seen.
    """
    for overlap in range(min(len(before), len(now)), 0, -1):
        if tuple(before[-overlap:]) == tuple(now[:overlap]):
            return now[overlap:]
    return now


def _values(seen: Glance, world: Mapping[str, Any]) -> str:
    parts: list[str] = []
    pilot, meter = seen.pilot, seen.meter
    if pilot is not None:
        if pilot.high_v is not None and pilot.low_v is not None:
            parts.append(f"CP {pilot.high_v:+.1f}/{pilot.low_v:+.1f} V")
        if pilot.duty_percent is not None:
            amps = amps_of_duty(pilot.duty_percent)
            parts.append(f"duty {pilot.duty_percent:.1f} %" + (f" = {amps:.1f} A" if amps is not None else ""))
    if meter is not None:
        if any(amps is not None for amps in meter.current_a):
            parts.append("/".join("?" if amps is None else f"{amps:.1f}" for amps in meter.current_a) + " A")
        if meter.power_w is not None:
            parts.append(f"{meter.power_w / 1000.0:.2f} kW")
        if meter.energy_import_wh is not None:
            parts.append(f"meter {meter.energy_import_wh:.1f} Wh")
    energy_wh = number(world.get("energy_wh"))
    if energy_wh is not None:
        parts.append(f"circuit {energy_wh:.1f} Wh")
    return "  ".join(parts)
