"""Modbus peers on real ptys and sockets that send exactly the bytes a test wants; their CRC is pymodbus's."""

from __future__ import annotations

import asyncio
import os
import struct
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pymodbus.framer.rtu import FramerRTU

PATIENT_MS = 20_000
"""For answers that are bound to come: a busy machine must not turn them into a timeout."""
IMPATIENT_MS = 1000
"""For answers that never come."""

Script = Callable[[bytes], list[bytes]]
"""What a peer sends, piece by piece, for the request as it came off the wire; framing included both ways."""


def rtu_frame(body: bytes) -> bytes:
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def floats(request: bytes, **changed: float) -> bytes:
    """Unit 1's sound answer to a read request, as unit + PDU; quantities by address name, e.g. r0=230.0."""
    address, count = struct.unpack(">HH", request[2:6])
    values = {0: 230.5, 2: 231.5, 4: 232.5, 6: 6.0, 8: 7.0, 10: 8.0, 52: 4860.0, 72: 1234.5}
    values |= {int(name[1:]): value for name, value in changed.items()}
    data = b"".join(struct.pack(">f", values.get(at, 0.0)) for at in range(address, address + count, 2))
    return bytes((1, 4, 2 * count)) + data


class RawLine:
    """The far end of one pty, played byte for byte by the test."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.device = os.ttyname(self._slave)
        asyncio.get_running_loop().add_reader(self.master, self._read)
        self._tasks: set[asyncio.Task[None]] = set()

    def _read(self) -> None:
        request = os.read(self.master, 512)
        self.requests.append(request)
        self.asked.set()
        task = asyncio.create_task(self._answer(self._script(request)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            if self.master < 0:
                return
            os.write(self.master, piece)
            await asyncio.sleep(0)

    def hang_up(self) -> None:
        if self.master >= 0:
            asyncio.get_running_loop().remove_reader(self.master)
            os.close(self.master)
            os.close(self._slave)
            self.master = -1


@asynccontextmanager
async def raw_line(script: Script) -> AsyncIterator[RawLine]:
    line = RawLine(script)
    try:
        yield line
    finally:
        line.hang_up()


@asynccontextmanager
async def raw_server(script: Script) -> AsyncIterator[int]:
    """A TCP server that sends whatever the script says, already framed; an empty list hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                pieces = script(await reader.readexactly(12))
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                if not pieces:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)


def rtu_sound(request: bytes) -> bytes:
    return rtu_frame(floats(request))


def tcp_frame(request: bytes, body: bytes, transaction: int | None = None) -> bytes:
    ours = int.from_bytes(request[:2], "big") if transaction is None else transaction
    return struct.pack(">HHH", ours, 0, len(body)) + body


def tcp_sound(request: bytes) -> bytes:
    return tcp_frame(request, floats(request[6:]))
