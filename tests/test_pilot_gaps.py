"""A pilot program that stands still for a while, and contacts that fall by themselves, on a whole board with its circuit."""

from __future__ import annotations

import pytest

from bench_in_process import Bench
from pilotwire.firmware.kernel import faults


@pytest.mark.parametrize("gap_ms", [*range(5, 65, 5), 75, 100, 150])
def test_no_gap_between_ticks_leads_to_a_closing_that_the_kernel_does_not_know_of(gap_ms: int) -> None:
    bench = Bench()
    bench.charge()
    bench.pilot_alive = False
    bench.run(gap_ms)
    bench.pilot_alive = True
    bench.run(4000)
    closings = [event for event in bench.world.events if event["name"] == "contacts_closed" and event["value"]]
    assert len(closings) == bench.pilot.kernel.cycles


def test_contacts_that_fall_open_under_a_standing_command_are_a_fault_at_once() -> None:
    bench = Bench()
    bench.charge()
    bench.world.contactor.stuck_open = True  # and now the coil's supply fails
    bench.world.contactor.closed = False
    lost_ms = bench.now_ms
    bench.run_until("the coil command to go", lambda: not bench.pilot.kernel.close, 100)
    assert bench.now_ms - lost_ms <= 25
    assert bench.pilot.kernel.faults & faults.NOT_CLOSED
