"""Stand-in for MicroPython's `machine` on a host: the same classes, wired to a simulated world.

What it does not do: interrupts, DMA and PIO, bus peripherals, sleep modes, real timing. A pin is a number in `Wires`; whoever owns
the wires (boards/sim) moves the values between them and the world. MicroPython subset; no clock, no descriptor.
"""


class Wires:
    """The values on the pins. `level` and `duty_u16` are driven by the pilot, `adc_u16` and `level` of inputs by the world."""

    def __init__(self) -> None:
        self.level: "dict[int, int]" = {}
        self.duty_u16: "dict[int, int]" = {}
        self.adc_u16: "dict[int, int]" = {}


class Pin:
    """machine.Pin: digital input or output."""

    def __init__(self, wires: Wires, number: int, value: "int | None" = None) -> None:
        self.number = number
        self._wires = wires
        if value is not None:
            wires.level[number] = value

    def value(self, value: "int | None" = None) -> int:
        """Read the level, or set it when a value is given."""
        if value is not None:
            self._wires.level[self.number] = 1 if value else 0
        return self._wires.level.get(self.number, 0)


class PWM:
    """machine.PWM: duty as a 16-bit fraction, 65535 = constantly high."""

    def __init__(self, wires: Wires, pin: Pin, duty_u16: int) -> None:
        self._wires = wires
        self._number = pin.number
        self.duty_u16(duty_u16)

    def duty_u16(self, value: int) -> None:
        """Set the duty."""
        self._wires.duty_u16[self._number] = value


class ADC:
    """machine.ADC: a 16-bit reading of an analogue input."""

    def __init__(self, wires: Wires, pin: Pin) -> None:
        self._wires = wires
        self._number = pin.number

    def read_u16(self) -> int:
        """Present value, 0..65535."""
        return self._wires.adc_u16.get(self._number, 0)


class PinMaker:
    """machine.Pin as the program calls it: Pin(number, Pin.OUT, value=...)."""

    IN = 0
    OUT = 1

    def __init__(self, wires: Wires) -> None:
        self._wires = wires

    def __call__(self, number: int, mode: int = IN, value: "int | None" = None) -> Pin:
        """Make a pin; an output may be given its first level."""
        return Pin(self._wires, number, value if mode == self.OUT else None)


class Machine:
    """What `import machine` gives on a microcontroller, for one simulated board."""

    def __init__(self, wires: Wires) -> None:
        self._wires = wires
        self.Pin = PinMaker(wires)

    def PWM(self, pin: Pin, freq: int = 1000, duty_u16: int = 0) -> PWM:  # noqa: N802 - machine's own name
        """machine.PWM(pin, freq=..., duty_u16=...); the simulated oscillator is always 1 kHz."""
        if freq != 1000:
            raise ValueError("the simulated control pilot only knows 1000 Hz")
        return PWM(self._wires, pin, duty_u16)

    def ADC(self, pin: Pin) -> ADC:  # noqa: N802 - machine's own name
        """machine.ADC(pin)."""
        return ADC(self._wires, pin)
