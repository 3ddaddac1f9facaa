"""The pilot program: one call of tick() does everything that is due. The loop around it belongs to the board."""

from pilotwire.firmware.kernel import kernel as safety
from pilotwire.firmware.kernel.ticks import elapsed
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.pilot import HELLO_MS, PilotLink

from .frontend import FrontEnd

TICK_MS = 5  # half a period of the alive wave: 100 Hz


class Pilot:
    """Kernel, front end and link of one connector."""

    def __init__(self, machine: "object", max_ma: int, boot: int, program: str) -> None:
        self.kernel = safety.Kernel(max_ma)
        self.link = PilotLink(boot, program)
        self._front = FrontEnd(machine)
        self._inputs = safety.Inputs()
        self._sent_ms = -1

    def tick(self, now_ms: int, received: "bytes | bytearray") -> bytes:
        """One tick at now_ms (modular): take the link's bytes, step the kernel, drive the pins; returns bytes for the link."""
        kernel = self.kernel
        self._front.sample(self._inputs)
        self.link.receive(received)
        lease = self.link.take_lease()
        kernel.step(now_ms, self._inputs)
        if lease is not None:
            # After the step, so that a lease that waited in the line while this program stood still is judged at the true time.
            kernel.lease(lease[0], lease[1], lease[2], lease[3])
            if lease[4]:
                kernel.clear()
        self._front.drive(kernel.duty, kernel.close)
        self._report(now_ms)
        return self.link.data_to_send()

    def _report(self, now_ms: int) -> None:
        period = messages.PERIOD_MS if self.link.peer_ok else HELLO_MS
        if self._sent_ms >= 0 and elapsed(now_ms, self._sent_ms) < period:
            return
        self._sent_ms = now_ms
        if not self.link.peer_ok:
            self.link.send_hello()
            return
        kernel = self.kernel
        self.link.send_state(
            [
                now_ms,
                kernel.pilot_state,
                kernel.phase,
                kernel.cp_high_mv,
                kernel.cp_low_mv,
                kernel.duty,
                kernel.limit_ma,
                int(kernel.close),
                int(kernel.contacts_closed),
                kernel.lease_left_ms(),
                kernel.faults,
                kernel.cycles & 0xFFFF,
            ]
        )
