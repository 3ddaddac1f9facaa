"""`pilotwire firmware ...`: keys, bundles, and the first files of a board, which a real MicroPython then starts from."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pilotwire.firmware.pilot import image
from pilotwire.tools.firmware import main
from pilotwire.tools.rig.rig import find_micropython

PROGRAM = "def make(context):\n    print('program', context.program, context.reset_reason)\n    raise KeyError('that is all')\n"
MACHINE = """\
import sys
PWRON_RESET, WDT_RESET = 1, 3
def reset_cause(): return PWRON_RESET
def reset():
    print("reset")
    sys.exit(0)
class Pin:
    def __init__(self, number): pass
class UART:
    def __init__(self, number, baud, **settings): pass
    def flush(self): pass
class WDT:
    def __init__(self, timeout): print("watchdog", timeout)
    def feed(self): pass
"""


def say(*argv: object) -> int:
    return main.main([str(each) for each in argv])


@pytest.fixture
def key(tmp_path: Path) -> Path:
    assert say("keygen", tmp_path / "release.key") == 0
    return tmp_path / "release.key"


def build(folder: Path, *more: object, board: str = "pico-serial") -> Path:
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    (sources / "entry_module.py").write_text(PROGRAM)
    out = folder / "program.pwb"
    argv = ["--board", board, "--entry", "entry_module", "--program", "a test 1.0", "--release", 7, "--root", sources]
    assert say("build", *argv, "--out", out, *more) == 0
    return out


def test_a_key_is_made_for_its_owner_alone_and_never_overwritten(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    public = key.with_name("release.key.pub")
    assert len(bytes.fromhex(public.read_text())) == 32
    before = key.read_bytes(), public.read_bytes()
    assert say("keygen", key) == 1
    assert "exists, and is not overwritten" in capsys.readouterr().err
    assert (key.read_bytes(), public.read_bytes()) == before
    key.unlink()
    assert say("keygen", key) == 1, "the public half alone is worth keeping too"
    assert not key.exists()


def test_the_private_key_is_never_shown(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = "".join(key.read_text().splitlines()[1:-1])
    out = capsys.readouterr()
    assert secret not in out.out + out.err


def test_a_key_that_others_can_read_signs_nothing(
    tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = build(tmp_path)
    before = made.read_bytes()
    key.chmod(0o640)
    assert say("sign", "--key", key, made) == 1
    assert "chmod 600" in capsys.readouterr().err
    assert made.read_bytes() == before


def test_a_bundle_is_built_signed_and_shown(tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = build(tmp_path)
    assert "not signed yet" in capsys.readouterr().out
    public = key.with_name("release.key.pub")
    assert say("show", made) == 0
    assert "signature  none" in capsys.readouterr().out
    assert say("show", "--trust", public, made) == 1
    assert say("sign", "--key", key, made) == 0
    capsys.readouterr()
    assert say("show", "--files", "--trust", public, made) == 0
    shown = capsys.readouterr().out
    for words in ("a test 1.0", "release    7", "pico-serial", "entry_module.mpy", "signature  good"):
        assert words in shown
    assert say("keygen", tmp_path / "other.key") == 0
    capsys.readouterr()
    assert say("show", "--trust", tmp_path / "other.key.pub", made) == 1
    assert "NOT of this key" in capsys.readouterr().out


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    first, second = (build(folder).read_bytes() for folder in folders)
    assert first == second
    assert image.Image(first).release == 7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--entry", "no.such.module"], "there is no module no.such.module below"),
        (["--entry", "not a name"], "must be a module's dotted name"),
        (["--release", "-1"], "release must be 0 .. 4294967295"),
        (["--board", "ü"], "board must be 1 to 32 printable ASCII characters"),
        (["--program", "x" * 61], "program must be 1 to 60"),
    ],
)
def test_what_cannot_be_built_is_named(
    tmp_path: Path, change: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"--board": "b", "--entry": "entry_module", "--program": "p", "--release": "1", "--root": str(tmp_path)}
    (tmp_path / "entry_module.py").write_text(PROGRAM)
    good |= dict([change])
    assert say("build", *(part for pair in good.items() for part in pair), "--out", tmp_path / "out.pwb") == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out.pwb").exists()


def test_a_source_that_does_not_compile_is_named_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "entry_module.py").write_text("x = 1\nmatch x:\n    case 1: pass\n")
    argv = ["--board", "b", "--entry", "entry_module", "--program", "p", "--release", "1", "--root", tmp_path]
    assert say("build", *argv, "--out", tmp_path / "out.pwb") == 1
    told = capsys.readouterr().err
    assert "entry_module.py" in told
    assert "line 2" in told


@pytest.mark.parametrize("cut", [0, 3, 30, 200, -1])
def test_a_bundle_that_is_not_whole_is_named_and_not_signed(
    tmp_path: Path, key: Path, cut: int, capsys: pytest.CaptureFixture[str]
) -> None:
    made = build(tmp_path)
    made.write_bytes(made.read_bytes()[:cut])
    before = made.read_bytes()
    assert say("sign", "--key", key, made) == 1
    assert str(made) in capsys.readouterr().err
    assert made.read_bytes() == before


def test_a_board_starts_the_loader_and_the_loader_the_bundle(tmp_path: Path, key: Path) -> None:
    interpreter = find_micropython()
    if interpreter is None:
        pytest.skip("there is no MicroPython wheel for this machine")
    board = tmp_path / "board"
    made = build(tmp_path, "--key", key)
    assert say("prepare", "--trust", key.with_name("release.key.pub"), "--out", board, made) == 0
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    (stubs / "machine.py").write_text(MACHINE)
    done = subprocess.run(
        [str(interpreter), "main.py"],
        cwd=board,
        env={**os.environ, "MICROPYPATH": f"{board}:{stubs}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines()[:2] == ["watchdog 4000", "program a test 1.0 1"], done
    assert "KeyError: that is all" in done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "reset"


def test_the_first_files_are_not_made_for_keys_that_have_not_signed(
    tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = build(tmp_path)
    argv = ["--trust", key.with_name("release.key.pub"), "--out", tmp_path / "board"]
    assert say("prepare", *argv, made) == 1
    assert "would run nothing" in capsys.readouterr().err
    assert not (tmp_path / "board").exists()
    assert say("sign", "--key", key, made) == 0
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "something").touch()
    assert say("prepare", *argv, made) == 1
    assert "is not empty" in capsys.readouterr().err


def test_of_a_foreign_board_it_says_what_is_missing(
    tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = build(tmp_path, "--key", key, board="mine")
    assert say("prepare", "--trust", key.with_name("release.key.pub"), "--out", tmp_path / "board", made) == 0
    assert "its main.py, which starts the loader, is for you to write" in capsys.readouterr().err
    assert not (tmp_path / "board" / "main.py").exists()


def test_who_only_sends_a_bundle_needs_no_cryptography() -> None:
    script = "import sys; sys.modules['cryptography'] = None; import pilotwire.tools.firmware.update"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
