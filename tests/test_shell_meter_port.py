"""Polling a meter: what it says and that it says nothing, as events."""

from __future__ import annotations

import asyncio

import pytest

from pilotwire.firmware.session.events import MeterLost, MeterRead
from pilotwire.firmware.shell.meter_port import MeterPort
from pilotwire.hal.ports import MeterError, MeterReading
from pilotwire.tools.rig import virtual_clock
from virtual_station import reading

POLL_MS = 1000


class ScriptedMeter:
    """A meter that answers from a list, "" being a good reading and a text an error; it has no line and no registers."""

    def __init__(self, script: list[str], takes_s: float = 0.0, first_takes_s: float | None = None) -> None:
        self.asked_s: list[float] = []
        self.closed = False
        self.finished = asyncio.Event()
        """Asked once more than the script goes; that question is never answered."""
        self._script = script
        self._takes_s = takes_s
        self._first_takes_s = takes_s if first_takes_s is None else first_takes_s

    async def read(self) -> MeterReading:
        loop = asyncio.get_running_loop()
        self.asked_s.append(loop.time())
        if len(self.asked_s) > len(self._script):
            self.finished.set()
            await loop.create_future()
        await asyncio.sleep(self._takes_s if len(self.asked_s) > 1 else self._first_takes_s)
        said = self._script[len(self.asked_s) - 1]
        if said == "defect":
            raise ZeroDivisionError(said)
        if said:
            raise MeterError(said)
        return reading(len(self.asked_s))

    async def close(self) -> None:
        self.closed = True


def polled(meter: ScriptedMeter) -> list[object]:
    """The events of a port on this meter, until the script is through."""
    events: list[object] = []

    async def main(_: asyncio.AbstractEventLoop) -> None:
        task = asyncio.ensure_future(MeterPort(meter, POLL_MS, events.append).run())
        finished = asyncio.ensure_future(meter.finished.wait())
        await asyncio.wait([task, finished], return_when=asyncio.FIRST_COMPLETED)
        for ending in (task, finished):
            ending.cancel()
        ended = await asyncio.gather(task, return_exceptions=True)
        if not isinstance(ended[0], asyncio.CancelledError):
            task.result()

    virtual_clock.run(main)
    return events


def test_every_reading_becomes_an_event() -> None:
    assert polled(ScriptedMeter(["", "", ""])) == [MeterRead(reading(number)) for number in (1, 2, 3)]


def test_a_meter_that_fails_and_recovers_is_reported_once_for_each_kind_of_failure() -> None:
    events = polled(ScriptedMeter(["", "no answer", "no answer", "no answer", "bad CRC", "bad CRC", "", "bad CRC"]))

    assert events == [
        MeterRead(reading(1)),
        MeterLost("no answer"),
        MeterLost("bad CRC"),
        MeterRead(reading(7)),
        MeterLost("bad CRC"),
    ]


@pytest.mark.parametrize("takes_s", [0.0, 0.3])
def test_a_meter_is_asked_at_its_interval_however_long_it_takes_to_answer(takes_s: float) -> None:
    meter = ScriptedMeter([""] * 5, takes_s)
    polled(meter)

    assert gaps(meter) == pytest.approx([1.0] * 5)


def test_a_meter_slower_than_its_interval_is_asked_again_at_once_and_never_twice_at_a_time() -> None:
    meter = ScriptedMeter([""] * 5, takes_s=2.5)
    polled(meter)

    assert gaps(meter) == pytest.approx([2.5] * 5)


def test_what_a_slow_answer_has_cost_is_not_caught_up_with_a_burst() -> None:
    meter = ScriptedMeter([""] * 5, first_takes_s=3.5)
    polled(meter)

    assert gaps(meter) == pytest.approx([3.5, 1.0, 1.0, 1.0, 1.0])


def gaps(meter: ScriptedMeter) -> list[float]:
    return [after - before for before, after in zip(meter.asked_s, meter.asked_s[1:], strict=False)]


def test_the_meter_is_released_at_the_end() -> None:
    meter = ScriptedMeter([""])
    polled(meter)

    assert meter.closed


def test_a_defect_of_a_driver_is_not_taken_for_a_silent_meter() -> None:
    meter = ScriptedMeter(["", "defect"])
    with pytest.raises(ZeroDivisionError):
        polled(meter)

    assert meter.closed
