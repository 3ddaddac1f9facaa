"""Whatever car, hardware and station do: what must never be seen at the kernel's outputs, by an oracle of its own."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_bench import block
from kernel_oracle import CLASSES, Oracle
from kernel_phases import FullBench
from pilotwire.firmware.kernel import faults, params, table
from pilotwire.firmware.kernel.ticks import TICKS_PERIOD

QUICK = ((params.MIN_OFF_MS, 700), (params.FAULT_OFF_MS, 1500), (params.WAKE_AFTER_MS, 3000), (params.DEAD_MS, 10_000))
ALL = params.LIMITS[params.FITTED][1]
DC = (params.DC_MAX_MA, 150_000)
BOARDS = [
    (*QUICK, DC, (params.FITTED, ALL)),
    (*QUICK, (params.FITTED, ALL & ~params.VENTILATION), (params.RECLOSE_TRIES, 2), (params.SIMPLE_MA, 10_000)),
    (*QUICK, (params.FITTED, params.SECOND), (params.TTL_MS, 700)),
    (*QUICK, DC, (params.FITTED, params.CURRENT | params.VENTILATION), (params.MAX_MA, 63_000)),
    ((params.FITTED, ALL & ~params.CURRENT), (params.PHASES, 1), (params.MAX_MA, 80_000), (params.SWITCH_PHASES, 0)),
]
LEVELS_MV = (*[6000] * 4, *[9000] * 6, *[12000] * 4, *[3000] * 4, 0, -12000, 14000, -5000)


def change_pins(rng: random.Random, bench: FullBench) -> None:
    """Now and then something happens at the pins; mostly a car that charges, and what went wrong is soon mended."""
    inputs = bench.inputs
    if rng.random() < 0.3:
        bench.level_mv = 6000 if rng.random() < 0.6 else rng.choice(LEVELS_MV)
        if rng.random() < 0.02:
            bench.level_mv = rng.randrange(-15000, 15001)
    bench.low_mv = -12000 if rng.random() < 0.993 else rng.choice((-5600, -10000, -9999, 0))
    bench.welded = rng.random() < 0.01
    bench.stuck_open = rng.random() < 0.01
    bench.contact_delay_ms = rng.choice((0, 10, 20, 60, 150))
    bench.lock_obeys = rng.random() < 0.99
    bench.rcd_obeys = rng.random() < 0.997
    inputs.rcd_ac = bench.kernel.rcd_test or rng.random() < 0.002
    inputs.rcd_dc = rng.random() < 0.002
    inputs.earth_ok = rng.random() < 0.996
    inputs.pen_lost = rng.random() < 0.003
    inputs.stop_pressed = rng.random() < 0.004
    if rng.random() < 0.2:
        inputs.pp_ohm = 220 if rng.random() < 0.85 else rng.choice((100, 680, 1500, 5000, 70, 30))
        inputs.plug_ddeg = 250 if rng.random() < 0.9 else rng.choice((650, 699, 700, 2000))
        inputs.board_ddeg = 250 if rng.random() < 0.9 else rng.choice((640, 750))
    phantom = rng.random() < 0.01
    inputs.current_ma = rng.choice((0, 0, 5000, 6000, 20_000)) if bench.contacts or phantom else 0


def ask(rng: random.Random, bench: FullBench) -> bool:
    """The station asks for something; returns whether for a prompt stop."""
    draw = rng.random()
    bits = 1 if bench.kernel.faults else 0
    if draw > 0.97:
        bits |= rng.choice((2, 4, 8, 16, 24))
    bench.kernel.request(bits)
    return bits & 4 != 0


def talk(rng: random.Random, bench: FullBench, oracle: Oracle, plan: tuple[int, int, int]) -> None:
    """A lease as planned, or now and then a strange one; what the station says may be late."""
    mode, limit_ma, phases = plan
    ttl_ms, age_ms = 1000, rng.choice((0, 10, 100))
    if rng.random() < 0.03:
        mode = rng.choice((mode, 0, 1, 2, 3, 4, 5, 255))
        limit_ma = rng.choice((limit_ma, 0, 5999, 200_000, -1))
        ttl_ms = rng.choice((1000, 3000, 5000, 50, 5001, 0))
        age_ms = rng.choice((0, 900, 4000, 20_000, -50))
    issued_ms = bench.now_ms - age_ms
    bench.kernel.lease(mode, limit_ma, ttl_ms, phases, issued_ms % TICKS_PERIOD)
    oracle.lease(bench.now_ms, mode, limit_ma, ttl_ms, issued_ms)


def walk(seed: int, start_ms: int, ticks: int) -> tuple[Oracle, list[tuple[int, ...]]]:
    """A random walk from start_ms; returns the oracle and everything the kernel put out."""
    rng = random.Random(seed)
    board = BOARDS[seed % len(BOARDS)]
    bench = FullBench(*board, start_ms=start_ms)
    switch = next((value for index, value in board if index == params.SWITCH_PHASES), 1)
    wake = next((value for index, value in board if index == params.WAKE_AFTER_MS), 1000)
    defaults = ((params.SWITCH_PHASES, switch), (params.DC_MAX_MA, 200_000), (params.WAKE_AFTER_MS, wake))
    oracle = Oracle(block(*defaults, *board))
    put_out: list[tuple[int, ...]] = []
    plan = (1, 16000, 0)
    kernel = bench.kernel
    for tick in range(ticks):
        if tick % 40 == 0:
            change_pins(rng, bench)
        stop = ask(rng, bench) if tick % 100 == 0 else False
        if tick % 600 == 0:
            plan = (
                rng.choice((1, 1, 1, 2, 3, 4, 0)),
                rng.choice((6000, 10_000, 16_000, 32_000, 70_000)),
                rng.choice((0, 0, 1, 3)),
            )
        elif tick % 20 == 0 and (plan[0] or tick % 100 == 0):
            talk(rng, bench, oracle, plan)
        if tick % 200 == 0 and plan[0] == 1:
            plan = (plan[0], rng.choice((6000, 13_000, 32_000)), plan[2])
        tick_ms = rng.choice((5, 5, 5, 10, 20, 40)) if rng.random() > 0.0003 else rng.randrange(41, 2000)
        bench.tick(tick_ms)
        oracle.check(bench, tick_ms, stop)
        outputs = (
            kernel.close,
            kernel.close_phases,
            kernel.supply_enable,
            kernel.lock,
            kernel.vent,
            kernel.cp_off,
            kernel.rcd_test,
        )
        reports = (
            kernel.phase,
            kernel.faults,
            kernel.conditions,
            kernel.pilot_state,
            kernel.limit_ma,
            kernel.lease_left_ms(),
        )
        put_out.append((kernel.duty, *outputs, *reports, kernel.cable_ma, kernel.bcb_sequences, kernel.cycles))
    return oracle, put_out


def test_close_is_never_commanded_without_its_reasons() -> None:
    seen = dict.fromkeys(CLASSES, 0)
    phases: set[int] = set()
    proven = 0
    for seed in range(12):
        oracle, put_out = walk(seed, start_ms=0, ticks=6000)
        for name, count in oracle.seen.items():
            seen[name] += count
        phases.update(row[8] for row in put_out)
        for row in put_out:
            proven |= row[9]
    assert min(seen.values()) > 20, "the walk must have seen all of it often, or it has shown nothing"
    assert phases == set(range(len(table.PHASE_NAMES)))
    assert len(faults.names(proven)) > 12


def test_a_run_across_the_wrap_of_the_clock_is_the_same_run() -> None:
    begun_ms = (TICKS_PERIOD - 1, TICKS_PERIOD - 20_000, TICKS_PERIOD // 2 - 20_000, TICKS_PERIOD // 2 + 1)
    for seed in (0, 3):
        plain = walk(seed, 0, 2500)[1]
        for start_ms in (*begun_ms, 3 * TICKS_PERIOD - 5000):
            assert walk(seed, start_ms, 2500)[1] == plain, start_ms


EVENT = st.tuples(
    st.sampled_from((*LEVELS_MV, 4300, 4299, 7700, 7701, 1300)),  # level until the next event
    st.sampled_from((-12000, -12000, -5600)),
    st.sampled_from((0, 1, 1, 1, 2, 3)),  # mode
    st.sampled_from((0, 5999, 6000, 16000, 80000)),
    st.sampled_from((0, 300, 1000, 5000, 5001)),  # ttl
    st.integers(-10, 1100),  # age of the lease
    st.integers(1, 1400),  # how long until the next event
    st.sampled_from((5, 20, 40, 41)),  # in ticks of
    st.booleans(),  # contacts obey
)


@settings(max_examples=40, derandomize=True)
@given(st.lists(EVENT, min_size=1, max_size=25), st.sampled_from((0, TICKS_PERIOD - 3000)))
def test_no_sequence_of_events_closes_without_its_reasons(events: list[tuple[int, ...]], start_ms: int) -> None:
    board = ((params.FITTED, params.VENTILATION), DC)
    bench = FullBench(*board, start_ms=start_ms)
    oracle = Oracle(block(*board))
    for level_mv, low_mv, mode, limit_ma, ttl_ms, age_ms, lasts_ms, tick_ms, obey in events:
        bench.level_mv, bench.low_mv = level_mv, low_mv
        bench.welded = bench.stuck_open = not obey
        issued_ms = bench.now_ms - age_ms
        bench.kernel.lease(mode, limit_ma, ttl_ms, 0, issued_ms % TICKS_PERIOD)
        oracle.lease(bench.now_ms, mode, limit_ma, ttl_ms, issued_ms)
        until = bench.now_ms + lasts_ms
        while bench.now_ms < until:
            bench.tick(tick_ms)
            oracle.check(bench, tick_ms, False)
