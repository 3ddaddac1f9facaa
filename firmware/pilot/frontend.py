"""Between pins and kernel: scales the ADC, drives PWM, contactor and the alive signal. No decisions here."""

# Pin numbers of the simulated board; a real board brings its own.
CP_PWM = 0
COIL = 1
ALIVE = 2
CONTACTS = 3
CP_HIGH = 26
CP_LOW = 27

CP_SPAN_MV = 15000  # the ADC's 16 bits stand for -15 V .. +15 V


def cp_mv(adc_u16: int) -> int:
    """Millivolts on the control pilot for a 16-bit reading."""
    return (adc_u16 * CP_SPAN_MV >> 15) - CP_SPAN_MV


def cp_u16(mv: int) -> int:
    """The inverse of cp_mv, for whoever stands in for the ADC."""
    raw = ((mv + CP_SPAN_MV << 15) + CP_SPAN_MV // 2) // CP_SPAN_MV
    return 0 if raw < 0 else 65535 if raw > 65535 else raw


def duty_u16(permyriad: int) -> int:
    """PWM compare value that is never above the duty asked for."""
    return permyriad * 65535 // 10000


class FrontEnd:
    """The pins of one pilot board through MicroPython's `machine` (or its stand-in). Starts silent: X1, coil off."""

    def __init__(self, machine: "object") -> None:
        pin = machine.Pin  # type: ignore[attr-defined]  # a module on the target, an object on a host
        self._pwm = machine.PWM(pin(CP_PWM, pin.OUT), freq=1000, duty_u16=65535)  # type: ignore[attr-defined]
        self._coil = pin(COIL, pin.OUT, value=0)
        self._alive = pin(ALIVE, pin.OUT, value=0)
        self._contacts = pin(CONTACTS, pin.IN)
        self._high = machine.ADC(pin(CP_HIGH))  # type: ignore[attr-defined]
        self._low = machine.ADC(pin(CP_LOW))  # type: ignore[attr-defined]
        self._wave = 0

    def sample(self, inputs: "object") -> None:
        """Fill the kernel's Inputs."""
        inputs.cp_high_mv = cp_mv(self._high.read_u16())  # type: ignore[attr-defined]
        inputs.cp_low_mv = cp_mv(self._low.read_u16())  # type: ignore[attr-defined]
        inputs.contacts_closed = bool(self._contacts.value())  # type: ignore[attr-defined]

    def drive(self, permyriad: int, close: bool) -> None:
        """Put the kernel's outputs on the pins and turn the alive wave by half a period.

        The wave is turned here and nowhere else, after a whole step of the kernel: a program that hangs anywhere stops it, and the
        charge pump behind it then lets the coil fall without any program's help.
        """
        self._pwm.duty_u16(duty_u16(permyriad))
        self._coil.value(1 if close else 0)
        self._wave = 1 - self._wave
        self._alive.value(self._wave)
