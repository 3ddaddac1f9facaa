"""Which value of the simulated world sits on which pin of the pilot. MicroPython subset."""

from pilotwire.firmware.pilot import frontend
from pilotwire.hal.machine import Wires

# The order in which the values cross the wire (wire.py), and in which signals.py names them.
ADC_PINS = (
    frontend.CP_HIGH,
    frontend.CP_LOW,
    frontend.PP,
    frontend.CURRENT,
    frontend.PLUG_TEMP,
    frontend.BOARD_TEMP,
)
INPUT_PINS = (
    frontend.CONTACTS,
    frontend.CONTACTS_PHASES,
    frontend.LOCK_CLOSED,
    frontend.RCD_DC,
    frontend.RCD_AC,
    frontend.EARTH_OK,
    frontend.PEN_LOST,
    frontend.STOP_PRESSED,
)
OUTPUT_PINS = (
    frontend.COIL,
    frontend.ALIVE,
    frontend.COIL_PHASES,
    frontend.SUPPLY_ENABLE,
    frontend.CP_OFF,
    frontend.LOCK,
    frontend.VENT,
    frontend.RCD_TEST,
)


def put_inputs(wires: Wires, adc_u16: "tuple[int, ...]", levels: int) -> None:
    """Put the world on the input pins: ADC values in the order of ADC_PINS, levels as bits."""
    for place in range(len(ADC_PINS)):
        wires.adc_u16[ADC_PINS[place]] = adc_u16[place]
    for place in range(len(INPUT_PINS)):
        wires.level[INPUT_PINS[place]] = levels >> place & 1


def take_outputs(wires: Wires) -> "tuple[int, int]":
    """What the pilot drives: PWM compare value (65535 = constantly high) and the levels as bits."""
    levels = 0
    for place in range(len(OUTPUT_PINS)):
        levels |= wires.level[OUTPUT_PINS[place]] << place
    return wires.duty_u16[frontend.CP_PWM], levels
