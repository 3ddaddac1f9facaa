"""The serial line to the pilot: owns the descriptor and one timer, knows nothing of what the bytes mean."""

from __future__ import annotations

import asyncio
import logging
import os
import select
from collections.abc import Callable
from typing import Protocol

from pilotwire.firmware.kernel.lease import MODE_AC, MODE_NONE
from pilotwire.protocols.link.station import PilotForeign, PilotHello, StationLink

REOPEN_S = 0.5
TICK_S = 0.02
LATE_S = 0.1  # a tick that is later has been kept waiting by this process, or by the machine: nobody has listened
log = logging.getLogger(__name__)


class Line(Protocol):
    """An open serial line: a descriptor that does not block."""

    def fileno(self) -> int:
        """The descriptor."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


def open_serial(device: str, baud: int) -> Line:
    """Open a serial device raw and for ourselves alone; raises OSError (pyserial's SerialException is one)."""
    import termios  # noqa: PLC0415 - neither is needed where the line is something else

    import serial  # noqa: PLC0415

    try:
        return serial.Serial(device, baud, timeout=0, write_timeout=0, exclusive=True)
    except termios.error as error:  # pyserial lets this one through when an adapter is pulled while it opens
        raise OSError(*error.args) from error


class PilotPort:
    """Reads and writes the link over a line that may vanish and come back."""

    def __init__(
        self,
        link: StationLink,
        open_line: Callable[[], Line],
        on_event: Callable[[object], None],
        lease_ttl_ms: int,
        *,
        on_met: Callable[[bytes], None] = lambda unique_id: None,
        give_up_s: float | None = None,
    ) -> None:
        """`on_met` is told the unique id of each pilot that answers. When it is not the one the link wants, the line is closed and
        open_line is asked again; it may then know better (pilot_lines.py). The same when nobody has answered for give_up_s.
        """
        self.link = link
        self.first_lease_ms: int | None = None
        """Monotonic time at which the first permission left for the pilot."""
        self._open_line = open_line
        self._on_event = on_event
        self._on_met = on_met
        self._give_up_s = give_up_s
        self._heard_s = 0.0  # when the pilot was last online, or the line was opened
        self._ttl_ms = lease_ttl_ms
        self._line: Line | None = None
        self._loop = asyncio.get_running_loop()
        self._said = ""
        self._open_next_s = 0.0

    def set_limit(self, limit_ma: int) -> None:
        """Permit limit_ma per phase from now on; 0 withdraws the lease."""
        if limit_ma:
            self.link.set_lease(MODE_AC, limit_ma, self._ttl_ms, self._now_ms())
        else:
            self.link.set_lease(MODE_NONE, 0, 0, self._now_ms())
        self._flush()

    async def run(self) -> None:
        """Keep the line open and the link's timer running, until cancelled."""
        try:
            while True:
                before_s = self._loop.time()
                if self._line is None and self._loop.time() >= self._open_next_s:
                    self._open()
                # What has arrived while this loop was busy elsewhere is heard first: our own delay is not the pilot's silence.
                self._readable()
                self.link.tick(self._now_ms())
                self._give_up()
                self._flush()
                self._pass_on()
                await asyncio.sleep(TICK_S)  # without a line too: that the pilot is lost must be noticed in time
                late_s = self._loop.time() - before_s - TICK_S
                if late_s > LATE_S:
                    self.link.excuse(int(late_s * 1000), self._now_ms())
        finally:
            self._close()

    def _give_up(self) -> None:
        if self.link.online:
            self._heard_s = self._loop.time()
        elif self._give_up_s is not None and self._loop.time() - self._heard_s >= self._give_up_s:
            self._close()

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1000)

    def _open(self) -> None:
        self._open_next_s = self._loop.time() + REOPEN_S
        try:
            line = self._open_line()
        except OSError as error:
            if str(error) != self._said:
                self._said = str(error)
                log.warning("pilot line cannot be opened, trying again every %g s: %s", REOPEN_S, error)
            return
        self._said = ""
        self._line = line
        self._heard_s = self._loop.time()
        self._loop.add_reader(line.fileno(), self._readable)

    def _close(self) -> None:
        if self._line is not None:
            self._loop.remove_reader(self._line.fileno())
            self._line.close()
            self._line = None

    def _readable(self) -> None:
        """Take what has arrived, if anything has: the loop may call this for bytes that run() has just taken."""
        # Asked first: on a serial line an empty read means "nothing yet" as well as "gone".
        if self._line is None or not select.select([self._line.fileno()], [], [], 0)[0]:
            return
        try:
            data = os.read(self._line.fileno(), 4096)
        except BlockingIOError:
            return
        except OSError as error:
            data = b""
            log.warning("pilot line lost: %s", error)
        if not data:
            self._close()
            return
        self.link.receive(data, self._now_ms())
        # Answer before anything else is looked at: the lease must not wait for what an event sets in motion.
        self._flush()
        self._pass_on()

    def _flush(self) -> None:
        data = self.link.data_to_send()
        if not data or self._line is None:
            return
        try:
            os.write(self._line.fileno(), data)
        except BlockingIOError:
            return  # nobody reads at the other end; old leases are worth nothing, so they are not kept
        except OSError as error:
            log.warning("pilot line lost: %s", error)
            self._close()
            return
        if self.first_lease_ms is None and self.link.leases_sent:
            self.first_lease_ms = self._now_ms()

    def _pass_on(self) -> None:
        while (event := self.link.next_event()) is not None:
            if isinstance(event, PilotHello | PilotForeign):
                self._on_met(event.unique_id)
            if isinstance(event, PilotForeign):
                self._close()
            self._on_event(event)
