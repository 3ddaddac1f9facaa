"""Sessions, order, stale states and commands: what version 3 of the link added, both real ends joined in memory."""

from __future__ import annotations

import random

import pytest

from pilotwire.protocols.link import frame, messages
from pilotwire.protocols.link.pilot import QUIET_MAX_MS, RESYNC_MS, Identity, PilotLink
from pilotwire.protocols.link.station import (
    COMMAND_LOST_MS,
    LOST,
    LOST_MS,
    PilotForeign,
    PilotHello,
    PilotLost,
    PilotResult,
    PilotStale,
    PilotState,
    PilotTaken,
    StationLink,
)

FIELDS = [3, 2, 6000, -12000, 2666, 15996, 1, 1, 950, 0, 64, 17, 32000, 6]
IDENTITY = Identity(
    "the pilot", b"\1\2\3\4\5\6\7\x08", b"hashhash", messages.CAN_LOCK, messages.RESET_WATCHDOG, b"\xab\xcd"
)


class Line:
    """One pilot and any number of stations on one line and one clock."""

    def __init__(self, *stations: StationLink) -> None:
        self.now_ms = 0
        self.pilot = PilotLink(77, IDENTITY)
        self.stations = list(stations)
        self.events: dict[StationLink, list[object]] = {station: [] for station in stations}
        self.to_station: list[list[object]] = []
        self.leases: list[list[int]] = []
        self.done: list[tuple[int, int, bytes]] = []
        self.busy = 0
        self.obeys = True
        self.cut = False
        self.silent: set[StationLink] = set()
        self._said_ms = -1000

    def add(self, station: StationLink) -> None:
        self.stations.append(station)
        self.events[station] = []

    def run(self, ms: int) -> None:
        for _ in range(ms // 5):
            self.now_ms += 5
            self._tick()

    def _tick(self) -> None:
        pilot = self.pilot
        pilot.pass_time(5)
        for station in self.stations:
            station.tick(self.now_ms)
            data = station.data_to_send()
            if not self.cut and station not in self.silent:
                pilot.receive(data)
        lease = pilot.take_lease()
        if lease is not None:
            self.leases.append(lease)
        self._obey()
        if self.now_ms - self._said_ms >= (messages.PERIOD_MS if pilot.peer_ok else 500):
            self._said_ms = self.now_ms
            if pilot.peer_ok:
                pilot.send_state([self.now_ms, *FIELDS])
            else:
                pilot.send_hello()
        data = pilot.data_to_send()
        self.to_station += frame.FrameReader().receive(data)
        for station in self.stations:
            if not self.cut:
                station.receive(data, self.now_ms)
            while (event := station.next_event()) is not None:
                self.events[station].append(event)

    def _obey(self) -> None:
        command = self.pilot.take_command() if self.obeys else None
        if command is None:
            return
        if self.busy:
            self.busy -= 1
            self.pilot.answer(messages.BUSY, 0, b"")
            return
        self.done.append(command)
        self.pilot.answer(messages.OK, len(self.done), command[2])

    def of(self, kind: type, station: StationLink | None = None) -> list[object]:
        return [event for event in self.events[station or self.stations[0]] if type(event) is kind]

    def results(self) -> list[PilotResult]:
        return [event for event in self.events[self.stations[0]] if isinstance(event, PilotResult)]


def met(session: int = 5, unique_id: bytes | None = None) -> tuple[Line, StationLink]:
    station = StationLink("the station", session, unique_id)
    line = Line(station)
    line.run(1000)
    return line, station


def test_hello_says_everything_that_a_pilot_is() -> None:
    line, station = met()
    assert station.online
    (hello,) = line.of(PilotHello)
    assert isinstance(hello, PilotHello)
    assert (hello.boot, hello.program, hello.unique_id, hello.firmware_hash) == (
        77,
        "the pilot",
        IDENTITY.unique_id,
        b"hashhash",
    )
    assert (hello.capabilities, hello.reset_reason) == (messages.CAN_LOCK, messages.RESET_WATCHDOG)
    assert hello.parameter_crc == b"\xab\xcd"


def test_a_hello_with_everything_at_its_longest_fits_into_a_frame() -> None:
    link = PilotLink(
        (1 << 28) - 1, Identity("p" * 500, b"\1" * 99, b"\2" * 99, (1 << 30) - 1, (1 << 30) - 1, b"\3" * 99)
    )
    link.session = (1 << 28) - 1
    link.send_hello()
    data = link.data_to_send()
    assert len(data) <= frame.MAX_FRAME
    (message,) = frame.FrameReader().receive(data)
    assert messages.is_valid(message)
    assert (message[4], message[5], message[6], message[9]) == ("p" * 60, b"\1" * 16, b"\2" * 8, b"\3" * 4)


@pytest.mark.parametrize("kind", [messages.COMMAND, messages.RESULT])
def test_the_longest_command_and_result_fit_into_a_frame_and_longer_ones_are_no_messages(kind: int) -> None:
    most = (1 << 30) - 1
    for fill in (0, 1):
        message: list[object] = [
            kind,
            0xFFFF,
            0xFFFF,
            most,
            most,
            0xFFFF,
            most,
            most,
            bytes([fill]) * messages.DATA_MAX,
        ]
        assert messages.is_valid(message)
        assert len(frame.encode(message)) - 1 <= frame.MAX_FRAME
        assert frame.FrameReader().receive(frame.encode(message)) == [message]
        message[8] = bytes(messages.DATA_MAX + 1)
        assert not messages.is_valid(message)


@pytest.mark.parametrize(
    ("place", "value"), [(5, "text"), (6, 1), (7, b""), (8, "x"), (9, 0), (10, b""), (10, 1 << 30), (7, -(1 << 30))]
)
def test_a_hello_of_this_version_with_a_wrong_item_is_no_message(place: int, value: object) -> None:
    message: list[object] = [messages.HELLO, 1, messages.VERSION, 77, "x", b"", b"", 0, 0, b"", 0]
    assert messages.is_valid(message)
    message[place] = value
    assert not messages.is_valid(message)
    assert not messages.is_valid(message[:10])
    assert not messages.is_valid([*message, 0])


def test_only_the_pilot_that_belongs_there_is_talked_to() -> None:
    line, station = met(unique_id=b"another!")
    line.run(2000)
    assert not station.online
    (foreign,) = line.of(PilotForeign)
    assert isinstance(foreign, PilotForeign)
    assert (foreign.unique_id, foreign.wanted_id, foreign.program) == (IDENTITY.unique_id, b"another!", "the pilot")
    assert line.leases == []
    line, station = met(unique_id=IDENTITY.unique_id)
    assert station.online


def test_a_second_station_is_told_that_the_pilot_is_taken_and_obeyed_in_nothing() -> None:
    line, first = met(session=5)
    second = StationLink("the second station", 6)
    second.set_lease(1, 32000, 1000, 0)
    first.set_lease(1, 10000, 1000, line.now_ms)
    line.run(100)
    line.leases.clear()
    line.add(second)
    line.run(3000)
    (taken,) = line.of(PilotTaken, second)
    assert isinstance(taken, PilotTaken)
    assert taken.session == 5
    assert not second.online
    assert first.online
    assert {lease[1] for lease in line.leases} == {10000}
    assert line.of(PilotHello, second) == line.of(PilotState, second) == []


def test_a_pilot_whose_station_has_been_silent_for_300_ms_listens_to_the_next_one_and_forgets_what_the_first_wanted() -> (
    None
):
    line, first = met(session=5)
    first.narrow(0, 10000)
    line.run(200)
    second = StationLink("the second station", 6)
    line.add(second)
    line.run(500)
    assert line.pilot.session == 5
    line.silent.add(first)
    line.run(200)
    assert line.pilot.session == 5, "silent for less than QUIET_MS"
    line.run(500)
    assert line.pilot.session == 6
    assert second.online
    line.silent.clear()
    line.run(1000)
    assert not first.online, "and the first one finds the pilot taken"
    assert line.of(PilotTaken, first)


def test_a_station_that_starts_again_is_met_again_within_a_second() -> None:
    line, first = met(session=5)
    first.set_lease(1, 16000, 1000, line.now_ms)
    line.run(300)
    second = StationLink("the station again", 9)
    line.silent.add(first)
    line.add(second)
    line.leases.clear()
    line.run(1000)
    assert second.online
    assert line.leases[-1][:2] == [0, 0]


def test_session_0_is_nobody() -> None:
    pilot = PilotLink(77, IDENTITY)
    pilot.receive(frame.encode([messages.HELLO, 1, messages.VERSION, 0, "x", b"", b"", 0, 0, b"", 0]))
    assert not pilot.peer_ok
    pilot.receive(frame.encode([messages.LEASE, 2, 0, 77, 0, 5, 1, 16000, 1000, 0, 0]))
    assert pilot.take_lease() is None


@pytest.mark.parametrize("session", [0, 4, 6, -5, 5 + 65536])
def test_what_another_session_says_is_ignored(session: int) -> None:
    line, _ = met(session=5)
    line.leases.clear()
    line.pilot.receive(frame.encode([messages.LEASE, 900, 0, 77, session, 5, 1, 16000, 1000, 0, 0]))
    line.pilot.receive(frame.encode([messages.NARROW, 901, 0, 77, session, 0, 6000]))
    line.pilot.receive(frame.encode([messages.COMMAND, 902, 0, 77, session, 1, messages.PING, 0, b""]))
    assert line.pilot.take_lease() is None
    assert line.pilot.take_narrowings() == []
    assert line.pilot.take_command() is None
    assert line.pilot.data_to_send() == b""


def lease(seq: int, limit_ma: int) -> bytes:
    return frame.encode([messages.LEASE, seq, 0, 77, 5, 5, 1, limit_ma, 1000, 0, 0])


@pytest.mark.parametrize("first", [0, 7, 32768, 65535])
def test_a_lease_that_was_overtaken_or_is_said_twice_is_ignored(first: int) -> None:
    line, _ = met(session=5)
    pilot = line.pilot
    pilot.pass_time(RESYNC_MS)
    for ahead, taken in (
        (0, True),
        (0, False),
        (-1, False),
        (1, True),
        (0, False),
        (32768, True),
        (1, False),
        (32769, True),
    ):
        pilot.receive(lease((first + ahead) % 65536, 6000 + ahead))
        assert (pilot.take_lease() is not None) is taken, ahead


def test_when_no_lease_has_been_taken_for_10_s_any_number_is_new() -> None:
    line, _ = met(session=5)
    pilot = line.pilot
    pilot.receive(lease(20000, 6000))
    assert pilot.take_lease() is not None
    pilot.pass_time(RESYNC_MS - 5)
    pilot.receive(lease(19999, 6000))
    assert pilot.take_lease() is None
    assert pilot.quiet_ms == 0, "even so its station is there"
    pilot.pass_time(5)
    pilot.receive(lease(19999, 6000))
    assert pilot.take_lease() is not None


def test_a_state_that_was_overtaken_or_is_said_twice_is_ignored() -> None:
    line, station = met()
    line.events[station].clear()
    states = [message for message in line.to_station if message[0] == messages.STATE]
    last = states[-1]
    for message in states:
        station.receive(frame.encode(message), line.now_ms)
    assert station.next_event() is None
    assert station.data_to_send() == b"", "an old STATE is not answered by a LEASE"
    seq = last[1]
    assert isinstance(seq, int)
    station.receive(frame.encode([messages.STATE, seq + 1, *last[2:]]), line.now_ms)
    assert isinstance(station.next_event(), PilotState)


def test_quiet_and_rejected_are_reported_in_state() -> None:
    line, station = met()
    line.pilot.receive(b"\x05rubbish\0")
    line.silent.add(station)
    line.run(350)
    state = station.state
    assert state is not None
    assert 250 <= state.quiet_ms <= 450
    assert state.rejected == 1
    line.pilot.pass_time(QUIET_MAX_MS * 3)
    assert line.pilot.quiet_ms == QUIET_MAX_MS
    line.silent.clear()
    line.run(200)
    state = station.state
    assert state is not None
    assert state.quiet_ms < 200


def test_300_ms_without_a_state_are_a_warning_and_the_last_one_is_stale_from_then_on() -> None:
    line, station = met()
    state = station.state
    assert state is not None
    line.cut = True
    line.run(messages.QUIET_MS - 5 - (line.now_ms - state.at_ms))
    assert not station.stale(line.now_ms)
    assert line.of(PilotStale) == []
    line.run(5)
    assert station.stale(line.now_ms)
    (stale,) = line.of(PilotStale)
    assert isinstance(stale, PilotStale)
    assert stale.silent_ms == messages.QUIET_MS
    assert station.online
    line.run(LOST_MS)
    assert station.stale(line.now_ms)
    assert [type(event) for event in line.events[station][-2:]] == [PilotStale, PilotLost]
    line.cut = False
    line.run(300)
    assert not station.stale(line.now_ms)
    line.cut = True
    line.run(500)
    assert len(line.of(PilotStale)) == 2


def test_a_station_that_has_heard_nothing_yet_shows_nothing_as_fresh() -> None:
    assert StationLink("x", 5).stale(0)


def test_a_command_is_done_once_and_its_result_comes_back() -> None:
    line, station = met()
    ident = station.command(messages.RAW_READ, 3, b"abc")
    line.run(300)
    (result,) = line.results()
    assert (result.ident, result.code, result.status, result.number, result.data) == (
        ident,
        messages.RAW_READ,
        0,
        1,
        b"abc",
    )
    assert line.done == [(messages.RAW_READ, 3, b"abc")]
    line.run(3000)
    assert len(line.done) == len(line.results()) == 1


def test_commands_are_done_one_after_the_other() -> None:
    line, station = met()
    idents = [station.command(messages.UPDATE_DATA, at, bytes([at])) for at in range(20)]
    line.run(1000)
    assert [result.ident for result in line.results()] == idents
    assert line.done == [(messages.UPDATE_DATA, at, bytes([at])) for at in range(20)]


def test_a_command_on_a_line_that_loses_much_is_done_exactly_once() -> None:
    rng = random.Random(3)
    line, station = met()
    pilot_receive, station_receive = line.pilot.receive, station.receive
    lost = [0]

    def lossy(receive: object) -> object:
        def take(data: bytes, *now_ms: int) -> None:
            if data and rng.random() < 0.3:
                lost[0] += 1
            else:
                receive(data, *now_ms)  # type: ignore[operator]

        return take

    line.pilot.receive = lossy(pilot_receive)  # type: ignore[assignment, method-assign]
    station.receive = lossy(station_receive)  # type: ignore[assignment, method-assign]
    for number in range(30):
        station.command(messages.RAW_READ, number)
        line.run(2500)
        if not station.online:
            line.run(2000)
    done = [number for _, number, _ in line.done]
    assert lost[0] > 100
    assert done == sorted(set(done)), "none twice"
    assert len([result for result in line.results() if result.status == messages.OK]) > 20


def test_a_busy_pilot_is_asked_again_until_it_is_done_however_long_that_takes() -> None:
    line, station = met()
    line.busy = 20
    station.command(messages.UPDATE_COMMIT)
    line.run(3 * COMMAND_LOST_MS)
    (result,) = line.results()
    assert result.status == messages.OK
    assert len(line.done) == 1


def test_a_pilot_that_does_not_answer_a_command_is_given_up_and_the_next_one_is_said() -> None:
    line, station = met()
    line.obeys = False
    first, second = station.command(messages.RAW_READ), station.command(messages.RAW_READ)
    line.run(COMMAND_LOST_MS + 100)
    assert [(result.ident, result.status) for result in line.results()] == [(first, LOST)]
    line.obeys = True
    line.run(1000)
    assert [(result.ident, result.status) for result in line.results()][1:] == [(second, messages.OK)]


def test_commands_are_lost_with_the_pilot_and_never_said_to_its_next_life() -> None:
    line, station = met()
    line.obeys = False
    idents = [station.command(messages.RAW_READ) for _ in range(3)]
    line.run(100)
    line.pilot = PilotLink(78, IDENTITY)
    line.obeys = True
    line.run(1500)
    assert station.online
    assert [(result.ident, result.status) for result in line.results()] == [(ident, LOST) for ident in idents]
    assert line.done == []
    line.cut = True
    ident = station.command(messages.RAW_READ)
    line.run(600)
    assert (line.results()[-1].ident, line.results()[-1].status) == (ident, LOST)
    line.cut = False
    line.run(1500)
    assert line.done == []
    station.command(messages.RAW_READ)
    line.run(500)
    assert line.results()[-1].status == messages.OK


def test_command_ids_go_round_without_0() -> None:
    line, station = met()
    for _ in range(0x10000 + 5):
        ident = station.command(messages.PING)
        station._commands.clear()
        assert 1 <= ident <= 0xFFFF
    station.command(messages.RAW_READ)
    line.run(300)
    assert line.results()[-1].status == messages.OK


def test_an_older_command_is_no_new_one_and_the_last_one_is_answered_again() -> None:
    line, _ = met(session=5)
    pilot = line.pilot

    def said(seq: int, ident: int) -> list[object]:
        pilot.receive(frame.encode([messages.COMMAND, seq, 0, 77, 5, ident, messages.PING, ident, b"x"]))
        command = pilot.take_command()
        if command is not None:
            pilot.answer(messages.OK, command[1], command[2])
        return [message[5] for message in frame.FrameReader().receive(pilot.data_to_send())]

    assert said(1000, 10) == [10]
    assert said(1001, 10) == [10]
    assert pilot.take_command() is None
    assert said(1002, 9) == []
    assert said(1003, 11) == [11]


def test_a_result_that_nobody_waits_for_is_ignored() -> None:
    line, station = met()
    for ident in (0, 1, 7):
        station.receive(frame.encode([messages.RESULT, 9000, 0, 77, 5, ident, 0, 0, b""]), line.now_ms)
    assert station.next_event() is None
