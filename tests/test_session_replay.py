"""Replay: the same recorded events give the same effects and the same rows; and no wandering breaks the ledger."""

from __future__ import annotations

import itertools
import json
import random

import pytest

from pilotwire.firmware.session.events import MeterLost
from virtual_station import FAULT_BITS, VirtualStation


def wander(station: VirtualStation, seed: int, steps: int = 400, wh: float = 1000.0) -> float:
    """Some hours of one station, made of dice; the register starts at `wh` and where it ends is returned."""
    dice = random.Random(seed)
    for _ in range(steps):
        after_ms = dice.choice((10, 100, 1000, 5000))
        roll = dice.random()
        if roll < 0.45:
            letter = dice.choice("AABBBCCCCCCE")
            names = [name for name in FAULT_BITS if dice.random() < 0.01]
            station.pilot(letter, letter == "C" and dice.random() < 0.8, *names, after_ms=after_ms)
        elif roll < 0.80:
            wh += dice.random() * 10
            station.meter(wh, after_ms, age_ms=dice.choice((0, 50, 900)))
        elif roll < 0.85:
            station.present(dice.choice(("ANNA", "BERT", "MALLORY")), after_ms)
        elif roll < 0.88:
            station.stop(dice.choice(("Local", "Remote")), after_ms)
        elif roll < 0.92:
            station.lost(after_ms)
        elif roll < 0.94:
            station(MeterLost("no answer"), after_ms)
        else:
            station.tick(after_ms)
    return wh


@pytest.mark.parametrize("id_tags", [None, ("ANNA", "BERT")])
@pytest.mark.parametrize("seed", range(5))
def test_the_same_events_give_the_same_effects_and_the_same_rows_again(
    seed: int, id_tags: tuple[str, ...] | None
) -> None:
    first = VirtualStation(id_tags=id_tags)
    wander(first, seed)

    second = VirtualStation(id_tags=id_tags)
    for event, now_ms, unix_ms in first.recorded:
        second.grants += [grant.limit_ma for grant in second.station.handle(event, now_ms, unix_ms)]

    assert len(first.grants) > 5
    assert len(first.all()) > 1
    assert second.grants == first.grants
    assert second.all() == first.all()
    assert json.dumps(second.rows()) == json.dumps(first.rows())
    first.close()
    second.close()


@pytest.mark.parametrize("seed", range(20))
def test_no_wandering_breaks_the_ledger(seed: int) -> None:
    station = VirtualStation(id_tags=("ANNA", "BERT") if seed % 2 else None)
    wh = 1000.0
    for life in range(3):
        wh = wander(station, seed * 10 + life, steps=150, wh=wh)
        begun = station.all()
        assert [item.ref for item in begun] == list(range(1, len(begun) + 1))
        assert all(item.energy_wh >= 0 for item in begun)
        assert len(station.open()) <= 1
        for before, after in itertools.pairwise(begun):
            assert before.stopped_unix_ms is not None
            assert before.stopped_unix_ms <= after.started_unix_ms
            assert before.meter_stop_wh is not None
            assert before.meter_stop_wh <= after.meter_start_wh
        station.boot()  # it dies, whatever is going on
    station.close()
