"""The shell around the charge point: dialling, pinging, and what it does with a peer that misbehaves below OCPP."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sqlite3
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from ocpp_desk import NOON, OK
from pilotwire.firmware.shell import ocpp_port
from pilotwire.firmware.shell.ocpp_port import OcppPort
from pilotwire.firmware.store.ocpp_outbox import SqliteOcppStore
from pilotwire.protocols.ocpp import events
from pilotwire.protocols.ocpp.charge_point_16 import ChargePoint16
from pilotwire.protocols.ocpp.settings_16 import ChargePointSettings

PATIENCE_S = 60.0

_ids = count()


class Rig:
    """A port on a core in memory."""

    def __init__(self, url: str, **options: Any) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.core = ChargePoint16(
            ChargePointSettings(vendor="v", model="m"), SqliteOcppStore(self.db), lambda: f"m{next(_ids)}"
        )
        self.events: list[events.Event] = []
        self.port = OcppPort(url, self.core, self.events.append, lambda: NOON, **options)

    async def __aenter__(self) -> Rig:
        self.task = asyncio.ensure_future(self.port.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.db.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to set
            await asyncio.sleep(0.005)


async def answer_everything(socket: ServerConnection) -> None:
    async for text in socket:
        frame = json.loads(text)
        if frame[0] == 2:
            await socket.send(json.dumps([3, frame[1], OK[frame[2]]]))


def run(story: Awaitable[None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(story, 2 * PATIENCE_S)

    asyncio.run(bounded())


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocpp_port, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(ocpp_port, "LONGEST_PAUSE_S", 0.05)


def serve_ocpp(handle: Callable[[ServerConnection], Awaitable[None]]) -> serve:
    """A WebSocket server that chooses ocpp1.6."""
    return serve(handle, "127.0.0.1", 0, subprotocols=["ocpp1.6"])  # type: ignore[list-item]


def url_of(server: Any) -> str:
    return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/CP1"


def test_a_connection_that_breaks_is_made_again() -> None:
    async def story() -> None:
        connections = 0

        async def handle(socket: ServerConnection) -> None:
            nonlocal connections
            connections += 1
            if connections < 3:
                await socket.recv()
                socket.transport.abort()
                return
            await answer_everything(socket)

        async with serve_ocpp(handle) as server, Rig(url_of(server)) as rig:
            await until(lambda: rig.core.registered)
            assert connections == 3

    run(story())


def test_the_offer_is_ocpp_1_6_without_compression() -> None:
    async def story() -> None:
        headers: dict[str, str | None] = {}

        async def handle(socket: ServerConnection) -> None:
            assert socket.request is not None
            for name in ("Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Authorization"):
                headers[name] = socket.request.headers.get(name)
            await answer_everything(socket)

        async with serve_ocpp(handle) as server, Rig(url_of(server), password="söme") as rig:
            await until(lambda: rig.core.registered)
        assert headers["Sec-WebSocket-Protocol"] == "ocpp1.6"
        assert headers["Sec-WebSocket-Extensions"] is None
        token = headers["Authorization"]
        assert token is not None
        assert base64.b64decode(token.removeprefix("Basic ")).decode() == "CP1:söme"

    run(story())


def test_a_server_that_does_not_choose_ocpp_1_6_is_left_alone() -> None:
    async def story() -> None:
        heard: list[object] = []
        connections = 0

        async def handle(socket: ServerConnection) -> None:
            nonlocal connections
            connections += 1
            heard.extend([text async for text in socket])

        async with serve(handle, "127.0.0.1", 0) as server, Rig(url_of(server)) as rig:
            await until(lambda: connections >= 2)
            assert heard == []
            assert not rig.port.connected

    run(story())


def test_nobody_there_is_no_reason_to_stop_and_events_are_still_delivered() -> None:
    async def story() -> None:
        async with serve(answer_everything, "127.0.0.1", 0) as server:
            url = url_of(server)
        async with Rig(url) as rig:
            rig.core.authorize("TAG")
            rig.port.poke()
            await until(lambda: rig.events)
            assert rig.events == [events.Authorized("TAG", "Offline")]
            assert not rig.task.done()

    run(story())


def test_a_virtual_clock_is_told_to_wait_while_an_answer_is_due() -> None:
    async def story() -> None:
        go = asyncio.Event()

        async def handle(socket: ServerConnection) -> None:
            await go.wait()
            await answer_everything(socket)

        async with serve_ocpp(handle) as server, Rig(url_of(server)) as rig:
            assert not rig.port.awaiting_reply
            await until(lambda: rig.port.connected)
            await until(lambda: rig.core.outstanding)
            assert rig.port.awaiting_reply
            go.set()
            await until(lambda: rig.core.registered and not rig.core.outstanding)
            assert not rig.port.awaiting_reply

    run(story())


def test_binary_messages_and_strange_texts_do_not_end_the_connection() -> None:
    async def story() -> None:
        async def handle(socket: ServerConnection) -> None:
            for strange in (b"\x00\xff", "", "nonsense", "[" * 10_000, "x" * 3_000_000):
                await socket.send(strange)
            await answer_everything(socket)

        async with serve_ocpp(handle) as server, Rig(url_of(server)) as rig:
            await until(lambda: rig.core.registered)
            # The core knows before the port has delivered: wait for the last one, then see that there was none too many.
            await until(lambda: sum(isinstance(event, events.PeerMisbehaved) for event in rig.events) >= 4)
            assert sum(isinstance(event, events.PeerMisbehaved) for event in rig.events) == 4

    run(story())


async def _open_then_mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A WebSocket server that shakes hands and never says anything again, not even to a ping."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
    writer.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
    )
    await writer.drain()
    await reader.read(-1)


def test_a_peer_that_answers_no_ping_is_dropped_and_dialled_again() -> None:
    async def story() -> None:
        connections = ended = 0

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections, ended
            connections += 1
            try:
                await _open_then_mute(reader, writer)
            finally:
                writer.close()
                ended += 1

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with server:
            async with Rig(url_of(server), ping_s=0.05, ping_timeout_s=0.05) as rig:
                # Ends with a connection that stands, not in the middle of dialling: what is half open then, nobody closes.
                await until(lambda: connections >= 3 and rig.port.connected)
            await until(lambda: ended == connections)
            await asyncio.sleep(0.05)  # a closed transport lets go of its socket one turn of the loop later

    run(story())


def test_a_fault_of_our_own_ends_the_port_with_its_error() -> None:
    async def story() -> None:
        async with serve_ocpp(answer_everything) as server, Rig(url_of(server)) as rig:
            await until(lambda: rig.core.registered)
            rig.db.close()
            rig.core.tick(0, NOON)
            with pytest.raises(sqlite3.ProgrammingError):
                rig.core.start_transaction(1, 1, "TAG", 0, NOON)

            def broken(_event: events.Event) -> None:
                raise ZeroDivisionError

            rig.port._on_event = broken
            rig.core.authorize("TAG")
            rig.port.poke()
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(asyncio.shield(rig.task), PATIENCE_S)

    run(story())
