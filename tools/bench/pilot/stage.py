"""How scenes are set: states that a circuit is brought into, stimuli that several scenes share, and the events they look for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pilotwire.boards.sim.circuit import EvCircuit
from pilotwire.firmware.kernel.lease import MODE_DC
from pilotwire.tools.bench.pilot.rigs import Rig
from pilotwire.tools.bench.pilot.row import Row, Seen

X1 = 10000
LIMIT_MA = 16000
LIMIT_DUTY = 2666


def _is(value: Any) -> Any:
    return lambda seen: seen == value


CLOSE = Seen("close", _is(True))
"""The pilot's command to the contactor; the coil also needs the charge pump and a residual current device that has not tripped."""
OPEN = Seen("close", _is(False))
COIL_OFF = Seen("coil", _is(False))
CONTACTS_CLOSED = Seen("contacts_closed", _is(True))
CONTACTS_OPEN = Seen("contacts_closed", _is(False))
PHASES_CLOSED = Seen("phases_closed", _is(True))
SHOWS_X1 = Seen("duty_permyriad", _is(X1))
SHOWS_F = Seen("duty_permyriad", _is(0))
F_ENDS = Seen("duty_permyriad", lambda duty: duty != 0)
PWM = Seen("duty_permyriad", lambda duty: 0 < duty < X1)
PHASES_OPEN = Seen("phases_closed", _is(False))
CP_OFF = Seen("cp_off", _is(True))
CP_ON = Seen("cp_off", _is(False))
LOCKED = Seen("lock_closed", _is(True))
UNLOCKED = Seen("lock_closed", _is(False))
PLUGGED = Seen("plugged", _is(True))
S2_CLOSED = Seen("s2_closed", _is(True))
S2_OPEN = Seen("s2_closed", _is(False))
VENT = Seen("vent", _is(True))
RCD_DC = Seen("rcd_dc", _is(True))
RCD_DC_AWAY = Seen("rcd_dc", _is(False))
RCD_AC = Seen("rcd_ac", _is(True))
TEST = Seen("rcd_test", _is(True))
TEST_ENDS = Seen("rcd_test", _is(False))
SUPPLY_OFF = Seen("supply_enable", _is(False))
BROKEN_A = Seen("broken_a", lambda amperes: True)

# Written by the scenes themselves, and by the rig for what the station hears.
PERMITTED = Seen("permitted", _is(True))
WITHDRAWN = Seen("withdrawn", _is(True))
BCB = Seen("bcb_surplus", lambda surplus: True)


def duty(permyriad: int) -> Seen:
    """This duty on the wire."""
    return Seen("duty_permyriad", _is(permyriad))


def opens(scene: str, what: str, source: str, mark: str, start: Seen | None = None) -> tuple[Row, Row]:
    """The two rows of everything that must open at once: the command within 50 ms, the contacts within 100 ms."""
    return (
        Row(f"{scene}-command", f"{what}: coil command off", source, "ours", OPEN, start, most=50),
        Row(f"{scene}-contacts", f"{what}: contacts open", source, mark, CONTACTS_OPEN, start, most=100),
    )


# --- states


def ready(rig: Rig) -> None:
    """The station hears the pilot, the self-test after power-up is over, no car."""
    rig.run_until("the link", lambda: rig.station.online, 3000)
    rig.run(600)


def plugged(rig: Rig) -> None:
    """A car in B1: plug locked, self-test for this car done, nothing permitted."""
    ready(rig)
    rig.world.plug()
    rig.run_until("the lock", lambda: rig.world.lock.closed, 1500)
    rig.run(400)


def offered(rig: Rig) -> None:
    """A car in B2 that does not want power yet, PWM long enough for it to close S2 at once."""
    rig.world.car.wants_charge = False
    plugged(rig)
    rig.permit(LIMIT_MA)
    rig.run_until("PWM", lambda: 0.0 < rig.world.duty < 1.0, 1000)
    rig.run(600)


def asleep(rig: Rig) -> None:
    """A car in B1 that needs an interruption of the pilot before it asks for power."""
    rig.world.car.sleeps = True
    plugged(rig)


def deaf(rig: Rig) -> None:
    """A car in B1 that never asks for power."""
    rig.world.car.wants_charge = False
    plugged(rig)


def fixed_car(rig: Rig) -> None:
    """No car yet; the one that will come has no S2."""
    rig.world.car.simplified = True
    ready(rig)


def charging(rig: Rig) -> None:
    """Current flows at LIMIT_MA. The car opens S2 at once when it wants no more."""
    _charge(rig, LIMIT_MA)


def charging_full(rig: Rig) -> None:
    """Current flows at the board's own limit, and the duty may change again."""
    _charge(rig, 32000)
    rig.run_coarse(5000)


def charging_long(rig: Rig) -> None:
    """Current flows and the duty may change again."""
    _charge(rig, LIMIT_MA)
    rig.run_coarse(5000)


def charging_stubborn(rig: Rig) -> None:
    """Current flows into a car that ignores X1 and lower limits."""
    rig.world.car.obeys_x1 = False
    rig.world.car.obeys_lower = False
    charging_full(rig)


def charging_direct(rig: Rig) -> None:
    """60 A of direct current flow under a DC lease."""
    world = rig.world
    world.car.digital = True
    world.car.digital_a = 0.0
    world.supply.amperes = 60.0
    plugged(rig)
    rig.permit(60000, MODE_DC)
    rig.run_until("direct current", lambda: world.supply.current_a > 59.0, 4000)
    rig.run(200)


def charging_stiff(rig: Rig) -> None:
    """The same with a supply whose current hardly falls when it is told to stop."""
    rig.world.supply.fall_ms = 10000.0
    charging_direct(rig)


def _charge(rig: Rig, limit_ma: int) -> None:
    world = rig.world
    world.car.abrupt = True
    plugged(rig)
    rig.permit(limit_ma)
    rig.run_until("current", lambda: world.car.current_a >= limit_ma / 1000 - 1, 6000)


# --- stimuli


def plug(rig: Rig) -> None:
    """The driver plugs in; the station permits some time later."""
    rig.world.plug()
    rig.run(rig.rng.randrange(500, 800))
    rig.world.note("permitted")
    rig.permit(LIMIT_MA)


def unplug(rig: Rig) -> None:
    """The driver pulls the plug, or the cable breaks: an open pilot wire."""
    rig.world.unplug()


def open_s2(rig: Rig) -> None:
    """The car opens S2 under load."""
    rig.world.car.wants_charge = False


def close_s2(rig: Rig) -> None:
    """The car closes S2."""
    rig.world.car.wants_charge = True


def withdraw(rig: Rig) -> None:
    """The station withdraws its permission."""
    rig.world.note("withdrawn")
    rig.withdraw()


def silence(rig: Rig) -> None:
    """The station says nothing any more."""
    rig.station_alive = False


@dataclass(slots=True)
class Foreign(EvCircuit):
    """A pilot wire whose positive half wave is lifted to a level that neither car nor station makes."""

    held_mv: float = 14000.0

    def level_mv(self, source_mv: int) -> float:
        """Whatever hangs on the wire."""
        return self.held_mv if source_mv > 0 else float(source_mv)


def hold_wire(rig: Rig) -> None:
    """A foreign voltage on the pilot wire."""
    rig.world.car.circuit = Foreign(plugged=True, s2_closed=True)
