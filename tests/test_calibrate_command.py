"""`pilotwire calibrate` against a real pilot program on a pty: what it says, what it stores, and when it says no."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import calibration_pilot
from pilotwire.firmware.pilot import calibration, frontend
from pilotwire.firmware.pilot.calibration import CP, CURRENT, PP, corrected
from pilotwire.firmware.pilot.calibration_store import FileStore
from pilotwire.firmware.shell.pilot_port import open_serial
from pilotwire.protocols.link import frame, messages
from pilotwire.protocols.link.station import StationLink
from pilotwire.tools import calibrate
from pilotwire.tools.calibrate_line import LineError, PilotLine
from pilotwire.tools.rig.pty_line import Pty
from pilotwire.tools.rig.rig import PACKAGE_ROOT, find_micropython

ENVIRONMENT = {**os.environ, "MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"}
TIMEOUT_S = 60.0
GAIN, SHIFT = 1.004, 150
"""What is wrong with this board's ADC: it reads (code - SHIFT) / GAIN."""

# The bench of a script: `APPLY READINGS CHANNEL VALUE UNIT`, or `APPLY READINGS off`.
APPLY = f"""
import os, sys
from pilotwire.tools.calibrate import CHANNELS
path, name, *rest = sys.argv[1:]
codes, cp_mv = [30000] * 5, 12000
if name != "off":
    channel = CHANNELS[name]
    assert rest[1] == channel.unit
    codes[channel.number] = round((channel.wanted(int(rest[0])) - {SHIFT}) / {GAIN})
    cp_mv = int(rest[0]) if name == "cp" else cp_mv
with open(path + ".new", "w") as file:
    print(*codes, cp_mv, 0, file=file)
os.replace(path + ".new", path)
"""


class Rig:
    """A pilot on a pty, and the command at the other end."""

    def __init__(self, interpreter: str, folder: Path, word: str = "") -> None:
        self.folder = folder
        self.readings = folder / "readings"
        self.apply_program = folder / "apply.py"
        self.apply_program.write_text(APPLY)
        self.put(30000)
        self._line = Pty()
        self.process = subprocess.Popen(
            [interpreter, calibration_pilot.__file__, str(self.readings), str(folder / "calibration"), word],
            env=ENVIRONMENT,
            stdin=self._line.master,
            stdout=self._line.master,
            stderr=subprocess.PIPE,
        )
        self.device = self._line.device

    def put(self, code: int, cp_mv: int = 12000, contacts: int = 0) -> None:
        """Readings of all channels, and what the kernel sees."""
        new = self.folder / "put"
        new.write_text(" ".join(str(value) for value in [code] * 5 + [cp_mv, contacts]))
        new.replace(self.readings)

    def stored(self) -> bytes:
        """What the next start of the pilot would find."""
        return FileStore(str(self.folder / "calibration")).load()

    def run(self, *arguments: str, answers: str | None = None) -> tuple[int, str, str]:
        """The command's exit status, output and errors."""
        done = subprocess.run(
            [sys.executable, "-m", "pilotwire.tools.calibrate", "--port", self.device, *arguments],
            input=answers or "",
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def run_scripted(self, *arguments: str) -> tuple[int, str, str]:
        """The same with a program that applies the references."""
        return self.run("--apply", f"{sys.executable} {self.apply_program} {self.readings}", *arguments)

    def close(self) -> str:
        """End the pilot; its standard error."""
        self.readings.unlink(missing_ok=True)
        try:
            _, error = self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, error = self.process.communicate()
        self._line.close()
        return error.decode()


def interpreter(name: str) -> str:
    if name == "cpython":
        return sys.executable
    path = find_micropython()
    if path is None:
        pytest.skip("there is no MicroPython wheel for this machine: the pilot side is not tried on it")
    return str(path)


@pytest.fixture(params=["micropython", "cpython"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(interpreter(request.param), tmp_path)
    yield rig
    assert rig.close() == ""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(sys.executable, tmp_path)
    yield rig
    assert rig.close() == ""


def rows_of(block: bytes) -> list[tuple[int, int]]:
    return calibration.unseal(block, calibration_pilot.BOARD)


def test_two_channels_are_calibrated_stored_and_shown(both: Rig) -> None:
    status, out, err = both.run_scripted("--low-mv=-12000", "--high-mv", "12000", "cp", "pp")
    assert (status, err) == (0, ""), out
    assert "board e6616408432f9a21" in out
    assert "stored: nothing yet" in out
    assert "stored, read back and compared" in out
    rows = rows_of(both.stored())
    for channel, wanted in ((CP, frontend.cp_u16(8980)), (PP, frontend.pp_u16(680))):
        raw = round((wanted - SHIFT) / GAIN)
        assert abs(raw - wanted) > 100, "this board needs no calibration"
        assert abs(corrected(raw, *rows[channel]) - wanted) <= 3
    assert rows[CURRENT] == (0, 0)

    status, out, err = both.run("--show")
    assert (status, err) == (0, "")
    assert re.search(r"cp +1\.00\d{4} +\+1\d\d$", out, re.MULTILINE), out
    assert re.search(r"current +1\.000000 +\+0$", out, re.MULTILINE), out


def test_the_table_shows_the_error_before_and_after(rig: Rig) -> None:
    status, out, _ = rig.run_scripted("--low-ohm", "100", "--high-ohm", "1500", "--dry-run", "pp")
    assert status == 0
    rows = re.findall(r"(\d+) Ω +(\d+) +(\d+) +([+-][\d.]+)% +([+-][\d.]+)%", out)
    assert [row[0] for row in rows] == ["100", "1500"]
    for ohm, raw, wanted, before, after in rows:
        assert int(wanted) == frontend.pp_u16(int(ohm))
        assert float(before) == pytest.approx(100 * (int(raw) - int(wanted)) / 65536, abs=0.001)
        assert abs(float(before)) > 0.2
        assert abs(float(after)) <= 0.003
    assert "dry run: nothing has been stored" in out
    assert rig.stored() == b""


def test_another_channel_later_leaves_the_first_one_as_it_was(rig: Rig) -> None:
    assert rig.run_scripted("cp")[0] == 0
    first = rows_of(rig.stored())
    assert rig.run_scripted("--low-ma", "5000", "--high-ma", "40000", "current")[0] == 0
    second = rows_of(rig.stored())
    assert second[CP] == first[CP] != (0, 0)
    assert second[CURRENT] != (0, 0)


def test_a_person_is_asked_and_told_how(rig: Rig) -> None:
    # Both answers are given at once, so the readings of both points are the same: that is a mistake which is seen.
    status, out, err = rig.run("cp", answers="two volts\n-2500\n\n")
    assert status == 1
    assert "join CP and PE with a wire" in out
    assert "'two volts' is no whole number" in out
    assert "low reference in mV when it is in place [0]: " in out
    assert "high reference in mV when it is in place [12000]: " in out
    assert "cp low: -2500 mV reads 30000, should be 27307" in out
    assert "tenth of the scale apart" in err
    assert rig.stored() == b""


def test_a_person_calibrates_with_answers_in_their_own_time(rig: Rig) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "pilotwire.tools.calibrate", "--port", rig.device, "cp"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        said = b""
        for prompt, cp_mv, answer in (
            (b"[0]: ", 0, b"0\n"),
            (b"[12000]: ", 11950, b"11950\n"),
            (b"Enter: ", 12000, b"\n"),
        ):
            until = time.monotonic() + TIMEOUT_S
            while not said.endswith(prompt):
                assert time.monotonic() < until, said
                said += os.read(child.stdout.fileno(), 1000)
            time.sleep(0.7)  # longer than a pilot waits for its station
            rig.put(round((frontend.cp_u16(cp_mv) - SHIFT) / GAIN), cp_mv)
            child.stdin.write(answer)
            child.stdin.flush()
        out, err = child.communicate(timeout=TIMEOUT_S)
    finally:
        child.kill()
        child.communicate()
    assert (child.returncode, err) == (0, b""), said + out
    wanted = frontend.cp_u16(8980)
    assert abs(corrected(round((wanted - SHIFT) / GAIN), *rows_of(rig.stored())[CP]) - wanted) <= 3


def test_an_input_that_ends_ends_the_command_and_stores_nothing(rig: Rig) -> None:
    status, _, err = rig.run("cp")
    assert status == 1
    assert "the input has ended" in err
    assert rig.stored() == b""


def test_a_car_that_is_plugged_in_is_waited_for_and_then_nothing_is_stored(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.apply_program.write_text(APPLY.replace("12000", "8980"))
    monkeypatch.setattr("pilotwire.tools.calibrate_line.IDLE_S", 1.0)
    apply = f"{sys.executable} {rig.apply_program} {rig.readings}"
    assert calibrate.main(["--port", rig.device, "--apply", apply, "pp"]) == 1
    assert "state A with open contacts" in capsys.readouterr().err
    assert rig.stored() == b""


def test_the_pilot_itself_refuses_while_its_contacts_are_closed(rig: Rig) -> None:
    block = calibration.seal(calibration_pilot.BOARD, [(1, 1)] * len(calibration.CHANNELS))
    line = open_serial(rig.device, 115200)
    try:
        pilot = PilotLine(line, StationLink("test", 9))
        pilot.connect()
        for cp_mv, contacts in ((12000, 1), (8980, 0)):
            rig.put(30000, cp_mv, contacts)
            pilot.pump(lambda: not pilot._is_idle(), 5.0, "the pilot does not see it")
            result = pilot.ask(messages.CALIBRATION_WRITE, 0, block)
            assert result.status == messages.REFUSED
            assert "state A" in pilot.said(result)
        rig.put(30000)
        pilot.wait_for_idle()
        assert pilot.ask(messages.CALIBRATION_WRITE, 0, block).status == messages.OK
    finally:
        line.close()
    assert rig.stored() == block


@pytest.mark.parametrize(
    ("program", "word"),
    [
        ("this-program-does-not-exist", "No such file"),
        (f'{sys.executable} -c "raise SystemExit(3)"', "ended with status 3"),
    ],
)
def test_a_bench_program_that_fails_is_named(rig: Rig, program: str, word: str) -> None:
    status, _, err = rig.run("--apply", program, "pp")
    assert status == 1
    assert word in err
    assert rig.stored() == b""


def test_a_reading_that_no_tolerance_explains_is_not_stored(rig: Rig) -> None:
    rig.apply_program.write_text(APPLY.replace(str(GAIN), "1.08"))
    status, _, err = rig.run_scripted("cp")
    assert status == 1
    assert "more than 5 %" in err
    assert rig.stored() == b""


def test_a_stored_block_of_another_board_is_told_and_replaced(tmp_path: Path) -> None:
    rows = [(0, 5)] * len(calibration.CHANNELS)
    FileStore(str(tmp_path / "calibration")).save(calibration.seal(b"somebody", rows))
    rig = Rig(sys.executable, tmp_path)
    try:
        status, out, _ = rig.run_scripted("pp")
        assert status == 0
        assert "stored, but not used: the calibration belongs to another board: 736f6d65626f6479" in out
        assert rows_of(rig.stored())[CP] == (0, 0), "nothing of the other board's is taken over"
    finally:
        assert rig.close() == ""


@pytest.mark.parametrize(("word", "text"), [("plain", "cannot be calibrated"), ("forgetful", "read back")])
def test_a_pilot_that_cannot_or_does_not_keep_it_is_found(tmp_path: Path, word: str, text: str) -> None:
    rig = Rig(sys.executable, tmp_path, word)
    try:
        status, _, err = rig.run_scripted("pp")
        assert status == 1
        assert text in err
    finally:
        assert rig.close() == ""


def test_a_pilot_that_listens_to_a_station_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pilotwire.tools.calibrate_line.CONNECT_S", 1.0)
    # What such a pilot answers: a HELLO that names another session.
    hello = [messages.HELLO, 1, messages.VERSION, 5, "pilot", calibration_pilot.BOARD, b"", 0, 0, b"", 77]
    line = Pty()
    port = open_serial(line.device, 115200)
    try:
        os.write(line.master, frame.encode(list(hello)))
        with pytest.raises(LineError, match="listens to a station"):
            PilotLine(port, StationLink("test", 9)).connect()
    finally:
        port.close()
        line.close()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "name at least one channel"),
        (["volts"], "there is no channel volts; they are cp, pp, current"),
        (["cp", "cp"], "named twice"),
        (["--show", "cp"], "--show goes without channels"),
        (["--low-ohm", "100", "cp"], "no channel that takes them is named"),
        (["--low-ohm", "100", "pp", "plug-temp"], "pp and plug-temp"),
        (["--low-mv", "12000", "--high-mv", "0", "cp"], "must be below the high one"),
    ],
)
def test_wrong_arguments_are_refused_before_the_line_is_opened(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        calibrate.main(["--port", "/dev/null/nowhere", *arguments])
    assert ended.value.code == 2
    assert text in capsys.readouterr().err


def test_a_port_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate.main(["--port", "/dev/no-such-port", "--show"]) == 1
    assert "/dev/no-such-port" in capsys.readouterr().err


def test_a_line_without_a_pilot_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("pilotwire.tools.calibrate_line.CONNECT_S", 0.3)
    line = Pty()
    try:
        assert calibrate.main(["--port", line.device, "--show"]) == 1
    finally:
        line.close()
    assert "no pilot answers on this line (waited 0.3 s)" in capsys.readouterr().err


def test_the_help_explains_every_channel_and_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        calibrate.main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for name, _ in calibration.CHANNELS:
        assert re.search(rf"^  {name} ", out, re.MULTILINE), name
    for word in ("before you start", "--apply", "--dry-run", "exit status", "state A", "examples"):
        assert word in out
