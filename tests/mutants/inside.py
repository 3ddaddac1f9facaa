"""What every child process does: replace modules, bound itself, call pytest."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import NamedTuple

import hypothesis
import pytest

MEMORY_BYTES = 2 << 30
ARGUMENTS = ("-x", "-q", "-s", "--assert=plain", "--tb=line", "-p", "no:cacheprovider", "-p", "no:unraisableexception")
PLUGINS = [entry.load() for entry in importlib.metadata.entry_points(group="pytest11")]
"""Pytest's plugins from other packages. Found once, in the parent: to look for them takes as long as to collect a file."""


class Tests(NamedTuple):
    """Which tests there are."""

    root: Path
    package: str
    """The package under test, as it is imported."""
    files: tuple[str, ...]
    without: tuple[str, ...]
    """Parts of node ids; such tests are left out."""


class Replacement(MetaPathFinder, Loader):
    """Modules whose code comes from here instead of their files, and so never from a __pycache__ either."""

    def __init__(self, codes: dict[str, CodeType]) -> None:
        self.codes = codes
        self.loaded: set[str] = set()

    def install(self, package: str) -> None:
        """Go first in line. Nothing may be there already that could hold on to an original."""
        early = [name for name in sys.modules if name == package or name.startswith(package + ".")]
        if early:
            raise RuntimeError(f"imported before the change: {', '.join(sorted(early))}")
        sys.meta_path.insert(0, self)
        importlib.invalidate_caches()

    def check(self) -> None:
        """Raise when one of the modules has come from somewhere else after all."""
        for name in self.codes:
            module = sys.modules.get(name)
            if module is not None and (module.__loader__ is not self or name not in self.loaded):
                raise RuntimeError(f"{name} has been imported past the change")

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """Answer for the replaced modules only."""
        code = self.codes.get(fullname)
        if code is None:
            return None
        file = Path(code.co_filename)
        spec = spec_from_loader(fullname, self, origin=str(file), is_package=file.name == "__init__.py")
        if spec is not None:
            spec.has_location = True
            if spec.submodule_search_locations is not None:
                spec.submodule_search_locations.append(str(file.parent))
        return spec

    def exec_module(self, module: ModuleType) -> None:
        """Run the code from here."""
        self.loaded.add(module.__name__)
        exec(self.codes[module.__name__], module.__dict__)


class Steady:
    """A plugin: the tests that are wanted, and hypothesis with the same examples in every process, no search for smaller ones."""

    def __init__(self, without: tuple[str, ...]) -> None:
        self.without = without

    def pytest_configure(self) -> None:
        hypothesis.settings.register_profile(
            "mutants",
            database=None,
            deadline=None,
            derandomize=True,
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
            report_multiple_bugs=False,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("mutants")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if not any(part in item.nodeid for part in self.without)]


def call_pytest(tests: Tests, files: Iterable[str], plugin: object) -> int:
    """pytest.main in this process."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    arguments = [*ARGUMENTS, f"--rootdir={tests.root}", *files]
    return int(pytest.main(arguments, plugins=[*PLUGINS, Steady(tests.without), plugin]))


def bound_memory() -> None:
    """What eats all memory fails alone."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    bytes_ = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (bytes_, hard))


def bound_cpu(cpu_s: float) -> None:
    """The kernel ends this process, whatever it is doing, after so much processor time (it counts in seconds)."""
    seconds = int(cpu_s) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard == resource.RLIM_INFINITY or seconds < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def alarm(cpu_s: float, late: Callable[[], None]) -> None:
    """Call `late` after so much processor time from now. There is one alarm; 0 stops it."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        late()

    signal.signal(signal.SIGPROF, handler)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
