"""A small, real pilot program as a bundle's entry: the kernel, front end, link and update service, and a car made of one file.

MicroPython subset.
"""

import os

from pilotwire.boards.sim import parameters
from pilotwire.firmware.kernel import params
from pilotwire.firmware.pilot import frontend
from pilotwire.firmware.pilot.frontend import FrontEnd
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.firmware.pilot.update import UpdateService, nobody_charges
from pilotwire.hal.machine import Machine, Wires
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.pilot import Identity, PilotLink


class Program:
    """The pilot, whose control pilot shows 12 V, or 9 V while hardware.car() says so."""

    def __init__(self, context: "object") -> None:
        self._car = context.hardware.car
        self._wires = Wires()
        self.link = PilotLink(
            int.from_bytes(os.urandom(4), "big") & 0x0FFFFFFF,
            Identity(
                context.program,
                b"testunit",
                context.firmware_hash,
                messages.CAN_UPDATE,
                context.reset_reason,
            ),
        )
        block = parameters.build([(params.FITTED, 0), (params.MIN_OFF_MS, 0)])
        update = UpdateService(context.slots, self._idle, context.restart)
        self._pilot = Pilot(FrontEnd(Machine(self._wires)), block, self.link, (update,))

    def tick(self, now_ms: int, received: bytes) -> bytes:
        """One tick."""
        high_mv = 9000 if self._car() else 12000
        self._wires.adc_u16[frontend.CP_HIGH] = frontend.cp_u16(high_mv)
        self._wires.adc_u16[frontend.CP_LOW] = frontend.cp_u16(high_mv)
        return self._pilot.tick(now_ms, received)

    def _idle(self) -> bool:
        return nobody_charges(self._pilot.kernel)


def make(context: "object") -> Program:
    """For the loader."""
    return Program(context)
