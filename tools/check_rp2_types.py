"""Type check of the RP2040 side against the stubs of MicroPython's rp2 port, in an environment of its own (.venv-rp2).

    python -m pilotwire.tools.check_rp2_types

The project's own mypy run sees `machine`, `rp2` and `uctypes` as unknown, so it cannot find a misspelt method of a pin; this one
does. The environment is made when it is missing.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
ENVIRONMENT = REPO / ".venv-rp2"
STUBS = "micropython-rp2-stubs"
CHECKER = "mypy>=1.11"
MODULES = (
    "pilotwire.firmware.pilot.rp2040",
    "pilotwire.firmware.pilot.rp2040_adc",
    "pilotwire.firmware.pilot.rp2040_pins",
    "pilotwire.firmware.pilot.rp2040_sampling",
    "pilotwire.firmware.pilot.rp2040_scales",
    "pilotwire.firmware.pilot.rp2040_scratch",
    "pilotwire.boards.pico_serial.edge",
    "pilotwire.boards.pico_serial.main",
    "pilotwire.boards.pico_serial.pins",
    "pilotwire.boards.pico_serial.parameters",
)
_INSTALL_S = 600
_CHECK_S = 300


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / "bin" / "python"


def stubs_of(environment: Path) -> Path:
    """Where the stubs lie."""
    return environment / "stubs"


def prepare(environment: Path = ENVIRONMENT) -> None:
    """Make the environment, or complete one that was interrupted. Raises CalledProcessError when pip cannot."""
    done = environment / ".made"
    if done.exists():
        return
    venv.create(environment, with_pip=True, clear=True)
    pip = [str(python_of(environment)), "-m", "pip", "--no-input", "--disable-pip-version-check", "-q", "install"]
    subprocess.run([*pip, CHECKER], check=True, timeout=_INSTALL_S)
    # In a folder of their own: mypy takes them from site-packages only in part, because they are not marked as typed.
    subprocess.run([*pip, "--target", str(stubs_of(environment)), STUBS], check=True, timeout=_INSTALL_S)
    done.touch()


def check(root: Path = REPO, environment: Path = ENVIRONMENT) -> subprocess.CompletedProcess[str]:
    """Run mypy over MODULES of the project in `root`; the stubs replace the standard library, which MicroPython lacks most of."""
    stubs = str(stubs_of(environment))
    command = [str(python_of(environment)), "-m", "mypy", "--strict", "--no-warn-unused-ignores", "--config-file="]
    command += [
        "--custom-typeshed-dir",
        stubs,
        "--follow-imports=silent",
        "--cache-dir",
        str(environment / "cache"),
    ]
    # An ignored import would make everything behind it Any: nothing would be checked.
    command += ["--disallow-any-unimported", "--show-error-codes"]
    for module in MODULES:
        command += ["-m", module]
    return subprocess.run(
        command,
        cwd=root,
        env={"MYPYPATH": f"{root / 'src'}:{stubs}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=_CHECK_S,
        check=False,
    )


def ours(output: str) -> list[str]:
    """The lines of mypy's output that are about the project, not about the stubs themselves, which have errors of their own."""
    return [line for line in output.splitlines() if line.startswith("src/pilotwire/") and ": error:" in line]


def main() -> int:
    """Prepare, check, print; 0 when there is no error in the project's files, 1 when there is, 2 when mypy did not finish."""
    prepare()
    done = check()
    lines = done.stdout.splitlines()
    if done.returncode not in (0, 1) or not lines or not lines[-1].startswith(("Found ", "Success")):
        print(done.stdout, done.stderr, sep="", end="")
        return 2
    found = ours(done.stdout)
    theirs = sum(": error:" in line for line in lines) - len(found)
    print(
        "\n".join(
            [*found, f"{len(found)} errors in {len(MODULES)} modules; {theirs} in the stubs themselves, not counted"]
        )
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
