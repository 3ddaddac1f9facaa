"""The one queue: order, effects between events, the timer, and the end when an event cannot be handled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from pilotwire.firmware.session.events import Grant, Ticked
from pilotwire.firmware.shell.runner import Runner
from pilotwire.firmware.station import Station
from pilotwire.tools.rig import virtual_clock
from virtual_station import UNIX_MS

Handler = Callable[[object], list[Grant]]


class RecordingStation:
    """Stands where a Station would: notes what it is told and answers with what the test says; has no state at all."""

    def __init__(self, handler: Handler = lambda event: []) -> None:
        self.told: list[object] = []
        self.times: list[tuple[int, int]] = []
        self.deadline_ms: int | None = None
        self._handler = handler

    def handle(self, event: object, now_ms: int, unix_ms: int) -> list[Grant]:
        self.told.append(event)
        self.times.append((now_ms, unix_ms))
        return self._handler(event)

    def deadline(self) -> int | None:
        return self.deadline_ms


class Lease:
    """Notes each limit it is told."""

    def __init__(self, then: Callable[[int], None] = lambda limit_ma: None) -> None:
        self.limits: list[int] = []
        self._then = then

    def set_limit(self, limit_ma: int) -> None:
        self.limits.append(limit_ma)
        self._then(limit_ma)


def runner_of(station: RecordingStation, after: Callable[[], None] = lambda: None) -> Runner:
    return Runner(cast(Station, station), lambda: UNIX_MS, after)


def test_an_event_posted_while_another_is_handled_waits_for_its_turn() -> None:
    async def main() -> None:
        def handler(event: object) -> list[Grant]:
            finished.append(("begin", event))
            if event == "first":
                runner.post("second")
                runner.post("third")
            if event == "second":
                runner.post("fourth")
            finished.append(("end", event))
            return []

        finished: list[tuple[str, object]] = []
        runner = runner_of(RecordingStation(handler))
        runner.post("first")

        order = ("first", "second", "third", "fourth")
        assert finished == [(what, event) for event in order for what in ("begin", "end")]

    asyncio.run(main())


def test_the_effects_of_an_event_are_performed_before_the_next_event_is_handled() -> None:
    async def main() -> None:
        log: list[object] = []

        def handler(event: object) -> list[Grant]:
            log.append(event)
            return [Grant(6_000), Grant(8_000)] if event == "first" else []

        runner = runner_of(RecordingStation(handler), after=lambda: log.append("after"))

        def performed(limit_ma: int) -> None:
            log.append(limit_ma)
            if limit_ma == 6_000:
                runner.post("from the effect")

        runner.lease = Lease(performed)
        runner.post("first")

        assert log == ["first", 6_000, 8_000, "from the effect", "after"]

    asyncio.run(main())


def test_an_event_posted_after_everything_is_done_is_handled_as_well() -> None:
    async def main() -> None:
        station = RecordingStation()
        posted: list[str] = []

        def after() -> None:
            if not posted:
                posted.append("once")
                runner.post("from after")

        runner = runner_of(station, after)
        runner.post("first")
        assert station.told == ["first", "from after"]

    asyncio.run(main())


def test_the_time_of_an_event_is_the_loops_and_the_wall_clock_is_asked_each_time() -> None:
    async def main(loop: asyncio.AbstractEventLoop) -> None:
        station = RecordingStation()
        wall = iter((5, 6))
        runner = Runner(cast(Station, station), lambda: next(wall), lambda: None)
        start_ms = int(loop.time() * 1000)
        runner.post("first")
        await asyncio.sleep(1.5)
        runner.post("second")

        assert station.times == [(start_ms, 5), (start_ms + 1500, 6)]

    virtual_clock.run(main)


@pytest.mark.parametrize(
    ("deadline_in_ms", "expected_ms"), [(None, 1000), (5000, 1000), (300, 300), (0, 10), (-5000, 10)]
)
def test_ticks_come_every_second_and_at_the_stations_deadline_but_never_without_a_pause(
    deadline_in_ms: int | None, expected_ms: int
) -> None:
    async def main(loop: asyncio.AbstractEventLoop) -> None:
        ticked = asyncio.Event()

        def handler(_: object) -> list[Grant]:
            ticked.set()
            return []

        station = RecordingStation(handler)
        runner = runner_of(station)
        start_ms = runner.now_ms()
        station.deadline_ms = None if deadline_in_ms is None else start_ms + deadline_in_ms
        task = asyncio.ensure_future(runner.run())
        await ticked.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert station.told == [Ticked()]
        assert abs(station.times[0][0] - start_ms - expected_ms) <= 1  # floating seconds, cut off to milliseconds

    virtual_clock.run(main)


def test_an_event_that_cannot_be_handled_ends_the_runner_with_its_error_and_nothing_is_handled_after_it() -> None:
    async def main(_: asyncio.AbstractEventLoop) -> None:
        def handler(event: object) -> list[Grant]:
            if event == "poison":
                raise ZeroDivisionError("poison")
            return []

        station = RecordingStation(handler)
        runner = runner_of(station)
        task = asyncio.ensure_future(runner.run())
        await asyncio.sleep(0)
        # From a callback of the loop, as the serial line does it: nobody is there to catch anything.
        asyncio.get_running_loop().call_soon(runner.post, "poison")
        await asyncio.wait([task], timeout=30)
        assert task.done()
        with pytest.raises(ZeroDivisionError, match="poison"):
            task.result()

        runner.post("next")
        assert station.told == ["poison"]

    virtual_clock.run(main)


def test_without_a_lease_port_effects_go_nowhere_and_nothing_breaks() -> None:
    async def main() -> None:
        station = RecordingStation(lambda event: [Grant(6_000)])
        runner_of(station).post("first")
        assert station.told == ["first"]

    asyncio.run(main())
