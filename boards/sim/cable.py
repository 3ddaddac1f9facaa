"""The cable between the station's socket and the car, with its coding resistor on the proximity contact."""

from __future__ import annotations

from dataclasses import dataclass

from pilotwire.firmware.kernel.inputs import OPEN_OHM

CODING_OHM = {13: 1500.0, 20: 680.0, 32: 220.0, 63: 100.0}  # amperes and resistor: fact sheet, section 3


@dataclass(slots=True)
class Cable:
    """A driver's own cable. It comes and goes with the car, but a locked plug stays in the socket until the lock lets go.

    `lost`: the proximity wire is interrupted although the plug is in. `left`: the driver leaves the cable in the socket.
    """

    ohm: float = CODING_OHM[32]
    lost: bool = False
    left: bool = False
    in_socket: bool = False

    def step(self, car_plugged: bool, held: bool) -> None:
        """Follow the car and the lock."""
        self.in_socket = car_plugged or self.left or (self.in_socket and held)

    def proximity_ohm(self) -> int:
        """Resistance from the socket's proximity contact to earth."""
        return round(self.ohm) if self.in_socket and not self.lost else OPEN_OHM
