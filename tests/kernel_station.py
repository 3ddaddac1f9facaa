"""A random station for the safety kernel: mostly sensible leases, now and then a request, a narrower parameter, or nonsense.

MicroPython subset; nothing here allocates once it has been made.
"""

from pilotwire.firmware.kernel import lease, params

MASK = (1 << 30) - 1
LIMITS_MA = (0, 6000, 8000, 10000, 13000, 16000, 20000, 32000, 63000, 80000)
PHASES = (0, 1, 3, 3, 2)
ASKS = (
    lease.REQUEST_UNLOCK,
    lease.REQUEST_STEP_EF,
    lease.REQUEST_STEP_EF,
    lease.REQUEST_STEP_X1,
    lease.REQUEST_STEP_X1,
    1 << 29,
)


class Lcg:
    """Random numbers that are the same everywhere (the constants of the C standard's example)."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, end: int) -> int:
        """A number from 0 to end - 1."""
        self._state = (self._state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._state >> 8) % end

    def any_small(self) -> int:
        """Any number below 2**30 in magnitude."""
        number = self.below(1 << 15) << 15 | self.below(1 << 15)
        return number if self.below(2) else -number


class Station:
    """Who gives leases. `kernel`, `parameters` and `patient` (nobody clears a fault) are set with each new kernel."""

    def __init__(self, rng: Lcg) -> None:
        self.rng = rng
        self.kernel = None
        self.parameters = None
        self.patient = False
        self.calm = False  # nothing changes for a while
        self.wild = False  # any number in a lease
        self.granted = 0  # how many leases and narrower parameters were taken
        self._lease_in = 0
        self._mode = lease.MODE_AC
        self._limit_ma = 16000
        self._phases = 0

    def turn(self, now_ms: int) -> None:
        """After one step of the kernel."""
        rng = self.rng
        if not self.calm:
            self._change_its_mind()
        if self._lease_in:
            self._lease_in -= 1
        else:
            self._lease_in = 5 + rng.below(20)
            self._grant(now_ms)

    def _change_its_mind(self) -> None:
        rng = self.rng
        if not rng.below(300 if self.parameters.value[params.DC_MAX_MA] else 1200):
            self._choose_mode(rng.below(8))
        if not rng.below(400):
            self._limit_ma = LIMITS_MA[rng.below(len(LIMITS_MA))] if rng.below(8) else rng.below(600000)
        if not rng.below(300):
            self._phases = PHASES[rng.below(len(PHASES))]
        if not rng.below(100) and not self.patient:
            self.kernel.request(lease.REQUEST_CLEAR)
        if not rng.below(500) and not self.patient:
            self.kernel.request(ASKS[rng.below(len(ASKS))])
        if not rng.below(1000):
            self._narrow()

    def _choose_mode(self, choice: int) -> None:
        if self.parameters.value[params.DC_MAX_MA] and choice:
            self._mode = lease.MODE_DC if choice < 4 else lease.MODE_BPT
        elif choice < 6:
            self._mode = lease.MODE_AC
        elif choice == 6:
            self._mode = lease.MODE_AC_HLC
        elif not self.rng.below(4):
            self._mode = self.rng.below(7) - 1

    def _narrow(self) -> None:
        rng = self.rng
        index = rng.below(len(params.LIMITS) + 2) - 1
        value = rng.any_small() if self.wild else rng.below(1000)
        if 0 <= index < len(params.LIMITS) and not self.wild:
            value = self.parameters.value[index] + rng.below(60) - 30
        self.granted += self.parameters.narrow(index, value)

    def _grant(self, now_ms: int) -> None:
        rng = self.rng
        limit_ma, mode, phases = self._limit_ma, self._mode, self._phases
        ttl_ms = 1000 + rng.below(4000)
        age_ms = rng.below(100)
        sense = rng.below(200)
        if self.wild and sense < 50:
            mode = rng.below(6)
            limit_ma = rng.any_small() if rng.below(4) else MASK
            ttl_ms = ttl_ms if rng.below(4) else rng.any_small()
            phases = phases if rng.below(2) else rng.any_small()
            age_ms = age_ms if rng.below(4) else rng.any_small()
        elif sense == 0:
            mode = rng.below(7) - 1
        elif sense == 1:
            limit_ma = rng.below(90000) - 1000
        elif sense == 2:
            ttl_ms = rng.below(6000) - 100
        elif sense == 3:
            phases = rng.below(5) - 1
        elif sense < 8:
            age_ms = rng.below(6000) - 1000
        self.granted += self.kernel.lease(mode, limit_ma, ttl_ms, phases, (now_ms - age_ms) & MASK)
