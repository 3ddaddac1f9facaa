"""Whatever car, contactor and station do: what must never be seen at the kernel's outputs, by an oracle of its own.

The oracle keeps unbounded time, knows the leases that were given and the levels that were shown; it shares no code with the kernel.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_bench import KernelBench
from pilotwire.firmware.kernel import bands
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD, elapsed

MAX_MA = 32000
C_MV = range(4300, 7701)  # the band of C with its hysteresis on both sides
STOP_MAX_MS = 6500
TTL_MAX_MS = 5000
OVERRUN_MS = 40


@dataclass
class Oracle:
    """What is permitted, from what went in."""

    lease_until_ms: int = -1
    issued_ms: int = -(10**9)
    not_c_since_ms: int | None = 0
    x1_since_ms: int | None = None
    closed_before: bool = False
    closings: int = 0
    told: set[int] = field(default_factory=set)

    def lease(self, now_ms: int, mode: int, limit_ma: int, ttl_ms: int, issued_ms: int) -> None:
        """Take note of a lease given to the kernel."""
        newest = self.issued_ms <= issued_ms <= now_ms
        if newest:
            self.issued_ms = issued_ms
        if mode != 1 or limit_ma < 6000 or not 0 < ttl_ms <= TTL_MAX_MS:
            self.lease_until_ms = -1
        elif newest and now_ms - issued_ms < ttl_ms:
            self.lease_until_ms = issued_ms + ttl_ms

    def check(self, bench: KernelBench, tick_ms: int) -> None:
        """Judge the outputs after one step."""
        kernel, now_ms = bench.kernel, bench.now_ms
        if tick_ms > OVERRUN_MS:
            self.lease_until_ms = -1
        if bench.level_mv in C_MV:
            self.not_c_since_ms = None
        elif self.not_c_since_ms is None:
            self.not_c_since_ms = now_ms - tick_ms
        if kernel.duty == 10000:
            self.x1_since_ms = now_ms if self.x1_since_ms is None else self.x1_since_ms
        else:
            self.x1_since_ms = None
            assert kernel.duty == 0 or kernel.limit_ma <= MAX_MA
        if kernel.duty not in (0, 10000):
            assert not kernel.faults
            # PWM only under a lease, within one tick of its end
            assert self.lease_until_ms > now_ms
        if kernel.close:
            self._check_closed(bench, tick_ms)
        self.closed_before = kernel.close

    def _check_closed(self, bench: KernelBench, tick_ms: int) -> None:
        kernel, now_ms = bench.kernel, bench.now_ms
        leased = self.lease_until_ms > now_ms
        stopping_ms = now_ms - self.x1_since_ms if self.x1_since_ms is not None else 0
        assert leased or stopping_ms <= STOP_MAX_MS
        assert kernel.faults == 0
        assert kernel.pilot_state == bands.C
        undefined = bench.level_mv > 12800 or -10000 < bench.level_mv < -1300
        patience_ms = 200 if undefined else 25
        assert self.not_c_since_ms is None or now_ms - self.not_c_since_ms < patience_ms + tick_ms
        if not self.closed_before:
            self.closings += 1
            assert leased, "closing takes a lease of this very moment"
            assert not bench.contacts, "closing takes contacts that are proven open"


LEVELS_MV = (6000, 6000, 6000, 9000, 9000, 12000, 3000, 0, -12000, 14000, -5000)


def change_pins(rng: random.Random, bench: KernelBench) -> None:
    """Now and then something happens at the pins; mostly a car that charges."""
    if rng.random() < 0.008:
        bench.level_mv = 6000 if rng.random() < 0.6 else rng.choice(LEVELS_MV)
        if rng.random() < 0.1:
            bench.level_mv = rng.randrange(-15000, 15001)
    if rng.random() < 0.004:
        bench.low_mv = -12000 if rng.random() < 0.95 else rng.choice((-5600, -10000, -9999, 0))
    if rng.random() < 0.004:
        bench.welded = rng.random() < 0.1
        bench.stuck_open = rng.random() < 0.1
        bench.contact_delay_ms = rng.choice((0, 10, 20, 60))
    if rng.random() < 0.004:
        bench.kernel.clear()


def talk(rng: random.Random, bench: KernelBench, oracle: Oracle, tick: int) -> None:
    """The station is silent for a while, or grants, sensibly most of the time; what it says may be late."""
    if tick // 1000 % 4 == 3 or rng.random() > 0.05:
        return
    mode, limit_ma, ttl_ms, age_ms = 1, rng.choice((6000, 16000, 32000)), 1000, rng.choice((0, 10, 100))
    if rng.random() < 0.03:
        mode = rng.choice((1, 1, 0, 2))
        limit_ma = rng.choice((16000, 80000, 5999, rng.randrange(0, 90000)))
        ttl_ms = rng.choice((1000, 3000, 5000, 50, 5001, 0))
        age_ms = rng.choice((0, 900, 4000, 20_000, -50))
    issued_ms = bench.now_ms - age_ms
    bench.kernel.lease(mode, limit_ma, ttl_ms, issued_ms % TICKS_PERIOD)
    oracle.lease(bench.now_ms, mode, limit_ma, ttl_ms, issued_ms)


def walk(seed: int, start_ms: int, ticks: int) -> tuple[Oracle, list[tuple[int, ...]]]:
    """A random walk from start_ms; returns the oracle and everything the kernel put out."""
    rng = random.Random(seed)
    bench = KernelBench(MAX_MA, start_ms)
    oracle = Oracle(issued_ms=start_ms - 10**9)
    put_out: list[tuple[int, ...]] = []
    bench.tick()
    for tick in range(ticks):
        change_pins(rng, bench)
        talk(rng, bench, oracle, tick)
        tick_ms = rng.choice((5, 5, 5, 5, 5, 5, 1, 20, 40)) if rng.random() > 0.0003 else rng.randrange(41, 2000)
        bench.tick(tick_ms)
        oracle.check(bench, tick_ms)
        kernel = bench.kernel
        put_out.append(
            (kernel.duty, int(kernel.close), kernel.faults, kernel.phase, kernel.pilot_state, kernel.lease_left_ms())
        )
    return oracle, put_out


def test_close_is_never_commanded_without_its_reasons() -> None:
    closings = 0
    seen: set[tuple[int, ...]] = set()
    for seed in range(40):
        oracle, put_out = walk(seed, start_ms=0, ticks=8000)
        closings += oracle.closings
        seen.update((row[1], row[2], row[3]) for row in put_out)
    assert closings > 200, "the walk must have closed often, or it has shown nothing"
    assert {phase for _, _, phase in seen} == {0, 1, 2, 3, 4}
    every_fault = 0
    for _, bits, _ in seen:
        every_fault |= bits
    assert every_fault == 0b111111


@pytest.mark.parametrize(
    "start_ms",
    [
        TICKS_PERIOD - 1,
        TICKS_PERIOD - 20_000,
        TICKS_PERIOD // 2 - 20_000,
        TICKS_PERIOD // 2 + 1,
        3 * TICKS_PERIOD - 5000,
    ],
)
def test_a_run_across_the_wrap_of_the_clock_is_the_same_run(start_ms: int) -> None:
    for seed in (1, 2, 3):
        assert walk(seed, start_ms, 8000)[1] == walk(seed, 0, 8000)[1]


EVENT = st.tuples(
    st.sampled_from((*LEVELS_MV, 4300, 4299, 7700, 7701)),  # level until the next event
    st.sampled_from((-12000, -12000, -5600)),
    st.sampled_from((0, 1, 1, 1, 2)),  # mode
    st.sampled_from((5999, 6000, 16000, 80000)),
    st.sampled_from((0, 300, 1000, 5000, 5001)),  # ttl
    st.integers(-10, 1100),  # age of the lease
    st.integers(1, 1400),  # how long until the next event
    st.sampled_from((1, 5, 40, 41)),  # in ticks of
    st.booleans(),  # contacts obey
)


@settings(max_examples=150)
@given(st.lists(EVENT, min_size=1, max_size=25), st.sampled_from((0, TICKS_PERIOD - 3000)))
def test_no_sequence_of_events_closes_without_its_reasons(events: list[tuple[int, ...]], start_ms: int) -> None:
    bench = KernelBench(MAX_MA, start_ms)
    oracle = Oracle(issued_ms=start_ms - 10**9)
    bench.tick()
    for level_mv, low_mv, mode, limit_ma, ttl_ms, age_ms, lasts_ms, tick_ms, obey in events:
        bench.level_mv, bench.low_mv = level_mv, low_mv
        bench.welded = bench.stuck_open = not obey
        issued_ms = bench.now_ms - age_ms
        bench.kernel.lease(mode, limit_ma, ttl_ms, issued_ms % TICKS_PERIOD)
        oracle.lease(bench.now_ms, mode, limit_ma, ttl_ms, issued_ms)
        until = bench.now_ms + lasts_ms
        while bench.now_ms < until:
            bench.tick(tick_ms)
            oracle.check(bench, tick_ms)


@given(st.integers(0, 2**40), st.integers(-(2**29), 2**29 - 1))
def test_elapsed_is_the_difference_of_instants_less_than_half_a_turn_apart(then_ms: int, passed_ms: int) -> None:
    assert elapsed((then_ms + passed_ms) % TICKS_PERIOD, then_ms % TICKS_PERIOD) == passed_ms


@given(st.integers(0, 2**30 - 1), st.integers(-(2**32), 2**32))
def test_elapsed_stays_in_its_range_for_any_instant_off_the_link(now_ms: int, then_ms: int) -> None:
    assert -(2**29) <= elapsed(now_ms, then_ms) < 2**29
