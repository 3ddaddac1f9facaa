"""The station's permission: what it permits, and until when on the pilot's own clock."""

from . import duty, times
from .ticks import add, elapsed

MODE_NONE = 0  # no permission
MODE_AC = 1  # nominal duty
MODE_AC_HLC = 2  # 5 % duty, the current is agreed on by digital communication
MODE_DC = 3
MODE_BPT = 4  # power may flow both ways

# What a station may ask for besides, once each time it says so.
REQUEST_CLEAR = 1  # clear what may be cleared by command
REQUEST_UNLOCK = 2  # let go of the plug, if contacts are open; no power until it has been replugged
REQUEST_STOP = 4  # prompt stop
REQUEST_STEP_EF = 8  # T_step_EF
REQUEST_STEP_X1 = 16  # T_step_X1


class Lease:
    """The newest lease. `mode` is MODE_NONE when there is none."""

    def __init__(self) -> None:
        self.mode = MODE_NONE
        self.ma = 0
        self.phases = 0
        self._ttl_ms = 0
        self._from_ms = 0
        self._heard_age_ms = times.TTL_MAX_MS  # age of the newest lease or withdrawal that was heard, saturating

    @property
    def direct(self) -> bool:
        """For power that a supply or an inverter makes, which the pilot can take away by itself."""
        return self.mode == MODE_DC or self.mode == MODE_BPT

    @property
    def power(self) -> bool:
        """It permits power and not just PWM."""
        return self.mode != MODE_NONE and self.ma > 0

    def take(self, mode: int, limit_ma: int, ttl_ms: int, phases: int, issued_ms: int, now_ms: int, dc: bool) -> bool:
        """A lease or withdrawal; returns whether it gives permission. See Kernel.lease. `dc`: the board has direct current."""
        age_ms = elapsed(now_ms, issued_ms)
        in_order = 0 <= age_ms <= self._heard_age_ms
        if in_order:
            self._heard_age_ms = age_ms
        least_ma = duty.MIN_MA if mode == MODE_AC else 0
        known = MODE_AC <= mode <= MODE_BPT and (dc or mode <= MODE_AC_HLC)
        if not known or limit_ma < least_ma or ttl_ms <= 0 or ttl_ms > times.TTL_MAX_MS:
            self.mode = MODE_NONE
            if age_ms <= self._heard_age_ms:
                self._heard_age_ms = (
                    max(age_ms, 0) - 1
                )  # not even what was issued in the same millisecond brings it back
            return False
        if not in_order or age_ms >= ttl_ms:
            return False
        self.mode = mode
        self.ma = limit_ma
        self.phases = phases
        self._ttl_ms = ttl_ms
        self._from_ms = issued_ms
        return True

    def left_ms(self, now_ms: int) -> int:
        """Milliseconds until it runs out, 0 when there is none."""
        if self.mode == MODE_NONE:
            return 0
        return max(self._ttl_ms - elapsed(now_ms, self._from_ms), 0)

    def pass_time(self, now_ms: int, passed_ms: int) -> None:
        """Once in each tick."""
        self._heard_age_ms = add(self._heard_age_ms, passed_ms)
        if self.left_ms(now_ms) == 0:
            # Forgotten, not just over: after half a turn of the clock its age would read negative and the lease alive again.
            self.mode = MODE_NONE

    def forget(self) -> None:
        """End it here and now."""
        self.mode = MODE_NONE
