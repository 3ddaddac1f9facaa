"""The world's control port is open to whoever tests with it: bad requests get an answer, and the world goes on."""

from __future__ import annotations

import copy
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilotwire.boards.sim.control import PARTS, Control, Range
from pilotwire.boards.sim.signals import Outputs
from pilotwire.boards.sim.world import World
from pilotwire.firmware.kernel import params
from pilotwire.tools.rig.clients import WorldClient
from pilotwire.tools.rig.process import RigError
from pilotwire.tools.rig.rig import Rig
from pilotwire.tools.rig.settings import RigSettings


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
        (b'{"cmd": "set", "car": 7}', "'car' wants a JSON object of settings; there are wants_charge, obeys_x1"),
        (b'{"cmd": "set", "carr": {}}', "unknown part 'carr'; there are car, circuit, cable, lock"),
        (b'{"cmd": "set", "car": {"wants_charge": false}, "site": {"mains": 0}}', "mains is a bool"),
        (b'{"cmd": "set", "car": {"wants_charge": false, "over_a": -1}}', "over_a is 0..80"),
        (b'{"cmd": "set", "lock": {"travel_ms": 1.5}}', "travel_ms is a int"),
        (b'{"cmd": "set", "residual": {"dc_ma": "6"}}', "dc_ma is a float"),
        (b'{"cmd": "set", "plug_sensor": {"celsius": 1000}}', "celsius is -100..300"),
        (b'{"cmd": "toggle"}', "no car is plugged in"),
        (b'{"cmd": "toggle", "pulses": 0}', "pulses is a whole number, 1..20"),
        (b'{"cmd": "toggle", "pulse_ms": 0.3}', "pulse_ms is a whole number"),
        (b'{"cmd": "toggle", "gap_ms": 1000000}', "gap_ms is a whole number"),
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
    before = copy.deepcopy(vars(world))
    reply = json.loads(Control(world).handle(line))
    assert reply["ok"] is False
    assert said.lower() in reply["error"].lower()
    assert vars(world) == before


def ask(world: World, **request: object) -> dict[str, Any]:
    reply: dict[str, Any] = json.loads(Control(world).handle(json.dumps(request).encode()))
    return reply


def settings() -> Iterator[tuple[str, str, Range | None]]:
    for part, (_, allowed) in PARTS.items():
        for key, limits in allowed.items():
            yield part, key, limits


@pytest.mark.parametrize(("part", "key", "limits"), list(settings()))
def test_each_setting_of_each_part_takes_its_range_and_nothing_else(part: str, key: str, limits: Range | None) -> None:
    world = World()
    target = PARTS[part][0](world)
    kind = type(getattr(target, key))
    assert kind is (bool if limits is None else kind)
    if limits is None:
        values: tuple[Any, ...] = (not getattr(target, key), getattr(target, key))
        others: tuple[Any, ...] = (1, "true", None)
    else:
        values = (kind(limits[0]), kind(limits[1]))
        others = (limits[0] - 1, limits[1] + 1, True, [1])
        assert limits[0] <= getattr(target, key) <= limits[1], "what it is from the start is in the range"
    for value in values:
        assert ask(world, cmd="set", **{part: {key: value}})["ok"]
        assert getattr(target, key) == value
        assert type(getattr(target, key)) is kind
    for value in others:
        assert not ask(world, cmd="set", **{part: {key: value}})["ok"]
        assert getattr(target, key) == values[-1]


def test_several_settings_come_into_force_together() -> None:
    world = World()
    assert ask(world, cmd="set", car={"phases": 1, "over_a": 5}, cable={"lost": True}, site={"earth_ok": False})["ok"]
    assert (world.car.phases, world.car.over_a, world.cable.lost, world.earth_ok) == (1, 5.0, True, False)


def test_plug_and_pull_are_refused_by_the_bolt_and_say_so() -> None:
    world = World()
    world.lock.travel_ms = 1
    assert ask(world, cmd="plug")["ok"]
    world.set_outputs(Outputs(lock=1))
    world.advance(2)
    reply = ask(world, cmd="pull")
    assert not reply["ok"]
    assert "'unplug' pulls the cable at the car" in reply["error"]
    assert world.car.circuit.plugged
    assert ask(world, cmd="unplug")["ok"]
    assert ask(world, cmd="plug")["ok"], "the cable is still in the socket"
    world.set_outputs(Outputs())
    world.advance(2)
    assert ask(world, cmd="pull")["ok"]
    assert not world.car.circuit.plugged
    world.set_outputs(Outputs(lock=1))
    world.advance(2)
    reply = ask(world, cmd="plug")
    assert not reply["ok"]
    assert "bolt is out" in reply["error"]


def test_a_toggle_runs_in_the_cars_own_time() -> None:
    world = World()
    world.car.wants_charge = False
    world.plug()
    assert ask(world, cmd="toggle", pulses=2, pulse_ms=200)["ok"]
    world.advance(1000)
    edges = [(event["t_ms"], event["value"]) for event in world.events if event["name"] == "s2_closed"]
    assert edges[1:] == [(1, True), (201, False), (401, True), (601, False)]


def test_read_shows_the_pins_both_ways_as_the_board_would_see_them() -> None:
    world = World()
    world.plug()
    world.set_outputs(Outputs(0.25, vent=1))
    reply = ask(world, cmd="read")
    assert reply["inputs"] == world.inputs()._asdict()
    assert reply["inputs"]["pp_ohm"] == 220
    assert reply["outputs"]["vent"] == 1
    assert reply["outputs"]["duty"] == 0.25
    assert {key: reply[key] for key in world.row()} == world.row()


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


def test_a_client_that_asks_much_and_reads_nothing_stops_only_itself(world: WorldClient) -> None:
    with socket.create_connection(("127.0.0.1", world.port), 5.0) as idle:
        idle.setblocking(False)
        request = json.dumps({"cmd": "x" * 30_000}).encode() + b"\n"
        sent = stuck = 0
        while stuck < 20 and sent < 100_000_000:
            try:
                sent += idle.send(request[sent % len(request) :])
                stuck = 0
            except BlockingIOError:
                stuck += 1  # the world has stopped listening to it, if that lasts
                world.now_ms()
        assert stuck == 20, f"the world took {sent} bytes of requests without getting rid of an answer"
        idle.settimeout(5.0)
        replies = idle.makefile("rb")
        for _ in range(sent // len(request)):
            assert json.loads(replies.readline())["error"].startswith("unknown command 'xxx"), "nothing was lost for it"
        replies.close()


@pytest.mark.parametrize("fitted", [params.RCD_DC | params.RCD_TEST, params.SECOND])
def test_a_rig_tells_its_world_whether_l2_and_l3_have_a_contactor_of_their_own(tmp_path: Path, fitted: int) -> None:
    with Rig(tmp_path, RigSettings(back_end=False, parameters=((params.FITTED, fitted),))) as rig:
        rig.start_surroundings()
        assert rig.world is not None
        assert rig.world.read()["second_contactor"] is (fitted == params.SECOND)
