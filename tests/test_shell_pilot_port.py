"""The pilot's line as a descriptor: a real pty, and socket pairs on a virtual clock; the other end is the pilot's own link core."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import termios
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pilotwire.firmware.shell import pilot_port
from pilotwire.firmware.shell.pilot_port import REOPEN_S, TICK_S, Line, PilotPort, open_serial
from pilotwire.protocols.link import frame, messages
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.protocols.link.station import LOST_MS, PilotHello, PilotLost, PilotState, StationLink
from pilotwire.tools.rig import virtual_clock

PATIENT_S = 30.0
TTL_MS = 1000


class Peer:
    """The pilot's end of a line: says what a test wants said, keeps everything heard."""

    def __init__(self, descriptor: int, boot: int = 7) -> None:
        os.set_blocking(descriptor, False)
        self.link = PilotLink(boot, f"pilot {boot}")
        self.heard: list[list[object]] = []
        self._descriptor = descriptor
        self._reader = frame.FrameReader()

    def listen(self) -> None:
        """Take what has come and answer as far as the link itself does."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._descriptor, 65536):
                self.heard += self._reader.receive(data)
                self.link.receive(data)
        self._flush()

    def state(self, pilot_ms: int) -> None:
        """Send one STATE; the pilot's link is silent until it has met a station."""
        self.link.send_state([pilot_ms, 2, 0, 9000, -12000, 10000, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        self._flush()

    def leases(self) -> list[tuple[object, object, object, object]]:
        """Mode, limit, TTL and the instant it answers, of every LEASE heard."""
        return [(m[6], m[7], m[8], m[5]) for m in self.heard if m[0] == messages.LEASE]

    def _flush(self) -> None:
        if data := self.link.data_to_send():
            assert os.write(self._descriptor, data) == len(data)


class Lines:
    """What the port opens: the lines put in here, one after the other, and an error while there is none."""

    def __init__(self) -> None:
        self.attempts_s: list[float] = []
        self.error = OSError("no such device")
        self._waiting: list[Line] = []

    def __call__(self) -> Line:
        self.attempts_s.append(asyncio.get_running_loop().time())
        if not self._waiting:
            raise self.error
        return self._waiting.pop(0)

    def plug(self, boot: int = 7) -> tuple[Peer, socket.socket]:
        """A new line; returns the pilot at its far end and that end."""
        near, far = socket.socketpair()
        near.setblocking(False)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # as small as the kernel lets it be
        self._waiting.append(near)
        return Peer(far.fileno(), boot), far


@asynccontextmanager
async def running(open_line: Callable[[], Line]) -> AsyncIterator[tuple[PilotPort, list[object]]]:
    """A port at work and the events that come out of it; no callback of it may leave an error to the loop."""
    events: list[object] = []
    left_to_the_loop: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: left_to_the_loop.append(context))
    port = PilotPort(StationLink("station", 1), open_line, events.append, TTL_MS)
    task = asyncio.ensure_future(port.run())
    try:
        yield port, events
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), task.exception()
        assert left_to_the_loop == []


async def until(condition: Callable[[], object], step: Callable[[], None] = lambda: None) -> None:
    async with asyncio.timeout(PATIENT_S):
        while not condition():
            step()
            await asyncio.sleep(0.005)


def kinds(events: list[object]) -> list[type]:
    """The types of the events, repetitions left out."""
    found: list[type] = []
    for event in events:
        if not found or found[-1] is not type(event):
            found.append(type(event))
    return found


async def meet(peer: Peer, events: list[object], pilot_ms: int = 0) -> None:
    """HELLO both ways, then STATE until one has come through."""
    before = sum(isinstance(event, PilotState) for event in events)

    def step() -> None:
        peer.listen()
        peer.state(pilot_ms)

    await until(lambda: sum(isinstance(event, PilotState) for event in events) > before, step)
    peer.listen()


def test_over_a_pty_pilot_and_station_meet_and_every_state_is_answered_with_the_lease() -> None:
    async def main() -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        device = os.ttyname(slave)
        try:
            async with running(lambda: open_serial(device, 115200)) as (port, events):
                peer = Peer(master)
                await meet(peer, events)
                assert kinds(events) == [PilotHello, PilotState]
                assert [port.first_lease_ms] == [None], "nothing has been permitted yet"
                assert {lease[:3] for lease in peer.leases()} <= {(0, 0, 0)}

                port.set_limit(16_000)
                peer.state(4_000)
                await until(lambda: (1, 16_000, TTL_MS, 4_000) in peer.leases(), peer.listen)
                assert port.first_lease_ms is not None

                port.set_limit(0)
                peer.state(4_100)
                await until(lambda: (0, 0, 0, 4_100) in peer.leases(), peer.listen)
        finally:
            os.close(master)
            os.close(slave)

    asyncio.run(main())


def test_a_serial_device_that_is_pulled_out_and_put_back_is_opened_again() -> None:
    async def main() -> None:
        device = ""

        def plug() -> tuple[int, str]:
            master, slave = os.openpty()
            tty.setraw(slave)
            name = os.ttyname(slave)
            kept.append(slave)
            return master, name

        kept: list[int] = []
        master, device = plug()
        async with running(lambda: open_serial(device, 115200)) as (_, events):
            await meet(Peer(master), events)
            device = "/dev/pilotwire-unplugged"
            os.close(kept.pop())
            os.close(master)  # the station's read now says: end of file
            await until(lambda: isinstance(events[-1], PilotLost))

            master, device = plug()
            events.clear()
            await meet(Peer(master, boot=8), events)
            assert kinds(events) == [PilotHello, PilotState]
            assert isinstance(events[0], PilotHello)
            assert events[0].boot == 8
        os.close(kept.pop())
        os.close(master)

    asyncio.run(main())


class PtyMaster:
    """A line that answers EIO when its other end is closed, as the master of a pty does."""

    def __init__(self) -> None:
        self._master, self.slave = os.openpty()
        tty.setraw(self.slave)
        os.set_blocking(self._master, False)

    def fileno(self) -> int:
        return self._master

    def close(self) -> None:
        os.close(self._master)


def test_a_read_that_fails_with_an_error_closes_the_line_and_a_new_one_is_opened() -> None:
    async def main() -> None:
        waiting = [PtyMaster(), PtyMaster()]
        first, second = waiting[0].slave, waiting[1].slave
        async with running(lambda: waiting.pop(0)) as (_, events):
            await meet(Peer(first), events)
            os.close(first)
            await until(lambda: isinstance(events[-1], PilotLost))
            events.clear()
            await meet(Peer(second, boot=8), events)
            assert kinds(events) == [PilotHello, PilotState]
        os.close(second)

    asyncio.run(main())


def test_a_line_that_vanishes_is_noticed_in_time_and_opened_again_when_it_is_back() -> None:
    async def main(loop: asyncio.AbstractEventLoop) -> None:
        lines = Lines()
        peer, far = lines.plug()
        async with running(lines) as (_, events):
            await meet(peer, events)
            far.close()
            gone_s = loop.time()
            await until(lambda: isinstance(events[-1], PilotLost))
            lost = events[-1]
            assert isinstance(lost, PilotLost)
            assert LOST_MS <= lost.silent_ms <= LOST_MS + 2 * TICK_S * 1000, "noticed late because there is no line"

            await asyncio.sleep(10)
            tries = [at_s for at_s in lines.attempts_s if at_s > gone_s]
            assert 10 / REOPEN_S - 2 <= len(tries) <= 11 / REOPEN_S + 2

            peer, far = lines.plug(boot=8)
            events.clear()
            await meet(peer, events)
            assert kinds(events) == [PilotHello, PilotState]
        far.close()

    virtual_clock.run(main)


def test_a_write_that_fails_closes_the_line_and_a_new_one_is_opened() -> None:
    async def main(_: asyncio.AbstractEventLoop) -> None:
        lines = Lines()
        peer, far = lines.plug()
        async with running(lines) as (port, events):
            await meet(peer, events)
            far.close()
            peer, far = lines.plug()
            port.set_limit(16_000)  # written at once, into a line without another end
            events.clear()
            await meet(peer, events, pilot_ms=900)
            assert len(lines.attempts_s) == 2
            assert (1, 16_000, TTL_MS, 900) in peer.leases()
        far.close()

    virtual_clock.run(main)


def test_with_nobody_reading_nothing_blocks_and_old_leases_are_not_kept_for_later() -> None:
    async def main(_: asyncio.AbstractEventLoop) -> None:
        lines = Lines()
        peer, far = lines.plug()
        async with running(lines) as (port, events):
            await meet(peer, events)
            port.set_limit(16_000)
            peer.listen()
            peer.heard.clear()
            sent_before = port.link.leases_sent
            for number in range(1, 501):
                peer.state(number)
                await asyncio.sleep(0.001)
            assert port.link.leases_sent - sent_before == 500
            assert sum(isinstance(event, PilotState) for event in events) >= 500, (
                "the station hears on while it cannot speak"
            )

            peer.listen()
            in_the_buffer = len(peer.leases())
            assert in_the_buffer < 100
            await asyncio.sleep(0.05)
            peer.listen()
            assert len(peer.leases()) == in_the_buffer, "an old lease came late"

            # The frame that was cut off, if any, costs one more.
            for pilot_ms in (9_000, 9_100):
                peer.state(pilot_ms)
                await asyncio.sleep(0.001)
            peer.listen()
            assert peer.leases()[-1] == (1, 16_000, TTL_MS, 9_100)
        far.close()

    virtual_clock.run(main)


def test_bytes_that_come_between_the_timer_and_the_reader_are_taken_once_and_do_not_look_like_a_hang_up() -> None:
    opened: list[str] = []

    async def main() -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        device = os.ttyname(slave)

        def open_line() -> Line:
            opened.append(device)
            return open_serial(device, 115200)

        try:
            async with running(open_line) as (port, events):
                peer = Peer(master)
                await until(lambda: port.link.online, lambda: (peer.listen(), peer.state(0))[0])
                # In every round of the loop something is written, so that some of it comes after the look that wakes run()
                # by its timer and before the one that calls the reader.
                loop = asyncio.get_running_loop()
                end_s = loop.time() + 10 * TICK_S
                while loop.time() < end_s:
                    peer.listen()
                    peer.state(0)
                    await asyncio.sleep(0)
                heard = len(events)
                peer.state(1000)
                await until(lambda: len(events) > heard)
        finally:
            os.close(master)
            os.close(slave)

    asyncio.run(main())
    assert len(opened) == 1


def test_a_changed_limit_goes_out_at_once_and_does_not_wait_for_the_next_state() -> None:
    async def main(_: asyncio.AbstractEventLoop) -> None:
        lines = Lines()
        peer, far = lines.plug()
        async with running(lines) as (port, events):
            await meet(peer, events, pilot_ms=50)
            port.set_limit(16_000)
            port.set_limit(0)
            peer.listen()
            assert peer.leases()[-2:] == [(1, 16_000, TTL_MS, 50), (0, 0, 0, 50)]
        far.close()

    virtual_clock.run(main)


def test_a_line_that_cannot_be_opened_is_said_once_for_each_reason(caplog: pytest.LogCaptureFixture) -> None:
    async def main(_: asyncio.AbstractEventLoop) -> None:
        lines = Lines()
        async with running(lines):
            await asyncio.sleep(5)
            lines.error = OSError("permission denied")
            await asyncio.sleep(5)

    with caplog.at_level(logging.WARNING):
        virtual_clock.run(main)

    said = [record.getMessage() for record in caplog.records if "cannot be opened" in record.getMessage()]
    assert len(said) == 2
    assert "no such device" in said[0]
    assert "permission denied" in said[1]


def test_a_line_at_which_nobody_answers_is_given_up_when_there_may_be_others() -> None:
    async def main(_: asyncio.AbstractEventLoop) -> None:
        lines = Lines()
        (_silent, first), (peer, second) = lines.plug(), lines.plug(boot=8)
        events: list[object] = []
        port = PilotPort(StationLink("station", 1), lines, events.append, TTL_MS, give_up_s=3.0)
        task = asyncio.ensure_future(port.run())
        await asyncio.sleep(2.9)
        assert len(lines.attempts_s) == 1
        await asyncio.sleep(1.0)
        assert len(lines.attempts_s) == 2
        await meet(peer, events)
        await asyncio.sleep(2.9)
        assert len(lines.attempts_s) == 2
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        first.close()
        second.close()

    virtual_clock.run(main)


def test_the_line_is_given_back_when_the_port_ends() -> None:
    async def main(_: asyncio.AbstractEventLoop) -> None:
        lines = Lines()
        peer, far = lines.plug()
        async with running(lines) as (_port, events):
            await meet(peer, events)
            peer.listen()
        await asyncio.sleep(1)
        # A reset says the same: closed, with something of ours unread.
        with contextlib.suppress(ConnectionResetError):
            assert far.recv(4096) == b""
        far.close()

    virtual_clock.run(main)


def test_a_device_that_is_missing_or_no_serial_line_or_taken_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        open_serial(str(tmp_path / "ttyUSB0"), 115200)
    (tmp_path / "letter").write_text("not a serial line")
    with pytest.raises(OSError, match=r"letter|ioctl"):
        open_serial(str(tmp_path / "letter"), 115200)

    master, slave = os.openpty()
    line = open_serial(os.ttyname(slave), 115200)
    with pytest.raises(OSError, match="lock"):
        open_serial(os.ttyname(slave), 115200)
    line.close()
    os.close(master)
    os.close(slave)


def test_an_adapter_pulled_while_it_opens_is_an_os_error_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def pulled(*_: object, **__: object) -> None:
        raise termios.error(5, "Input/output error")  # what tcflush says then; no pty can be made to do it on time

    monkeypatch.setattr("serial.Serial", pulled)
    with pytest.raises(OSError, match="Input/output error"):
        pilot_port.open_serial("/dev/ttyUSB0", 115200)
