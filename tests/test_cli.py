"""The `pilotwire` command: it teaches, it answers quickly, and what goes wrong is said in one sentence."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import types
from collections.abc import Callable
from importlib.metadata import version

import pytest

from pilotwire.firmware.toml_file import ConfigError
from pilotwire.tools import cli

HEAVY = ("asyncio", "matplotlib", "msgspec", "pymodbus", "rich", "serial", "sqlite3", "websockets")


def pilotwire(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pilotwire.tools.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command_with_one_line() -> None:
    done = pilotwire("--help")
    assert done.returncode == 0
    for command in cli.COMMANDS:
        assert re.search(rf"^  {command.name} +{re.escape(command.summary)}$", done.stdout, re.MULTILINE), done.stdout


def test_no_command_at_all_teaches_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "commands:" in capsys.readouterr().out


def test_help_loads_no_package_it_does_not_need() -> None:
    code = (
        "import sys; from pilotwire.tools import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\n"
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_version_is_the_installed_one() -> None:
    done = pilotwire("--version")
    assert (done.returncode, done.stdout) == (0, f"pilotwire {version('pilotwire')}\n")


def test_an_unknown_command_is_refused_with_the_known_ones() -> None:
    done = pilotwire("dmeo")
    assert done.returncode == 2
    assert "dmeo" in done.stderr
    assert "demo" in done.stderr


@pytest.mark.parametrize("command", cli.COMMANDS, ids=[command.name for command in cli.COMMANDS])
def test_every_registered_command_exists_and_explains_itself(command: cli.Command) -> None:
    assert importlib.util.find_spec(command.module), f"{command.module} is registered and does not exist"
    done = pilotwire(command.name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"pilotwire {command.name}" in done.stdout, "its usage line must show how it is called"
    assert len(done.stdout.splitlines()) > 3, done.stdout


Play = Callable[[Callable[[list[str]], int]], str]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Registers a function as a command, in a module made for the test, and gives the command's name."""

    def register(function: Callable[[list[str]], int]) -> str:
        module = types.ModuleType("pilotwire_test_command")
        module.main = function  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(cli, "COMMANDS", (*cli.COMMANDS, cli.Command("play", "a test", module.__name__)))
        return "play"

    return register


def test_a_command_gets_its_arguments_untouched_and_gives_the_exit_code(play: Play) -> None:
    seen: list[str] = []

    def main(argv: list[str]) -> int:
        seen.extend(argv)
        return 7

    assert cli.main([play(main), "--help", "-x", "a b", "--", "--version"]) == 7
    assert seen == ["--help", "-x", "a b", "--", "--version"]


def test_a_wrong_configuration_is_a_sentence_and_not_a_traceback(
    play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv: list[str]) -> int:
        raise ConfigError("station.toml", ["limits.phases: must be one of 1, 3, not 2"])

    assert cli.main([play(main)]) == 2
    assert capsys.readouterr().err == "pilotwire play: station.toml: limits.phases: must be one of 1, 3, not 2\n"


def test_ctrl_c_ends_quietly_with_130(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: list[str]) -> int:
        raise KeyboardInterrupt

    assert cli.main([play(main)]) == 130
    assert capsys.readouterr().err == ""


def test_a_mistake_of_ours_keeps_its_traceback(play: Play) -> None:
    def main(argv: list[str]) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cli.main([play(main)])


def test_a_missing_module_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli, "COMMANDS", (cli.Command("gone", "a test", "pilotwire.tools.gone.main"),))
    assert cli.main(["gone"]) == 2
    assert "pilotwire gone: this installation has no module pilotwire.tools.gone.main" in capsys.readouterr().err


def test_a_missing_extra_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "no_such_painter", None)
    module = types.ModuleType("pilotwire_test_command")
    monkeypatch.setattr(cli, "COMMANDS", (cli.Command("show", "a test", module.__name__, needs_extra="demo"),))

    def import_module(name: str) -> types.ModuleType:
        raise ModuleNotFoundError("No module named 'no_such_painter'", name="no_such_painter")

    monkeypatch.setattr("importlib.import_module", import_module)
    assert cli.main(["show"]) == 2
    assert (
        "needs the package no_such_painter; install it with: pip install 'pilotwire[demo]'" in capsys.readouterr().err
    )


def test_a_reader_that_goes_away_ends_it_without_a_traceback() -> None:
    code = (
        "import sys, types; from pilotwire.tools import cli\n"
        "talker = types.ModuleType('talker'); sys.modules['talker'] = talker\n"
        "talker.main = lambda argv: print('x' * 1_000_000) or 0\n"
        "cli.COMMANDS = (cli.Command('talk', 'a test', 'talker'),)\n"
        "sys.exit(cli.main(['talk']))"
    )
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=write_end, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    finally:
        os.close(write_end)
    assert (done.returncode, done.stderr) == (1, "")
