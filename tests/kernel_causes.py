"""What causes each fault, how it ends, and how long it lasts until it is a fault, where the kernel can be when it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kernel_bench import LEVEL_B, LEVEL_E, LEVEL_F, LEVEL_UNDEFINED
from kernel_board import KernelBoard
from pilotwire.firmware.kernel import faults, inputs
from pilotwire.firmware.kernel.lease import REQUEST_STOP

Act = Callable[[KernelBoard], None]


def short(board: KernelBoard) -> None:
    board.level_mv = LEVEL_E


def minus_12_v(board: KernelBoard) -> None:
    board.level_mv = LEVEL_F


def undefined(board: KernelBoard) -> None:
    board.level_mv = LEVEL_UNDEFINED


def b_again(board: KernelBoard) -> None:
    board.level_mv = LEVEL_B


def no_diode(board: KernelBoard) -> None:
    board.low_mv = -9999


def diode_again(board: KernelBoard) -> None:
    board.low_mv = -10000


def contacts_fall(board: KernelBoard) -> None:
    board.contacts, board.stuck_open = False, True


def contacts_follow(board: KernelBoard) -> None:
    board.contacts, board.stuck_open, board.welded = False, False, False


def contacts_close(board: KernelBoard) -> None:
    board.contacts, board.welded = True, True


def lost_time(board: KernelBoard) -> None:
    board.tick(41)


def damage(board: KernelBoard) -> None:
    board.kernel.parameters.damaged = True


def undamage(board: KernelBoard) -> None:
    """What no program does; only so that the fault is seen to stay by itself."""
    board.kernel.parameters.damaged = False


def cable_lost(board: KernelBoard) -> None:
    board.inputs.pp_ohm = inputs.OPEN_OHM


def cable_back(board: KernelBoard) -> None:
    board.inputs.pp_ohm = 220


def lock_lost(board: KernelBoard) -> None:
    board.lock_follows, board.inputs.lock_closed = False, False


def lock_back(board: KernelBoard) -> None:
    board.lock_follows = True


def trip_dc(board: KernelBoard) -> None:
    board.rcd_follows, board.inputs.rcd_dc = False, True


def trip_ac(board: KernelBoard) -> None:
    board.rcd_follows, board.inputs.rcd_ac = False, True


def released(board: KernelBoard) -> None:
    board.rcd_follows = True


def earth_lost(board: KernelBoard) -> None:
    board.inputs.earth_ok = False


def earth_back(board: KernelBoard) -> None:
    board.inputs.earth_ok = True


def pen_lost(board: KernelBoard) -> None:
    board.inputs.pen_lost = True


def pen_back(board: KernelBoard) -> None:
    board.inputs.pen_lost = False


def button(board: KernelBoard) -> None:
    board.inputs.stop_pressed = True


def button_out(board: KernelBoard) -> None:
    board.inputs.stop_pressed = False


def plug_hot(board: KernelBoard) -> None:
    board.inputs.plug_ddeg = 700


def plug_cool(board: KernelBoard) -> None:
    board.inputs.plug_ddeg = 599


def board_hot(board: KernelBoard) -> None:
    board.inputs.board_ddeg = 700


def board_cool(board: KernelBoard) -> None:
    board.inputs.board_ddeg = 599


def sensor_broken(board: KernelBoard) -> None:
    board.inputs.plug_ddeg = 1250


def sensor_works(board: KernelBoard) -> None:
    board.inputs.plug_ddeg = 250


def overload(board: KernelBoard) -> None:
    board.load_ma = 18151  # one more than (16 A + 0.5 A) * 1.1


def no_overload(board: KernelBoard) -> None:
    board.load_ma = 0


def station_stop(board: KernelBoard) -> None:
    board.kernel.request(REQUEST_STOP)


def nothing(board: KernelBoard) -> None:
    pass


@dataclass(frozen=True)
class Cause:
    """Evidence in milliseconds of 1 ms ticks for each phase, None where this cause is none."""

    bit: int
    begin: Act
    end: Act
    idle: int | None
    offering: int | None
    closed: int | None
    stopping: int | None
    ends_ms: int = 0
    """How much longer than its end the evidence for its end takes."""
    lasts: bool = True
    """False where the reaction itself ends the cause, or it is a matter of one tick."""


CAUSES = (
    # From C the car's leaving is believed after 25 ms, from B any change after 50 ms, and B itself takes 50 ms again.
    Cause(faults.PILOT_SHORT, short, b_again, 50, 50, 25, 25, ends_ms=49),
    Cause(faults.PILOT_SHORT, minus_12_v, b_again, 50, 50, 25, 25, ends_ms=49),
    Cause(faults.PILOT_INVALID, undefined, b_again, 200, 200, 200, 200),
    # Without PWM there is no negative half wave to judge.
    Cause(faults.DIODE, no_diode, diode_again, None, 50, 50, None, lasts=False),
    Cause(faults.NOT_CLOSED, contacts_fall, contacts_follow, None, None, 20, 20, lasts=False),
    Cause(faults.MIRROR, contacts_close, contacts_follow, 20, 20, None, None),
    Cause(faults.OVERRUN, lost_time, nothing, 0, 0, 0, 0, lasts=False),
    Cause(faults.PARAMETERS, damage, undamage, 1, 1, 1, 1),
    # 100 ms until it counts as unreadable, and without power under way 3 s of patience from that very tick on.
    Cause(faults.CABLE, cable_lost, cable_back, 3099, 100, 100, 100, ends_ms=99),
    # Three tries of 1 s with 0.5 s between them; with closed contacts there is only one.
    Cause(faults.LOCK, lock_lost, lock_back, 4000, 4000, 1000, 1000),
    Cause(faults.RESIDUAL_DC, trip_dc, released, 1, 1, 1, 1),
    Cause(faults.RESIDUAL_AC, trip_ac, released, 1, 1, 1, 1),
    Cause(faults.EARTH, earth_lost, earth_back, 50, 50, 50, 50),
    Cause(faults.PEN, pen_lost, pen_back, 50, 50, 50, 50),
    Cause(faults.STOP_BUTTON, button, button_out, 1, 1, 1, 1),
    Cause(faults.PLUG_HOT, plug_hot, plug_cool, 1000, 1000, 1000, 1000),
    Cause(faults.BOARD_HOT, board_hot, board_cool, 1000, 1000, 1000, 1000),
    Cause(faults.SENSOR, sensor_broken, sensor_works, 1000, 1000, 1000, 1000),
    Cause(faults.OVER_CURRENT, overload, no_overload, None, None, 7000, None, lasts=False),
    Cause(faults.STATION_STOP, station_stop, nothing, 1, 1, 1, 1, lasts=False),
)
