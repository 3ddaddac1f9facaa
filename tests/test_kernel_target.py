"""The kernel fits its target: the same on both interpreters, no memory taken in a tick, no integer too large."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import int_range
import kernel_breaches
import kernel_script
from kernel_world import World
from pilotwire.firmware.kernel import faults, params, table, variants
from pilotwire.firmware.kernel.inputs import Inputs
from pilotwire.firmware.kernel.kernel import Kernel
from pilotwire.tools.rig.rig import PACKAGE_ROOT, find_micropython
from tree import REPO

ENVIRONMENT = {**os.environ, "MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"}
KERNEL = REPO / "firmware" / "kernel"
FULL = pytest.mark.skipif(
    os.environ.get("PILOTWIRE_FULL") != "1",
    reason="100,000 ticks each: runs with PILOTWIRE_FULL=1 (make verify-kernel)",
)

# Half a turn of the clock, and a whole one, lie within these runs.
RUNS = (("hash", 1, 0), ("hash", 2, 2**29 - 100_000), ("hash", 3, 2**30 - 100_000), ("extreme", 4, 2**30 - 50_000))
TICKS = 25_000
FULL_TICKS = 100_000
ALL_FAULTS = (1 << len(faults.FAULTS)) - 1
ALL_PHASES = (1 << len(table.PHASE_NAMES)) - 1


@functools.cache
def here(mode: str, ticks: int, seed: int, start_ms: int) -> str:
    """The script's line on CPython."""
    return kernel_script.run(ticks, seed, start_ms, mode == "extreme")


def there(mode: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The script on MicroPython; skips the test where there is none."""
    path = find_micropython()
    if path is None:
        pytest.skip("there is no MicroPython wheel for this machine")
    argv = [str(path), kernel_script.__file__, mode, *map(str, arguments)]
    return subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)


def compare(ticks: int, run: tuple[str, int, int]) -> None:
    mode, seed, start_ms = run
    line = here(mode, ticks, seed, start_ms)
    assert re.match("[0-9a-f]{64} ", line)
    done = there(mode, ticks, seed, start_ms)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == line + "\n"


@pytest.mark.parametrize("run", RUNS)
def test_a_random_script_puts_out_the_same_on_cpython_and_micropython(run: tuple[str, int, int]) -> None:
    compare(TICKS, run)


@FULL
@pytest.mark.parametrize("run", RUNS)
def test_a_long_random_script_puts_out_the_same_on_cpython_and_micropython(run: tuple[str, int, int]) -> None:
    compare(FULL_TICKS, run)


@pytest.mark.parametrize("ticks", [TICKS, pytest.param(FULL_TICKS, marks=FULL)])
def test_the_scripts_that_are_compared_meet_every_fault_and_every_phase_and_close_often(ticks: int) -> None:
    closings = fault_bits = phases = rows = 0
    for mode, seed, start_ms in RUNS:
        seen = [int(part) for part in here(mode, ticks, seed, start_ms).split()[1:]]
        closings += seen[0]
        fault_bits, phases, rows = fault_bits | seen[1], phases | seen[2], rows | seen[3]
    assert faults.names(ALL_FAULTS & ~fault_bits) == []
    assert [name for bit, name in enumerate(table.PHASE_NAMES) if not phases >> bit & 1] == []
    assert rows.bit_count() > len(table.TABLE) // 2
    assert closings * 1000 > ticks


def test_the_script_varies_every_input() -> None:
    world = World(seed=1, start_ms=0, extreme=False)
    world.restart(kernel_script.everything(), patient=False)
    seen: dict[str, set[int]] = {name: set() for name in vars(Inputs())}
    for _ in range(10_000):
        world.tick()
        for name, values in seen.items():
            values.add(getattr(world.inputs, name))
    assert {name: values for name, values in seen.items() if len(values) < 2} == {}


def test_every_output_and_every_report_of_the_kernel_goes_into_the_hash() -> None:
    kernel = Kernel(params.Parameters(variants.IEC, params.seal(variants.IEC)))
    methods = {"lease", "request", "step"}
    names = {name for name in dir(kernel) if not name.startswith("_")} - methods - {"parameters"}

    def packed(changed: str) -> bytes:
        values = {name: int(name == changed) for name in names - {"lease_left_ms"}}
        stand_in = SimpleNamespace(**values, lease_left_ms=lambda: int(changed == "lease_left_ms"))
        recorder = kernel_script.Recorder()
        recorder.pack(SimpleNamespace(kernel=stand_in, now_ms=0, station=SimpleNamespace(granted=0)))
        return bytes(recorder.buffer)

    assert [name for name in sorted(names) if packed(name) == packed("")] == []
    assert len({packed(name) for name in names}) == len(names)


def test_another_seed_or_start_gives_another_hash() -> None:
    assert len({here("hash", 500, seed, start_ms).split()[0] for seed in (1, 2) for start_ms in (0, 77)}) == 4


@pytest.mark.parametrize("ticks", [TICKS, pytest.param(FULL_TICKS, marks=FULL)])
def test_the_kernel_takes_no_memory_in_a_tick(ticks: int) -> None:
    done = there("locked", ticks, 1, 0)
    assert done.returncode == 0, done.stdout + done.stderr  # MicroPython's traceback is on standard output
    # It has gone the same way as the run whose hash is known.
    assert done.stdout.split() == here("hash", ticks, 1, 0).split()[1:]


@pytest.mark.parametrize("breach", ["tuple", "float"])
def test_a_kernel_that_takes_memory_in_a_tick_is_caught_with_its_line(breach: str) -> None:
    source = Path(kernel_breaches.__file__).read_text().splitlines()
    start = next(number for number, line in enumerate(source) if f"def with_{breach}(" in line)
    line = next(number for number in range(start, len(source)) if "# the breach" in source[number]) + 1
    done = there("locked", TICKS, 1, 0, breach)
    assert done.returncode == 1
    assert f'kernel_breaches.py", line {line}, in with_{breach}\nMemoryError: ' in done.stdout, done.stdout


def range_checked(ticks: int, folder: Path = KERNEL) -> subprocess.CompletedProcess[str]:
    """int_range.py in a process of its own."""
    argv = [sys.executable, int_range.__file__, str(ticks), "4", str(2**30 - 50_000), str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("ticks", [TICKS, pytest.param(FULL_TICKS, marks=FULL)])
def test_every_integer_in_the_kernel_is_a_small_one_on_the_target(ticks: int) -> None:
    done = range_checked(ticks)
    assert done.returncode == 0, done.stderr
    # The checks change nothing.
    assert done.stdout == here("extreme", ticks, 4, 2**30 - 50_000) + "\n"


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("ticks.py", "total_ms += passed_ms", "total_ms += passed_ms << 25"),
        ("current.py", "* 11 // 10", "* 110000 // 100000"),
        ("heat.py", "return duty.MIN_MA + left_ma", "return duty.MIN_MA + left_ma * 20000 // 20000"),
    ],
)
def test_an_overflow_is_found_with_file_and_line(file: str, before: str, after: str, tmp_path: Path) -> None:
    folder = shutil.copytree(KERNEL, tmp_path / "kernel")
    source = (folder / file).read_text()
    assert source.count(before) == 1, f"{file} no longer says {before!r}: seed the overflow elsewhere"
    (folder / file).write_text(source.replace(before, after))
    line = source[: source.index(before)].count("\n") + 1

    done = range_checked(TICKS, folder)

    assert done.returncode == 1
    assert re.search(rf"OutOfRangeError: {re.escape(str(folder / file))}:{line}: -?\d+\n$", done.stderr), done.stderr


def test_a_large_constant_that_a_function_uses_is_found_by_name(tmp_path: Path) -> None:
    folder = shutil.copytree(KERNEL, tmp_path / "kernel")
    with (folder / "times.py").open("a") as file:
        file.write("\nF_HOLD_MS = 1 << 30\n")

    done = range_checked(100, folder)

    assert done.returncode == 1
    assert done.stderr.endswith(f"OutOfRangeError: {folder / 'times.py'}: F_HOLD_MS: {1 << 30}\n")


def calculate(body: str, **given: object) -> object:
    """The result of a function with this body, instrumented."""
    code, _ = int_range.instrument(f"def function({', '.join(given)}):\n    {body}", "made_up.py")
    scope: dict[str, object] = {int_range.CHECK: int_range.check}
    exec(code, scope)
    return scope["function"](**given)  # type: ignore[operator]


LARGEST = 2**30 - 1


@pytest.mark.parametrize(
    ("body", "given"),
    [
        ("return x + 1", {"x": LARGEST}),
        ("return -x - 1", {"x": LARGEST}),
        ("return (x * 2) >> 8", {"x": LARGEST}),
        ("return ~x", {"x": LARGEST}),
        ("x += 1", {"x": LARGEST}),
        ("x[0] <<= 1", {"x": [LARGEST]}),
        ("x.real_ms -= 2", {"x": SimpleNamespace(real_ms=-LARGEST)}),
        ("return max(x)", {"x": [1, 2**30]}),
        ("return [y + y for y in x]", {"x": [LARGEST]}),
        ("return 5 if x and x + 1 else 6", {"x": LARGEST}),
    ],
)
def test_each_way_to_make_a_large_integer_is_checked(body: str, given: dict[str, object]) -> None:
    with pytest.raises(int_range.OutOfRangeError, match=r"^made_up\.py:2: -?\d+$"):
        calculate(body, **given)


def test_a_large_literal_is_found_even_where_it_is_never_reached() -> None:
    with pytest.raises(int_range.OutOfRangeError, match=r"^made_up\.py:2: 1073741824$"):
        int_range.instrument("def function():\n    return 0 and 1073741824", "made_up.py")


def test_what_is_small_or_no_integer_passes_unchanged() -> None:
    assert calculate("x -= 1\n    return -x, x + y, not x, str(x)", x=-LARGEST + 1, y=0) == (
        LARGEST,
        -LARGEST,
        False,
        f"{-LARGEST}",
    )
    assert calculate(
        "x.ms += 7\n    x.list[0] += 1\n    return x", x=SimpleNamespace(ms=1, list=[4])
    ) == SimpleNamespace(ms=8, list=[5])
