"""`--rig=sim|mcu|labgrid` chooses the bench. A test takes the fixture `course`; what it needs of a bench it says with @needs(...).

Options of the station stand in @options(...). After each test the bench itself is looked at, and a bench that is not well fails it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hil_tests.bench import CAPABILITIES, Bench
from hil_tests.course import Course

RIGS = ("sim", "mcu", "labgrid")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which bench."""
    add_write_timelines(parser)
    parser.addoption(
        "--rig", choices=RIGS, default="sim", help="the bench: simulated, MicroPython, or real ones through labgrid"
    )


def add_write_timelines(parser: pytest.Parser) -> None:
    """For who has changed something on purpose."""
    parser.addoption("--write-timelines", action="store_true", help="keep the timelines of this run (look at the diff)")


@pytest.fixture
def write_timelines(pytestconfig: pytest.Config) -> bool:
    """Whether timelines are written instead of compared."""
    return bool(pytestconfig.getoption("--write-timelines"))


def pytest_configure(config: pytest.Config) -> None:
    """The markers of this suite."""
    config.addinivalue_line("markers", "needs(*capabilities): what the test needs of a bench; see hil_tests/bench.py")
    config.addinivalue_line("markers", "options(**options): how the station is set up for the test; see docs/sim.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A capability that does not exist would skip a test for ever."""
    for item in items:
        for mark in item.iter_markers("needs"):
            unknown = set(mark.args) - set(CAPABILITIES)
            if unknown:
                raise pytest.UsageError(f"{item.nodeid} needs {unknown}; there are {', '.join(CAPABILITIES)}")


def open_bench(config: pytest.Config) -> Bench:
    """The bench that was asked for; the rigs are loaded only when wanted."""
    rig = config.getoption("--rig")
    if rig == "labgrid":
        from hil_tests.rig_labgrid import open_bench as open_labgrid  # noqa: PLC0415

        return open_labgrid(config)
    from hil_tests.rig_sim import SimBench  # noqa: PLC0415

    return SimBench(rig, "cpython" if rig == "sim" else "micropython")


@pytest.fixture(scope="session")
def bench(pytestconfig: pytest.Config) -> Iterator[Bench]:
    """One bench for the whole run (of this worker)."""
    bench = open_bench(pytestconfig)
    yield bench
    bench.close()


@pytest.fixture
def course(bench: Bench, request: pytest.FixtureRequest) -> Iterator[Course]:
    """A bench made ready, and looked at afterwards."""
    options: dict[str, Any] = {}
    needed = {"options"} if list(request.node.iter_markers("options")) else set()
    for mark in reversed(list(request.node.iter_markers("options"))):
        options |= mark.kwargs
    for mark in request.node.iter_markers("needs"):
        needed |= set(mark.args)
    for capability in sorted(needed):
        if capability in bench.lacks:
            pytest.skip(f"{bench.name} lacks '{capability}': {bench.lacks[capability]}")
    bench.reset(options)
    yield Course(bench)
    complaints = bench.health()
    assert not complaints, f"the bench is not well after this test: {'; '.join(complaints)}"
