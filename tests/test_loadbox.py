"""The load box's program, in this process on a clock of its own: levels, relays, scripts, silence, refusals."""

from __future__ import annotations

import random

import pytest

from loadbox_bench import InMemory, since
from pilotwire.boards.loadbox_pico import commands, edges, levels, sim_signal
from pilotwire.boards.loadbox_pico.commands import NO_DIODE, PLUG, RB, RC, RD, SHORT
from pilotwire.boards.loadbox_pico.loadbox import RESTLESS_TICKS, SILENCE_MS, TICK_MS
from pilotwire.boards.loadbox_pico.sim_main import SimFront
from pilotwire.firmware.pilot.frontend import cp_mv
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.station import StationLink

B, C, D = PLUG | RB, PLUG | RB | RC, PLUG | RB | RD
# Windows of the high level in mV: fact sheet on IEC 61851-1, section 1.
WINDOWS = {0: (11000, 13000), B: (8000, 10000), C: (5000, 7000), D: (2000, 4000)}
READING_MV = 60  # a 12-bit step is 7 mV; the rest is what an edge leaves in the mean


@pytest.mark.parametrize("duty", [0.05, 0.1, 0.2667, 0.5, 0.85, 0.96, 1.0])
@pytest.mark.parametrize("mask", WINDOWS)
def test_each_state_lies_in_its_window_as_the_box_itself_measures_it(mask: int, duty: float) -> None:
    bench = InMemory()
    bench.circuit.duty = duty
    bench.relays(mask)
    seen = bench.measure()
    low, high = WINDOWS[mask]
    assert low <= seen["high_mv"] <= high
    true_high, true_low = bench.circuit.ev.levels_mv(duty)
    assert abs(seen["high_mv"] - true_high) < READING_MV
    assert abs(seen["low_mv"] - true_low) < READING_MV
    assert abs(seen["duty_permyriad"] - round(duty * 10000)) <= 1
    assert seen["frequency_mhz"] == (0 if duty == 1.0 else 1_000_000)
    assert seen["relays"] == mask


def test_state_f_is_a_constant_low_level() -> None:
    bench = InMemory()
    bench.circuit.duty = 0.0
    bench.relays(B)
    seen = bench.measure()
    assert abs(seen["high_mv"] + 12000) < READING_MV
    assert seen["high_mv"] == seen["low_mv"]
    assert (seen["duty_permyriad"], seen["frequency_mhz"]) == (0, 0)


@pytest.mark.parametrize("frequency_hz", [980.0, 995.0, 1005.0, 1020.0])
def test_the_frequency_of_the_station_is_measured(frequency_hz: float) -> None:
    bench = InMemory()
    bench.circuit.duty, bench.circuit.frequency_hz = 0.3, frequency_hz
    bench.run(50)
    seen = bench.measure()
    assert abs(seen["frequency_mhz"] - frequency_hz * 1000) < 100
    assert abs(seen["duty_permyriad"] - 3000) <= 1


def test_a_bridged_diode_shows_as_a_low_level_that_is_pulled_up() -> None:
    bench = InMemory()
    bench.circuit.duty = 0.5
    bench.relays(C)
    assert bench.measure()["low_mv"] < -11900
    bench.relays(C | NO_DIODE)
    seen = bench.measure()
    assert abs(seen["low_mv"] - bench.circuit.ev.level_mv(-12000)) < READING_MV
    assert -6000 < seen["low_mv"] < -5000
    assert seen["duty_permyriad"] == 5000


@pytest.mark.parametrize("mask", [0, B, C])
def test_a_short_pulls_the_wire_to_earth_whatever_is_plugged_in(mask: int) -> None:
    bench = InMemory()
    bench.circuit.duty = 0.5
    bench.relays(mask | SHORT)
    seen = bench.measure()
    assert abs(seen["high_mv"]) < READING_MV
    assert abs(seen["low_mv"]) < READING_MV
    assert (seen["duty_permyriad"], seen["frequency_mhz"]) == (0, 0)
    bench.relays(mask)
    assert bench.measure()["frequency_mhz"] == 1_000_000


@pytest.mark.parametrize("ohm", commands.PP_OHM)
def test_each_proximity_resistor_can_be_switched_in(ohm: int) -> None:
    bench = InMemory()
    bench.ask(commands.SET_PP, 100)
    result = bench.ask(commands.SET_PP, ohm)
    assert (result.status, result.number) == (messages.OK, ohm)
    assert bench.circuit.pp_ohm == ohm
    assert bench.measure()["pp_ohm"] == ohm


def test_all_relays_of_a_mask_move_in_the_same_tick() -> None:
    bench = InMemory()
    bench.relays(B)
    bench.relays(PLUG | RB | RC | NO_DIODE)
    assert [mask for _, mask in bench.circuit.moves] == [B, PLUG | RB | RC | NO_DIODE]


def test_a_measurement_waits_for_the_relays_and_sees_nothing_of_before() -> None:
    for early_ticks in range(8):  # whatever part of a copy is being looked at
        bench = InMemory()
        bench.circuit.duty = 0.5
        bench.run(100 + early_ticks * TICK_MS)
        bench.relays(D)
        assert bench.measure()["high_mv"] < 4000


def test_a_measurement_at_once_is_answered_in_the_next_tick() -> None:
    bench = InMemory()
    bench.relays(B)
    ident = bench.host.command(commands.MEASURE, commands.NOW)
    bench.run(3 * TICK_MS)
    assert ident in bench.results


STEPS = [(C, 200), (B, 300), (C, 205), (B, 5), (C | NO_DIODE, 12), (0, 7), (B, 400)]


def upload(bench: InMemory, steps: list[tuple[int, int]]) -> None:
    result = bench.ask(commands.SCRIPT, 0, commands.pack_steps(steps))
    assert (result.status, result.number) == (messages.OK, len(steps)), result.data


def test_a_script_is_played_within_a_tick_and_does_not_drift() -> None:
    bench = InMemory()
    bench.relays(B)
    upload(bench, STEPS)
    bench.circuit.moves.clear()
    result = bench.ask(commands.SCRIPT_START)
    assert result.number == sum(ms for _, ms in STEPS)
    bench.run(2000)
    start_ms = bench.circuit.moves[0][0]
    assert [mask for _, mask in bench.circuit.moves] == [mask for mask, _ in STEPS]
    due_ms = 0
    for (moved_ms, _), (_, ms) in zip(bench.circuit.moves, STEPS, strict=True):
        assert 0 <= since(moved_ms, start_ms) - due_ms < TICK_MS
        due_ms += ms
    assert bench.circuit.mask == B
    assert bench.measure()["steps_left"] == 0


def test_a_script_of_the_shortest_steps_in_late_ticks_skips_what_is_over() -> None:
    bench = InMemory()
    upload(bench, [(C, 5), (B, 5)] * 32)
    bench.ask(commands.SCRIPT_START)
    bench.circuit.now_ms += 300  # the program has stood still
    bench.run(50)
    assert bench.measure()["steps_left"] == 0
    assert bench.circuit.mask == B


def test_stopping_a_script_leaves_the_relays_as_they_are() -> None:
    bench = InMemory()
    upload(bench, [(B, 100), (C, 60000), (B, 100)])
    bench.ask(commands.SCRIPT_START)
    bench.run(200)
    assert bench.measure(commands.NOW)["steps_left"] == 2
    assert bench.ask(commands.SCRIPT_STOP).number == 2
    bench.run(500)
    assert bench.circuit.mask == C
    assert bench.ask(commands.SCRIPT_STOP).number == 0


def test_relays_that_never_rest_refuse_a_measurement_that_waits() -> None:
    bench = InMemory()
    upload(bench, [(B, 30), (C, 30)] * 32)
    bench.ask(commands.SCRIPT_START)
    result = bench.ask(commands.MEASURE, within_ms=(RESTLESS_TICKS + 10) * TICK_MS)
    assert result.status == messages.REFUSED
    assert b"script" in result.data


def test_a_second_command_does_not_get_the_answer_of_a_measurement_that_was_given_up() -> None:
    bench = InMemory()
    bench.ask(commands.SET_RELAYS, B)
    bench.host.command(commands.MEASURE)
    bench.run(2 * TICK_MS)
    other = StationLink("test", 99)  # the same session: what a host does that has given a command up
    other._boot, other._command_id, other.online, other.state = 4711, 7, True, bench.host.state
    bench.host = other
    result = bench.ask(messages.PING, 5, b"x")
    assert (result.status, result.number, result.data) == (messages.OK, 5, b"x")


def test_a_silent_host_leaves_nothing_plugged_in() -> None:
    bench = InMemory()
    bench.relays(C | NO_DIODE)
    bench.ask(commands.SET_PP, 220)
    bench.run(2 * SILENCE_MS)  # while it listens, nothing happens
    assert bench.circuit.mask == C | NO_DIODE
    bench.listening = False
    bench.run(SILENCE_MS - 100)
    assert bench.circuit.mask == C | NO_DIODE
    bench.run(200)
    assert (bench.circuit.mask, bench.circuit.pp_ohm) == (0, 0)
    bench.listening = True
    bench.run(1000)
    seen = bench.measure()
    assert (seen["relays"], seen["silences"]) == (0, 1)
    assert bench.host.state is not None
    assert bench.host.state.cycles == 1


def test_silence_ends_a_script_for_good() -> None:
    bench = InMemory()
    upload(bench, [(C, 4000), (B, 4000), (C, 4000), (B, 4000)])
    bench.ask(commands.SCRIPT_START)
    bench.listening = False
    bench.run(20000)
    assert [mask for _, mask in bench.circuit.moves] == [C, B, 0]


def test_a_new_host_finds_everything_open() -> None:
    bench = InMemory()
    bench.relays(C)
    bench.listening = False
    bench.run(400)  # the first one has gone quiet, but not for long enough to be given up
    assert bench.circuit.mask == C
    bench.host = StationLink("another", 100)
    bench.listening = True
    bench.run(1000)
    assert bench.host.online
    assert bench.circuit.mask == 0
    assert bench.measure()["silences"] == 0


def test_every_relay_is_open_before_a_host_has_spoken() -> None:
    bench = InMemory()
    assert bench.circuit.moves == []
    assert (bench.circuit.mask, bench.circuit.pp_ohm) == (0, 0)


MALFORMED = [
    (commands.SET_RELAYS, 64, b"", messages.BAD, "0..63"),
    (commands.SET_RELAYS, -1, b"", messages.BAD, "0..63"),
    (commands.SET_RELAYS, 1, b"x", messages.BAD, "two bytes"),
    (commands.SET_RELAYS, 1, b"\0\1", messages.REFUSED, "opened meanwhile"),
    (commands.SCRIPT_START, 0, b"\1\0", messages.REFUSED, "opened meanwhile"),
    (commands.SET_PP, 470, b"", messages.BAD, "680"),
    (commands.SET_PP, -220, b"", messages.BAD, "680"),
    (commands.MEASURE, 2, b"", messages.BAD, "0 or 1"),
    (commands.MEASURE, 0, b"x", messages.BAD, "no data"),
    (commands.SCRIPT, 0, b"", messages.BAD, "1..64"),
    (commands.SCRIPT, 0, b"\x03\x00", messages.BAD, "each step has 3"),
    (commands.SCRIPT, 0, b"\x40\x00\xc8", messages.BAD, "step 0: relay mask 64"),
    (commands.SCRIPT, 0, b"\x03\x00\xc8\x03\x00\x04", messages.BAD, "step 1: 4 ms"),
    (commands.SCRIPT, 0, b"\x03\xea\x61", messages.BAD, "60001 ms"),
    (commands.SCRIPT, 1, b"\x03\x00\xc8", messages.BAD, "is 0, not 1"),
    (commands.SCRIPT_START, 0, b"", messages.REFUSED, "upload one first"),
    (commands.SCRIPT_START, 3, b"", messages.BAD, "is 0, not 3"),
    (46, 0, b"", messages.UNKNOWN, ""),
    (messages.UPDATE_BEGIN, 1000, b"", messages.UNKNOWN, ""),
]


@pytest.mark.parametrize(("code", "number", "data", "status", "words"), MALFORMED)
def test_a_malformed_command_is_refused_with_a_reason_and_moves_nothing(
    code: int, number: int, data: bytes, status: int, words: str
) -> None:
    bench = InMemory()
    bench.relays(B)
    result = bench.ask(code, number, data)
    assert result.status == status
    assert words in result.data.decode()
    bench.run(100)
    assert bench.circuit.mask == B


@pytest.mark.parametrize("code", [commands.SET_RELAYS, commands.SCRIPT, commands.SCRIPT_START])
def test_nothing_gets_in_the_way_of_a_script(code: int) -> None:
    bench = InMemory()
    upload(bench, [(B, 1000), (C, 1000)])
    bench.ask(commands.SCRIPT_START)
    result = bench.ask(code, 0, commands.pack_steps([(C, 100)]) if code == commands.SCRIPT else b"")
    assert result.status == messages.REFUSED
    assert b"running" in result.data


def test_random_commands_never_break_the_program_or_leave_the_masks() -> None:
    rng = random.Random(40)
    bench = InMemory()
    for _ in range(300):
        code = rng.choice([1, 10, 11, 12, 20, 39, 40, 41, 42, 43, 44, 45, 46])
        number = rng.choice([0, 1, 3, 7, 63, 64, 220, 680, -1, 2**30 - 1, rng.randrange(64)])
        data = rng.randbytes(rng.choice([0, 0, 3, 6, 192]))
        result = bench.ask(code, number, data)
        assert result.status in (messages.OK, messages.UNKNOWN, messages.REFUSED, messages.BAD)
        assert result.status == messages.OK or result.data or result.status == messages.UNKNOWN
        assert 0 <= bench.circuit.mask <= commands.ALL_RELAYS
        assert bench.circuit.pp_ohm in commands.PP_OHM


def test_what_the_box_says_in_state_is_what_it_plays_and_sees() -> None:
    bench = InMemory()
    bench.circuit.duty = 0.25
    for mask, pilot in ((0, 1), (B, 2), (C, 3), (D, 4), (C | NO_DIODE, 3), (SHORT, 5), (PLUG | RC, 0)):
        bench.relays(mask)
        bench.run(200)
        state = bench.host.state
        assert state is not None
        assert state.pilot == pilot
        assert abs(state.cp_high_mv - bench.circuit.ev.levels_mv(0.25)[0]) < READING_MV
        assert state.duty == (0 if mask == SHORT else 2500)
        assert (state.phase, state.outputs, state.inputs, state.lease_left_ms, state.faults) == (0, 0, 0, 0, 0)


def test_a_lease_gives_nothing() -> None:
    bench = InMemory()
    bench.host.set_lease(1, 16000, 1000, 0)
    bench.run(1000)
    assert bench.circuit.mask == 0
    assert bench.host.state is not None
    assert (bench.host.state.lease_left_ms, bench.host.state.outputs) == (0, 0)


@pytest.mark.parametrize("phase_us", [0.0, 13.0, 250.0, 499.0, 970.0, 999.0])
@pytest.mark.parametrize("duty", [0.03, 0.05, 0.5, 0.97])
def test_the_levels_do_not_depend_on_where_in_a_period_the_samples_begin(duty: float, phase_us: float) -> None:
    box = levels.Levels()
    front = SimFront()
    front.put(sim_signal.record(int(phase_us / 7.3), 8980, -12000, duty))
    for _ in range(levels.TICKS_PER_ROUND):
        box.tick(front)
    assert abs(cp_mv(box.high_u16) - 8980) < READING_MV
    assert abs(cp_mv(box.low_u16) + 12000) < READING_MV


def test_a_lost_word_spoils_no_measurement() -> None:
    words = [edges.word_of(25_000, True), edges.word_of(100_000, False)] * 6
    for lost in range(len(words)):
        timer = edges.Edges(125_000_000)
        for place, word in enumerate(words):
            if place != lost:
                timer.take(word)
        timer.tick(5, 0)
        assert timer.duty_permyriad == 2000
        assert timer.frequency_mhz == 1_000_000


def test_a_half_that_was_constant_for_long_is_no_period() -> None:
    timer = edges.Edges(125_000_000)
    timer.take(edges.word_of(1_250_000, True))
    timer.take(edges.word_of(62_500, False))
    timer.tick(5, 1)
    assert (timer.duty_permyriad, timer.frequency_mhz) == (10000, 0)
    timer.take(edges.word_of(62_500, True))
    timer.take(edges.word_of(62_500, False))
    timer.tick(5, 1)
    assert (timer.duty_permyriad, timer.frequency_mhz) == (5000, 1_000_000)
    timer.tick(edges.CONSTANT_MS - 1, 1)
    assert timer.frequency_mhz == 1_000_000
    timer.tick(1, 0)
    assert (timer.duty_permyriad, timer.frequency_mhz) == (0, 0)
