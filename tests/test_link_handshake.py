"""HELLO, boot numbers, leases and silence: the rules of the link, both real ends joined in memory."""

from __future__ import annotations

import pytest

from pilotwire.protocols.link import cobs, frame, messages
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.protocols.link.station import (
    LOST_MS,
    PilotHello,
    PilotLost,
    PilotRefused,
    PilotState,
    StationLink,
)

SESSION = 5
FIELDS = [3, 2, 6000, -12000, 2666, 15996, 1, 1, 950, 0, 64, 17, 32000, 6]  # what follows pilot_ms in a STATE


class Pair:
    """A pilot's and a station's end on one clock; tick() passes 5 ms. Everything sent is kept, decoded."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.pilot = PilotLink(77, "the pilot")
        self.station = StationLink("the station", SESSION)
        self.from_pilot: list[list[object]] = []
        self.from_station: list[list[object]] = []
        self.leases: list[list[int]] = []
        self.events: list[object] = []
        self.pilot_silent = False
        self._sent_ms = -1000
        self._own_seq = 0

    def tick(self) -> None:
        self.now_ms += 5
        self.pilot.pass_time(5)
        if not self.pilot_silent and self.now_ms - self._sent_ms >= (100 if self.pilot.peer_ok else 500):
            self._sent_ms = self.now_ms
            if self.pilot.peer_ok:
                self.pilot.send_state([self.now_ms, *FIELDS])
            else:
                self.pilot.send_hello()
        self.station.tick(self.now_ms)
        self.exchange()

    def exchange(self) -> None:
        """Bytes across, both ways, once."""
        data = self.pilot.data_to_send()
        self.from_pilot += decoded(data)
        self.station.receive(data, self.now_ms)
        data = self.station.data_to_send()
        self.from_station += decoded(data)
        if not self.pilot_silent:
            self.pilot.receive(data)
        lease = self.pilot.take_lease()
        if lease is not None:
            self.leases.append(lease)
        while (event := self.station.next_event()) is not None:
            self.events.append(event)

    def said(self, *message: object) -> None:
        """The station's process says this: kind and what follows `ack`, with the next sequence number."""
        self._own_seq = max(self._own_seq, *(int(str(sent[1])) for sent in self.from_station)) + 1
        self.pilot.receive(frame.encode([message[0], self._own_seq, 0, *message[1:]]))

    def run(self, ms: int) -> None:
        until = self.now_ms + ms
        while self.now_ms < until:
            self.tick()

    def kinds(self) -> list[str]:
        """Names of the events so far, repetitions of STATE left out."""
        names = [type(event).__name__ for event in self.events]
        return [name for at, name in enumerate(names) if name != "PilotState" or names[at - 1 : at] != ["PilotState"]]


def hello_frame(number: int, program: str, session: int = SESSION) -> list[object]:
    return [messages.HELLO, 1, messages.VERSION, number, program, b"", b"", 0, 0, b"", session]


def state(seq: int, boot: int, pilot_ms: int) -> list[object]:
    return [messages.STATE, seq, 0, boot, SESSION, pilot_ms, *FIELDS, 0, 0]


def decoded(data: bytes) -> list[list[object]]:
    return frame.FrameReader().receive(data)


def met() -> Pair:
    """A pair that has exchanged HELLOs and STATEs, nothing permitted."""
    pair = Pair()
    pair.run(1000)
    assert pair.station.online
    return pair


def test_the_two_ends_meet_and_say_who_they_are() -> None:
    pair = met()
    assert pair.kinds() == ["PilotHello", "PilotState"]
    hello = pair.events[0]
    assert isinstance(hello, PilotHello)
    assert (hello.boot, hello.program) == (77, "the pilot")
    assert pair.from_station[0] == hello_frame(SESSION, "the station", 0)
    assert len([message for message in pair.from_pilot + pair.from_station if message[0] == messages.HELLO]) <= 6


def test_a_state_arrives_with_every_field() -> None:
    pair = met()
    state = pair.station.state
    assert state is not None
    assert (state.boot, state.pilot, state.phase, state.cp_high_mv, state.cp_low_mv) == (77, 3, 2, 6000, -12000)
    assert (state.duty, state.limit_ma, state.lease_left_ms, state.faults, state.cycles) == (2666, 15996, 950, 0, 17)
    assert (state.close, state.contacts_closed) == (True, True)
    assert 0 <= pair.now_ms - state.pilot_ms <= 100
    assert state.at_ms == state.pilot_ms


def test_every_state_is_answered_by_one_lease_that_repeats_its_instant() -> None:
    pair = met()
    pair.leases.clear()
    pair.from_pilot.clear()
    pair.station.set_lease(1, 16000, 1000, pair.now_ms)
    pair.run(1000)
    states = [message[5] for message in pair.from_pilot if message[0] == messages.STATE]
    assert len(states) == 10
    assert [lease[4] for lease in pair.leases[-10:]] == states
    assert all(lease == [1, 16000, 1000, 0, lease[4], 0] for lease in pair.leases)


def test_a_change_of_the_lease_is_said_at_once_and_repetition_is_not() -> None:
    pair = met()
    before = len(pair.leases)
    pair.station.set_lease(1, 16000, 1000, pair.now_ms)
    pair.exchange()
    assert pair.leases[before:] == [[1, 16000, 1000, 0, pair.leases[before - 1][4], 0]]
    pair.station.set_lease(1, 16000, 1000, pair.now_ms)
    pair.exchange()
    assert len(pair.leases) == before + 1
    pair.station.set_lease(0, 0, 0, pair.now_ms)
    pair.exchange()
    assert pair.leases[-1][:3] == [0, 0, 0]


def test_leases_that_permit_are_counted_and_others_not() -> None:
    pair = met()
    assert pair.station.leases_sent == 0
    pair.station.set_lease(1, 16000, 1000, pair.now_ms)
    pair.run(500)
    permitting = [message for message in pair.from_station if message[0] == messages.LEASE and message[6] == 1]
    assert pair.station.leases_sent == len(permitting) == 6


def test_a_command_to_clear_is_said_three_times_in_case_one_is_lost() -> None:
    pair = met()
    pair.station.clear_faults()
    pair.run(1000)
    assert [lease[5] for lease in pair.leases].count(1) == 3


def test_requests_that_are_made_one_after_the_other_are_each_said_three_times_at_least() -> None:
    pair = met()
    pair.station.request(2)
    pair.run(100)
    pair.station.request(8)
    pair.run(1000)
    said = [lease[5] for lease in pair.leases]
    assert sum(1 for bits in said if bits & 2) >= 3
    assert sum(1 for bits in said if bits & 8) == 3
    assert said[-1] == 0


def test_a_request_in_a_lease_that_is_overtaken_is_not_lost() -> None:
    pair = met()
    pair.said(messages.LEASE, 77, SESSION, 5, 1, 16000, 1000, 0, 4)
    pair.said(messages.LEASE, 77, SESSION, 6, 1, 20000, 1000, 3, 1)
    assert pair.pilot.take_lease() == [1, 20000, 1000, 3, 6, 5]
    pair.said(messages.LEASE, 77, SESSION, 7, 1, 20000, 1000, 3, 0)
    assert pair.pilot.take_lease() == [1, 20000, 1000, 3, 7, 0]


def test_a_state_says_what_the_pilot_drives_and_sees() -> None:
    station = StationLink("the station", SESSION)
    station.receive(frame.encode(hello_frame(77, "x")), 0)
    fields = [3, 2, 6000, -12000, 2666, 15996, messages.OUT_LOCK, messages.IN_PHASES, 950, 5, 64, 17, 32000, 7 * 4 + 2]
    station.receive(frame.encode([messages.STATE, 2, 0, 77, SESSION, 5, *fields, 0, 0]), 5)
    state = station.state
    assert state is not None
    assert (state.close, state.contacts_closed, state.lease_left_ms, state.faults) == (False, False, 950, 5)
    assert (state.conditions, state.cycles, state.cable_ma) == (64, 17, 32000)
    assert (state.bcb_sequences, state.bcb_pulses) == (7, 2)


def test_a_narrowing_is_said_three_times_and_again_to_each_new_life_of_the_pilot() -> None:
    pair = met()
    pair.station.narrow(0, 16000)
    pair.station.narrow(4, 20000)
    pair.run(1000)
    assert pair.pilot.take_narrowings() == [(0, 16000), (4, 20000)] * 3
    assert pair.pilot.take_narrowings() == []
    pair.pilot = PilotLink(78, "the pilot")
    pair.run(1500)
    assert pair.pilot.take_narrowings() == [(0, 16000), (4, 20000)] * 3


@pytest.mark.parametrize("boot", [0, 76, -77])
def test_a_narrowing_for_another_life_of_the_pilot_is_ignored(boot: int) -> None:
    pair = met()
    pair.said(messages.NARROW, boot, SESSION, 0, 16000)
    assert pair.pilot.take_narrowings() == []


def test_a_flood_of_narrowings_is_bounded() -> None:
    pair = met()
    for _ in range(100):
        pair.said(messages.NARROW, 77, SESSION, 0, 16000)
    assert len(pair.pilot.take_narrowings()) == 32


def test_nothing_is_permitted_before_the_pilot_has_been_met() -> None:
    station = StationLink("the station", SESSION)
    station.set_lease(1, 16000, 1000, 0)
    for now_ms in range(0, 5000, 20):
        station.tick(now_ms)
        station.receive(frame.encode(state(1, 77, now_ms)), now_ms)
    assert {message[0] for message in decoded(station.data_to_send())} == {messages.HELLO}
    assert not station.online
    assert station.next_event() is None


def test_a_station_is_silent_to_a_pilot_of_another_version_and_says_so_once() -> None:
    station = StationLink("the station", SESSION)
    station.set_lease(1, 16000, 1000, 0)
    for now_ms in range(0, 3000, 20):
        station.tick(now_ms)
        station.receive(
            frame.encode([messages.HELLO, 1, messages.VERSION + 1, 77, "a newer pilot", "and", 3, "more"]), now_ms
        )
        station.receive(frame.encode(state(1, 77, now_ms)), now_ms)
    assert {message[0] for message in decoded(station.data_to_send())} == {messages.HELLO}
    event = station.next_event()
    assert isinstance(event, PilotRefused)
    assert (event.version, event.program) == (messages.VERSION + 1, "a newer pilot")
    assert station.next_event() is None


def test_a_pilot_that_comes_back_with_another_version_gets_no_further_lease() -> None:
    pair = met()
    pair.station.set_lease(1, 16000, 1000, pair.now_ms)
    pair.run(300)
    pair.pilot_silent = True
    pair.station.receive(frame.encode([messages.HELLO, 1, messages.VERSION + 1, 78, "a newer pilot"]), pair.now_ms)
    pair.from_station.clear()
    for limit_ma in range(10000, 20000, 50):  # the station's wish changes all the time
        pair.station.set_lease(1, limit_ma, 1000, pair.now_ms)
        pair.station.receive(frame.encode(state(1, 78, pair.now_ms)), pair.now_ms)
        pair.tick()
    assert {message[0] for message in pair.from_station} == {messages.HELLO}
    assert pair.kinds()[-3:] == ["PilotRefused", "PilotStale", "PilotLost"]
    assert not pair.station.online
    # and is met again when it has been given the right version
    pair.pilot = PilotLink(79, "the right pilot")
    pair.pilot_silent = False
    pair.run(1000)
    assert pair.station.online
    assert pair.leases[-1][1] == 19950


def test_a_pilot_is_silent_to_a_station_of_another_version_and_obeys_no_lease_of_it() -> None:
    pilot = PilotLink(77, "the pilot")
    pilot.receive(frame.encode([messages.HELLO, 1, messages.VERSION + 1, 0, "a newer station"]))
    pilot.receive(frame.encode([messages.LEASE, 2, 0, 77, SESSION, 100, 1, 16000, 1000, 0, 0]))
    pilot.send_state([100, *FIELDS])
    assert pilot.take_lease() is None
    assert not pilot.peer_ok
    assert {message[0] for message in decoded(pilot.data_to_send())} == {messages.HELLO}


def test_a_pilot_stops_talking_when_its_station_is_replaced_by_another_version() -> None:
    pair = met()
    pair.pilot.pass_time(messages.QUIET_MS)
    pair.pilot.receive(frame.encode([messages.HELLO, 1, 99, 0, "a newer station"]))
    pair.pilot.data_to_send()
    pair.pilot.send_state([pair.now_ms, *FIELDS])
    pair.said(messages.LEASE, 77, SESSION, pair.now_ms, 1, 16000, 1000, 0, 0)
    assert pair.pilot.take_lease() is None
    assert pair.pilot.data_to_send() == b""


@pytest.mark.parametrize("boot", [0, 76, 78, -77])
def test_a_lease_for_another_life_of_the_pilot_is_ignored(boot: int) -> None:
    pair = met()
    pair.said(messages.LEASE, boot, SESSION, pair.now_ms, 1, 16000, 1000, 0, 0)
    assert pair.pilot.take_lease() is None
    pair.said(messages.LEASE, 77, SESSION, pair.now_ms, 1, 16000, 1000, 0, 0)
    assert pair.pilot.take_lease() == [1, 16000, 1000, 0, pair.now_ms, 0]


def test_a_lease_is_taken_once_and_the_newest_counts() -> None:
    pair = met()
    for limit_ma in (10000, 20000):
        pair.said(messages.LEASE, 77, SESSION, 5, 1, limit_ma, 1000, 0, 0)
    assert pair.pilot.take_lease() == [1, 20000, 1000, 0, 5, 0]
    assert pair.pilot.take_lease() is None


def test_a_pilot_that_starts_again_is_met_again_and_gets_leases_for_its_new_life() -> None:
    pair = met()
    pair.station.set_lease(1, 16000, 1000, pair.now_ms)
    pair.run(500)
    pair.pilot = PilotLink(78, "the pilot")
    pair.leases.clear()
    pair.from_station.clear()
    pair.run(700)
    assert pair.station.online
    assert pair.leases
    hellos = [event for event in pair.events if isinstance(event, PilotHello)]
    assert [hello.boot for hello in hellos] == [77, 78]


def test_a_station_that_starts_again_permits_nothing_until_it_wants_to() -> None:
    pair = met()
    pair.station.set_lease(1, 16000, 1000, pair.now_ms)
    pair.run(500)
    pair.station = StationLink("the station", SESSION + 1)
    pair.leases.clear()
    pair.run(700)
    assert pair.station.online
    assert pair.leases
    assert all(lease[0] == 0 for lease in pair.leases)
    pair.station.set_lease(1, 10000, 1000, pair.now_ms)
    pair.run(200)
    assert pair.leases[-1][:2] == [1, 10000]


def test_after_400_ms_of_silence_the_pilot_is_lost_and_after_its_next_state_it_is_back() -> None:
    pair = met()
    state = pair.station.state
    assert state is not None
    assert pair.station.deadline() == state.at_ms + LOST_MS
    pair.pilot_silent = True
    pair.run(LOST_MS - 5 - (pair.now_ms - state.at_ms))
    assert pair.station.online
    pair.tick()
    assert not pair.station.online
    lost = pair.events[-1]
    assert isinstance(lost, PilotLost)
    assert lost.silent_ms == LOST_MS
    pair.run(3000)
    assert pair.kinds()[-1] == "PilotLost", "said once"
    deadline = pair.station.deadline()
    assert deadline is not None
    assert pair.now_ms <= deadline <= pair.now_ms + 200
    pair.pilot_silent = False
    pair.run(200)
    assert pair.station.online
    assert pair.kinds()[-2:] == ["PilotLost", "PilotState"]


def test_time_in_which_the_station_has_not_listened_is_no_silence_of_the_pilot() -> None:
    pair = met()
    pair.pilot_silent = True
    state = pair.station.state
    assert state is not None
    pair.now_ms += 1000
    pair.station.excuse(5000, pair.now_ms)
    assert pair.station.deadline() == pair.now_ms + LOST_MS, "never more than the present silence"
    pair.run(LOST_MS - 5)
    assert pair.station.online
    pair.tick()
    assert not pair.station.online
    pair.pilot_silent = False
    pair.run(200)
    state = pair.station.state
    assert pair.station.online
    assert pair.station.deadline() == state.at_ms + LOST_MS, "a new silence counts in full"


def test_a_silent_pilot_is_sent_no_lease() -> None:
    pair = met()
    pair.pilot_silent = True
    pair.run(250)
    pair.from_station.clear()
    for limit_ma in range(6000, 30000, 100):
        pair.station.set_lease(1, limit_ma, 1000, pair.now_ms)
        pair.tick()
    assert {message[0] for message in pair.from_station} == {messages.HELLO}


def test_states_of_a_pilot_nobody_knows_make_the_station_ask_for_hello() -> None:
    station = StationLink("the station", SESSION)
    assert station.deadline() is None
    station.tick(0)
    station.data_to_send()
    station.receive(frame.encode(state(1, 77, 5)), 5)
    station.tick(6)
    assert [message[0] for message in decoded(station.data_to_send())] == [messages.HELLO]


def test_sequence_numbers_count_modulo_65536_and_are_acknowledged() -> None:
    pair = met()
    for _ in range(0x10000 + 10):
        pair.pilot.send_hello()
        sent = decoded(pair.pilot.data_to_send())[0][1]
    assert isinstance(sent, int)
    assert 0 <= sent < 0x10000
    pair.pilot.receive(frame.encode([messages.LEASE, 0x1FFFF, 0, 77, SESSION, 5, 1, 6000, 1000, 0, 0]))
    pair.pilot.send_state([5, *FIELDS])
    state = decoded(pair.pilot.data_to_send())[0]
    assert state[1:3] == [(sent + 1) % 0x10000, 0xFFFF]


ODD: list[list[object]] = [
    [[1], 1, 1, 77, "x"],
    [[], [], []],
    [b"\1", 1, 1, 77, "x"],
    ["HELLO", 1],
    [4, 1, 2, 3],
    [5, 1, 2, 3, 4, 5],
    [messages.NARROW, 2, 0, 77, SESSION, 0, "16000"],
    [0],
    [-1],
    [messages.HELLO],
    [messages.HELLO, 1, messages.VERSION, 78],
    [messages.HELLO, 1, messages.VERSION, 78, 5],
    [messages.HELLO, 1, messages.VERSION, "boot", "x"],
    [messages.HELLO, "seq", messages.VERSION, 78, "x"],
    [messages.STATE, 1, 0, 77, SESSION, 5, *FIELDS, 0, 0, 0],
    [messages.STATE, 1, 0, 77, SESSION, 5, *FIELDS[:-1], 0, 0],
    state(1, 77, "5"),
    state(1, 77, [5]),
    state(1, 77, 1 << 30),
    state(1, 77, -(1 << 30)),
    [messages.LEASE, 2, 0, 77, SESSION, 5, 1, 16000, 1000, 0],
    [messages.LEASE, 2, 0, 77, SESSION, 5, 1, 16000, 1000, 0, 0, 0],
    [messages.LEASE, 2, 0, 77, SESSION, 5, 1, "16000", 1000, 0, 0],
    [messages.LEASE, 2, 0, 77, SESSION, 5, 1, b"16000", 1000, 0, 0],
    [messages.LEASE, 2, 0, 77, SESSION, 5, 1, 1 << 30, 1000, 0, 0],
    [messages.LEASE, 2, 0, 77, SESSION, 5, [1], 16000, 1000, 0, 0],
]


@pytest.mark.parametrize("message", ODD, ids=repr)
def test_a_whole_frame_that_is_no_message_is_counted_and_changes_nothing(message: list[object]) -> None:
    pair = met()
    rejected = pair.pilot.rejected, pair.station.rejected
    pair.pilot.receive(frame.encode(message))
    pair.station.receive(frame.encode(message), pair.now_ms)
    assert (pair.pilot.rejected, pair.station.rejected) == (rejected[0] + 1, rejected[1] + 1)
    assert pair.pilot.take_lease() is None
    assert pair.pilot.data_to_send() == b""
    assert pair.station.data_to_send() == b""
    assert pair.station.next_event() is None
    pair.run(500)
    assert pair.station.online


def test_damaged_frames_are_counted_on_both_sides() -> None:
    pair = met()
    damaged = bytearray(frame.encode([messages.LEASE, 2, 0, 77, SESSION, 5, 1, 16000, 1000, 0, 0]))
    damaged[5] ^= 0x40
    assert cobs.decode(damaged[:-1]) is not None
    pair.pilot.receive(damaged)
    pair.station.receive(damaged, pair.now_ms)
    assert (pair.pilot.rejected, pair.station.rejected) == (1, 1)
    assert pair.pilot.take_lease() is None


def test_the_last_state_names_what_the_station_saw() -> None:
    pair = met()
    assert isinstance(pair.events[-1], PilotState)
    assert pair.events[-1] is pair.station.state
