"""A session and a station on virtual time, and the words to speak to them in.

What it does not do: the pilot here obeys nobody. It says what the test says, so a test can put any pilot, also a lying one,
opposite the station. The stores are the real ones, on SQLite in memory unless connections are handed in.
"""

from __future__ import annotations

import copy
import itertools
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pilotwire.firmware.config import Settings, parse
from pilotwire.firmware.energy.allocation import Allocation, Limit, allocate
from pilotwire.firmware.kernel import bands, faults
from pilotwire.firmware.session import events
from pilotwire.firmware.session.session import Session
from pilotwire.firmware.station import Station
from pilotwire.firmware.store.events import EventJournal
from pilotwire.firmware.store.ocpp_outbox import SqliteOcppStore
from pilotwire.firmware.store.transactions import Transaction, Transactions
from pilotwire.hal.ports import MeterReading
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.station import PilotLost, PilotState
from pilotwire.protocols.ocpp.charge_point_16 import ChargePoint16
from pilotwire.protocols.ocpp.settings_16 import ChargePointSettings

UNIX_MS = 1_767_225_600_000  # 2026-01-01, the wall clock at virtual time 0
LETTERS = {"?": bands.INVALID, "A": bands.A, "B": bands.B, "C": bands.C, "D": bands.D, "E": bands.E, "F": bands.F}
FAULT_BITS = {row[1]: row[0] for row in faults.FAULTS}


def reading(at_ms: int, wh: float = 1000.0, power_w: float = 0.0) -> MeterReading:
    """A reading of a three-phase meter."""
    return MeterReading(
        at_ms=at_ms,
        voltage_v=(230.0, 230.0, 230.0),
        current_a=(power_w / 690, power_w / 690, power_w / 690),
        power_w=power_w,
        energy_import_wh=wh,
    )


def allocation(value_ma: int) -> Allocation:
    """An allocation with one limit."""
    return allocate([Limit("test", "only", value_ma)])


def pilot_state(
    at_ms: int, letter: str, closed: bool, fault_names: Iterable[str] = (), duty: int = 10_000
) -> PilotState:
    """What the link makes of a STATE message."""
    bits = sum(FAULT_BITS[name] for name in fault_names)
    high_mv = {"A": 12_000, "B": 9_000, "C": 6_000, "D": 3_000}.get(letter, 0)
    message: list[object] = [messages.STATE, 1, 1, 7, 1, at_ms % 2**30, LETTERS[letter], 0, high_mv, -12_000, duty]
    message += [0, int(closed), int(closed), 0, bits, 0, 0, 0, 0, 0, 0]
    assert messages.is_valid(message)
    return PilotState([int(str(item)) for item in message], at_ms)


class Course:
    """One Session and a clock. Every method lets `after_ms` pass, gives the session one event and returns the effects."""

    def __init__(self, allocation_ma: int | None = 16_000) -> None:
        self.session = Session()
        self.now_ms = 0
        self.all: list[events.SessionEffect] = []
        if allocation_ma is not None:
            self(events.AllocationChanged(allocation(allocation_ma)))

    def __call__(self, event: events.SessionEvent, after_ms: int = 100) -> list[events.SessionEffect]:
        self.now_ms += after_ms
        effects = self.session.handle(event, self.now_ms)
        self.all += effects
        return effects

    def pilot(
        self, letter: str, closed: bool = False, *fault_names: str, after_ms: int = 100
    ) -> list[events.SessionEffect]:
        return self(events.PilotChanged(letter, closed, fault_names), after_ms)

    def lost(self, after_ms: int = 400) -> list[events.SessionEffect]:
        return self(events.PilotLost(400), after_ms)

    def token(self, id_tag: str = "TAG", after_ms: int = 100) -> list[events.SessionEffect]:
        return self(events.TokenAccepted(id_tag), after_ms)

    def meter(self, wh: float, after_ms: int = 1000, age_ms: int = 0) -> list[events.SessionEffect]:
        """A reading `wh` that was complete `age_ms` before it gets here."""
        return self(events.MeterRead(reading(self.now_ms + after_ms - age_ms, wh)), after_ms)

    def stop(self, reason: str = "Local", after_ms: int = 100) -> list[events.SessionEffect]:
        return self(events.StopRequested(reason), after_ms)

    def tick(self, after_ms: int = 1000) -> list[events.SessionEffect]:
        return self(events.Ticked(), after_ms)

    def to_charging(self, wh: float = 1000.0) -> None:
        """Car, token, reading, contacts closed."""
        self.pilot("B")
        self.token()
        self.meter(wh)
        self.pilot("C", closed=True)
        assert self.session.status == "Charging"

    def begun(self) -> list[events.BeginTransaction]:
        return [effect for effect in self.all if isinstance(effect, events.BeginTransaction)]

    def ended(self) -> list[events.EndTransaction]:
        return [effect for effect in self.all if isinstance(effect, events.EndTransaction)]

    def grants(self) -> list[int]:
        return [effect.limit_ma for effect in self.all if isinstance(effect, events.Grant)]

    def statuses(self) -> list[str]:
        return [effect.status for effect in self.all if isinstance(effect, events.ReportStatus)]


class VirtualStation:
    """One Station and a clock. `recorded` holds every input; `grants` what the shell was told to lease."""

    def __init__(
        self,
        *,
        id_tags: tuple[str, ...] | None = None,
        board_ma: int = 32_000,
        cable_ma: int = 20_000,
        back_end: bool = False,
        durable: sqlite3.Connection | None = None,
    ) -> None:
        """`id_tags` None: free charging."""
        mode = (
            'mode = "free"' if id_tags is None else 'mode = "list"\nid_tags = ' + str(list(id_tags)).replace("'", '"')
        )
        toml = (
            f'[station]\nname = "test"\ndata_dir = "unused"\n[pilot]\nport = "unused"\n'
            f'[meter]\ndriver = "sdm630"\ntransport = "tcp"\nhost = "unused"\n[authorisation]\n{mode}\n'
            f"[limits]\nboard_ma = {board_ma}\ncable_ma = {cable_ma}\nphases = 3\n"
        )
        self.settings: Settings = parse(toml, "virtual station", Path("/nowhere"))
        self.now_ms = 0
        self.durable = durable if durable is not None else sqlite3.connect(":memory:", isolation_level=None)
        self._journal_db = sqlite3.connect(":memory:", isolation_level=None)
        self._back_end = back_end
        self.recorded: list[tuple[object, int, int]] = []
        self.grants: list[int] = []
        self.boot()

    def boot(self) -> None:
        """Start the station on what the stores hold: the first time, or after a death in which nothing was tidied up."""
        ids = itertools.count(1)
        self.charge_point = (
            ChargePoint16(
                ChargePointSettings(vendor="Pilotwire", model="Virtual"),
                SqliteOcppStore(self.durable),
                lambda: f"id-{next(ids)}",
            )
            if self._back_end
            else None
        )
        self.transactions = Transactions(self.durable)
        self.journal = EventJournal(self._journal_db)
        self.station = Station(self.settings, self.transactions, self.journal, self.charge_point)

    def close(self) -> None:
        self.durable.close()
        self._journal_db.close()

    def __call__(self, event: object, after_ms: int = 100) -> list[int]:
        """Let `after_ms` pass and give the station one event; returns the limits it wants leased, in order."""
        self.now_ms += after_ms
        # A copy, so that a replay cannot meet an object the station has changed.
        self.recorded.append((copy.deepcopy(event), self.now_ms, UNIX_MS + self.now_ms))
        grants = [grant.limit_ma for grant in self.station.handle(event, self.now_ms, UNIX_MS + self.now_ms)]
        self.grants += grants
        return grants

    def pilot(
        self, letter: str, closed: bool = False, *fault_names: str, duty: int = 10_000, after_ms: int = 100
    ) -> list[int]:
        return self(pilot_state(self.now_ms + after_ms, letter, closed, fault_names, duty), after_ms)

    def lost(self, after_ms: int = 400) -> list[int]:
        return self(PilotLost(400), after_ms)

    def meter(self, wh: float, after_ms: int = 1000, age_ms: int = 0) -> list[int]:
        return self(events.MeterRead(reading(self.now_ms + after_ms - age_ms, wh)), after_ms)

    def present(self, id_tag: str, after_ms: int = 100) -> list[int]:
        return self(events.TokenPresented(id_tag), after_ms)

    def stop(self, reason: str = "Local", after_ms: int = 100) -> list[int]:
        return self(events.StopRequested(reason), after_ms)

    def tick(self, after_ms: int = 1000) -> list[int]:
        return self(events.Ticked(), after_ms)

    def to_charging(self, wh: float = 1000.0) -> None:
        """Free charging: car, reading, contacts closed."""
        self.pilot("B")
        self.meter(wh)
        self.pilot("C", closed=True)
        assert self.station.session.status == "Charging"

    def open(self) -> list[Transaction]:
        return self.transactions.open()

    def all(self) -> list[Transaction]:
        return self.transactions.all()

    def rows(self, name: str | None = None) -> list[dict[str, Any]]:
        return self.journal.rows(name)

    def names(self) -> list[str]:
        return [row["name"] for row in self.journal.rows()]
