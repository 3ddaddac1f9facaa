"""Sessions that nobody thought of: seeded random walks over all events, judged by rules that know nothing of the table."""

from __future__ import annotations

import random

import pytest

from pilotwire.firmware.kernel import faults
from pilotwire.firmware.session import events, table
from pilotwire.firmware.session.session import FRESH_MS, SETTLE_MS
from virtual_station import Course, allocation, reading

WALKS = 150
STEPS = 300

# OCPP 1.6, 7.7 ChargePointStatus and 7.6 ChargePointErrorCode, typed here once more on purpose.
STATUSES = set("Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Reserved Unavailable Faulted".split())
ERROR_CODES = set(
    "ConnectorLockFailure EVCommunicationError GroundFailure HighTemperature InternalError LocalListConflict NoError "
    "OtherError OverCurrentFailure OverVoltage PowerMeterFailure PowerSwitchFailure ReaderFailure ResetFailure "
    "UnderVoltage WeakSignal".split()
)
REASONS = ("Local", "Remote", "DeAuthorized")


class Judge:
    """Follows events and effects from outside and holds what must be true of them."""

    def __init__(self) -> None:
        self.online = False
        self.faults: tuple[str, ...] = ()
        self.closed = False
        self.car = False
        self.allocated_ma: int | None = None
        self.reading_ms: int | None = None
        self.running = False
        self.stopped_ms = 0
        self.open_proof_ms: int | None = None
        self.granted_ma = 0
        self.tokens: set[str] = set()
        self.begun = 0

    def hear(self, event: events.SessionEvent, now_ms: int) -> None:
        if isinstance(event, events.PilotChanged):
            self.online, self.faults, self.closed = True, event.faults, event.contacts_closed
            if event.pilot in "BCD":
                self.car = True
            elif event.pilot == "A":
                self.car = False
        elif isinstance(event, events.PilotLost):
            self.online = False
        elif isinstance(event, events.AllocationChanged):
            self.allocated_ma = event.allocation.limit_ma
        elif isinstance(event, events.MeterRead):
            self.reading_ms = event.reading.at_ms
        elif isinstance(event, events.TokenAccepted):
            self.tokens.add(event.id_tag)

    def judge(self, course: Course, effects: list[events.SessionEffect]) -> None:
        now_ms, session = course.now_ms, course.session
        for effect in effects:
            if isinstance(effect, events.Grant):
                self.granted_ma = effect.limit_ma
                assert effect.limit_ma == 0 or effect.limit_ma >= 6000
            elif isinstance(effect, events.BeginTransaction):
                assert not self.running, "a transaction begins inside another one"
                assert self.online
                assert not self.faults
                assert self.car
                assert effect.id_tag in self.tokens, "nobody has shown this token"
                assert effect.reading.at_ms == self.reading_ms, "not the latest reading"
                assert now_ms - effect.reading.at_ms <= FRESH_MS
                self.running = True
                self.begun += 1
                self.tokens.clear()
            elif isinstance(effect, events.EndTransaction):
                assert self.running, "a transaction ends that never began"
                self.running = False
                self._judge_end(effect, now_ms)
            elif isinstance(effect, events.ReportStatus):
                assert effect.status in STATUSES
                assert effect.error_code in ERROR_CODES
                assert (effect.error_code == "NoError") == (effect.status != "Faulted")
                assert effect.status == session.status
        self._judge_state(course)

    def _judge_end(self, effect: events.EndTransaction, now_ms: int) -> None:
        patience_ms = table.TIMEOUTS_MS[table.ENDING]
        waited_ms = now_ms - self.stopped_ms
        if effect.reading is None:
            assert waited_ms >= patience_ms, "gave up on the meter too early"
            return
        assert effect.reading.at_ms >= self.stopped_ms + SETTLE_MS
        if self.open_proof_ms is not None:
            assert effect.reading.at_ms >= self.open_proof_ms + SETTLE_MS
        else:
            assert waited_ms >= patience_ms, "contacts were never seen open, and nobody waited"

    def _judge_state(self, course: Course) -> None:
        session, now_ms = course.session, course.now_ms
        if session.state == table.ACTIVE:
            assert self.running
            self.stopped_ms = now_ms
            self.open_proof_ms = None
        elif session.state in (table.ENDING, table.SETTLING):
            assert self.running
            assert self.granted_ma == 0
            if self.online and not self.closed:
                self.open_proof_ms = now_ms if self.open_proof_ms is None else self.open_proof_ms
            elif self.closed:
                self.open_proof_ms = None
        else:
            assert not self.running
        assert session.granted_ma == self.granted_ma, "granted_ma is not what the last Grant said"
        if self.granted_ma:
            assert self.running
            assert self.online
            assert not self.faults
            assert self.granted_ma == self.allocated_ma
        assert session.status in STATUSES
        assert session.why


def some_event(dice: random.Random, now_ms: int, latest_ms: int) -> events.SessionEvent:
    roll = dice.random()
    if roll < 0.35:
        letter = dice.choices("ABCDEF?", weights=(10, 30, 40, 3, 2, 2, 3))[0]
        names = tuple(row[1] for row in faults.FAULTS if dice.random() < 0.02)
        return events.PilotChanged(letter, dice.random() < (0.7 if letter == "C" else 0.1), names)
    if roll < 0.40:
        return events.PilotLost(dice.randrange(400, 2000))
    if roll < 0.48:
        return events.TokenAccepted(dice.choice(("ANNA", "BERT")))
    if roll < 0.54:
        return events.StopRequested(dice.choice(REASONS))
    if roll < 0.80:
        age_ms = dice.choices((0, dice.randrange(0, 500), dice.randrange(0, 9000)), weights=(6, 3, 1))[0]
        return events.MeterRead(reading(max(latest_ms, now_ms - age_ms), 1000.0 + now_ms / 1000))
    if roll < 0.83:
        return events.MeterLost("no answer")
    if roll < 0.90:
        return events.AllocationChanged(allocation(dice.choice((0, 5_999, 6_000, 10_000, 16_000, 32_000))))
    return events.Ticked()


@pytest.mark.parametrize("seed", range(WALKS))
def test_no_walk_over_the_events_breaks_a_rule_of_granting_or_of_transactions(seed: int) -> None:
    dice = random.Random(seed)
    course, judge = Course(allocation_ma=None), Judge()

    def go(event: events.SessionEvent, after_ms: int) -> None:
        judge.hear(event, course.now_ms + after_ms)
        judge.judge(course, course(event, after_ms))

    latest_ms = 0
    for _ in range(STEPS):
        after_ms = dice.choices((0, dice.randrange(0, 300), dice.randrange(0, 3000), 11_000), weights=(2, 10, 5, 1))[0]
        event = some_event(dice, course.now_ms + after_ms, latest_ms)
        if isinstance(event, events.MeterRead):
            latest_ms = event.reading.at_ms
        go(event, after_ms)

    # Whatever has happened, a car that is unplugged ends it.
    go(events.PilotChanged("A", False, ()), 100)
    for _ in range(3):
        go(events.Ticked(), 10_000)
    assert not judge.running
    assert course.session.state == table.IDLE
    assert len(course.begun()) == len(course.ended()) == judge.begun
    assert course.session.granted_ma == 0


def test_the_walks_reach_every_state_and_every_status_they_should() -> None:
    states: set[str] = set()
    statuses: set[str] = set()
    begun = granted = without_reading = 0
    for seed in range(40):
        dice, course, latest_ms = random.Random(seed), Course(allocation_ma=None), 0
        for _ in range(STEPS):
            after_ms = dice.choice((0, 100, 1000, 11_000))
            event = some_event(dice, course.now_ms + after_ms, latest_ms)
            if isinstance(event, events.MeterRead):
                latest_ms = event.reading.at_ms
            course(event, after_ms)
            states.add(course.session.state)
            statuses.add(course.session.status)
        begun += len(course.begun())
        granted += sum(limit_ma > 0 for limit_ma in course.grants())
        without_reading += sum(end.reading is None for end in course.ended())

    assert states == set(table.STATES)
    assert statuses == STATUSES - {"Reserved", "Unavailable"}
    assert begun > 100
    assert granted > 100
    assert without_reading > 0
