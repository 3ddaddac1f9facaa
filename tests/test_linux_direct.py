"""The pilot process of a Linux-only board, on a board of files: it proves what it needs or refuses, and it charges."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from linux_direct_fake import UNIQUE_ID, Board, TinyStation, as_toml, document, pilot_on_a_pty, write_proof
from pilotwire.boards.linux_direct import commission, pilot_main, realtime, refusal, selftest, watchdog
from pilotwire.boards.linux_direct.board import GOOD_S, HOLD_BACK_S, PilotKeeper
from pilotwire.boards.linux_direct.config import Config, load, parse
from pilotwire.boards.linux_direct.front import Front, pp_ohm
from pilotwire.boards.linux_direct.lines import FileLines, GpiodLines, parse_spec
from pilotwire.boards.linux_direct.refusal import EXIT_CODES, RefusedError
from pilotwire.boards.linux_direct.sysfs import PERIOD_NS, Channel, Pwm
from pilotwire.firmware.kernel import bands, faults
from pilotwire.firmware.kernel.inputs import OPEN_OHM, Inputs
from pilotwire.firmware.kernel.lease import MODE_AC
from pilotwire.firmware.toml_file import ConfigError
from pilotwire.protocols.link.station import PilotHello, StationLink
from pilotwire.tools.rig.process import wait_for

LIMIT_MA = 16_000
LATE_US = 35_000  # a tick as late as this is near what the hardware and the kernel take for a dead pilot
ATTEMPTS = 5


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    with Board(tmp_path / "board") as made:
        yield made


def charging(board: Board) -> TinyStation:
    """A pilot that has started and a car that draws current."""
    station = TinyStation(board.start())
    station.until("the pilot to answer", lambda: station.link.online)
    station.permit(MODE_AC, LIMIT_MA)
    board.world.plug()
    station.until("current", lambda: board.world.read()["current_a"][0] > 5.0)
    return station


def state(station: TinyStation) -> Any:
    assert station.link.state is not None
    return station.link.state


# --- it starts and charges


def test_a_good_board_starts_says_who_it_is_and_charges_a_car_from_a_to_c(board: Board) -> None:
    station = TinyStation(board.start())
    station.until("the pilot to answer", lambda: station.link.online)
    hello = next(event for event in station.events if isinstance(event, PilotHello))
    assert hello.unique_id == bytes.fromhex(UNIQUE_ID)
    assert len(hello.firmware_hash) == 8
    station.until("state A", lambda: state(station).pilot == bands.A)
    assert board.outputs()["pwm"] == "1000"
    station.permit(MODE_AC, LIMIT_MA)
    board.world.plug()
    station.until("state B", lambda: state(station).pilot == bands.B)
    assert not state(station).contacts_closed
    station.until(
        "state C and closed contacts", lambda: state(station).pilot == bands.C and state(station).contacts_closed
    )
    station.until("current", lambda: board.world.read()["current_a"][0] > 14.0)
    assert board.outputs()["pwm"] == "266"  # 16 A
    assert (board.folder / "watchdog-device").stat().st_size > 0
    board.world.unplug()
    station.until("open contacts", lambda: state(station).pilot == bands.A and not state(station).contacts_closed)


def test_nothing_closes_without_a_lease_and_the_watchdog_is_not_told_to_stop(board: Board) -> None:
    station = TinyStation(board.start())
    station.until("the pilot to answer", lambda: station.link.online)
    board.world.plug()
    station.until("state B", lambda: state(station).pilot == bands.B)
    since = state(station).pilot_ms
    station.until("two seconds of the pilot", lambda: state(station).pilot_ms - since > 2000)
    assert {**board.outputs(), "alive": "0"} == {**board.silent(), "lock": "1"}
    assert b"V" not in (board.folder / "watchdog-device").read_bytes()


def test_the_alive_wave_moves_only_while_the_pilot_ticks(board: Board) -> None:
    station = TinyStation(board.start())
    station.until("the pilot to answer", lambda: station.link.online)

    def edges() -> int:
        return int(board.files.read("gpio/alive").split()[1])

    before = edges()
    station.until("edges", lambda: edges() > before + 20)
    assert board.keeper is not None
    assert board.keeper.process is not None
    board.keeper.process.send_signal(signal.SIGSTOP)
    wait_for("the process to stand still", lambda: process_state(board) == "T", 10)
    stopped_at = edges()
    fed = (board.folder / "watchdog-device").stat().st_size
    since_ms = board.world.now_ms()
    wait_for("half a second of the world", lambda: board.world.now_ms() - since_ms > 500, 30)
    assert edges() == stopped_at
    assert (board.folder / "watchdog-device").stat().st_size == fed


def process_state(board: Board) -> str:
    assert board.keeper is not None
    assert board.keeper.process is not None
    return Path(f"/proc/{board.keeper.process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_supervisor_on_lines_is_tried_at_the_start_and_fed_afterwards(board: Board) -> None:
    with_supervisor(board)
    station = TinyStation(board.start())
    station.until("the pilot to answer", lambda: station.link.online)
    before = int(board.files.read("gpio/feed").split()[1])
    station.until("feeding", lambda: int(board.files.read("gpio/feed").split()[1]) > before + 50)
    assert board.files.read("gpio/tripped") == "0"


def with_supervisor(board: Board, **faults: Any) -> None:
    board.hurt(supervisor=True, **faults)
    board.document["watchdog"] = {"kind": "gpio", "timeout_ms": 1500, "recover_ms": 1000}
    board.document["lines"].update(feed="feed", tripped="tripped")


# --- how it ends


def test_a_killed_pilot_takes_the_coil_with_it_and_its_parent_starts_another(board: Board) -> None:
    charging(board)
    assert board.keeper is not None
    process = board.keeper.process
    assert process is not None
    process.kill()
    process.wait(10)
    wait_for("the coil to fall", lambda: not board.world.read()["coil"], 30)
    wait_for("open contacts", lambda: not board.world.read()["closed"], 30)
    # Linux leaves the line and the PWM as they were: it is the missing alive wave that has let the coil go.
    assert board.outputs()["coil"] == "1"
    assert board.outputs()["pwm"] == "266"
    with pytest.raises(OSError, match="not started again"):
        board.open_line()
    board.world.unplug()  # the self-test wants state A
    line = wait_for("the next start", lambda: opened(board), 30)
    again = TinyStation(line, session=2)
    again.until("the pilot to answer", lambda: again.link.online)
    assert not state(again).contacts_closed


def test_a_fault_that_a_person_has_to_clear_outlives_the_process(board: Board) -> None:
    station = charging(board)
    board.world.set(site={"stop_pressed": True})
    station.until("the stop", lambda: state(station).faults & faults.STOP_BUTTON)
    board.world.set(site={"stop_pressed": False})
    station.until("open contacts", lambda: not state(station).contacts_closed)
    assert board.keeper is not None
    assert board.keeper.process is not None
    board.keeper.process.kill()
    board.keeper.process.wait(10)
    board.world.unplug()
    again = TinyStation(wait_for("the next start", lambda: opened(board), 30), session=2)
    again.until("the pilot to answer", lambda: again.link.online and again.link.state)
    assert state(again).faults == faults.STOP_BUTTON


def opened(board: Board) -> Any:
    try:
        return board.open_line()
    except OSError:
        return None


def how_it_ended(board: Board, end: Callable[[TinyStation], None]) -> dict[str, Any]:
    """Charge, end it, wait until the process has gone; its last line."""
    station = charging(board)
    end(station)
    assert board.keeper is not None
    assert board.keeper.wait(60) == 0
    with pytest.raises(OSError, match="not started again"):
        board.keeper.open_line()
    return board.keeper.last_event


def lose_the_station(station: TinyStation) -> None:
    station.line.close()


def terminate(board: Board) -> Callable[[TinyStation], None]:
    def end(_: TinyStation) -> None:
        assert board.keeper is not None
        assert board.keeper.process is not None
        board.keeper.process.terminate()

    return end


@pytest.mark.parametrize("by", ["loss of the station", "SIGTERM"])
def test_the_pilot_outlives_what_ends_it_until_the_car_has_let_go(tmp_path: Path, by: str) -> None:
    for attempt in range(ATTEMPTS):
        with Board(tmp_path / str(attempt)) as board:
            last = how_it_ended(board, lose_the_station if by == "loss of the station" else terminate(board))
            assert last["event"] == "stopped"
            broken = [event["value"] for event in board.world.events() if event["name"] == "broken_a"]
            assert board.outputs() == board.silent()
            assert not board.world.read()["closed"]
            if last["worst_late_us"] < LATE_US:
                assert broken == [0.0], "the car was to open S2 before the contactor opened"
                return
    pytest.skip(f"this machine kept the pilot waiting for {LATE_US} us in each of {ATTEMPTS} runs")


def test_a_second_pilot_waits_for_the_first_and_refuses_when_it_stays(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = pilot_main.own_hardware(board.folder / "lock")
    monkeypatch.setattr(pilot_main, "IN_USE_WAIT_S", 0.2)
    assert in_process(board) == EXIT_CODES[refusal.HARDWARE_IN_USE]
    os.close(held)
    os.close(pilot_main.own_hardware(board.folder / "lock"))


def test_hardware_that_fails_while_it_runs_ends_the_pilot_with_everything_off(board: Board) -> None:
    station = TinyStation(board.start())
    station.until("the pilot to answer", lambda: station.link.online)
    board.hurt(adc_dead=True)
    assert board.keeper is not None
    assert board.keeper.wait(30) == EXIT_CODES[refusal.HARDWARE_LOST]
    assert board.outputs() == board.silent()


# --- what it refuses


Change = Callable[[Board], None]


def hurt(**faults: Any) -> Change:
    return lambda board: board.hurt(**faults)


def without(section: str) -> Change:
    return lambda board: board.document.pop(section)


def changed(section: str, **values: Any) -> Change:
    return lambda board: board.document[section].update(values)


def put(name: str, value: object) -> Change:
    return lambda board: board.files.write(name, value)


def gone(name: str) -> Change:
    return lambda board: (board.folder / name).unlink()


def to_null(name: str) -> Change:
    """A file that takes everything and gives nothing back."""

    def change(board: Board) -> None:
        (board.folder / name).rename(board.folder / "aside")
        (board.folder / name).symlink_to("/dev/null")

    return change


def live(board: Board) -> None:
    """A test that really closes the contacts, with their mirror contact as the only sense."""
    board.document["cutoff"]["guard"] = "outlet-live"
    for line in ("coil_isolate", "coil_sense"):
        del board.document["lines"][line]
    board.files.write("gpio/coil_isolate", "0 0000000000")


def isolator_closed(board: Board) -> None:
    board.hurt(mains_present=True)
    board.document["cutoff"]["guard"] = "isolator"
    board.document["lines"]["mains_present"] = "mains_present"


def welded_mirror(board: Board) -> None:
    board.world.set(contactor={"mirror_closed": True})


def mirror_never(board: Board) -> None:
    live(board)
    board.world.set(contactor={"mirror_open": True})


def slow_contactor(board: Board) -> None:
    live(board)
    board.world.set(contactor={"open_ms": 2000})


UNSAFE: list[tuple[str, str, Change, str]] = [
    ("no cut-off declared", refusal.CUTOFF_UNDECLARED, without("cutoff"), "cut-off is declared"),
    ("the coil stays when the wave stops", refusal.COIL_NOT_RELEASED, hurt(hold_ms=3000), "has not released"),
    ("a contactor that is slow to open", refusal.COIL_NOT_RELEASED, slow_contactor, "has not released"),
    ("a coil that is always on", refusal.CONTACTS_CLOSED, hurt(bypassed=True, driver_stuck=True), "on by itself"),
    ("a cut-off that is bridged", refusal.COIL_NOT_RELEASED, hurt(bypassed=True), "does not work"),
    ("a gate instead of a pump", refusal.COIL_WITHOUT_ALIVE, hurt(level_feeds=True), "stands still at high"),
    ("a driver that is stuck on", refusal.COIL_WITHOUT_COMMAND, hurt(driver_stuck=True), "not commanded"),
    ("a broken sense wire", refusal.COIL_NEVER_PULLED, hurt(sense_broken=True), "would prove nothing"),
    ("a mirror contact that never moves", refusal.COIL_NEVER_PULLED, mirror_never, "would prove nothing"),
    ("welded contacts", refusal.CONTACTS_CLOSED, welded_mirror, "report closed"),
    ("an isolating relay that does not isolate", refusal.OUTLET_LIVE, hurt(isolate_broken=True), "coil_isolate"),
    ("mains at the contactor in the test", refusal.OUTLET_LIVE, isolator_closed, "mains_present"),
    ("a car that is plugged in", refusal.CP_NOT_A, lambda board: board.world.plug(), "unplug the car"),
    ("a front end that misses the 5 % pulse", refusal.CP_PULSE, hurt(pulse_lost=True), "5 %"),
    ("no watchdog declared", refusal.WATCHDOG_UNDECLARED, without("watchdog"), "no external watchdog"),
    ("no watchdog there", refusal.WATCHDOG_MISSING, gone("watchdog-device"), "watchdog-device"),
    ("a watchdog that waits too long", refusal.WATCHDOG_LONG, put("watchdog/timeout", 16), "16000 ms"),
    ("a watchdog that can be stopped", refusal.WATCHDOG_STOPPABLE, put("watchdog/nowayout", 0), "nowayout"),
    ("a watchdog that was never seen to fire", refusal.WATCHDOG_UNPROVEN, gone("proof.json"), "no proof"),
    ("another watchdog than the proven one", refusal.WATCHDOG_UNPROVEN, put("watchdog/identity", "other"), "'other'"),
    (
        "the proof of another board",
        refusal.WATCHDOG_UNPROVEN,
        lambda board: write_proof(board.folder, board="00112233"),
        "00112233",
    ),
    (
        "a supervisor that never trips",
        refusal.WATCHDOG_DEAD,
        lambda board: with_supervisor(board, supervisor_dead=True),
        "protects nothing",
    ),
    (
        "a supervisor whose output is stuck",
        refusal.WATCHDOG_STUCK,
        lambda board: with_supervisor(board, supervisor_stuck=True),
        "stuck",
    ),
    ("a PWM of another frequency", refusal.PWM, hurt(pwm_ns=1_024_000), "1024000 ns"),
    ("an analogue input that is missing", refusal.IIO_MISSING, gone("iio/in_voltage0_raw"), "in_voltage0_raw"),
    ("a converter that is too slow", refusal.IIO_SLOW, changed("iio", budget_us=1), "budget is 1 us"),
    ("a digital line that is missing", refusal.LINES, gone("gpio/contacts"), "contacts"),
]


@pytest.mark.parametrize(("reason", "change", "words"), [row[1:] for row in UNSAFE], ids=[row[0] for row in UNSAFE])
def test_an_unsafe_board_is_refused_with_its_reason_and_left_silent(
    board: Board, reason: str, change: Change, words: str
) -> None:
    if reason != refusal.LINES:
        assert board.outputs() != board.silent(), "a board that is silent anyway shows nothing"
    change(board)
    code, stderr, event = board.refused()
    assert event["reason"] == reason, event
    assert code == event["code"] == EXIT_CODES[reason]
    assert words in event["sentence"]
    assert stderr.splitlines()[-1] == f"pilot refuses: {event['sentence']}"
    if reason != refusal.LINES:
        expected = board.silent()
        assert board.outputs() == expected
    else:
        assert board.outputs()["pwm"] == "1000"


def test_a_pwm_that_cannot_be_read_back_is_refused_and_the_lines_are_off(board: Board) -> None:
    to_null("pwm/pwm0/duty_cycle")(board)
    code, _, event = board.refused()
    assert (code, event["reason"]) == (EXIT_CODES[refusal.PWM], refusal.PWM)
    assert "duty_cycle" in event["sentence"]
    assert all(board.files.read(f"gpio/{name}")[0] == "0" for name in ("coil", "alive", "lock"))


def test_a_configuration_that_others_may_write_is_refused(board: Board) -> None:
    path = board.write_config(0o666)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    with pytest.raises(RefusedError, match="can be changed by others"):
        pilot_main.run(load(path), -1, realtime.System())


def test_every_reason_has_an_exit_code_of_its_own() -> None:
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)
    names = {value for name, value in vars(refusal).items() if name.isupper() and isinstance(value, str)}
    assert names == set(EXIT_CODES)


def test_a_refusal_is_tested_for_every_reason() -> None:
    elsewhere = {
        refusal.CONFIG,
        refusal.CONFIG_WRITABLE,
        refusal.HARDWARE_IN_USE,
        refusal.HARDWARE_LOST,
        refusal.REALTIME,
        refusal.TICKS_LATE,
    }
    assert {row[1] for row in UNSAFE} | elsewhere == set(EXIT_CODES)


# --- real time


class Refusing(realtime.System):
    """An operating system that says no to one of the calls, and records those it has said yes to."""

    def __init__(self, refused: str) -> None:
        self.refused = refused
        self.done: list[str] = []

    def _call(self, name: str) -> None:
        if name == self.refused:
            raise PermissionError(1, f"{name} is not permitted")
        self.done.append(name)

    def lock_memory(self) -> None:
        self._call("lock_memory")

    def schedule(self, priority: int) -> None:
        self._call("schedule")

    def bind(self, cpu: int) -> None:
        self._call("bind")


def in_process(board: Board, system: realtime.System | None = None) -> int:
    """Run the pilot's main here; the end of its link is closed, so that it ends by itself where it starts."""
    read, write = os.pipe()
    os.close(write)
    try:
        return pilot_main.main(["--config", str(board.write_config()), "--link-fd", str(read)], system)
    finally:
        os.close(read)


@pytest.mark.parametrize(
    ("call", "words"),
    [("lock_memory", "locked memory"), ("schedule", "real-time scheduling"), ("bind", "processor 1")],
)
def test_without_real_time_it_refuses_before_the_coil_is_touched(
    board: Board, capfd: pytest.CaptureFixture[str], call: str, words: str
) -> None:
    del board.document["realtime"]  # required is what counts when nothing is said
    board.document["process"] = {"cpu": 1}
    assert in_process(board, Refusing(call)) == EXIT_CODES[refusal.REALTIME]
    captured = capfd.readouterr()
    assert words in captured.err
    assert refusal.REALTIME in captured.out
    assert board.outputs() == board.silent()
    assert not any(event["name"] == "coil" and event["value"] for event in board.world.events())


def test_a_laboratory_pilot_asks_for_nothing_and_says_so_loudly(
    board: Board, capfd: pytest.CaptureFixture[str]
) -> None:
    assert board.document["realtime"] == "lab"
    system = Refusing("schedule")
    assert in_process(board, system) == 0
    captured = capfd.readouterr()
    assert "NOT FOR CHARGING CARS" in captured.err
    assert '"program": "LAB, NOT REAL-TIME' in captured.out
    assert system.done == []


def test_the_name_in_hello_fits_with_its_warning(tmp_path: Path) -> None:
    name = pilot_main.program_name(config_of(tmp_path))
    assert name.startswith("LAB, NOT REAL-TIME")
    assert len(name) <= 60
    assert "LAB" not in pilot_main.program_name(config_of(tmp_path, realtime="required"))


def test_a_pilot_of_the_field_runs_first_and_in_memory(board: Board) -> None:
    probe = "from pilotwire.boards.linux_direct.realtime import System as S; S().lock_memory(); S().schedule(1)"
    tried = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=False)
    if tried.returncode != 0:
        pytest.skip(f"this machine permits no real-time scheduling: {tried.stderr.strip().splitlines()[-1]}")
    board.document["realtime"] = "required"
    board.start(first=False)
    assert board.keeper is not None
    process = board.keeper.process
    assert process is not None
    wait_for(
        "SCHED_FIFO", lambda: os.sched_getscheduler(process.pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO, 30, 0.01
    )
    status = Path(f"/proc/{process.pid}/status").read_text()
    locked = next(line for line in status.splitlines() if line.startswith("VmLck"))
    assert int(locked.split()[1]) > 0


def test_a_machine_that_does_not_run_the_pilot_in_time_is_refused(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest.Bench, "worst_ever_ms", property(lambda _: 36.0, lambda *_: None), raising=False)
    board.document["realtime"] = "required"
    board.document["process"] = {"late_max_ms": 30}
    assert in_process(board, Refusing("nothing")) == EXIT_CODES[refusal.TICKS_LATE]


def test_a_measurement_in_which_the_machine_stood_still_is_taken_again() -> None:
    bench = SimpleNamespace(worst_gap_ms=0.0)
    gaps = [50.0, 50.0, 0.0]

    def attempt() -> float | None:
        bench.worst_gap_ms = gaps.pop(0)
        return None

    with pytest.raises(RefusedError) as told:
        selftest.tried(bench, attempt, lambda: RefusedError(refusal.COIL_NOT_RELEASED, "said"))  # type: ignore[arg-type]
    assert told.value.reason == refusal.COIL_NOT_RELEASED
    assert gaps == []
    gaps = [50.0] * selftest.TRIES
    with pytest.raises(RefusedError) as told:
        selftest.tried(bench, attempt, lambda: RefusedError(refusal.COIL_NOT_RELEASED, "said"))  # type: ignore[arg-type]
    assert told.value.reason == refusal.TICKS_LATE


# --- the parent


def test_the_parent_holds_back_longer_after_each_bad_start_and_says_why(tmp_path: Path) -> None:
    now_s = [0.0]
    words = '{"event": "refused", "sentence": "no good"}'
    keeper = PilotKeeper("unused", lambda: now_s[0], [sys.executable, "-c", f"print({words!r}); raise SystemExit(26)"])
    waits = []
    for _ in range(9):
        keeper.open_line().close()
        assert keeper.wait(30) == 26
        ended_s = now_s[0]
        with pytest.raises(OSError, match="no good"):
            keeper.open_line()
        while keeper.held_back_s() > 0:
            now_s[0] += 0.25
        waits.append(now_s[0] - ended_s)
    first, longest = HOLD_BACK_S
    assert waits == [min(first * 2**number, longest) for number in range(9)]
    keeper.open_line().close()
    assert keeper.wait(30) == 26
    now_s[0] += GOOD_S
    with pytest.raises(OSError, match="no good"):
        keeper.open_line()
    assert keeper.held_back_s() == first, "a pilot that has run for long does not wait for those before it"


def test_no_second_pilot_is_started_while_the_first_still_stops_a_car() -> None:
    keeper = PilotKeeper("unused", argv=[sys.executable, "-c", "input()", "x"])
    keeper._argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    keeper.open_line().close()
    process = keeper.process
    assert process is not None
    try:
        with pytest.raises(OSError, match="still there"):
            keeper.open_line()
    finally:
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


# --- configuration


def config_of(folder: Path, **head: Any) -> Config:
    return parse(as_toml({**document(folder), **head}), folder / "pilot.toml")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"relatime": "lab"}, ["relatime: unknown key, did you mean realtime?"]),
        ({"realtime": "fast"}, ['realtime: must be one of "required", "lab", not \'fast\'']),
        ({"unique_id": "xyz"}, ["unique_id: must be 4..16 bytes as hexadecimal digits"]),
        ({"pwm": {"chip": "pwm", "channel": "0"}}, ["pwm.channel: must be a whole number 0..63, not '0'"]),
        ({"pwm": {"channel": True}}, ["pwm.chip: this key is missing", "pwm.channel: must be a whole number"]),
        ({"iio": {"device": "iio", "front_end": "direct", "settle_ms": 5}}, ["iio.front_end", '"peak-detector"']),
        ({"analog": {"cp_high": {"channel": "in_voltage0"}}}, ["[analog.cp_low]: this section is missing"]),
        (
            {"cutoff": {"guard": "none", "pull_in_ms": 50, "release_ms": 900}},
            ["cutoff.guard", "cutoff.release_ms: 900"],
        ),
        ({"watchdog": {"kind": "device", "timeout_ms": 2000}}, ["watchdog.proof: is needed"]),
        ({"watchdog": {"kind": "gpio", "timeout_ms": 2000}}, ["needs lines.feed"]),
        ({"parameters": {"standard": "iec", "max_ma": 99_000, "phases": 3}}, ["max_ma: 99000 is out of range"]),
        ({"lines": {"alive": "a", "coil": "a", "contacts": "c"}}, ["lines.coil: a is already lines.alive"]),
        ({"lines": {"alive": "a", "coil": "b"}}, ["lines.contacts: this line is missing"]),
        ({"gpio": {}}, ['lines.alive: a line is CHIP:OFFSET, for example "gpiochip0:17"']),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place_and_what_would_be_right(
    tmp_path: Path, change: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as told:
        config_of(tmp_path, **change)
    assert "pilot.toml" in str(told.value)
    for each in words:
        assert each in str(told.value)


def test_a_broken_file_ends_the_pilot_with_code_2(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pilot.toml"
    path.write_text("realtime = ")
    assert pilot_main.main(["--config", str(path), "--link-fd", "0"]) == 2
    assert "is not valid TOML" in capfd.readouterr().err


def test_the_example_of_the_board_parses() -> None:
    example = Path(pilot_main.__file__).with_name("pilot.example.toml")
    config = load(example)
    assert config.realtime == "required"
    assert config.gpio.backend == "gpiod"


# --- commissioning


def test_a_reset_by_the_watchdog_becomes_the_proof_that_the_pilot_asks_for(board: Board) -> None:
    (board.folder / "proof.json").unlink()
    config = load(board.write_config())
    boot_id = board.folder / "boot_id"
    with pytest.raises(RefusedError, match="still runs"):
        commission.arm(config, boot_id, lambda _: None)
    with pytest.raises(RefusedError, match="no reset"):
        commission.confirm(config, boot_id)
    boot_id.write_text("boot-two\n")
    with pytest.raises(RefusedError, match="does not report"):
        commission.confirm(config, boot_id)
    with pytest.raises(RefusedError, match="no proof"):
        watchdog.check(config)
    board.files.write("watchdog/bootstatus", watchdog.CARD_RESET)
    commission.confirm(config, boot_id)
    assert watchdog.check(config) is config.watchdog


def test_a_damaged_proof_is_none(board: Board) -> None:
    config = load(board.write_config())
    assert watchdog.check(config) is config.watchdog
    proof = board.folder / "proof.json"
    proof.write_text(proof.read_text().replace("2000", "9000"))
    with pytest.raises(RefusedError, match="no proof"):
        watchdog.check(config)


# --- the ports


class FakeGpiod:
    """The part of the gpiod package, version 2, that is used; it lacks the kernel's checks of chips and lines."""

    def __init__(self) -> None:
        self.line = SimpleNamespace(
            Value=SimpleNamespace(ACTIVE="on", INACTIVE="off"), Direction=SimpleNamespace(INPUT="in", OUTPUT="out")
        )
        self.levels: dict[tuple[str, int], str] = {}
        self.settings: dict[tuple[str, int], dict[str, Any]] = {}

    def LineSettings(self, **settings: Any) -> dict[str, Any]:  # noqa: N802
        return settings

    def request_lines(self, path: str, config: dict[int, dict[str, Any]], consumer: str) -> Any:
        assert consumer
        if path == "/dev/gpiochip9":
            raise FileNotFoundError(2, "No such file or directory")
        for offset, settings in config.items():
            self.settings[path, offset] = settings
            self.levels.setdefault((path, offset), settings["output_value"])
        return SimpleNamespace(
            get_values=lambda offsets: [self.levels[path, offset] for offset in offsets],
            set_values=lambda values: self.levels.update({(path, offset): value for offset, value in values.items()}),
        )


def test_lines_on_gpiod_are_requested_off_and_moved_together() -> None:
    gpiod = FakeGpiod()
    lines = GpiodLines({"coil": "gpiochip0:4", "alive": "gpiochip1:2"}, {"contacts": "!gpiochip0:7"}, gpiod)
    assert gpiod.levels["/dev/gpiochip0", 4] == "off"
    assert gpiod.settings["/dev/gpiochip0", 7]["active_low"] is True
    assert gpiod.settings["/dev/gpiochip0", 4]["direction"] == "out"
    lines.put("coil", True)
    lines.put("not there", True)
    assert gpiod.levels["/dev/gpiochip0", 4] == "off"
    lines.flush()
    assert (gpiod.levels["/dev/gpiochip0", 4], gpiod.levels["/dev/gpiochip1", 2]) == ("on", "off")
    gpiod.levels["/dev/gpiochip0", 7] = "on"
    assert not lines.get("contacts")
    lines.refresh()
    assert lines.get("contacts")
    with pytest.raises(OSError, match="gpiochip9"):
        GpiodLines({"coil": "gpiochip9:4"}, {}, gpiod)
    with pytest.raises(OSError, match="not version 2"):
        GpiodLines({}, {}, SimpleNamespace())


def test_a_line_says_its_chip_and_offset() -> None:
    assert parse_spec("!gpiochip0:17") == ("gpiochip0", 17, True)
    for wrong in ("17", "gpiochip0:", ":4", "/dev/gpiochip0:4", "gpiochip0:x"):
        with pytest.raises(ValueError, match="CHIP:OFFSET"):
            parse_spec(wrong)


def test_a_line_on_files_turned_round_by_an_exclamation_mark(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("0\n")
    lines = FileLines(tmp_path, {"coil": "!out"}, {"contacts": "!in"})
    lines.refresh()
    assert lines.get("contacts")
    assert (tmp_path / "out").read_text()[0] == "1"
    (tmp_path / "in").write_text("?")
    with pytest.raises(OSError, match="contacts reads"):
        lines.refresh()


def test_the_duty_is_never_above_the_one_asked_for_and_is_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "pwm3"
    folder.mkdir()
    for name, text in (("period", "40000"), ("duty_cycle", "40000"), ("enable", "0")):
        (folder / name).write_text(text + "\n")
    pwm = Pwm(tmp_path, 3)
    assert pwm.check() is None
    for permyriad in (0, 1, 500, 2666, 9999, 10_000):
        pwm.show(permyriad)
        assert int((folder / "duty_cycle").read_text().split()[0]) == permyriad * PERIOD_NS // 10_000
    (folder / "polarity").write_text("inversed\n")
    assert "polarity" not in (pwm.check() or "")
    again = Pwm(tmp_path, 3)
    assert (folder / "polarity").read_text().split()[0] == "normal"
    (folder / "enable").write_text("0\n")
    assert "disabled" in (again.check() or "")


def test_an_analogue_input_uses_scale_and_offset_of_its_own_or_of_its_kind(tmp_path: Path) -> None:
    for name, text in (("in_voltage2_raw", "100"), ("in_voltage_scale", "0.5"), ("in_voltage2_offset", "-10")):
        (tmp_path / name).write_text(text + "\n")
    assert Channel(tmp_path, "in_voltage2", 10.0, -150.0).read() == 300
    (tmp_path / "in_voltage2_scale").write_text("2\n")
    assert Channel(tmp_path, "in_voltage2", 1.0, 0.0).read() == 180
    (tmp_path / "in_voltage2_raw").write_text("no\n")
    with pytest.raises(OSError, match="no whole number"):
        Channel(tmp_path, "in_voltage2", 1.0, 0.0)


def test_proximity_is_the_resistor_behind_its_source() -> None:
    for ohm in (100, 220, 680, 1500):
        assert abs(pp_ohm(5000 * ohm // (ohm + 1000), 5000, 1000) - ohm) <= 2
    assert pp_ohm(5000, 5000, 1000) == pp_ohm(6000, 5000, 1000) == OPEN_OHM
    assert pp_ohm(-3, 5000, 1000) == 0


def test_silence_tries_everything_even_when_a_part_fails(board: Board) -> None:
    config = load(board.write_config())
    front = pilot_main.open_front(config)
    front.pwm.show(500)

    def fail() -> None:
        raise OSError("no lines")

    front.lines.flush = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no lines"):
        front.silence()
    assert board.outputs()["pwm"] == "1000"


def test_what_a_board_lacks_reads_as_harmless(tmp_path: Path) -> None:
    lines = FileLines(tmp_path, {}, {})
    high = SimpleNamespace(read=lambda: 9000)
    front = Front(SimpleNamespace(), lines, {"cp_high": high, "cp_low": high}, {})  # type: ignore[arg-type, dict-item]
    inputs = Inputs()
    front.sample(inputs)
    fresh = Inputs()
    fresh.cp_high_mv = fresh.cp_low_mv = 9000
    assert vars(inputs) == vars(fresh)


# --- the hook for whoever tests links


def test_a_pilot_on_a_pty_answers_a_station_at_the_device(tmp_path: Path) -> None:
    with pilot_on_a_pty(tmp_path / "board") as device:
        descriptor = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            station = TinyStation(SimpleNamespace(fileno=lambda: descriptor, close=lambda: None))
            station.until("the pilot to answer", lambda: station.link.online)
            assert isinstance(station.link, StationLink)
        finally:
            os.close(descriptor)


@pytest.fixture(scope="module")
def conformance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[tuple[int, str]]]:
    """`pilotwire link conformance` as a user calls it: nearly all of its half minute is waiting, so it goes on beside the tests."""
    folder = tmp_path_factory.mktemp("conformance")

    def judge() -> tuple[int, str]:
        with pilot_on_a_pty(folder / "board") as device:
            done = subprocess.run(
                [sys.executable, "-m", "pilotwire.tools.cli", "link", "conformance", "--port", device, "--narrow"],
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
        return done.returncode, done.stdout + done.stderr

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(judge)


@pytest.fixture(autouse=True)
def _conformance_begins_first(conformance: Future[tuple[int, str]]) -> None:
    """With the first test of this file."""


def test_the_pilot_of_a_linux_only_board_passes_the_conformance_test_of_the_link(
    conformance: Future[tuple[int, str]],
) -> None:
    status, text = conformance.result(300)
    assert status == 0, text
    assert "47 pass, 0 FAIL, 1 skip" in text, text
