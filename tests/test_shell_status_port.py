"""The status socket: a real unix socket, real clients, and a station that cannot be talked out of order."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pilotwire.firmware.session.events import StopRequested, TokenPresented
from pilotwire.firmware.shell.status_port import LINE_MAX, StatusPort

PATIENT_S = 30.0


class Desk:
    """A status port at work: what it was told, and a snapshot that counts how often it was taken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: list[object] = []
        self.cleared = 0
        self.taken = 0
        port = StatusPort(path, self._snapshot, self.events.append, self._clear)
        self.task = asyncio.ensure_future(port.run())

    def _snapshot(self) -> dict[str, Any]:
        self.taken += 1
        return {"number": self.taken, "text": "ä\n"}

    def _clear(self) -> None:
        self.cleared += 1


class Client:
    """A panel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def snapshot(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.reader.readline())
        return found

    async def say(self, line: bytes) -> None:
        self.writer.write(line)
        await self.writer.drain()

    async def is_closed_by_the_station(self) -> None:
        while await self.reader.read(65536):
            pass

    async def close(self) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


@asynccontextmanager
async def client_of(desk: Desk) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_unix_connection(desk.path))
    try:
        yield client
    finally:
        await client.close()


def at_a_desk(path: Path, test: Callable[[Desk], Awaitable[None]]) -> None:
    """Run the test with a port that serves, and end it properly."""

    async def main() -> None:
        desk = Desk(path)
        async with asyncio.timeout(PATIENT_S):
            try:
                await serving(desk)
                await test(desk)
            finally:
                desk.task.cancel()
                await asyncio.gather(desk.task, return_exceptions=True)

    asyncio.run(main())


async def serving(desk: Desk) -> None:
    """Until somebody can connect."""
    while True:
        if desk.task.done():
            desk.task.result()
        try:
            _, writer = await asyncio.open_unix_connection(desk.path)
        except (FileNotFoundError, ConnectionRefusedError):
            await asyncio.sleep(0.005)
            continue
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        return


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the station under test has no event to wait for
        await asyncio.sleep(0.005)


def test_only_the_stations_own_user_may_open_the_socket(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        mode = desk.path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600

    before = os.umask(0)
    try:
        at_a_desk(tmp_path / "new folder" / "status.sock", test)
    finally:
        os.umask(before)


def test_snapshots_arrive_one_line_each_and_go_on_arriving_at_every_client(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        async with client_of(desk) as one, client_of(desk) as two:
            for client in (one, two):
                numbers = [(await client.snapshot())["number"] for _ in range(3)]
                assert numbers == sorted(set(numbers))

    at_a_desk(tmp_path / "s", test)


def test_what_a_person_may_do_becomes_events(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        async with client_of(desk) as client:
            await client.say(b'{"present": "04AB12"}\n{"stop": true}\n{"clear": true}\n')
            await client.say(json.dumps({"present": "x" * 20}).encode() + b"\n")
            await until(lambda: len(desk.events) == 3 and desk.cleared == 1)
            assert desk.events == [TokenPresented("04AB12"), StopRequested("Local"), TokenPresented("x" * 20)]
            assert await client.snapshot(), "a client that behaves is not closed"

    at_a_desk(tmp_path / "s", test)


def test_a_command_cut_in_pieces_is_one_command(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        async with client_of(desk) as client:
            for byte in b'{"present": "A"}\n':
                await client.say(bytes([byte]))
            await until(lambda: desk.events)
            assert desk.events == [TokenPresented("A")]

    at_a_desk(tmp_path / "s", test)


BAD_LINES = {
    "not JSON": b"hello\n",
    "not UTF-8": b'{"present": "\xff"}\n',
    "not an object": b'["present", "TAG"]\n',
    "nested too deeply to read": b"[" * (LINE_MAX - 2) + b"\n",
    "longer than a line may be": b" " * (LINE_MAX * 3) + b"\n",
    "an unknown command": b'{"open": true}\n',
    "an empty object": b"{}\n",
    "a token that is no text": b'{"present": 7}\n',
    "an empty token": b'{"present": ""}\n',
    "a token longer than OCPP allows": b'{"present": "' + b"x" * 21 + b'"}\n',
    "a token with a control character": b'{"present": "A\\u0000B"}\n',
    "a token that no database can store": b'{"present": "\\ud800"}\n',
    "a stop that is not true": b'{"stop": 1}\n',
}


@pytest.mark.parametrize("what", BAD_LINES)
def test_a_bad_line_closes_the_client_that_sent_it_and_nobody_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    async def test(desk: Desk) -> None:
        async with client_of(desk) as good, client_of(desk) as bad:
            await good.snapshot()
            await bad.say(BAD_LINES[what])
            await bad.is_closed_by_the_station()
            taken = desk.taken
            while (await good.snapshot())["number"] <= taken:
                pass
            await good.say(b'{"stop": true}\n')
            await until(lambda: desk.events)
            assert desk.events[-1] == StopRequested("Local")
            assert not any(isinstance(event, TokenPresented) for event in desk.events)

    at_a_desk(tmp_path / "s", test)
    (said,) = [record.getMessage() for record in caplog.records if record.name.endswith("status_port")]
    assert "closing" in said


def test_nothing_reaches_the_station_after_a_bad_line(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        async with client_of(desk) as bad:
            await bad.say(b'nonsense\n{"stop": true}\n')
            await bad.is_closed_by_the_station()
        assert desk.events == []

    at_a_desk(tmp_path / "s", test)


def test_a_client_that_never_reads_holds_nobody_up(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.connect(str(desk.path))
            async with client_of(desk) as client:
                for _ in range(3):
                    await client.snapshot()

    at_a_desk(tmp_path / "s", test)


def test_the_port_ends_at_once_although_a_client_is_connected_and_takes_its_file_along(tmp_path: Path) -> None:
    async def test(desk: Desk) -> None:
        async with client_of(desk) as client:
            await client.snapshot()
            desk.task.cancel()
            await asyncio.gather(desk.task, return_exceptions=True)
            assert not desk.path.exists()
            await client.is_closed_by_the_station()

    at_a_desk(tmp_path / "s", test)


def test_the_socket_of_a_dead_station_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()

    async def test(desk: Desk) -> None:
        async with client_of(desk) as client:
            assert await client.snapshot()

    at_a_desk(path, test)


def test_a_file_that_is_no_socket_is_not_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "status.txt"
    path.write_text("my notes")

    async def test(desk: Desk) -> None:
        raise AssertionError("somebody could connect")

    with pytest.raises(OSError, match=r"status\.txt"):
        at_a_desk(path, test)
    assert path.read_text() == "my notes"
