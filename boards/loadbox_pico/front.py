"""The load box's pins on a Raspberry Pi Pico or Pico 2: relays, samples, edges. No decisions here. MicroPython subset."""

from pilotwire.boards.loadbox_pico import pins
from pilotwire.boards.loadbox_pico.edge_timer import EdgeTimer
from pilotwire.boards.loadbox_pico.ring import Ring

# Single-cycle I/O: the levels of all outputs in one word, at the same address in both chips.
GPIO_OUT = 0xD0000010


class PicoFront:
    """What loadbox.Box asks of a front end. Starts with every relay open."""

    def __init__(self) -> None:
        import machine  # type: ignore[import-not-found]  # noqa: PLC0415 - there is none on a host

        for _, number in pins.RELAYS + pins.PP:
            machine.Pin(number, machine.Pin.OUT, value=0)
        self._mem32 = machine.mem32
        self._driven = 0
        self._ring = Ring(pins.CP_ADC)
        self._timer = EdgeTimer(pins.CP_ABOVE)
        self.clock_hz = self._timer.clock_hz

    def drive(self, mask: int, pp_ohm: int) -> None:
        """Put all relays where they shall be, at the same instant: one write changes every pin."""
        levels = pins.levels_of(mask, pp_ohm)
        if levels != self._driven:
            self._driven = levels
            self._mem32[GPIO_OUT] = self._mem32[GPIO_OUT] & ~pins.ALL | levels

    def snapshot(self) -> bytes:
        """The ADC's ring."""
        return self._ring.snapshot()

    def edge_words(self, take: "object") -> None:
        """Hand over what the state machine has counted."""
        self._timer.words(take)

    def level(self) -> int:
        """The comparator's output now."""
        return self._timer.level()
