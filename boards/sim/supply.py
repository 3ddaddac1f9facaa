"""A direct current supply behind the contactor: its current follows the enable output, up in a ramp, down as a capacitor does."""

from __future__ import annotations

import math
from dataclasses import dataclass

STEP_S = 0.001
NOTHING_A = 0.01


@dataclass(slots=True)
class DcSupply:
    """Off (`amperes` 0) unless a tester sets the current it shall deliver. It lacks voltages: energy and power are not counted."""

    amperes: float = 0.0
    rise_a_s: float = 100.0
    fall_ms: float = 100.0
    """Time constant of the current after enable has gone."""
    current_a: float = 0.0

    def step(self, enabled: bool, path_closed: bool) -> None:
        """Pass one millisecond; the path is the contacts and the car."""
        if not path_closed:
            self.current_a = 0.0
        elif enabled and self.current_a <= self.amperes:
            self.current_a = min(self.amperes, self.current_a + self.rise_a_s * STEP_S)
        else:
            rest_a = self.amperes if enabled else 0.0
            self.current_a = rest_a + (self.current_a - rest_a) * math.exp(-1.0 / self.fall_ms)
            if self.current_a < NOTHING_A:
                self.current_a = 0.0
