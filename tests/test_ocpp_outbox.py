"""Transaction messages are stored before they are sent, stay in order, and are sent again with the same bytes."""

from __future__ import annotations

import itertools
import json
import sqlite3
from pathlib import Path

import pytest

from ocpp_desk import NOON, OK, Desk, Frame
from pilotwire.firmware.store.database import open_database
from pilotwire.firmware.store.ocpp_outbox import KEPT_STOPPED_TRANSACTIONS, SqliteOcppStore
from pilotwire.protocols.ocpp import events
from pilotwire.protocols.ocpp.outbox import LONGEST_PAUSE_MS
from pilotwire.protocols.ocpp.readings import Sample
from pilotwire.protocols.ocpp.store import ProfileRow, TransactionRow

TRANSACTION = ("StartTransaction", "MeterValues", "StopTransaction")


def charge(desk: Desk, tx_ref: int = 1, readings: int = 2) -> None:
    """A whole transaction, as the station reports it."""
    desk.core.start_transaction(tx_ref, 1, "TAG", 1000, NOON)
    for n in range(readings):
        desk.core.meter_values(tx_ref, 1, Sample(energy_wh=1000 + n), NOON + n * 60_000)
    desk.core.stop_transaction(tx_ref, 1500, "Local", "TAG", NOON + 3_600_000)


def of_transactions(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame[0] == 2 and frame[2] in TRANSACTION]


def number(frame: Frame) -> dict[str, object]:
    """The central system numbers transactions 101, 102, ... in the order it hears of them."""
    if frame[2] != "StartTransaction":
        return OK[frame[2]]
    number.given += 1  # type: ignore[attr-defined]
    return {"transactionId": number.given, "idTagInfo": {"status": "Accepted"}}  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _from_101() -> None:
    number.given = 100  # type: ignore[attr-defined]


def test_a_transaction_is_told_in_order_with_the_number_the_central_system_gave() -> None:
    desk = Desk()
    desk.register()
    charge(desk)
    calls = of_transactions(desk.settle(number))
    assert [call[2] for call in calls] == ["StartTransaction", "MeterValues", "MeterValues", "StopTransaction"]
    assert calls[0][3] == {
        "connectorId": 1,
        "idTag": "TAG",
        "meterStart": 1000,
        "timestamp": "2024-01-01T12:00:00.000Z",
    }
    assert [call[3]["transactionId"] for call in calls[1:]] == [101, 101, 101]
    assert calls[3][3] == {
        "transactionId": 101,
        "meterStop": 1500,
        "timestamp": "2024-01-01T13:00:00.000Z",
        "reason": "Local",
        "idTag": "TAG",
    }
    assert desk.happened(events.TransactionAnswered) == [events.TransactionAnswered(1, 101, "Accepted")]
    assert desk.core.queue_length == 0


def test_what_happened_offline_and_over_a_restart_is_told_in_order() -> None:
    desk = Desk()
    charge(desk, 1)
    desk.restart()
    charge(desk, 2)
    desk.restart()
    desk.connect()
    calls = of_transactions(desk.settle(number))
    assert [call[2] for call in calls] == ["StartTransaction", "MeterValues", "MeterValues", "StopTransaction"] * 2
    assert [call[3].get("transactionId") for call in calls] == [None, 101, 101, 101, None, 102, 102, 102]


def test_a_message_is_on_the_disk_before_it_is_sent(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "station.db")
    desk.register()
    desk.core.start_transaction(1, 1, "TAG", 1000, NOON)
    other = sqlite3.connect(tmp_path / "station.db")
    assert other.execute("select kind, frame from ocpp_outbox").fetchall() == [("StartTransaction", "")]
    desk.tick()
    (sent,) = desk.texts[-1:]
    assert other.execute("select frame from ocpp_outbox").fetchone() == (sent,)
    other.close()


@pytest.mark.parametrize("how", ["reconnect", "restart", "silence", "error"])
@pytest.mark.parametrize("which", [0, 1, 3])
def test_a_resend_is_the_same_bytes(how: str, which: int) -> None:
    desk = Desk(call_timeout_ms=10_000)
    desk.register()
    charge(desk)
    desk.tick()
    for _ in range(which):
        (frame,) = of_transactions(desk.take())
        desk.answer(frame, number(frame))
    (frame,) = of_transactions(desk.take())
    first = desk.texts[-1]
    if how == "silence":
        desk.tick(10_000)
    elif how == "error":
        desk.refuse(frame)
    else:
        desk.disconnect()
        if how == "restart":
            desk.restart()
        desk.connect()
    desk.take()
    for _ in range(10):
        desk.tick(10_000)
        for again in desk.take():
            if again[2] in TRANSACTION:
                assert desk.texts[-1] == first
                return
            desk.answer(again)
    raise AssertionError("it was never sent again")


def test_an_answered_message_is_not_sent_again() -> None:
    desk = Desk()
    desk.register()
    charge(desk)
    desk.settle(number)
    for again in (desk.disconnect, desk.restart):
        again()
        desk.connect()
        assert of_transactions(desk.settle(number)) == []


def test_a_late_answer_counts_and_saves_the_resend() -> None:
    desk = Desk(call_timeout_ms=10_000)
    desk.register()
    desk.core.start_transaction(1, 1, "TAG", 1000, NOON)
    desk.tick()
    (start,) = desk.take()
    desk.tick(10_000)
    desk.answer(start, {"transactionId": 9, "idTagInfo": {"status": "Accepted"}})
    assert desk.core.queue_length == 0
    assert desk.happened(events.TransactionAnswered) == [events.TransactionAnswered(1, 9, "Accepted")]
    desk.tick(200_000)
    assert of_transactions(desk.take()) == []


def test_silence_never_costs_a_message_and_the_pauses_grow_to_a_bound() -> None:
    desk = Desk(call_timeout_ms=10_000, transaction_retry_s=10, heartbeat_s=86_400)
    desk.connect()
    desk.answer(desk.take()[0], {**OK["BootNotification"], "interval": 86_400})
    desk.settle()
    desk.core.start_transaction(1, 1, "TAG", 1000, NOON)
    sent_at: list[int] = []
    texts: set[str] = set()
    desk.tick()
    while len(sent_at) < 60:
        for frame in desk.take():
            if frame[2] == "StartTransaction":
                sent_at.append(desk.now_ms)
                texts.add(desk.texts[-1])
            else:
                desk.answer(frame)
        due = desk.core.deadline()
        assert due is not None
        desk.tick(max(1, due - desk.now_ms))
    pauses = [b - a - 10_000 for a, b in itertools.pairwise(sent_at)]
    assert pauses[:3] == [10_000, 20_000, 30_000]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_MS
    assert len(texts) == 1
    assert desk.core.queue_length == 1


def test_other_calls_go_on_while_a_message_waits_for_its_next_try() -> None:
    desk = Desk(call_timeout_ms=10_000)
    desk.register()
    desk.core.start_transaction(1, 1, "TAG", 1000, NOON)
    desk.tick()
    desk.refuse(desk.take()[0])
    desk.core.authorize("OTHER")
    desk.tick()
    assert [frame[2] for frame in desk.take()] == ["Authorize"]


def refuse_all(desk: Desk, action: str, rounds: int = 60) -> int:
    """Play a central system that answers `action` with CALLERROR; how often it was asked."""
    asked = 0
    for _ in range(rounds):
        desk.tick(15_000)
        for frame in desk.take():
            if frame[2] == action:
                asked += 1
                desk.refuse(frame, "InternalError")
            else:
                desk.answer(frame, number(frame))
    return asked


def test_a_message_refused_again_and_again_is_given_up_and_the_queue_goes_on() -> None:
    desk = Desk(transaction_attempts=3, transaction_retry_s=10)
    desk.register()
    charge(desk, 1, readings=1)
    assert refuse_all(desk, "MeterValues") == 3
    assert [(e.tx_ref, e.action) for e in desk.happened(events.MessageAbandoned)] == [(1, "MeterValues")]
    assert "InternalError" in desk.happened(events.MessageAbandoned)[0].why
    assert desk.core.queue_length == 0


def test_what_belongs_to_a_refused_start_goes_with_it_and_minus_one_is_never_sent() -> None:
    desk = Desk(transaction_attempts=2, transaction_retry_s=10)
    desk.register()
    charge(desk, 1, readings=1)
    assert refuse_all(desk, "StartTransaction") == 2
    assert [e.action for e in desk.happened(events.MessageAbandoned)] == list(TRANSACTION)
    charge(desk, 2)
    assert len(of_transactions(desk.settle(number))) == 4
    assert not any('"transactionId":-1' in text for text in desk.texts)


def test_the_count_of_refusals_survives_a_restart() -> None:
    desk = Desk(transaction_attempts=3)
    desk.core.start_transaction(1, 1, "TAG", 1000, NOON)
    for _ in range(3):
        desk.restart()
        desk.connect()
        while desk.core.queue_length:
            frames = desk.take()
            if not frames:
                break
            for frame in frames:
                if frame[2] == "StartTransaction":
                    desk.refuse(frame)
                else:
                    desk.answer(frame)
    assert desk.core.queue_length == 0
    assert len(desk.happened(events.MessageAbandoned)) == 1


@pytest.mark.parametrize("transaction_id", [0, 2**63 - 1, -(2**63)])
def test_any_number_of_64_bits_is_a_good_transaction_id(transaction_id: int) -> None:
    desk = Desk()
    desk.register()
    charge(desk, readings=0)
    answer = {"transactionId": transaction_id, "idTagInfo": {"status": "Accepted"}}
    calls = of_transactions(desk.settle(lambda f: answer if f[2] == "StartTransaction" else None))
    assert calls[-1][3]["transactionId"] == transaction_id


@pytest.mark.parametrize(
    "answer", [{}, [], None, {"transactionId": "7"}, {"transactionId": 2**64}, {"transactionId": 1.5}]
)
def test_a_start_answered_without_a_usable_number_counts_as_refused(answer: object) -> None:
    desk = Desk(transaction_attempts=2)
    desk.register()
    desk.core.start_transaction(1, 1, "TAG", 0, NOON)
    for _ in range(40):
        for frame in desk.take():
            body = answer if frame[2] == "StartTransaction" else OK[frame[2]]
            desk.core.receive(json.dumps([3, frame[1], body]), desk.now_ms, desk.unix_ms)
            desk.flush()
        desk.tick(15_000)
    assert len(desk.happened(events.MessageAbandoned)) == 1
    assert desk.core.queue_length == 0


def test_the_number_is_used_even_when_the_rest_of_the_answer_is_wrong() -> None:
    desk = Desk()
    desk.register()
    charge(desk, readings=0)
    answer = {"transactionId": 7, "idTagInfo": {"status": "Wonderful"}}
    calls = of_transactions(desk.settle(lambda f: answer if f[2] == "StartTransaction" else None))
    assert calls[-1][3]["transactionId"] == 7
    assert desk.happened(events.TransactionAnswered) == [events.TransactionAnswered(1, 7, "Invalid")]


def test_reporting_the_same_thing_twice_stores_it_once() -> None:
    desk = Desk()
    assert desk.core.start_transaction(1, 1, "TAG", 1000, NOON)
    desk.restart()
    assert not desk.core.start_transaction(1, 1, "TAG", 1000, NOON)
    assert desk.core.stop_transaction(1, 1500, "PowerLoss", None, NOON)
    desk.restart()
    assert not desk.core.stop_transaction(1, 1500, "PowerLoss", None, NOON)
    assert not desk.core.stop_transaction(99, 1500, "Local", None, NOON)
    assert not desk.core.meter_values(1, 1, Sample(energy_wh=1), NOON)
    desk.connect()
    assert [call[2] for call in of_transactions(desk.settle(number))] == ["StartTransaction", "StopTransaction"]
    assert not desk.core.start_transaction(1, 1, "TAG", 1000, NOON)


# -- the store -----------------------------------------------------------------------------------------------------------


def opened(path: Path) -> tuple[sqlite3.Connection, SqliteOcppStore]:
    connection = open_database(path, durable=True)
    return connection, SqliteOcppStore(connection)


def test_the_store_gives_back_what_was_put_in_over_a_reopening(tmp_path: Path) -> None:
    connection, store = opened(tmp_path / "station.db")
    row = TransactionRow(5, 1, "TAG", NOON, None, False)
    assert store.begin(row, b"{}")
    store.add_meter_values(5, b'{"a":1}')
    store.replace_profiles([ProfileRow(0, None, b"x"), ProfileRow(1, 5, b"y")])
    connection.close()
    connection, store = opened(tmp_path / "station.db")
    head = store.head()
    assert head is not None
    assert (head.kind, head.tx_ref, head.payload, head.frame, head.failures) == ("StartTransaction", 5, b"{}", "", 0)
    store.freeze(head.seq, "m", "text")
    store.freeze(head.seq, "n", "other")
    assert store.count_failure(head.seq) == 1
    head = store.head()
    assert head is not None
    assert (head.message_id, head.frame, head.failures) == ("m", "text", 1)
    store.learn(head.seq, 5, 2**63 - 1)
    assert store.running() == [TransactionRow(5, 1, "TAG", NOON, 2**63 - 1, False)]
    assert store.count() == 1
    assert store.end(5, b"{}")
    assert store.running() == []
    assert store.profiles() == [ProfileRow(0, None, b"x"), ProfileRow(1, 5, b"y")]
    connection.close()


def test_a_failing_change_leaves_nothing_half_done(tmp_path: Path) -> None:
    connection, store = opened(tmp_path / "station.db")
    with pytest.raises(sqlite3.Error):
        store.begin(TransactionRow(5, 1, "TAG", NOON, None, False), None)  # type: ignore[arg-type]
    assert store.transaction(5) is None
    assert store.count() == 0
    assert not connection.in_transaction
    connection.close()


def test_a_connection_with_implicit_transactions_is_served_as_well(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "plain.db")
    store = SqliteOcppStore(connection)
    store.begin(TransactionRow(5, 1, "TAG", NOON, None, False), b"{}")
    other = sqlite3.connect(tmp_path / "plain.db")
    assert other.execute("select count(*) from ocpp_outbox").fetchone() == (1,)
    connection.close()
    other.close()


def test_old_transactions_are_forgotten_and_those_with_messages_are_not(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "fast.db", isolation_level=None)
    connection.execute("pragma synchronous = off")
    store = SqliteOcppStore(connection)
    total = KEPT_STOPPED_TRANSACTIONS + 20
    for ref in range(1, total + 1):
        store.begin(TransactionRow(ref, 1, "TAG", NOON, None, False), b"{}")
        store.end(ref, b"{}")
    assert store.transaction(1) is not None, "its messages are still there"
    while (head := store.head()) is not None:
        store.remove(head.seq)
    store.begin(TransactionRow(total + 1, 1, "TAG", NOON, None, False), b"{}")
    store.end(total + 1, b"{}")
    assert store.transaction(1) is None
    assert store.transaction(total) is not None
    connection.close()


def test_a_change_inside_the_callers_own_transaction_stands_or_falls_with_it(tmp_path: Path) -> None:
    connection, store = opened(tmp_path / "station.db")
    connection.execute("begin immediate")
    store.begin(TransactionRow(5, 1, "TAG", NOON, None, False), b"{}")
    connection.rollback()
    assert store.count() == 0
    assert store.transaction(5) is None
    connection.close()


def test_a_queue_emptied_behind_our_back_is_noticed() -> None:
    desk = Desk()
    desk.core.start_transaction(1, 1, "TAG", 0, NOON)
    desk.db.execute("delete from ocpp_outbox")
    desk.register()
    assert desk.core.queue_length == 0
