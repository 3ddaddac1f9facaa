"""Which value of the simulated world sits on which pin of the pilot. MicroPython subset."""

from pilotwire.firmware.pilot import frontend
from pilotwire.hal.machine import Wires


def put_inputs(wires: Wires, high_u16: int, low_u16: int, contacts_closed: int) -> None:
    """Put the world on the input pins: both peaks of the control pilot as ADC values, and the mirror contact."""
    wires.adc_u16[frontend.CP_HIGH] = high_u16
    wires.adc_u16[frontend.CP_LOW] = low_u16
    wires.level[frontend.CONTACTS] = contacts_closed


def take_outputs(wires: Wires) -> "tuple[int, int, int]":
    """What the pilot drives: PWM compare value (65535 = constantly high), coil level, level of the alive wave."""
    return wires.duty_u16[frontend.CP_PWM], wires.level[frontend.COIL], wires.level[frontend.ALIVE]
