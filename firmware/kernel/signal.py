"""What the pilot wire shows, and when its duty may change again."""

from . import duty, times
from .ticks import LONG_MS, add


class Signal:
    """`duty` in permyriad; `limit_ma` is the current that it advertises."""

    def __init__(self) -> None:
        self.duty = duty.DUTY_X1
        self.limit_ma = 0
        self._changed_ms = LONG_MS  # since the last change

    @property
    def spaced(self) -> bool:
        """The last change is long enough ago for another one. X1 may be shown at any time."""
        return self._changed_ms >= times.SPACING_MS

    @property
    def pwm(self) -> bool:
        """There is a square wave."""
        return duty.DUTY_F < self.duty < duty.DUTY_X1

    def pass_time(self, passed_ms: int) -> None:
        """Once in each tick."""
        self._changed_ms = add(self._changed_ms, passed_ms)

    def show(self, permyriad: int) -> None:
        """Change the duty."""
        if permyriad != self.duty:
            self.duty = permyriad
            self.limit_ma = duty.advertised_ma(permyriad)
            self._changed_ms = 0

    def restart(self) -> None:
        """Another car, or one that has been started anew: it has seen no duty yet."""
        self._changed_ms = LONG_MS
