"""The state machine that measures how long the wire is high and low, in cycles of the chip's clock. MicroPython subset.

In one round of either loop it looks at the pin once and counts down once: two cycles. Between the look that ends one loop and the
first look of the other lie four cycles in both directions, so that a half with n rounds lasted 2 n + 4 cycles (edges.py). That is
tested with an emulation of these instructions; it has not been tried on silicon.
"""


class EdgeTimer:
    """State machine 0 on one pin. `clock_hz` is its clock."""

    def __init__(self, number: int) -> None:
        import machine  # type: ignore[import-not-found]  # noqa: PLC0415
        import rp2  # type: ignore[import-not-found]  # noqa: PLC0415

        # The names of the instructions are put into this module's globals by asm_pio while it runs the function.
        @rp2.asm_pio(in_shiftdir=rp2.PIO.SHIFT_RIGHT, fifo_join=rp2.PIO.JOIN_RX)  # type: ignore[untyped-decorator]
        def edge_timer() -> None:
            wrap_target()  # type: ignore[name-defined]  # noqa: F821
            mov(x, invert(null))  # type: ignore[name-defined]  # noqa: F821
            label("high")  # type: ignore[name-defined]  # noqa: F821
            jmp(x_dec, "counted")  # type: ignore[name-defined]  # noqa: F821 - goes on below at zero as well
            label("counted")  # type: ignore[name-defined]  # noqa: F821
            jmp(pin, "high")  # type: ignore[name-defined]  # noqa: F821
            mov(isr, x)  # type: ignore[name-defined]  # noqa: F821 - its top bit is set for the first 34 s
            push(noblock)  # type: ignore[name-defined]  # noqa: F821
            mov(y, invert(null))  # type: ignore[name-defined]  # noqa: F821
            label("low")  # type: ignore[name-defined]  # noqa: F821
            jmp(pin, "risen")  # type: ignore[name-defined]  # noqa: F821
            jmp(y_dec, "low")  # type: ignore[name-defined]  # noqa: F821
            label("risen")  # type: ignore[name-defined]  # noqa: F821
            in_(y, 31)  # type: ignore[name-defined]  # noqa: F821
            in_(null, 1)  # type: ignore[name-defined]  # noqa: F821 - the top bit
            push(noblock)  # type: ignore[name-defined]  # noqa: F821
            wrap()  # type: ignore[name-defined]  # noqa: F821

        self._pin = machine.Pin(number, machine.Pin.IN, machine.Pin.PULL_DOWN)
        self.clock_hz: int = machine.freq()
        self._machine = rp2.StateMachine(0, edge_timer, jmp_pin=self._pin)
        self._machine.active(1)

    def words(self, take: "object") -> None:
        """Call take with each word that waits."""
        for _ in range(self._machine.rx_fifo()):
            take(self._machine.get())  # type: ignore[operator]

    def level(self) -> int:
        """The pin's level."""
        value: int = self._pin.value()
        return value
