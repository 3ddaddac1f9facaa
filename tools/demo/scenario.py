"""The demo's story: plug in, charge, the central system lowers the limit, the driver stops, unplug; then the accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pilotwire.tools.demo.energy import disagreement, integrate_power_wh
from pilotwire.tools.demo.stage import Stage
from pilotwire.tools.demo.third_party import read_energy_wh
from pilotwire.tools.rig.ledger import Ledger
from pilotwire.tools.rig.settings import CHARGE_POINT

LOWERED_A = 16
FULL_UNTIL_WH = 150.0
TOTAL_WH = 218.0
AGREEMENT = 0.01

STEPS = (
    "starting",
    "waiting for a car",
    "car plugged in",
    "charging at the full limit",
    "central system lowers the limit to 16 A",
    "driver stops the car",
    "unplugged, closing the books",
    "done",
)

Show = Callable[[str], None]


class DemoError(Exception):
    """The demo did not go as it must; the text says what was expected and what was seen."""


@dataclass(slots=True)
class Outcome:
    """What came out of a demo."""

    energies_wh: dict[str, float]
    contactor_cycles: int
    ocpp_transactions: int
    faults: int
    marks: list[tuple[float, str]] = field(default_factory=list)
    note: str = ""
    """On what the demo ran, and in which kind of seconds."""

    @property
    def last_line(self) -> str:
        """The one line that says that it went well."""
        energy_wh = round(self.energies_wh["central system"])
        return (
            f"demo ok energy_wh={energy_wh} contactor_cycles={self.contactor_cycles}"
            f" ocpp_transactions={self.ocpp_transactions} faults={self.faults}"
        )


async def play(stage: Stage, show: Show) -> Outcome:
    """Play the story on a started stage; raises DemoError."""
    marks: list[tuple[float, str]] = []
    before_wh = await read_energy_wh(stage.meter_tcp_port)
    show(STEPS[1])
    await asyncio.sleep(1.0)
    marks.append((stage.set_car(plugged=True), "plug in"))
    show(STEPS[2])
    await _until(stage, "the car charges", lambda: _status(stage) == "Charging")
    show(STEPS[3])
    await _until(stage, f"{FULL_UNTIL_WH:g} Wh", lambda: _energy_wh(stage) >= FULL_UNTIL_WH, 60.0)
    marks.append((stage.set_car(), f"limit {LOWERED_A} A"))
    reply = await stage.outside(lambda: stage.csms.command("set_limit", cp=CHARGE_POINT, amps=LOWERED_A))
    if reply.get("status") != "Accepted":
        raise DemoError(f"the station did not accept the lower limit: {reply}")
    show(STEPS[4])
    await _until(stage, f"current at {LOWERED_A} A or less", lambda: _current_a(stage) <= LOWERED_A, 15.0)
    await _until(stage, f"{TOTAL_WH:g} Wh", lambda: _energy_wh(stage) >= TOTAL_WH, 60.0)
    marks.append((stage.set_car(wants_charge=False), "driver stops"))
    show(STEPS[5])
    await _until(stage, "open contacts", lambda: not stage.world_row()["closed"])
    await asyncio.sleep(1.5)
    marks.append((stage.set_car(plugged=False), "unplug"))
    show(STEPS[6])
    await _until(stage, "the transaction to be closed and reported", lambda: _booked(stage))
    after_wh = await read_energy_wh(stage.meter_tcp_port)
    outcome = _account(stage, after_wh - before_wh, marks)
    show(STEPS[7])
    return outcome


def _account(stage: Stage, meter_wh: float, marks: list[tuple[float, str]]) -> Outcome:
    """Compare everything with everything; raises DemoError when it does not agree."""
    ledger = Ledger(stage.csms.frames)
    if len(ledger.transactions) != 1 or ledger.transactions[0].energy_wh is None:
        raise DemoError(
            f"the central system should know exactly one finished transaction, it has {ledger.transactions}"
        )
    journal = stage.journal()
    readings = [row["data"] for row in journal if row["name"] == "MeterRead"]
    energies = {
        "central system": float(ledger.transactions[0].energy_wh or 0),
        "meter register, read by a third party": meter_wh,
        "integral of the journal's readings": integrate_power_wh(
            [(stage.world_ms(row["at_ms"]), row["power_w"]) for row in readings]
        ),
        "integral of the circuit's true power": float(stage.world_row()["energy_true_wh"]),
    }
    off = disagreement(energies)
    if off > AGREEMENT:
        raise DemoError(f"the energies differ by {off:.2%}, more than {AGREEMENT:.0%}: {energies}")
    faulted = [row for row in journal if row["name"] == "Status" and row["data"]["status"] == "Faulted"]
    if faulted:
        raise DemoError(f"the station reported faults: {[row['data']['info'] for row in faulted]}")
    events, _ = stage.history()
    cycles = sum(1 for event in events if event["name"] == "contacts_closed" and event["value"])
    return Outcome(energies, cycles, len(ledger.transactions), len(faulted), marks)


async def _until(stage: Stage, what: str, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    loop = asyncio.get_running_loop()
    until_s = loop.time() + timeout_s
    while not condition():
        stage.check_alive()
        if loop.time() >= until_s:
            shot = stage.snapshot()
            raise DemoError(
                f"waited {timeout_s:g} s in vain for {what}; the station says {shot}; the circuit {stage.world_row()}"
            )
        await asyncio.sleep(0.1)


def _status(stage: Stage) -> str:
    shot = stage.snapshot()
    return str(shot["session"]["state"]) if shot else ""


def _energy_wh(stage: Stage) -> float:
    return float(stage.world_row()["energy_true_wh"])


def _current_a(stage: Stage) -> float:
    return float(max(stage.world_row()["current_a"]))


def _booked(stage: Stage) -> bool:
    shot: dict[str, Any] | None = stage.snapshot()
    if shot is None or shot["session"]["state"] != "Available" or shot["session"]["transaction"] is not None:
        return False
    return bool(shot["ocpp"]["queue"] == 0)
