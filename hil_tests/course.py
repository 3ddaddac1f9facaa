"""The words in which tests speak to a bench: what a driver does, what a meter or an oscilloscope would show, and when."""

from __future__ import annotations

from typing import Any

from .bench import Bench

LETTERS = {"A": (11_000, 13_000), "B": (8_000, 10_000), "C": (5_000, 7_000), "D": (2_000, 4_000)}
"""High level of the pilot in each state, mV: the windows of the fact sheet, section 1."""


TICK_MS = 5


def about(ms: int, spread_ms: int = 15) -> range:
    """`ms` of evidence as it shows from outside: a tick less, since the first sample stands for a whole tick, or somewhat more."""
    return range(ms - TICK_MS, ms + spread_ms + 1)


class Course:
    """One test on a bench."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.ask = bench.ask

    # --- what is done

    def run(self, ms: int) -> None:
        """Let time pass."""
        self.bench.run(ms)

    def plug(self) -> int:
        """Plug the car in; returns when."""
        return int(self.ask("plug")["t_ms"])

    def unplug(self) -> int:
        """Pull the plug at the car; returns when."""
        return int(self.ask("unplug")["t_ms"])

    def set(self, **parts: dict[str, Any]) -> int:
        """Change settings of the car and its surroundings; returns when."""
        return int(self.ask("set", **parts)["t_ms"])

    def inject(self, fault: str) -> int:
        """Play a fault by its name in docs/sim.md; returns when."""
        return int(self.ask("inject", fault=fault)["t_ms"])

    def heal(self, fault: str) -> int:
        """Take it away."""
        return int(self.ask("heal", fault=fault)["t_ms"])

    def swipe(self, tag: str) -> None:
        """Show a token."""
        self.ask("swipe", tag=tag)

    def charge(self, ms: int = 4000) -> int:
        """Plug in and wait until current flows; returns when the contacts closed."""
        since_ms = self.plug()
        self.run(ms)
        assert self.read()["current_a"][0] > 5.0, f"no current {ms} ms after plugging in: {self.why}"
        return self.when("contacts_closed", True, since_ms)

    # --- what is seen

    @property
    def now_ms(self) -> int:
        """The bench's clock."""
        return int(self.ask("now")["t_ms"])

    def read(self) -> dict[str, Any]:
        """The circuit now."""
        return self.ask("read")

    def station(self) -> dict[str, Any]:
        """What the station says of itself; fails where it does not run."""
        shot = self.ask("status")["station"]
        assert shot is not None, "the station's program is not running"
        return dict(shot)

    @property
    def why(self) -> str:
        """Why the current is what it is, as the station says."""
        shot = self.ask("status")["station"]
        return "the station does not run" if shot is None else f"{shot['session']} {shot['pilot']}"

    @property
    def status(self) -> str:
        """The connector's status in the words of OCPP."""
        return str(self.station()["session"]["state"])

    @property
    def faults(self) -> list[str]:
        """The pilot's faults as the station shows them."""
        return list(self.station()["pilot"]["faults"])

    @property
    def phase(self) -> str:
        """The pilot's phase as the station shows it."""
        return str(self.station()["pilot"]["phase"])

    @property
    def duty(self) -> float:
        """Duty of the pilot signal, percent."""
        return float(self.read()["duty_permyriad"]) / 100

    @property
    def closed(self) -> bool:
        """Whether the contacts are closed."""
        return bool(self.read()["closed"])

    @property
    def current_a(self) -> list[float]:
        """Current in each phase."""
        return list(self.read()["current_a"])

    def events(self, since_ms: int = 0) -> list[dict[str, Any]]:
        """Everything that has changed in the circuit since then, oldest first."""
        return [event for event in self.ask("events")["rows"] if event["t_ms"] >= since_ms]

    def find(self, name: str, value: Any, since_ms: int = 0) -> int | None:
        """When `name` first became `value` at or after since_ms; None when it did not."""
        for event in self.events(since_ms):
            if event["name"] == name and event["value"] == value:
                return int(event["t_ms"])
        return None

    def when(self, name: str, value: Any, since_ms: int = 0) -> int:
        """As find(), but fails the test when it did not."""
        found = self.find(name, value, since_ms)
        assert found is not None, f"{name} has not become {value!r} since {since_ms} ms; {self.why}"
        return found

    def count(self, name: str, value: Any, since_ms: int = 0) -> int:
        """How often `name` became `value` since then."""
        return sum(1 for event in self.events(since_ms) if event["name"] == name and event["value"] == value)

    def after(self, start_ms: int, name: str, value: Any) -> int:
        """Milliseconds from start_ms until `name` became `value`; fails the test when it did not."""
        return self.when(name, value, start_ms) - start_ms

    def transactions(self) -> list[dict[str, Any]]:
        """What the station has written down."""
        return list(self.ask("transactions")["rows"])

    def journal(self, name: str) -> list[dict[str, Any]]:
        """The data of each entry of this name in the station's journal."""
        return [row["data"] for row in self.ask("journal")["rows"] if row["name"] == name]

    # --- a bare host in the station's place

    def host(self) -> None:
        """Take the station's place, so that the test leads the pilot; waits until the pilot answers."""
        self.ask("host", do="start")
        self.run(600)
        assert self.ask("host", do="look")["pilot"] is not None, "the pilot does not answer to a bare host"

    def lease(self, limit_ma: int = 16_000, mode: str = "ac", ttl_ms: int = 1000, phases: int = 0) -> int:
        """Give a lease, renewed until another is given; returns when."""
        return int(self.ask("lease", mode=mode, limit_ma=limit_ma, ttl_ms=ttl_ms, phases=phases)["t_ms"])

    def request(self, what: str) -> int:
        """Ask the pilot for something; returns when."""
        return int(self.ask("request", what=what)["t_ms"])

    @property
    def pilot(self) -> dict[str, Any]:
        """The pilot's newest state as the bare host hears it."""
        state = self.ask("host", do="look")["pilot"]
        assert state is not None, "the pilot does not answer to the bare host"
        return dict(state)

    def rows(self, since_ms: int = 0) -> list[dict[str, Any]]:
        """States of the pilot, one for each change, since then."""
        return list(self.ask("host", do="look", since=since_ms)["rows"])
