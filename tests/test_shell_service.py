"""The station as a whole on the virtual clock: when any of its parts fails, the whole must end, and with it the lease."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pilotwire.firmware.kernel import params
from pilotwire.firmware.shell.meter_port import MeterPort
from pilotwire.firmware.shell.ocpp_port import OcppPort
from pilotwire.firmware.shell.pilot_port import PilotPort
from pilotwire.firmware.shell.runner import Runner
from pilotwire.firmware.station import Station
from pilotwire.tools.rig import virtual_clock
from pilotwire.tools.rig.in_process import InProcessRig
from pilotwire.tools.rig.settings import RigSettings
from pilotwire.tools.rig.virtual_clock import VirtualClockLoop

NOWHERE = "ws://127.0.0.1:1/demo-1"  # nobody listens there: the station is offline and charges all the same


class SeededError(Exception):
    """The failure that a test puts into a part."""


async def charge(loop: VirtualClockLoop, folder: Path) -> InProcessRig:
    """A rig that charges."""
    rig = InProcessRig(loop, folder, RigSettings(), NOWHERE)
    await rig.start()
    await asyncio.sleep(1.0)
    rig.world.car.plug()
    await asyncio.sleep(4.0)
    assert rig.world.contactor.closed
    return rig


@pytest.mark.parametrize("part", [PilotPort, MeterPort, OcppPort, Runner])
def test_the_failure_of_any_task_ends_the_station(part: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really_run = part.run  # type: ignore[attr-defined]

    async def run_and_fail(self: object) -> None:
        task = asyncio.ensure_future(really_run(self))
        await asyncio.sleep(8.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise SeededError(part.__name__)

    monkeypatch.setattr(part, "run", run_and_fail)

    async def main(loop: VirtualClockLoop) -> None:
        rig = await charge(loop, tmp_path)
        assert rig.service is not None
        with pytest.raises(SeededError):
            await asyncio.wait_for(rig.service.wait(), 10.0)
        await rig.stop()

    virtual_clock.run(main)


def test_a_handler_that_fails_takes_the_lease_away_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(loop: VirtualClockLoop) -> None:
        rig = await charge(loop, tmp_path)
        assert rig.service is not None

        def fail(*_: object) -> None:
            raise SeededError

        monkeypatch.setattr(Station, "handle", fail)
        failed_ms = rig.world.now_ms
        with pytest.raises(SeededError):
            await asyncio.wait_for(rig.service.wait(), 10.0)
        # The process would end here. Even if it hung instead, the car has been told to stop and does.
        await asyncio.sleep(4.0)
        x1_ms = next(
            event["t_ms"]
            for event in rig.world.events
            if event["name"] == "duty_permyriad" and event["value"] == 10000 and event["t_ms"] >= failed_ms
        )
        assert x1_ms - failed_ms < 500, "that was the lease running out"
        assert not rig.world.contactor.closed
        await rig.stop()

    virtual_clock.run(main)


def test_stop_withdraws_the_lease_before_it_goes(tmp_path: Path) -> None:
    async def main(loop: VirtualClockLoop) -> None:
        rig = await charge(loop, tmp_path)
        assert rig.service is not None
        stopped_ms = rig.world.now_ms
        await rig.service.stop()
        rig.service = None
        await asyncio.sleep(0.5)  # less than the lease's own time
        told = [
            event
            for event in rig.world.events
            if event["name"] == "duty_permyriad" and event["value"] == 10000 and event["t_ms"] >= stopped_ms
        ]
        assert told, "the car was not told to stop"
        await rig.stop()

    virtual_clock.run(main)


def test_the_pilot_itself_is_told_what_the_installation_carries(tmp_path: Path) -> None:
    async def main(loop: VirtualClockLoop) -> None:
        rig = InProcessRig(loop, tmp_path, RigSettings(board_ma=10_000, parameters=((params.MAX_MA, 32_000),)), NOWHERE)
        await rig.start()
        await asyncio.sleep(2.0)
        assert rig.pilot_parameters.value[params.MAX_MA] == 10_000
        await rig.stop()

    virtual_clock.run(main)
