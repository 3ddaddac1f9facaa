"""Which meter reading begins a transaction and which one ends it, also when the pilot or the meter is dead."""

from __future__ import annotations

from pilotwire.firmware.session import table
from pilotwire.firmware.session.events import EndTransaction, MeterLost
from pilotwire.firmware.session.session import FRESH_MS, SETTLE_MS
from virtual_station import Course, reading


def test_a_stale_reading_never_starts_a_transaction() -> None:
    course = Course()
    course.pilot("B")
    course.token()

    course.meter(1000.0, age_ms=FRESH_MS + 1)
    course.tick()
    assert course.begun() == []
    assert course.session.state == table.STARTING

    course.meter(1001.0, age_ms=FRESH_MS)
    assert [begin.reading.energy_import_wh for begin in course.begun()] == [1001.0]


def test_a_reading_that_has_grown_old_by_the_time_of_the_token_does_not_start_a_transaction() -> None:
    course = Course()
    course.pilot("B")
    course.meter(1000.0)
    course(MeterLost("no answer within 500 ms"))

    course.token(after_ms=FRESH_MS + 1)

    assert course.begun() == []
    assert "no answer within 500 ms" in course.session.why


def test_a_stop_before_the_first_reading_leaves_no_transaction() -> None:
    course = Course()
    course.pilot("B")
    course.token()
    course.stop()
    course.meter(1000.0)

    assert course.begun() == []
    assert course.ended() == []
    assert course.session.state == table.FINISHING


def test_the_closing_reading_is_one_that_was_taken_after_the_contacts_opened() -> None:
    course = Course()
    course.to_charging()
    course.stop()
    course.meter(1100.0)  # contacts are still closed
    course.pilot("B", closed=False)
    opened_ms = course.now_ms

    course.meter(1111.0, after_ms=50, age_ms=60)  # on its way when they opened
    assert course.ended() == []
    course.meter(1112.0, after_ms=opened_ms + SETTLE_MS - 1 - course.now_ms)
    assert course.ended() == []
    course.meter(1113.0, after_ms=1)

    assert [end.reading for end in course.ended()] == [reading(opened_ms + SETTLE_MS, 1113.0)]


def test_contacts_that_were_open_before_the_stop_are_not_taken_as_proof_for_after_it() -> None:
    course = Course()
    course.to_charging()
    course.pilot("B", closed=False)  # the car pauses
    course.meter(1100.0)  # taken with open contacts, but the lease is still out
    course.stop()
    assert course.ended() == []

    course.pilot("C", closed=True)  # this STATE was on its way when the lease was withdrawn
    course.meter(1105.0)
    assert course.ended() == []
    course.pilot("B", closed=False)
    course.meter(1110.0)

    assert [end.reading.energy_import_wh for end in course.ended() if end.reading] == [1110.0]


def test_ending_with_a_dead_pilot_gives_up_after_its_time_and_then_takes_a_reading() -> None:
    course = Course()
    course.to_charging()
    course.lost()
    course.stop("Remote")
    stopped_ms = course.now_ms
    assert course.session.deadline() == stopped_ms + table.TIMEOUTS_MS[table.ENDING]

    course.meter(1100.0)
    course.tick(after_ms=stopped_ms + table.TIMEOUTS_MS[table.ENDING] - 1 - course.now_ms)
    assert course.ended() == []
    course.tick(after_ms=1)
    course.meter(1111.0)

    assert [(end.reason, end.reading.energy_import_wh if end.reading else None) for end in course.ended()] == [
        ("Remote", 1111.0)
    ]


def test_ending_with_a_dead_meter_gives_up_after_its_time_and_leaves_the_reading_to_the_record() -> None:
    course = Course()
    course.to_charging()
    course(MeterLost("no answer"))
    course.stop()
    course.pilot("B", closed=False)

    course.tick(after_ms=table.TIMEOUTS_MS[table.SETTLING] - 1)
    assert course.ended() == []
    course.tick(after_ms=1)

    assert course.ended() == [EndTransaction("Local", None)]


def test_ending_with_a_dead_pilot_and_a_dead_meter_takes_both_waits_and_no_longer() -> None:
    course = Course()
    course.to_charging()
    course.lost()
    course.stop()
    stopped_ms = course.now_ms
    while not course.ended():
        deadline_ms = course.session.deadline()
        assert deadline_ms is not None
        course.tick(after_ms=deadline_ms - course.now_ms)

    assert course.now_ms == stopped_ms + table.TIMEOUTS_MS[table.ENDING] + table.TIMEOUTS_MS[table.SETTLING]
    assert course.ended() == [EndTransaction("Local", None)]


def test_a_pilot_that_comes_back_while_ending_proves_the_contacts_open() -> None:
    course = Course()
    course.to_charging()
    course.lost()
    course.stop()
    course.pilot("B", closed=False, after_ms=3000)
    course.meter(1100.0)

    assert [end.reading.energy_import_wh for end in course.ended() if end.reading] == [1100.0]
