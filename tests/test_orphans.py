"""Transactions of a dead station: closed with a reading that can be trusted, or with what was written down."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from pilotwire.firmware.metering.orphans import PATIENCE_MS, SETTLE_MS, Orphans
from pilotwire.firmware.session.events import MeterLost
from pilotwire.firmware.store.transactions import Transaction
from virtual_station import VirtualStation, reading

LAST_WH = 1500.0


@pytest.fixture
def free() -> Iterator[VirtualStation]:
    station = VirtualStation()
    yield station
    station.close()


def orphan(ref: int = 1, last_wh: float = LAST_WH) -> Transaction:
    return Transaction(ref, 1, "TAG", 1000.0, 0, last_wh, 0, None, None, None)


def test_an_orphan_is_closed_by_a_reading_taken_after_the_contacts_were_proven_open() -> None:
    item = orphan()
    orphans = Orphans([item])
    orphans.contacts(True, 0)
    assert orphans.take(reading(0, 1600.0), 0) == []
    orphans.contacts(False, 3000)

    assert orphans.take(reading(3000 + SETTLE_MS - 1, 1650.0), 3300) == []
    assert orphans.take(reading(3000 + SETTLE_MS, 1651.0), 3300) == [(item, 1651.0)]
    assert orphans.waiting == []


def test_contacts_that_stay_open_keep_the_instant_they_were_first_seen_open() -> None:
    orphans = Orphans([orphan()])
    for now_ms in range(0, 1000, 100):
        orphans.contacts(False, now_ms)

    assert orphans.take(reading(SETTLE_MS, 1600.0), 1000) != []


def test_contacts_that_close_again_start_the_wait_again() -> None:
    orphans = Orphans([orphan()])
    orphans.contacts(False, 0)
    orphans.contacts(True, 100)
    assert orphans.take(reading(1000, 1600.0), 1000) == []
    orphans.contacts(False, 2000)

    assert orphans.take(reading(2000 + SETTLE_MS - 1, 1600.0), 2300) == []
    assert orphans.take(reading(2000 + SETTLE_MS, 1600.0), 2300) != []


def test_a_lost_pilot_takes_its_proof_along() -> None:
    orphans = Orphans([orphan()])
    orphans.contacts(False, 0)
    orphans.pilot_lost()

    assert orphans.take(reading(1000, 1600.0), 1000) == []


def test_after_the_patience_the_newest_reading_has_to_do_although_nobody_saw_the_contacts_open() -> None:
    item = orphan()
    orphans = Orphans([item])
    newest = reading(500 + PATIENCE_MS - 100, LAST_WH + 40.0)

    assert orphans.take(None, 500) == []
    assert orphans.take(newest, 500 + PATIENCE_MS - 1) == []
    assert orphans.take(newest, 500 + PATIENCE_MS) == [(item, LAST_WH + 40.0)]


def test_after_the_patience_and_without_a_meter_the_reading_on_record_has_to_do() -> None:
    item = orphan()
    orphans = Orphans([item])

    assert orphans.take(None, 500) == []
    assert orphans.take(None, 500 + PATIENCE_MS) == [(item, LAST_WH)]


def test_a_register_that_went_back_ends_nothing_below_what_was_written_down() -> None:
    item = orphan()
    orphans = Orphans([item])
    orphans.contacts(False, 0)

    assert orphans.take(reading(1000, 3.0), 1000) == [(item, LAST_WH)]


def test_all_orphans_are_closed_together_and_once() -> None:
    first, second = orphan(1), orphan(2, 1700.0)
    orphans = Orphans([first, second])
    orphans.contacts(False, 0)

    assert orphans.take(reading(1000, 1600.0), 1000) == [(first, 1600.0), (second, 1700.0)]
    assert orphans.take(reading(2000, 1600.0), 60_000) == []


def test_without_orphans_nothing_is_closed_ever() -> None:
    orphans = Orphans([])
    orphans.contacts(False, 0)

    assert orphans.take(reading(1000, 1600.0), 10**6) == []


# --- the same inside a station


def test_a_transaction_found_open_is_closed_by_the_first_reading_after_the_contacts_are_proven_open(
    free: VirtualStation,
) -> None:
    free.to_charging(1000.0)
    free.meter(1400.0)
    free.boot()

    free.meter(1410.0)  # nobody knows about the contacts yet
    free.pilot("C", closed=True)  # the pilot is still stopping the car
    free.meter(1420.0)
    assert [item.ref for item in free.open()] == [1]
    free.pilot("B", closed=False)
    free.meter(1425.0, age_ms=900)  # began before they opened
    assert [item.ref for item in free.open()] == [1]
    free.meter(1430.0)

    first = free.all()[0]
    assert (first.meter_stop_wh, first.reason, first.energy_wh) == (1430.0, "Reboot", 430.0)


def test_an_orphan_is_closed_with_what_was_written_down_when_nobody_can_say_more(free: VirtualStation) -> None:
    free.to_charging(1000.0)
    free.meter(1400.0)
    free.boot()
    free.tick()
    booted_ms = free.now_ms

    free.tick(after_ms=PATIENCE_MS - 1)
    assert len(free.open()) == 1
    free.tick(after_ms=1)

    assert free.now_ms == booted_ms + PATIENCE_MS
    assert [(item.meter_stop_wh, item.reason) for item in free.all()] == [(1400.0, "Reboot")]


def test_a_pilot_that_is_lost_again_takes_its_proof_along_inside_the_station_too(free: VirtualStation) -> None:
    free.to_charging(1000.0)
    free.boot()
    free.pilot("B", closed=False)
    free.lost()
    free.meter(1100.0)
    assert len(free.open()) == 1

    free.pilot("B", closed=False)
    free.meter(1200.0)
    assert [item.meter_stop_wh for item in free.all()[:1]] == [1200.0]


def test_an_orphan_is_never_closed_with_a_register_that_went_back(free: VirtualStation) -> None:
    free.to_charging(1000.0)
    free.meter(1400.0)
    free.boot()
    free.pilot("A")
    free.meter(7.0)

    assert [item.meter_stop_wh for item in free.all()] == [1400.0]


@pytest.mark.parametrize("order", list(itertools.permutations(("pilot", "meter", "tick"))))
def test_no_new_transaction_begins_before_the_orphan_is_closed(free: VirtualStation, order: tuple[str, ...]) -> None:
    free.to_charging(1000.0)
    free.boot()
    for _ in range(5):
        for what in order:
            if what == "pilot":
                free.pilot("C", closed=True)
            elif what == "meter":
                free.meter(1100.0)
            else:
                free.tick()
            assert [item.ref for item in free.all()] == [1]
            assert free.grants == [20_000], "a lease although the old transaction is open"
    assert free.station.session.why == "an earlier transaction is still being closed"

    free.pilot("B", closed=False)
    free.meter(1200.0)

    first, second = free.all()
    assert first.meter_stop_wh == 1200.0
    assert (second.meter_start_wh, second.stopped_unix_ms) == (1200.0, None)
    assert first.stopped_unix_ms is not None
    assert first.stopped_unix_ms <= second.started_unix_ms
    assert free.grants == [20_000, 20_000]


def test_a_token_shown_while_the_orphan_waits_starts_its_transaction_afterwards() -> None:
    listed = VirtualStation(id_tags=("ANNA", "BERT"))
    listed.pilot("B")
    listed.present("ANNA")
    listed.meter(1000.0)
    listed.boot()
    listed.pilot("B")
    listed.present("BERT")
    listed.tick()
    listed.meter(1001.0)

    assert [(item.id_tag, item.stopped_unix_ms is None) for item in listed.all()] == [("ANNA", False), ("BERT", True)]
    listed.close()


def test_the_reading_is_shown_while_the_orphan_waits(free: VirtualStation) -> None:
    free.to_charging(1000.0)
    free.boot()
    free(MeterLost("no answer"))
    free.meter(1100.0)

    assert free.station.session.reading == reading(free.now_ms, 1100.0)
    assert free.station.session.meter_error is None


def test_a_station_that_dies_again_and_again_leaves_one_end_for_each_transaction(free: VirtualStation) -> None:
    for life in range(4):
        free.to_charging(1000.0 + 60 * life)
        free.meter(1050.0 + 60 * life)
        free.boot()
        free.pilot("A")
        free.meter(1060.0 + 60 * life)

    assert [(item.ref, item.energy_wh, item.reason) for item in free.all()] == [
        (ref, 60.0, "Reboot") for ref in (1, 2, 3, 4)
    ]
