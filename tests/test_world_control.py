"""The world's control port is open to whoever tests with it: bad requests get an answer, and the world goes on."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pilotwire.boards.sim.world import World
from pilotwire.boards.sim.world_main import Control
from pilotwire.tools.rig.clients import WorldClient
from pilotwire.tools.rig.process import RigError


@pytest.fixture
def world() -> Iterator[WorldClient]:
    with subprocess.Popen(
        [sys.executable, "-m", "pilotwire.boards.sim.world_main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        client = WorldClient(json.loads(process.stdout.readline())["control_port"])
        yield client
        client.ask("quit")
        client.close()
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"not json", "Expecting value"),
        (b"[1, 2]", "JSON object"),
        (b'{"cmd": "fly"}', "unknown command 'fly'"),
        (b"[" * 60_000, "nested"),
        (b"x" * 70_000, "Expecting value"),
        (b'{"cmd": "events", "since": -1}', "0 or more"),
        (b'{"cmd": "at", "mono_ms": "now"}', "monotonic"),
        (b'{"cmd": "set", "car": 7}', "JSON objects"),
        (b'{"cmd": "set", "car": {"speed": 1}}', "unknown setting 'speed'"),
        (b'{"cmd": "set", "car": {"phases": 9}}', "phases is 1..3"),
        (b'{"cmd": "set", "car": {"phases": true}}', "phases is a int"),
        (b'{"cmd": "set", "circuit": {"r_b_ohm": 0}}', "r_b_ohm is 1..1e+06"),
        (b'{"cmd": "set", "circuit": {"r_c_ohm": NaN}}', "r_c_ohm is 1..1e+06"),
        (b'{"cmd": "set", "contactor": {"welded": "yes"}}', "welded is a bool"),
        (b"\xff\xfe", "Expecting value"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_request_is_answered_and_changes_nothing(line: bytes, said: str) -> None:
    world = World()
    before = copy.deepcopy((world.car, world.contactor))
    reply = json.loads(Control(world).handle(line))
    assert reply["ok"] is False
    assert said.lower() in reply["error"].lower()
    assert (world.car, world.contactor) == before


def test_the_process_survives_garbage_and_answers_the_next_request(world: WorldClient) -> None:
    for garbage in (b"\n", b"[" * 200_000 + b"\n", b"\x00" * 300_000, b'{"cmd": "set", "car": {"phases": 0}}\n'):
        other = WorldClient(world.port)
        other.send(garbage)
        other.close()
    with pytest.raises(RigError, match="unknown command"):
        world.ask("nonsense")
    first_ms = world.now_ms()
    world.plug()
    assert world.read()["cp_high_mv"] == pytest.approx(8980, abs=30)
    assert world.now_ms() >= first_ms
