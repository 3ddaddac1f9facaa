"""What lies between the program and a Raspberry Pi Pico: clock, line, watchdog, reset. MicroPython subset.

The names are those that firmware/pilot/loader.py asks of a board; main.py runs without a loader with the same. It imports
nothing of pilotwire: on a board with a loader it is part of that, and stays while programs come and go.
"""

import time

UART = 0
UART_TX = 0  # GPIO
UART_RX = 1
TICK_MS = 5  # as firmware/pilot/program.py has it, which may belong to another bundle
BAUD = 115200
BUFFER = 1024  # bytes, each way: 90 ms of the line
READ_MOST = 256  # bytes taken in one tick; 58 arrive
# Longer than the slowest import of a program, which nobody has measured on a board. The coils do not wait for it: the charge pump
# lets them fall 47 to 70 ms after the last tick.
WATCHDOG_MS = 4000

# Reasons of a start, as protocols/link/messages.py has them, which belongs to a program.
RESET_UNKNOWN = 0
RESET_POWER = 1
RESET_WATCHDOG = 2


class Edge:
    """The hardware under the main loop. `late` counts ticks that were left out, up to LATE_MAX."""

    LATE_MAX = 0xFFFF

    def __init__(self, clock: "object" = time) -> None:
        """`clock` is MicroPython's module time."""
        import machine  # type: ignore[import-not-found]  # noqa: PLC0415 - there is none on a host

        self.hardware = None  # a program makes its own front end
        self.late = 0
        self._machine = machine
        self._clock = clock
        self._watchdog: object | None = None
        self._line = machine.UART(
            UART,
            BAUD,
            tx=machine.Pin(UART_TX),
            rx=machine.Pin(UART_RX),
            txbuf=BUFFER,
            rxbuf=BUFFER,
            timeout=0,
        )
        self._due_ms: int = clock.ticks_ms()  # type: ignore[attr-defined]

    def cause(self) -> int:
        """Why the chip has started, as RESET_... .

        A reset by the program looks like one by the watchdog, which does it; whoever asks for one leaves a note of his own.
        """
        machine = self._machine
        cause: int = machine.reset_cause()
        if cause == machine.PWRON_RESET:
            return RESET_POWER
        return RESET_WATCHDOG if cause == machine.WDT_RESET else RESET_UNKNOWN

    def start_watchdog(self) -> None:
        """From here on feed() has to be called at least every WATCHDOG_MS; it cannot be stopped."""
        self._watchdog = self._machine.WDT(timeout=WATCHDOG_MS)

    def feed(self) -> None:
        """Only after a whole tick."""
        if self._watchdog is not None:
            self._watchdog.feed()  # type: ignore[attr-defined]

    def wait(self) -> int:
        """Sleep until the next tick is due; returns the clock.

        A tick that is late by a whole period or more is not made up for: the kernel is told the true time and judges the gap
        itself, and two ticks at once would only turn the alive wave for a time that nobody watched.
        """
        clock = self._clock
        now_ms: int = clock.ticks_ms()  # type: ignore[attr-defined]
        wait_ms: int = clock.ticks_diff(self._due_ms, now_ms)  # type: ignore[attr-defined]
        if wait_ms > 0:
            clock.sleep_ms(min(wait_ms, TICK_MS))  # type: ignore[attr-defined]
            now_ms = clock.ticks_ms()  # type: ignore[attr-defined]
        elif wait_ms <= -TICK_MS:
            self.late = min(self.late + 1, self.LATE_MAX)
            self._due_ms = now_ms
        self._due_ms = clock.ticks_add(self._due_ms, TICK_MS)  # type: ignore[attr-defined]
        return now_ms

    def read(self) -> bytes:
        """What has arrived, at most READ_MOST bytes."""
        # read() without a number waits for the end of a stream of bytes, which may not come within a tick.
        there: int = min(self._line.any(), READ_MOST)
        data: bytes | None = self._line.read(there) if there else None
        return data or b""

    def write(self, data: bytes) -> None:
        """Send; what does not fit into the buffer is lost, and the peer's CRC says so."""
        self._line.write(data)

    def restart(self) -> None:
        """Let the line run empty, then reset the chip."""
        try:
            self._line.flush()
        finally:  # also when the line is stuck
            self._machine.reset()
