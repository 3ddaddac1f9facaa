"""Between pins and kernel: scales the ADC, drives PWM, relays and the alive signal. No decisions here.

Every scale goes both ways, the second one for whoever stands in for the ADC. Intermediates stay below 2**30, and sample() and
drive() allocate nothing.
"""

from pilotwire.firmware.kernel.inputs import OPEN_OHM

# Pin numbers of the simulated board; a real board brings its own.
CP_PWM = 0
COIL = 1  # contactor: L1 and N, all poles where there is only one
ALIVE = 2
CONTACTS = 3
COIL_PHASES = 4  # second contactor: L2, L3
CONTACTS_PHASES = 5
SUPPLY_ENABLE = 6
CP_OFF = 7
LOCK = 8
LOCK_CLOSED = 9
VENT = 10
RCD_TEST = 11
RCD_DC = 12
RCD_AC = 13
EARTH_OK = 14
PEN_LOST = 15
STOP_PRESSED = 16
CP_HIGH = 26
CP_LOW = 27
PP = 28
CURRENT = 29
PLUG_TEMP = 30
BOARD_TEMP = 31

ADC_MAX = 65535
CP_SPAN_MV = 15000  # the ADC's 16 bits stand for -15 V .. +15 V
PP_SOURCE_OHM = 1000  # proximity: 5 V behind this, measured against the same 5 V
CURRENT_MAX_MA = 100000  # 16 bits stand for 0 .. 100 A
# Temperature: 16 bits stand for -60 .. +150 °C. The sensor works from -40 to 125 °C; broken, it reads one end of the scale.
TEMP_LOW_DDEG = -600
TEMP_HIGH_DDEG = 1500
TEMP_SPAN_DDEG = TEMP_HIGH_DDEG - TEMP_LOW_DDEG


def cp_mv(adc_u16: int) -> int:
    """Millivolts on the control pilot for a 16-bit reading."""
    return (adc_u16 * CP_SPAN_MV >> 15) - CP_SPAN_MV


def cp_u16(mv: int) -> int:
    """The inverse of cp_mv."""
    if mv >= CP_SPAN_MV:
        return ADC_MAX
    if mv <= -CP_SPAN_MV:
        return 0
    return ((mv + CP_SPAN_MV << 15) + CP_SPAN_MV // 2) // CP_SPAN_MV


def pp_ohm(adc_u16: int) -> int:
    """Resistance from proximity to earth; OPEN_OHM when nothing is connected."""
    rest = ADC_MAX + 1 - adc_u16
    ohm = (adc_u16 * PP_SOURCE_OHM + (rest >> 1)) // rest
    return ohm if ohm < OPEN_OHM else OPEN_OHM


def pp_u16(ohm: int) -> int:
    """The inverse of pp_ohm."""
    if ohm >= OPEN_OHM:
        return ADC_MAX
    if ohm <= 0:
        return 0
    total = ohm + PP_SOURCE_OHM
    # 65536 * ohm would be too large; what is missing to full scale is not.
    return ADC_MAX + 1 - ((ADC_MAX + 1) * PP_SOURCE_OHM + (total >> 1)) // total


def current_ma(adc_u16: int) -> int:
    """Milliamperes in the current transformer: 100000 / 65536 as 3125 / 2048."""
    return adc_u16 * 3125 + 1024 >> 11


def current_u16(ma: int) -> int:
    """The inverse of current_ma; more than 100 A reads as full scale."""
    if ma >= CURRENT_MAX_MA:
        return ADC_MAX
    return ((ma << 11) + 1562) // 3125 if ma > 0 else 0


def temp_ddeg(adc_u16: int) -> int:
    """Tenths of a degree Celsius."""
    return (adc_u16 * TEMP_SPAN_DDEG + 32768 >> 16) + TEMP_LOW_DDEG


def temp_u16(ddeg: int) -> int:
    """The inverse of temp_ddeg."""
    if ddeg >= TEMP_HIGH_DDEG:
        return ADC_MAX
    if ddeg <= TEMP_LOW_DDEG:
        return 0
    return ((ddeg - TEMP_LOW_DDEG << 16) + TEMP_SPAN_DDEG // 2) // TEMP_SPAN_DDEG


def duty_u16(permyriad: int) -> int:
    """PWM compare value that is never above the duty asked for."""
    return permyriad * 65535 // 10000


class FrontEnd:
    """The pins of one pilot board through MicroPython's `machine` (or its stand-in). Starts silent: X1, everything off."""

    def __init__(self, machine: "object") -> None:
        pin = machine.Pin  # type: ignore[attr-defined]  # a module on the target, an object on a host
        adc = machine.ADC  # type: ignore[attr-defined]
        self._pwm = machine.PWM(pin(CP_PWM, pin.OUT), freq=1000, duty_u16=65535)  # type: ignore[attr-defined]
        self._coil = pin(COIL, pin.OUT, value=0)
        self._coil_phases = pin(COIL_PHASES, pin.OUT, value=0)
        self._supply_enable = pin(SUPPLY_ENABLE, pin.OUT, value=0)
        self._cp_off = pin(CP_OFF, pin.OUT, value=0)
        self._lock = pin(LOCK, pin.OUT, value=0)
        self._vent = pin(VENT, pin.OUT, value=0)
        self._rcd_test = pin(RCD_TEST, pin.OUT, value=0)
        self._alive = pin(ALIVE, pin.OUT, value=0)
        self._contacts = pin(CONTACTS, pin.IN)
        self._contacts_phases = pin(CONTACTS_PHASES, pin.IN)
        self._lock_closed = pin(LOCK_CLOSED, pin.IN)
        self._rcd_dc = pin(RCD_DC, pin.IN)
        self._rcd_ac = pin(RCD_AC, pin.IN)
        self._earth_ok = pin(EARTH_OK, pin.IN)
        self._pen_lost = pin(PEN_LOST, pin.IN)
        self._stop_pressed = pin(STOP_PRESSED, pin.IN)
        self._high = adc(pin(CP_HIGH))
        self._low = adc(pin(CP_LOW))
        self._pp = adc(pin(PP))
        self._current = adc(pin(CURRENT))
        self._plug_temp = adc(pin(PLUG_TEMP))
        self._board_temp = adc(pin(BOARD_TEMP))
        self._wave = 0

    def sample(self, inputs: "object") -> None:
        """Fill the kernel's Inputs, every field of them."""
        inputs.cp_high_mv = cp_mv(self._high.read_u16())  # type: ignore[attr-defined]
        inputs.cp_low_mv = cp_mv(self._low.read_u16())  # type: ignore[attr-defined]
        inputs.contacts_closed = self._contacts.value() != 0  # type: ignore[attr-defined]
        inputs.phases_closed = self._contacts_phases.value() != 0  # type: ignore[attr-defined]
        inputs.pp_ohm = pp_ohm(self._pp.read_u16())  # type: ignore[attr-defined]
        inputs.lock_closed = self._lock_closed.value() != 0  # type: ignore[attr-defined]
        inputs.rcd_dc = self._rcd_dc.value() != 0  # type: ignore[attr-defined]
        inputs.rcd_ac = self._rcd_ac.value() != 0  # type: ignore[attr-defined]
        inputs.earth_ok = self._earth_ok.value() != 0  # type: ignore[attr-defined]
        inputs.pen_lost = self._pen_lost.value() != 0  # type: ignore[attr-defined]
        inputs.stop_pressed = self._stop_pressed.value() != 0  # type: ignore[attr-defined]
        inputs.plug_ddeg = temp_ddeg(self._plug_temp.read_u16())  # type: ignore[attr-defined]
        inputs.board_ddeg = temp_ddeg(self._board_temp.read_u16())  # type: ignore[attr-defined]
        inputs.current_ma = current_ma(self._current.read_u16())  # type: ignore[attr-defined]

    def drive(self, kernel: "object") -> None:
        """Put the kernel's outputs on the pins and turn the alive wave by half a period.

        The wave is turned here and nowhere else, after a whole step of the kernel: a program that hangs anywhere stops it, and the
        charge pump behind it then lets the coils fall without any program's help.
        """
        self._pwm.duty_u16(duty_u16(kernel.duty))  # type: ignore[attr-defined]
        self._cp_off.value(1 if kernel.cp_off else 0)  # type: ignore[attr-defined]
        self._coil.value(1 if kernel.close else 0)  # type: ignore[attr-defined]
        self._coil_phases.value(1 if kernel.close_phases else 0)  # type: ignore[attr-defined]
        self._supply_enable.value(1 if kernel.supply_enable else 0)  # type: ignore[attr-defined]
        self._lock.value(1 if kernel.lock else 0)  # type: ignore[attr-defined]
        self._vent.value(1 if kernel.vent else 0)  # type: ignore[attr-defined]
        self._rcd_test.value(1 if kernel.rcd_test else 0)  # type: ignore[attr-defined]
        self._wave = 1 - self._wave
        self._alive.value(self._wave)
