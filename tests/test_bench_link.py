"""The bench of the pilot link: a quick run fills every table, and a lease that is lost is counted, whoever lost it."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from pilotwire.firmware.kernel.table import CLOSED, STOPPING
from pilotwire.tools.bench import main
from pilotwire.tools.bench.link import bench, measure, report, samples
from pilotwire.tools.bench.link.load import cores, load
from pilotwire.tools.bench.link.measure import AT_REST, NORMAL, RAISED, Cost, Plan, Results, Trips
from pilotwire.tools.bench.link.rig import LinkRig
from pilotwire.tools.bench.link.samples import Gap, Renewal, Slot, Taken, Tally, Traffic
from pilotwire.tools.rig.process import RigError
from tree import REPO

TTL_MS = 1000
SOME_TRAFFIC = Traffic(10.0, 3380, 5770, 34, 58, 35, 59)


def tally(*times_ms: int, stood_still_ms: int = 0) -> Tally:
    """LEASEs taken at these times, each 5 ms old; the system's clock is ahead by more each time when the pilot's stands still."""
    taken, left_ms = [], 0
    for number, at_ms in enumerate(times_ms):
        if number:
            left_ms = max(0, TTL_MS - 5 - (at_ms - times_ms[number - 1]))
        taken.append(Taken(at_ms, 70_000 + at_ms + number * stood_still_ms, 5, left_ms))
    slots = [Slot(at_ms, 34, 58, 34, 58) for at_ms in range(100, times_ms[-1] + 1, 100)]
    return Tally(taken, slots=slots)


def judged(what: Tally, start_ms: int = 0, end_ms: int = 5000, opened_ms: tuple[int, ...] = ()) -> Renewal:
    return samples.renewal("on paper", what, start_ms, end_ms, TTL_MS, opened_ms, 1.0)


def test_intervals_and_rests_come_from_the_leases_that_the_pilot_took() -> None:
    seen = judged(tally(0, 100, 205, 300, 990), start_ms=50)
    assert [gap.pilot_ms for gap in seen.gaps] == [100, 105, 95, 690]
    assert [gap.left_ms for gap in seen.gaps] == [895, 890, 900, 305]
    assert seen.least_left_ms == 305
    assert (seen.lost, seen.holds, seen.stood_still_ms) == (0, True, 0)


def test_a_lease_that_ends_by_the_pilots_clock_is_lost() -> None:
    what = tally(0, 100, 1300, 1400)
    what.ended_ms = [1095]
    assert (judged(what).lost, judged(what).least_left_ms) == (1, -205)
    assert judged(what, start_ms=1200).lost == 0, "it ended before"
    what.ended_ms = [250]  # withdrawn
    assert judged(tally(0, 100, 200, 300)).lost == 0
    assert judged(what).lost >= 1


def test_a_lease_is_lost_as_well_when_only_the_systems_clock_went_on() -> None:
    seen = judged(tally(0, 100, 200, stood_still_ms=900))
    assert [gap.left_ms for gap in seen.gaps] == [895, 895]
    assert [gap.left_system_ms for gap in seen.gaps] == [-5, -5]
    assert (seen.lost, seen.least_left_ms, seen.stood_still_ms) == (2, -5, 1800)
    assert not seen.holds


def test_a_stretch_without_any_lease_is_no_success() -> None:
    seen = judged(tally(0, 100, 200), start_ms=0, end_ms=200)
    assert seen.holds
    silent = Tally(slots=[Slot(100, 0, 58, 0, 58)])
    assert (judged(silent, end_ms=100).lost, judged(silent, end_ms=100).holds) == (1, False)


def test_an_interruption_of_charging_is_a_failure_without_a_lost_lease_too() -> None:
    what = tally(0, 100, 200)
    what.phases = [(0, CLOSED), (150, STOPPING), (160, CLOSED)]
    assert (judged(what).lost, judged(what).left_charging, judged(what).holds) == (0, 1, False)
    assert not judged(tally(0, 100, 200), opened_ms=(150,)).holds
    assert judged(tally(0, 100, 200, 300), start_ms=150, opened_ms=(150,)).holds, "they opened before"


def test_the_tally_is_read_from_the_pilots_own_words_and_from_nothing_else() -> None:
    text = "Traceback of somebody\nL 5 6 7 8\nL 1 2\nX 9\nP 10 3\nB 100 1 2 3 4\nM 1\nL 105 106 5 9"  # the last is not complete
    found = samples.parse(text)
    assert found == Tally([Taken(5, 6, 7, 8)], [9], [(10, 3)], [Slot(100, 1, 2, 3, 4)])


def test_bytes_are_those_of_whole_slots_within_the_stretch() -> None:
    what = Tally(slots=[Slot(100 * n, n, 10 * n, n, 10 * n) for n in range(1, 8)])
    found = samples.traffic(what, 150, 520)
    assert found == Traffic(pytest.approx(0.3), 3 + 4 + 5, 120, 5, 50, 5, 50)
    assert found.to_pilot_per_s == pytest.approx(40)
    with pytest.raises(ValueError, match="no bytes from 150 to 200 ms"):
        samples.traffic(what, 150, 200)


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (95, 95), (99, 99), (100, 100), (0, 1)])
def test_a_percentile_is_one_of_the_values(percent: int, value: int) -> None:
    assert samples.percentile(list(range(100, 0, -1)), percent) == value


def test_a_byte_takes_ten_bits_on_the_line() -> None:
    assert samples.line_ms(11_520) == pytest.approx(1000.0)


def made_up(*renewals: Renewal) -> Results:
    """One of everything, with figures that stand nowhere else."""
    costs = [
        Cost(name, frame, length, 1000 * length, 2000 * length)
        for name in ("CPython", "MicroPython")
        for frame, length in (("COMMAND, 8 bytes", 38), ("COMMAND, 192 bytes", 223))
    ]
    trips = [Trips(AT_REST, length, [11.0, 22.0], [3.25, 6.5], SOME_TRAFFIC) for length in (8, 192)]
    return Results(Plan(), "the pilot is on paper", 2, trips, costs, list(renewals), SOME_TRAFFIC)


def row(name: str, lost: int = 0, gap: Gap | None = None) -> Renewal:
    usual = Gap(100, 100, 895, 895, 5)
    return Renewal(name, 600.0, [usual, gap or usual], lost, lost, lost, 0.5, SOME_TRAFFIC)


def test_the_figures_of_the_report_come_from_the_samples() -> None:
    text = report.markdown(made_up(row(AT_REST), row(NORMAL, gap=Gap(150, 777, 222, 218, 45))))
    assert "| 8 bytes | at rest | 2 | 11.0 / 22.0 / 22.0 / 22.0 | 3.2 / 6.5 / 6.5 / 6.5 | + 6.6 |" in text
    assert "| charging, at rest | to the pilot | 338 | 2.9 % | 34 bytes | 3 % | 35 bytes | 3.0 ms |" in text
    assert "| COMMAND, 8 bytes | 38 | 38.0 | 76.0 | 38.0 | 76.0 |" in text
    line = next(line for line in text.splitlines() if line.startswith(f"| {NORMAL}"))
    assert "| 10.0 min | 50 % | 2 | 100 / 100 / 777 / 777 | 1 | 5 / 45 / 45 | 218 | 627 | 0 | 0 | 0 | ok |" in line
    assert re.search(r"^ +500 - 1000 +█+ 1$", text, re.MULTILINE)
    assert "No lease was lost in 20.0 min, 4 were renewed." in text
    assert "normal priority is enough" in text


def test_a_lost_lease_cannot_be_overlooked() -> None:
    results = made_up(row(AT_REST), row(NORMAL, lost=2), row(RAISED[0][0]))
    assert not results.holds
    for text in (report.terminal(results), report.markdown(results)):
        assert "2 leases were lost" in text
        assert report.NOT_MET in text
        assert "charging was interrupted" in text
    assert "Normal priority is not enough" in report.markdown(results)
    results = made_up(row(AT_REST))
    results.broken = "the rest was not measured"
    assert not results.holds
    assert report.NOT_MET in report.markdown(results)


def test_a_run_with_a_lost_lease_ends_with_status_1_and_a_failed_one_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = [made_up(row(NORMAL)), made_up(row(NORMAL, lost=1))]
    monkeypatch.setattr(bench, "measure", lambda *arguments: results.pop(0))
    assert [main.main(["link", "--quick"]) for _ in range(2)] == [0, 1]
    assert "1 lease was lost" in capsys.readouterr().out

    def fails(*arguments: object) -> Results:
        raise RigError("no pilot")

    monkeypatch.setattr(bench, "measure", fails)
    assert main.main(["link", "--quick"]) == 1
    assert "bench link failed: no pilot" in capsys.readouterr().err


def test_minutes_are_those_under_load_and_must_make_sense(capsys: pytest.CaptureFixture[str]) -> None:
    plan = bench.Options(minutes=10).plan()
    assert (plan.rest_s, plan.loaded_s, plan.raised_s) == (60, 600, 60)
    for wrong in ("0", "nan", "1e9"):
        with pytest.raises(SystemExit):
            main.main(["link", "--minutes", wrong])
        assert "--minutes must be 0.1..600" in capsys.readouterr().err


def test_the_load_is_one_process_for_each_core_and_is_gone_afterwards(tmp_path: Path) -> None:
    with load(tmp_path, 20.0) as pids:
        assert len(pids) == len(cores())
        until = time.monotonic() + 10.0
        while any(len(os.sched_getaffinity(pid)) > 1 for pid in pids) and len(pids) > 1:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert sorted(core for pid in pids for core in os.sched_getaffinity(pid)) == cores()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_quick_run_measures_everything_and_gives_a_complete_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    status = main.main(["link", "--quick", "--write", str(page)])
    out, err = capsys.readouterr()
    print(out, err)
    assert status == (1 if report.NOT_MET in out else 0)  # on a machine that is busy enough leases are lost
    text = page.read_text(encoding="utf-8")
    assert re.search(r"\d+ were renewed", text)
    for length in (8, 192):
        for where in (AT_REST, measure.LOADED):
            assert re.search(rf"^\| {length} bytes \| {where} \| {bench.QUICK.pings} \| \d", text, re.MULTILINE)
    for name in (AT_REST, NORMAL, *(name for name, _, _ in RAISED if f"leases, {name}: " not in text)):
        found = re.search(rf"^\| {re.escape(name)} \| \d s \| \d+ % \| (\d+) \|", text, re.MULTILINE)
        assert found is not None, name
        assert int(found[1]) >= 1
    assert re.search(r"^\| LEASE \| 38 \| \d", text, re.MULTILINE)
    for word in (str(REPO), str(Path.home()), socket.gethostname(), "/tmp", "{"):
        assert word not in text


def test_a_station_that_is_starved_for_longer_than_a_lease_lives_has_lost_it(tmp_path: Path) -> None:
    def starve(rig: LinkRig) -> None:
        station = rig.process("station")
        station.signal(signal.SIGSTOP)
        time.sleep(1.5)
        station.signal(signal.SIGCONT)

    rig = LinkRig(tmp_path)
    with rig:
        rig.start_hardware()
        rig.start_station()
        seen = rig.renewals("starved", 2.0, starve)
    assert seen.ended == 1
    assert seen.lost >= 1
    assert seen.left_charging >= 1
    assert max(gap.system_ms for gap in seen.gaps) >= TTL_MS
    assert not seen.holds


def test_the_page_in_docs_is_of_ten_minutes_under_load_without_a_lost_lease() -> None:
    page = (REPO / "docs" / "link-timing.md").read_text(encoding="utf-8")
    assert report.NOT_MET not in page
    assert re.search(rf"^\| {re.escape(NORMAL)} \| 10\.0 min \| .* \| 0 \| 0 \| 0 \| ok \|$", page, re.MULTILINE), (
        "run `pilotwire bench link --minutes 10 --write docs/link-timing.md`"
    )
