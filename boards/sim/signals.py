"""What passes between the simulated circuit and a pilot board's pins: physical values here, ADC values and bits there.

Readings has the names and the units of the kernel's Inputs. The order of both tuples is the one of pins.py.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from pilotwire.firmware.kernel.inputs import OPEN_OHM
from pilotwire.firmware.pilot.frontend import cp_u16, current_u16, pp_u16, temp_u16

if TYPE_CHECKING:
    from pilotwire.boards.sim.world import World


class Readings(NamedTuple):
    """The circuit as the pilot board may see it."""

    cp_high_mv: int
    cp_low_mv: int
    pp_ohm: int = OPEN_OHM
    current_ma: int = 0
    plug_ddeg: int = 250
    board_ddeg: int = 250
    contacts_closed: bool = False
    phases_closed: bool = False
    lock_closed: bool = False
    rcd_dc: bool = False
    rcd_ac: bool = False
    earth_ok: bool = True
    pen_lost: bool = False
    stop_pressed: bool = False


class Outputs(NamedTuple):
    """What the pilot board drives. `duty` is 0..1, `alive` the level of the alive wave, the rest are switches."""

    duty: float = 1.0
    close: int = 0
    alive: int = 0
    close_phases: int = 0
    supply_enable: int = 0
    cp_off: int = 0
    lock: int = 0
    vent: int = 0
    rcd_test: int = 0


def adc_u16(readings: Readings) -> tuple[int, ...]:
    """The analogue inputs as the board's ADC reads them."""
    return (
        cp_u16(readings.cp_high_mv),
        cp_u16(readings.cp_low_mv),
        pp_u16(readings.pp_ohm),
        current_u16(readings.current_ma),
        temp_u16(readings.plug_ddeg),
        temp_u16(readings.board_ddeg),
    )


def input_levels(readings: Readings) -> int:
    """The digital inputs as bits."""
    return sum(bool(level) << place for place, level in enumerate(readings[6:]))


@functools.lru_cache(maxsize=4096)
def outputs(duty_u16: int, levels: int) -> Outputs:
    """What the board's pins mean."""
    return Outputs(duty_u16 / 65535.0, *(levels >> place & 1 for place in range(8)))


@functools.lru_cache(maxsize=4096)
def at_pins(readings: Readings) -> tuple[tuple[int, ...], int]:
    """ADC values and level bits. Most ticks see what the one before has seen, or one a while ago."""
    return adc_u16(readings), input_levels(readings)


def read(world: World) -> tuple[tuple[int, ...], int]:
    """ADC values and level bits of the pilot's inputs now."""
    return at_pins(world.inputs())


def write(world: World, duty_u16: int, levels: int) -> None:
    """Let the world have what the pilot drives."""
    world.set_outputs(outputs(duty_u16, levels))
