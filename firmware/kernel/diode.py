"""The diode check: with PWM on, a car leaves the negative half wave alone. Whatever loads it is not a car."""

from . import times
from .ticks import add, evidence

MAX_MV = -10000  # with a diode the negative level stays at -12 V; loaded it rises above this


class Diode:
    """Evidence for and against the diode."""

    def __init__(self) -> None:
        self._good_ms = 0
        self._bad_ms = 0
        self._pwm_ms = 0

    @property
    def good(self) -> bool:
        """The negative level has been right long enough."""
        return self._good_ms >= times.DIODE_GOOD_MS

    @property
    def bad(self) -> bool:
        """It has been wrong long enough."""
        return self._bad_ms >= times.DIODE_BAD_MS

    def update(self, low_mv: int, pwm: bool, car: bool, passed_ms: int) -> None:
        """One sample; it says something only after PWM has run a while and with a car there."""
        self._pwm_ms = add(self._pwm_ms, passed_ms) if pwm else 0
        if self._pwm_ms < times.PWM_SETTLE_MS or not car:
            self._good_ms = 0
            self._bad_ms = 0
        else:
            right = low_mv <= MAX_MV
            self._good_ms = add(self._good_ms, passed_ms) if right else 0
            self._bad_ms = evidence(self._bad_ms, not right, passed_ms, times.DIODE_BAD_MS)
