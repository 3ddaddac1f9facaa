"""The control port as a program on a socket, and its document."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from pilotwire.boards.sim import control as world_control
from pilotwire.tools.sim.control import FAULTS, SimControl
from pilotwire.tools.sim.options import FITTED, PARAMETERS, Options
from pilotwire.tools.sim.server import LINE_MAX
from pilotwire.tools.sim.station import SimStation

DOCUMENT = Path(__file__).parent.parent / "docs" / "sim.md"


class Port:
    """A running `pilotwire sim station`."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pilotwire.tools.cli", "sim", "station", "--control", "0", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        found = re.match(r"control port (\d+)", first)
        assert found, first
        self.port = int(found[1])

    def connect(self) -> BinaryIO:
        """A client."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        file = cast(BinaryIO, connection.makefile("rwb"))
        connection.close()  # the file keeps it open
        return file

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


def send(client: BinaryIO, line: bytes) -> dict[str, Any]:
    """A line and its reply."""
    client.write(line + b"\n")
    client.flush()
    return dict(json.loads(client.readline()))


def ask(client: BinaryIO, command: str, **arguments: Any) -> dict[str, Any]:
    """A command and its reply."""
    return send(client, json.dumps({"cmd": command, **arguments}).encode())


@pytest.fixture(scope="module")
def virtual() -> Iterator[Port]:
    """One in virtual time for all tests."""
    port = Port("--virtual")
    yield port
    port.close()


def test_a_session_over_the_port(virtual: Port) -> None:
    with virtual.connect() as client:
        ask(client, "reset", options={"id_tags": ["MINE"]})
        ask(client, "plug")
        begun_ms = ask(client, "now")["t_ms"]
        assert ask(client, "run", ms=1000)["t_ms"] == begun_ms + 1000
        ask(client, "swipe", tag="MINE")
        ask(client, "run", ms=5000)
        assert ask(client, "status")["station"]["session"]["state"] == "Charging"
        assert ask(client, "transactions")["rows"][0]["id_tag"] == "MINE"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"not json", "Expecting value"),
        (b"[1]", "a request is a JSON object"),
        (b"[" * 20_000, "nested too deeply"),
        (b'{"cmd": "dance"}', "unknown command 'dance'; there are run"),
        (b'{"cmd": "run", "ms": -5}', "'ms' is a whole number, 0.."),
        (b'{"cmd": "inject", "fault": "rain"}', "'fault' is one of cp_short"),
        (b'{"cmd": "reset", "options": {"phases": 2}}', "phases"),
        (b'{"cmd": "reset", "options": {"colour": "red"}}', "unknown option 'colour'; there are board_ma"),
        (b'{"cmd": "set", "car": {"wings": 2}}', "unknown setting 'wings'; there are wants_charge"),
        (b'{"cmd": "lease"}', "there is no bare host"),
        (b'{"cmd": "\x80"}', "can't decode"),
    ],
)
def test_what_cannot_be_done_is_answered_with_what_would_be_right(virtual: Port, line: bytes, said: str) -> None:
    with virtual.connect() as client:
        before_ms = ask(client, "now")["t_ms"]
        reply = send(client, line)
        assert reply["ok"] is False
        assert said in reply["error"]
        assert ask(client, "now")["t_ms"] == before_ms


def test_a_line_without_end_is_refused_and_others_are_served_on(virtual: Port) -> None:
    with virtual.connect() as endless, virtual.connect() as other:
        endless.write(b"x" * (LINE_MAX * 3))
        endless.flush()
        assert b"a request is at most" in endless.readline()
        assert ask(other, "now")["ok"]


def test_a_client_that_leaves_in_the_middle_of_a_line_does_no_harm(virtual: Port) -> None:
    with virtual.connect() as leaving:
        leaving.write(b'{"cmd": "pl')
        leaving.flush()
    with virtual.connect() as client:
        assert ask(client, "now")["ok"]


def test_several_lines_at_once_are_answered_in_order(virtual: Port) -> None:
    with virtual.connect() as client:
        client.write(b'{"cmd": "reset"}\n\n{"cmd": "run", "ms": 20}\n{"cmd": "now"}\n')
        client.flush()
        first_ms, *others_ms = [json.loads(client.readline())["t_ms"] for _ in range(3)]
        assert others_ms == [first_ms + 20, first_ms + 20]


def test_on_a_wall_clock_time_passes_by_itself_and_quit_ends_it() -> None:
    port = Port()
    try:
        with port.connect() as client:
            first_ms = ask(client, "now")["t_ms"]
            for _ in range(200):
                if ask(client, "now")["t_ms"] > first_ms + 50:
                    break
                port.process.poll()
                client.flush()
                _wait_ms(10)
            assert ask(client, "now")["t_ms"] > first_ms + 50
            assert ask(client, "quit")["ok"]
        assert port.process.wait(20) == 0
    finally:
        port.close()


def _wait_ms(ms: int) -> None:
    with socket.socket() as nobody:
        nobody.settimeout(ms / 1000)
        nobody.bind(("127.0.0.1", 0))
        nobody.listen()
        with pytest.raises(TimeoutError):
            nobody.accept()


@pytest.mark.parametrize(
    ("content", "said"), [("{", "Expecting"), ('{"board_ma": "much"}', "board_ma is a whole number")]
)
def test_options_that_cannot_be_end_the_program_with_a_sentence(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "options.json"
    file.write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "pilotwire.tools.cli", "sim", "station", "--control", "0", "--options", file],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_document_has_every_command_option_fault_and_setting() -> None:
    text = DOCUMENT.read_text()
    with SimStation() as station:
        answer = SimControl(station).ask("help")
    names = {*answer["commands"], *FAULTS, *PARAMETERS, *FITTED, *Options.__dataclass_fields__, *world_control.PARTS}
    names |= {setting for _, settings in world_control.PARTS.values() for setting in settings}
    assert sorted(name for name in names if f"`{name}`" not in text) == []


def test_the_documents_example_does_what_it_says() -> None:
    port = Port()
    try:
        code = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
        assert code is not None
        program = code[1].replace("7000", str(port.port))
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
        assert (done.stdout, done.stderr) == ("Charging\n", "")
    finally:
        port.close()
