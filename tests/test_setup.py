"""The set-up from nothing: what it asks apt for it prints, asks once, and explains when it cannot.

The script runs for real against a PATH that holds only what each test puts there: stand-ins for the interpreter and for
apt-get. What the stand-ins lack: they install nothing and download nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tree import REPO

SCRIPT = REPO / "tools" / "setup.sh"
PACKAGES = "install --yes --no-install-recommends python3 python3-venv"


class Machine:
    """A PATH of its own, with the few programs every Debian has."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.log = folder / "apt.log"
        self.env_dir = folder / "env"
        self.bin.mkdir()
        for name in ("sh", "rm", "mkdir", "touch", "ls", "env", "cp"):
            (self.bin / name).symlink_to(shutil.which(name) or f"/bin/{name}")
        self.program("id", "echo 0")

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def python(self, name: str = "python3") -> None:
        """A Python that can create environments: the one running this test."""
        self.program(name, f'exec {sys.executable} "$@"')

    def python_without_venv(self) -> None:
        """As on Debian before python3-venv: the interpreter is new enough, ensurepip is not there."""
        self.program("python3", f'case "$2" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"')

    def apt_that_brings(self, then: str = "") -> None:
        self.program("apt-get", f'echo "$*" >>{self.log}\n[ "$1" = update ] || {{ {then or ":"} ; }}')

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.bin / "sh"), str(SCRIPT), str(self.env_dir), *arguments],
            env={"PATH": str(self.bin), "HOME": str(self.bin.parent), **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def asked_of_apt(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_with_a_good_python_nothing_is_asked_of_apt(machine: Machine) -> None:
    machine.python("python3.12")
    machine.apt_that_brings()
    done = machine.run("--without-pip")
    assert done.returncode == 0, done.stderr
    assert "setup: nothing needed from apt: python3.12 is Python 3." in done.stdout
    assert (machine.env_dir / "bin" / "python").exists()
    assert machine.asked_of_apt() == []


def test_a_second_run_finds_nothing_to_do(machine: Machine) -> None:
    machine.python()
    machine.run("--without-pip")
    made = (machine.env_dir / "pyvenv.cfg").stat().st_mtime_ns
    done = machine.run("--without-pip")
    assert done.returncode == 0
    assert "there already, nothing needed" in done.stdout
    assert (machine.env_dir / "pyvenv.cfg").stat().st_mtime_ns == made


def test_an_environment_that_was_interrupted_is_made_anew(machine: Machine) -> None:
    machine.python()
    machine.run("--without-pip")
    (machine.env_dir / ".unfinished").touch()
    (machine.env_dir / "leftover").touch()
    done = machine.run("--without-pip")
    assert done.returncode == 0
    assert not (machine.env_dir / "leftover").exists()
    assert not (machine.env_dir / ".unfinished").exists()


def test_a_folder_with_something_else_in_it_is_not_touched(machine: Machine) -> None:
    machine.python()
    machine.env_dir.mkdir()
    (machine.env_dir / "thesis.txt").write_text("years of work")
    done = machine.run("--without-pip")
    assert done.returncode == 1
    assert "exists and is not a virtual environment" in done.stderr
    assert (machine.env_dir / "thesis.txt").read_text() == "years of work"


def test_what_is_missing_is_printed_and_installed_once(machine: Machine) -> None:
    machine.python_without_venv()
    good = machine.bin.parent / "good"
    good.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    good.chmod(0o755)
    machine.apt_that_brings(f"cp {good} {machine.bin}/python3")
    done = machine.run("--without-pip")
    assert done.returncode == 0, done.stderr
    assert "python3 lacks what a virtual environment needs" in done.stdout
    assert "installing from apt: python3 python3-venv" in done.stdout
    assert f"apt-get {PACKAGES}" in done.stdout
    assert machine.asked_of_apt() == ["update", PACKAGES]
    machine.run("--without-pip")
    assert machine.asked_of_apt() == ["update", PACKAGES]


def test_a_user_who_is_not_root_gets_sudo(machine: Machine) -> None:
    machine.program("id", "echo 1000")
    machine.program("sudo", f'echo "sudo $*" >>{machine.log}; exit 1')
    machine.apt_that_brings()
    done = machine.run()
    assert done.returncode == 1
    assert machine.asked_of_apt() == ["sudo apt-get update"]
    assert "apt-get failed" in done.stderr


def test_without_sudo_the_command_for_root_is_printed(machine: Machine) -> None:
    machine.program("id", "echo 1000")
    machine.apt_that_brings()
    done = machine.run()
    assert done.returncode == 1
    assert "As root, run:  apt-get update && apt-get install python3 python3-venv" in done.stderr
    assert machine.asked_of_apt() == []


def test_without_apt_the_remedy_is_named(machine: Machine) -> None:
    done = machine.run()
    assert done.returncode == 1
    assert "there is no apt-get here" in done.stderr
    assert "Install Python 3.11 or newer" in done.stderr


def test_a_system_too_old_for_us_is_told_so_after_apt(machine: Machine) -> None:
    machine.program("python3", "exit 1")
    machine.apt_that_brings()
    done = machine.run()
    assert done.returncode == 1
    assert "This system is older than Debian 12" in done.stderr
    assert "make demo PYTHON=" in done.stderr


def test_a_python_named_by_hand_is_used_or_refused_but_never_replaced(machine: Machine) -> None:
    machine.python()
    machine.apt_that_brings()
    done = machine.run("--without-pip", PYTHON=os.devnull)
    assert done.returncode == 1
    assert "PYTHON=/dev/null is not a Python >= 3.11" in done.stderr
    assert machine.asked_of_apt() == []
