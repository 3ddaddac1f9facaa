"""Clocks and file descriptors are touched only at the edges of the program.

Everything else is told the time and handed its bytes, which is why it can be replayed. Judged on the syntax tree, so
a clock that no test happens to call is found as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tree import REPO, copy_project, python_files

EDGES = (
    "firmware/shell/",
    "firmware/store/",
    "firmware/recording/header.py",  # holds the database's content and paths of the settings; it opens nothing of the disk's
    "firmware/config.py",
    "firmware/toml_file.py",
    "firmware/pilot/",
    "hal/drivers/",
    "boards/",
    "tools/",
)

# Importing one of these is already a breach. `u...` are MicroPython's older names.
MODULES = frozenset(
    "time utime os uos io asyncio uasyncio socket usocket ssl serial select uselect selectors signal subprocess "
    "multiprocessing threading _thread concurrent sqlite3 pathlib shutil tempfile glob fileinput mmap fcntl termios "
    "tty pty http urllib.request socketserver websockets importlib runpy ctypes".split()
)  # fmt: skip
# Using one of these is: the rest of `datetime` is arithmetic and stays allowed.
NAMES = frozenset(
    "open input datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today "
    "uuid.uuid1 __import__ eval exec".split()
)


def breaches(path: Path) -> Iterator[tuple[int, str]]:
    """(line, name) of each clock or descriptor that `path` reaches for."""
    tree = ast.parse(path.read_text(), str(path))
    alias_of: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                alias_of[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
                if _is_outside(alias.name):
                    yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                alias_of[alias.asname or alias.name] = whole
                if _is_outside(whole) or whole in NAMES:
                    yield node.lineno, whole
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            whole = _dotted(node, alias_of)
            if whole in NAMES:
                yield node.lineno, whole


def _is_outside(name: str) -> bool:
    return any(name == module or name.startswith(module + ".") for module in MODULES)


def _dotted(node: ast.expr, alias_of: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, alias_of)}.{node.attr}"
    return alias_of.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


def breaches_below(root: Path) -> list[str]:
    found = []
    for path in python_files(root):
        place = path.relative_to(root).as_posix()
        if not place.startswith(EDGES):
            found += [f"{place}:{line} {name}" for line, name in breaches(path)]
    return found


def test_no_clock_and_no_descriptor_away_from_the_edges() -> None:
    assert breaches_below(REPO) == []


def test_every_edge_exists() -> None:
    assert [edge for edge in EDGES if not (REPO / edge).exists()] == []


SESSION, OCPP, AUTH = "firmware/session/seeded.py", "protocols/ocpp/seeded.py", "firmware/auth/seeded.py"


@pytest.mark.parametrize(
    ("place", "text", "found"),
    [
        (SESSION, "import time\n", "1 time"),
        (SESSION, "from pathlib import Path\n", "1 pathlib.Path"),
        ("firmware/kernel/seeded.py", "def f():\n    import utime\n", "2 utime"),
        ("hal/ports.py", "import asyncio\n", "1 asyncio"),
        (OCPP, "from socket import create_connection\n", "1 socket.create_connection"),
        (OCPP, "import datetime as d\nx = d.datetime.now\n", "2 datetime.datetime.now"),
        (OCPP, "from datetime import datetime as D\nx = D.utcnow()\n", "2 datetime.datetime.utcnow"),
        (AUTH, "x = open('/etc/limits')\n", "1 open"),
        (AUTH, "import os.path\n", "1 os.path"),
        (AUTH, "import urllib.request\n", "1 urllib.request"),
        ("src/pilotwire/seeded.py", "import sqlite3\n", "1 sqlite3"),
    ],
)
def test_a_seeded_breach_is_found_with_its_place(tmp_path: Path, place: str, text: str, found: str) -> None:
    tree = copy_project(tmp_path)
    (tree / place).write_text(text)
    assert set(breaches_below(tree)) - set(breaches_below(REPO)) == {f"{place}:{found}"}


@pytest.mark.parametrize(
    "text",
    [
        "from datetime import datetime, timezone\nx = datetime.fromtimestamp(1, timezone.utc)\n",
        "async def read(self): ...\n",
        "def f(contactor): contactor.open()\n",
        "from urllib.parse import urlsplit\n",
        "def f(now_ms): return now_ms\n",
    ],
)
def test_arithmetic_with_time_and_plain_words_are_no_breach(tmp_path: Path, text: str) -> None:
    (tmp_path / "module.py").write_text(text)
    assert list(breaches(tmp_path / "module.py")) == []


def test_an_edge_may_read_its_clock(tmp_path: Path) -> None:
    tree = copy_project(tmp_path)
    (tree / "hal" / "drivers" / "seeded.py").write_text("import time\n")
    assert breaches_below(tree) == breaches_below(REPO)
