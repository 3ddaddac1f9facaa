"""The pilot program: one call of tick() does everything that is due. The loop around it belongs to the board."""

from pilotwire.firmware.kernel import kernel as safety
from pilotwire.firmware.kernel import params
from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.kernel.ticks import elapsed
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.pilot import HELLO_MS, PilotLink

TICK_MS = 5  # half a period of the alive wave: 100 Hz


class Pilot:
    """Kernel, front end and link of one connector.

    `front` has sample(inputs), which fills the kernel's Inputs, and drive(kernel), which puts its outputs on the pins (frontend.py
    has one). Each of `services` has handle(code, number, data), which does a COMMAND of the station and returns
    (status, number, data), or None when it does not know the code; it must return within the slack of a tick, and says BUSY
    for as long as it is not done. `memory` (retained.py) keeps standing faults over a reset; without it a reset forgets them.
    """

    def __init__(
        self,
        front: "object",
        parameters: params.Parameters,
        link: PilotLink,
        services: "tuple[object, ...]" = (),
        memory: "object | None" = None,
    ) -> None:
        self.kernel = safety.Kernel(parameters)
        self._memory = memory
        self._remembered = -1
        if memory is not None:
            self.kernel.faults = memory.read()  # type: ignore[attr-defined]
        self.link = link
        self._front = front
        self._services = services
        self._inputs = Inputs()
        self._sent_ms = -1
        self._last_ms = -1

    def tick(self, now_ms: int, received: "bytes | bytearray") -> bytes:
        """One tick at now_ms (modular): take the link's bytes, step the kernel, drive the pins; returns bytes for the link."""
        kernel = self.kernel
        link = self.link
        self._front.sample(self._inputs)  # type: ignore[attr-defined]
        if self._last_ms >= 0:
            link.pass_time(max(0, elapsed(now_ms, self._last_ms)))
        self._last_ms = now_ms
        link.receive(received)
        for index, value in link.take_narrowings():
            kernel.parameters.narrow(index, value)
        lease = link.take_lease()
        kernel.step(now_ms, self._inputs)
        if lease is not None:
            # After the step, so that a lease that waited in the line while this program stood still is judged at the true time.
            kernel.lease(lease[0], lease[1], lease[2], lease[3], lease[4])
            kernel.request(lease[5])
        self._front.drive(kernel)  # type: ignore[attr-defined]
        if kernel.faults != self._remembered and self._memory is not None:
            self._remembered = kernel.faults
            self._memory.write(kernel.faults)  # type: ignore[attr-defined]
        self._obey()
        self._report(now_ms)
        return link.data_to_send()

    def _obey(self) -> None:
        command = self.link.take_command()
        if command is None:
            return
        code, number, data = command
        if code == messages.PING:
            self.link.answer(messages.OK, number, data)
            return
        for service in self._services:
            done = service.handle(code, number, data)  # type: ignore[attr-defined]
            if done is not None:
                self.link.answer(done[0], done[1], done[2])
                return
        self.link.answer(messages.UNKNOWN, 0, b"")

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
