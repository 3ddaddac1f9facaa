"""The pilot program: one call of tick() does everything that is due. The loop around it belongs to the board."""

from pilotwire.firmware.kernel import kernel as safety
from pilotwire.firmware.kernel import params
from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.kernel.ticks import elapsed
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.pilot import HELLO_MS, PilotLink

from .frontend import FrontEnd

TICK_MS = 5  # half a period of the alive wave: 100 Hz


class Pilot:
    """Kernel, front end and link of one connector."""

    def __init__(self, machine: "object", parameters: params.Parameters, boot: int, program: str) -> None:
        self.kernel = safety.Kernel(parameters)
        self.link = PilotLink(boot, program)
        self._front = FrontEnd(machine)
        self._inputs = Inputs()
        self._sent_ms = -1

    def tick(self, now_ms: int, received: "bytes | bytearray") -> bytes:
        """One tick at now_ms (modular): take the link's bytes, step the kernel, drive the pins; returns bytes for the link."""
        kernel = self.kernel
        self._front.sample(self._inputs)
        self.link.receive(received)
        for index, value in self.link.take_narrowings():
            kernel.parameters.narrow(index, value)
        lease = self.link.take_lease()
        kernel.step(now_ms, self._inputs)
        if lease is not None:
            # After the step, so that a lease that waited in the line while this program stood still is judged at the true time.
            kernel.lease(lease[0], lease[1], lease[2], lease[3], lease[4])
            kernel.request(lease[5])
        self._front.drive(kernel)
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
                outputs(kernel),
                inputs(kernel),
                kernel.lease_left_ms(),
                kernel.faults,
                kernel.conditions,
                kernel.cycles & 0xFFFF,
                kernel.cable_ma,
                kernel.bcb_sequences << 2 | kernel.bcb_pulses,
            ]
        )


def outputs(kernel: safety.Kernel) -> int:
    """What the kernel drives, as the bits of STATE."""
    bits = messages.OUT_CLOSE if kernel.close else 0
    bits |= messages.OUT_PHASES if kernel.close_phases else 0
    bits |= messages.OUT_SUPPLY if kernel.supply_enable else 0
    bits |= messages.OUT_CP_OFF if kernel.cp_off else 0
    bits |= messages.OUT_LOCK if kernel.lock else 0
    bits |= messages.OUT_VENT if kernel.vent else 0
    return bits | (messages.OUT_RCD_TEST if kernel.rcd_test else 0)


def inputs(kernel: safety.Kernel) -> int:
    """What the kernel sees, as the bits of STATE."""
    bits = messages.IN_CONTACTS if kernel.contacts_closed else 0
    bits |= messages.IN_PHASES if kernel.phases_closed else 0
    return bits | (messages.IN_SIMPLIFIED if kernel.simplified else 0)
