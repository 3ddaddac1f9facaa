"""Three connectors, three pilots, lines in any order: each connector ends up with the pilot whose unique id it names."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pilotwire.boards.sim import signals, wire
from pilotwire.boards.sim.world import World
from pilotwire.firmware.pilot.program import TICK_MS
from pilotwire.firmware.shell.pilot_lines import PilotLines, serial_lines
from pilotwire.firmware.shell.pilot_port import Line, PilotPort
from pilotwire.protocols.link.station import PilotForeign, PilotHello, PilotState, StationLink
from pilotwire.tools.rig.pty_line import Pty
from pilotwire.tools.rig.rig import PACKAGE_ROOT, pilot_argv

IDS = (b"\xe6\x61\x41\x03\xe7\x45\x2b\x01", b"\xe6\x61\x41\x03\xe7\x45\x2b\x02", b"\xe6\x61\x41\x03\xe7\x45\x2b\x03")


class FakeLine:
    def __init__(self, device: str) -> None:
        self.device = device

    def fileno(self) -> int:
        raise AssertionError("nobody reads this line")

    def close(self) -> None:
        """Nothing is open."""


def lines(*devices: str) -> PilotLines:
    return PilotLines(devices, FakeLine)


def opened(table: PilotLines, unique_id: bytes) -> str:
    line = table.open(unique_id)
    assert isinstance(line, FakeLine)
    return line.device


def test_a_connector_tries_one_line_after_the_other_and_never_one_that_is_taken() -> None:
    table = lines("a", "b", "c")
    assert opened(table, IDS[0]) == "a"
    assert opened(table, IDS[1]) == "b"
    table.met(IDS[0], b"somebody")
    assert opened(table, IDS[0]) == "c"
    assert table.device(IDS[0]) == "c"
    assert table.device(IDS[2]) is None
    assert opened(table, IDS[2]) == "a", "given back when somebody else was met there"


def test_a_line_whose_pilot_another_connector_has_met_is_opened_at_once_by_its_own() -> None:
    table = lines("a", "b", "c")
    opened(table, IDS[0])
    table.met(IDS[0], IDS[2])
    opened(table, IDS[0])
    assert opened(table, IDS[2]) == "a"


def test_a_connector_whose_pilot_has_been_met_elsewhere_waits_for_that_line() -> None:
    table = lines("a", "b")
    opened(table, IDS[0])
    opened(table, IDS[1])
    table.met(IDS[1], IDS[0])
    opened(table, IDS[1])
    with pytest.raises(OSError, match="no free line"):
        table.open(IDS[0])


def test_a_pilot_that_has_moved_is_looked_for_everywhere_again() -> None:
    table = lines("a", "b", "c")
    opened(table, IDS[0])
    table.met(IDS[0], IDS[0])
    assert [opened(table, IDS[0]) for _ in range(4)] == ["b", "c", "a", "b"]


def test_without_a_free_line_the_error_names_who_has_them() -> None:
    table = lines("a")
    opened(table, IDS[0])
    with pytest.raises(OSError, match="no free line for pilot e6614103e7452b02; of a are taken: a by e6614103e7452b01"):
        table.open(IDS[1])


def test_a_device_that_cannot_be_opened_is_not_taken_and_the_next_one_is_tried() -> None:
    def broken(device: str) -> Line:
        if device == "a":
            raise OSError("no such device")
        return FakeLine(device)

    table = PilotLines(("a", "b"), broken)
    with pytest.raises(OSError, match="no such device"):
        table.open(IDS[0])
    assert opened(table, IDS[0]) == "b"


@contextmanager
def real_pilot(unique_id: bytes, log: Path) -> Iterator[str]:
    """The pilot program (MicroPython where there is one) in a world of its own; gives its device."""
    line = Pty()
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as errors:
        listener.settimeout(30)
        argv, note = pilot_argv(listener.getsockname()[1], ())
        print(note)
        process = subprocess.Popen(
            argv,
            env={**os.environ, "MICROPYPATH": f"{PACKAGE_ROOT}:.frozen", "PILOT_ID": unique_id.hex()},
            stdin=line.master,
            stdout=line.master,
            stderr=errors,
        )
        sock = listener.accept()[0]
        sock.settimeout(30)
        thread = threading.Thread(target=live, args=(sock, done))
        thread.start()
        try:
            yield line.device
        finally:
            done.set()
            thread.join(30)
            sock.close()
            process.terminate()
            process.wait(10)
            line.close()


def live(sock: socket.socket, done: threading.Event) -> None:
    """An idle world: one tick each 5 ms."""
    world = World()
    while not done.wait(TICK_MS / 1000):
        adc_u16, levels = signals.read(world)
        sock.sendall(struct.pack(wire.TO_PILOT, world.now_ms, *adc_u16, levels))
        data = b""
        while len(data) < wire.TO_WORLD_SIZE:
            data += sock.recv(wire.TO_WORLD_SIZE - len(data))
        _, duty_u16, driven = struct.unpack(wire.TO_WORLD, data)
        signals.write(world, duty_u16, driven)
        world.advance(TICK_MS)


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0)], ids=str)
def test_three_real_pilots_on_shuffled_lines_are_each_bound_to_their_own_connector(
    order: tuple[int, ...], tmp_path: Path
) -> None:
    async def main(devices: list[str]) -> None:
        table = serial_lines(devices, 115200)
        events: dict[bytes, list[object]] = {unique_id: [] for unique_id in IDS}
        ports = []
        for session, unique_id in enumerate(IDS, 1):
            link = StationLink("station", session, unique_id)
            opener, met = _bound(table, unique_id)
            ports.append(PilotPort(link, opener, events[unique_id].append, 1000, on_met=met, give_up_s=3.0))
        tasks = [asyncio.ensure_future(port.run()) for port in ports]
        try:
            async with asyncio.timeout(30):
                while not all(port.link.online for port in ports):  # noqa: ASYNC110 - the ports have no event to wait for
                    await asyncio.sleep(0.02)
            for place, unique_id in enumerate(IDS):
                assert table.device(unique_id) == devices[order.index(place)]
                hellos = [event for event in events[unique_id] if isinstance(event, PilotHello)]
                assert {hello.unique_id for hello in hellos} == {unique_id}
                assert any(isinstance(event, PilotState) for event in events[unique_id])
            assert any(isinstance(event, PilotForeign) for seen in events.values() for event in seen)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    with real_pilots([IDS[place] for place in order], tmp_path) as devices:
        asyncio.run(main(devices))


def _bound(table: PilotLines, unique_id: bytes):  # type: ignore[no-untyped-def]
    return (lambda: table.open(unique_id)), (lambda found: table.met(unique_id, found))


@contextmanager
def real_pilots(ids: list[bytes], folder: Path) -> Iterator[list[str]]:
    with ExitStack() as stack:
        yield [stack.enter_context(real_pilot(unique_id, folder / f"{unique_id.hex()}.log")) for unique_id in ids]
