"""Modbus over a serial device (RTU) or over TCP: one transaction at a time, on the running asyncio loop.

Both transports live by the same rule: whatever fails, the port or connection is closed, and the next transaction opens
it afresh. So a device that was unplugged, replaced or restarted comes back by itself, and a late answer never meets the
next question. The sans-IO cores in `protocols/modbus` own the bytes; here are only descriptors and the one timeout.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pilotwire.protocols.modbus import RemoteProtocolError, RtuClient, TcpClient

if TYPE_CHECKING:
    import serial

_CHUNK = 512
"""Bytes per read: more than the longest Modbus message (260)."""


class TransportError(Exception):
    """A transaction failed; the text says how far it came. The next one starts afresh."""


class Answer(NamedTuple):
    """What came back to one request."""

    pdu: bytes
    """The answer PDU, framing checked and removed; may be an exception response."""
    at_ms: int
    """Milliseconds of the loop's clock when its last byte was read."""


class ModbusTransport(Protocol):
    """Anything that carries one Modbus transaction at a time."""

    name: str
    """What a person looks for in an error message: device and line settings, or host and port."""

    async def transact(self, unit: int, pdu: bytes) -> Answer:
        """Send `pdu` to `unit` and wait for its answer; TransportError when none came in time."""
        ...

    async def close(self) -> None:
        """Release the port; the next transaction opens it again."""
        ...


class _OneAtATime:
    """The timeout, the lock and the closing on failure that both transports share."""

    def __init__(self, name: str, timeout_ms: int) -> None:
        if timeout_ms <= 0:
            raise ValueError(f"timeout_ms is {timeout_ms}, it must be above 0")
        self.name = name
        self._timeout_ms = timeout_ms
        self._lock = asyncio.Lock()

    async def transact(self, unit: int, pdu: bytes) -> Answer:
        """Send `pdu` to `unit` and wait for its answer.

        TransportError when the port does not open, fails, or gives no valid answer within the timeout, which counts
        from the moment the transaction's turn has come and includes opening.
        """
        async with self._lock:
            timeout = asyncio.timeout(self._timeout_ms / 1000)
            try:
                async with timeout:
                    return await self._exchange(unit, pdu)
            except (OSError, RemoteProtocolError) as error:
                progress = self._drop()
                if timeout.expired():
                    raise TransportError(f"no answer within {self._timeout_ms} ms: {progress}") from None
                raise TransportError(str(error)) from error
            except BaseException:
                # Cancelled, or a fault of ours: either way an answer may still come, and it must find nobody.
                self._drop()
                raise

    async def _exchange(self, unit: int, pdu: bytes) -> Answer:
        raise NotImplementedError

    def _drop(self) -> str:
        """Close at once; says how far the transaction had come."""
        raise NotImplementedError


def _progress(received: bytes) -> str:
    if not received:
        return "the request was sent, nothing came back"
    return f"the answer broke off after {len(received)} bytes ({received.hex(' ')})"


class RtuTransport(_OneAtATime):
    """Modbus RTU on a serial device (UART, USB adapter or pty), opened raw, non-blocking and exclusive."""

    def __init__(self, device: str, baud: int = 9600, *, parity: str = "N", timeout_ms: int = 500) -> None:
        """Nothing is opened yet.

        `device` is a path; `parity` is N, E or O; 8 data bits and 1 stop bit. `timeout_ms` covers one transaction: at
        9600 baud a character takes about 1.04 ms, the longest answer 267 ms.
        """
        super().__init__(f"{device} ({baud} 8{parity}1)", timeout_ms)
        self._device, self._baud, self._parity = device, baud, parity
        self._core = RtuClient()
        self._port: serial.Serial | None = None

    async def _exchange(self, unit: int, pdu: bytes) -> Answer:
        descriptor = self._ready_descriptor()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()

        def read() -> None:
            if answer.done():
                return
            try:
                received = self._core.receive(_read_some(descriptor))
            except (OSError, RemoteProtocolError) as error:
                answer.set_exception(error)
            else:
                if received is not None:
                    answer.set_result(Answer(received, int(loop.time() * 1000)))

        request = self._core.request(unit, pdu)
        loop.add_reader(descriptor, read)
        try:
            _write_whole(descriptor, request)
            return await answer
        finally:
            # Between transactions nobody listens: a device that has gone would call the reader without end.
            loop.remove_reader(descriptor)

    def _ready_descriptor(self) -> int:
        """An open port that holds no byte of the past. Opens it when it is closed or turns out to have gone."""
        if self._port is not None:
            try:
                _discard_input(self._port.fileno())
            except OSError:
                self._drop()
        if self._port is None:
            self._port = self._open()
        return self._port.fileno()

    def _open(self) -> serial.Serial:
        import serial  # noqa: PLC0415 - a station whose meter hangs on TCP does not pay for it

        try:
            # pyserial sets raw mode, opens with O_NONBLOCK, empties the input and, when exclusive, takes a lock.
            return serial.Serial(
                self._device, self._baud, parity=self._parity, timeout=0, write_timeout=0, exclusive=True
            )
        except (OSError, ValueError) as error:
            raise OSError(f"cannot open the serial device: {error}") from error

    def _drop(self) -> str:
        opened = self._port is not None
        received = self._core.abandon()
        if self._port is not None:
            with contextlib.suppress(OSError):
                self._port.close()
            self._port = None
        return _progress(received) if opened else "the serial device was not open"

    async def close(self) -> None:
        """Release the device once a running transaction is over; the next one opens it again."""
        async with self._lock:
            self._drop()


def _read_some(descriptor: int) -> bytes:
    """Read what is there, after the loop or poll() has said that something is."""
    try:
        data = os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return b""
    if not data:
        # Ready to read but empty is how a tty says that the other side has hung up.
        raise OSError("the serial device has gone")
    return data


def _write_whole(descriptor: int, request: bytes) -> None:
    """Write a request, which is shorter than any serial buffer; OSError when the buffer has not emptied by now."""
    try:
        written = os.write(descriptor, request)
    except BlockingIOError:
        written = 0
    if written != len(request):
        raise OSError("the serial device does not take the request: its output is stuck")


def _discard_input(descriptor: int) -> None:
    """Throw away what came since the last transaction; OSError when the device has gone or never stops talking."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    for _ in range(64):
        if not poll.poll(0):
            return
        _read_some(descriptor)
    raise OSError("the serial line never falls silent")


class TcpTransport(_OneAtATime):
    """Modbus TCP to one host; the connection is kept between transactions."""

    def __init__(self, host: str, port: int = 502, *, timeout_ms: int = 500) -> None:
        """Nothing is connected yet. `timeout_ms` covers one transaction, connecting included."""
        super().__init__(f"{host}:{port}", timeout_ms)
        self._host, self._port = host, port
        self._core = TcpClient()
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def _exchange(self, unit: int, pdu: bytes) -> Answer:
        if self._stream is not None and (self._stream[0].at_eof() or self._stream[0].exception() is not None):
            self._drop()  # the server went away since the last transaction; it may well be back
        if self._stream is None:
            try:
                self._stream = await asyncio.open_connection(self._host, self._port)
            except OSError as error:
                raise OSError(f"cannot connect: {error}") from error
            self._core = TcpClient()
        reader, writer = self._stream
        writer.write(self._core.request(unit, pdu))
        await writer.drain()
        while True:
            data = await reader.read(_CHUNK)
            if not data:
                raise ConnectionError("the server closed the connection instead of answering")
            answer = self._core.receive(data)
            if answer is not None:
                return Answer(answer, int(asyncio.get_running_loop().time() * 1000))

    def _drop(self) -> str:
        received = self._core.abandon()
        if self._stream is None:
            return "the connection was not established"
        self._stream[1].transport.abort()
        self._stream = None
        return _progress(received)

    async def close(self) -> None:
        """Close the connection once a running transaction is over; the next one connects again."""
        async with self._lock:
            if self._stream is not None:
                writer = self._stream[1]
                self._drop()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
