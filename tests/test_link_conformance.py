"""The conformance test of the link: the real pilot passes it, and each of many broken ones fails the check that names its fault."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from broken_pilots import BOOT, BROKEN, IDENTITY, NeverResynchronises, broken
from pilot_on_pty import LIMIT_S, HerePilot, RealPilot, Ticking, running
from pilotwire.firmware.pilot import frontend
from pilotwire.firmware.pilot.program import Pilot
from pilotwire.protocols.link import frame, messages
from pilotwire.protocols.link.pilot import PilotLink
from pilotwire.tools.link import conformance, main
from pilotwire.tools.link.check import CHECKS, LEASE, NARROW, SLOW
from pilotwire.tools.link.conformance import FAIL, PASS, SKIP, Report
from pilotwire.tools.rig.pty_line import Pty
from pilotwire.tools.rig.rig import find_micropython

AT_ONCE = 6
"""So many pilots are tested at the same time; more would make this machine late."""


def judge(ticking: Ticking, *names: str, allowed: tuple[str, ...] = (LEASE, NARROW)) -> Report:
    """What the checks of these names say of a pilot, all of them where none is named."""
    with running(ticking) as device:
        descriptor = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            probe = conformance.probe_on(descriptor, seed=1)
            return conformance.run(probe, conformance.select(names), allowed, lambda _: None, lambda _: None)
        finally:
            os.close(descriptor)


def said(report: Report) -> str:
    """Everything that did not pass, for a failing test."""
    return "\n".join(f"{each.verdict} {each.name}: {each.figure}" for each in report.verdicts if each.verdict != PASS)


Said = tuple[int, str, dict[str, object]]
RESYNCHRONISES = BROKEN[NeverResynchronises]


@dataclasses.dataclass(slots=True)
class Verdicts:
    """All that takes long, under way at the same time."""

    real: Future[Said] | None
    real_slow: Future[Said] | None
    sound: Future[Report]
    broken: dict[type[PilotLink | Pilot], Future[Report]]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdicts]:
    interpreter = find_micropython()
    folder = tmp_path_factory.mktemp("conformance")
    everything = (LEASE, NARROW, SLOW)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        real = real_slow = None
        if interpreter is not None:
            real = pool.submit(command, RealPilot(interpreter), folder / "all.json", "--narrow")
            slow = ("--slow", "--only", RESYNCHRONISES)
            real_slow = pool.submit(command, RealPilot(interpreter), folder / "slow.json", *slow)
        sound = pool.submit(judge, HerePilot(PilotLink(BOOT, IDENTITY)), *BROKEN.values(), allowed=everything)
        # The longest one first.
        kinds = sorted(BROKEN, key=lambda kind: kind is not NeverResynchronises)
        reports = {kind: pool.submit(judge, broken(kind), BROKEN[kind], allowed=everything) for kind in kinds}
        yield Verdicts(real, real_slow, sound, reports)


def command(ticking: Ticking, written: Path, *arguments: str) -> Said:
    """Exit status, output and report of `pilotwire link conformance` as a user calls it."""
    with running(ticking) as device:
        argv = ["conformance", "--port", device, "--json", str(written), *arguments]
        done = subprocess.run(
            [sys.executable, "-m", "pilotwire.tools.link.main", *argv],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        report = json.loads(written.read_text()) if written.exists() else {}
        return done.returncode, done.stdout + done.stderr, report


NO_MICROPYTHON = "there is no MicroPython wheel for this machine: the real pilot cannot be tested"


def test_the_real_pilot_on_micropython_passes_everything(verdicts: Verdicts) -> None:
    if verdicts.real is None or verdicts.real_slow is None:
        pytest.skip(NO_MICROPYTHON)
    status, output, report = verdicts.real.result(LIMIT_S)
    assert status == 0, output
    total = len(CHECKS)
    assert report["summary"] == {PASS: total - 1, FAIL: 0, SKIP: 1}, output
    pilot = report["pilot"]
    assert isinstance(pilot, dict)
    assert str(pilot["program"]).startswith("pilotwire pilot on micropython ")
    for place, each in enumerate(CHECKS, 1):
        verdict = SKIP if SLOW in each.needs else PASS
        assert re.search(rf"^ *{place}/{total} {each.name} +{verdict}  \S", output, re.MULTILINE), each.name
    status, output, report = verdicts.real_slow.result(LIMIT_S)
    assert (status, report["summary"]) == (0, {PASS: 1, FAIL: 0, SKIP: 0}), output


def test_a_sound_pilot_in_the_place_of_the_broken_ones_passes_what_they_fail(verdicts: Verdicts) -> None:
    report = verdicts.sound.result(LIMIT_S)
    assert report.count(PASS) == len(report.verdicts) == len(BROKEN), said(report)


@pytest.mark.parametrize("kind", BROKEN, ids=[kind.__name__ for kind in BROKEN])
def test_a_broken_pilot_fails_the_check_that_names_its_fault(verdicts: Verdicts, kind: type[PilotLink | Pilot]) -> None:
    report = verdicts.broken[kind].result(LIMIT_S)
    assert report.failed == [BROKEN[kind]], said(report)


def test_every_check_of_a_lease_is_skipped_while_a_car_is_connected_and_no_lease_is_given() -> None:
    pilot = HerePilot(PilotLink(BOOT, IDENTITY))
    pilot.plug(9000)
    taken: list[list[int]] = []
    take_lease = pilot.pilot.link.take_lease

    def noted() -> list[int] | None:
        lease = take_lease()
        taken.extend([lease] if lease is not None else [])
        return lease

    pilot.pilot.link.take_lease = noted  # type: ignore[method-assign]
    report = judge(pilot, "ping-echo", "lease-taken", "lease-old-sequence")
    assert [(each.name, each.verdict) for each in report.verdicts] == [
        ("ping-echo", PASS),
        ("lease-taken", SKIP),
        ("lease-old-sequence", SKIP),
    ]
    assert report.verdicts[1].figure == "no lease is given: pilot state is 2 and not 1 (A, no car)"
    assert taken
    assert {lease[0] for lease in taken} == {0}


def test_a_lease_is_withdrawn_when_a_car_appears() -> None:
    class PluggedIn(HerePilot):
        def tick(self) -> None:
            if self.pilot.kernel.lease_left_ms() > 0:
                self.plug(9000)
            super().tick()

    pilot = PluggedIn(PilotLink(BOOT, IDENTITY))
    report = judge(pilot, "lease-closes-nothing")
    assert [each.verdict for each in report.verdicts] == [SKIP]
    assert report.verdicts[0].figure == "pilot state is 2 and not 1 (A, no car): the lease has been withdrawn"
    assert pilot.pilot.kernel.lease_left_ms() == 0
    assert pilot.pilot.kernel.cycles == 0


def test_nothing_is_done_to_a_pilot_whose_contactor_is_closed() -> None:
    pilot = HerePilot(PilotLink(BOOT, IDENTITY))
    pilot.wires.level[frontend.CONTACTS] = 1
    with pytest.raises(conformance.RefusedError, match="a mirror contact says closed: somebody may be charging"):
        judge(pilot)


def test_a_pilot_with_a_living_station_is_left_to_it() -> None:
    class Taken(PilotLink):
        def pass_time(self, ms: int) -> None:
            if self.session != 4711:
                self.receive(frame.encode([1, 1, messages.VERSION, 4711, "s", b"", b"", 0, 0, b"", 0]))
            self.quiet_ms = 0

    with pytest.raises(conformance.RefusedError, match=r"listens to another station \(session 4711\)"):
        judge(HerePilot(Taken(BOOT, IDENTITY)))


def test_a_pilot_of_another_version_is_named_as_one() -> None:
    class Older(PilotLink):
        def send_hello(self) -> None:
            self._send([messages.HELLO, self._next_seq(), 2, self.boot, "an older pilot"])

    report = judge(HerePilot(Older(BOOT, IDENTITY)))
    assert report.failed == ["answers"]
    assert report.verdicts[0].figure == "the pilot (an older pilot) speaks version 2 of the link; this is for 3"


def test_a_dead_line_fails_and_says_what_to_look_at(capsys: pytest.CaptureFixture[str]) -> None:
    line = Pty()
    try:
        assert main.main(["conformance", "--port", line.device]) == 1
    finally:
        line.close()
    assert "heard nothing: is this the pilot's line, at its speed, both wires in place?" in capsys.readouterr().out


def test_a_port_that_is_not_there_is_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main.main(["conformance", "--port", str(tmp_path / "nothing")]) == 2
    assert "pilotwire link: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "words"), [(["--only", "nonsense"], "no check 'nonsense'"), ([], "--port is missing")]
)
def test_wrong_arguments_are_explained(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["conformance", *argv])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_the_list_names_every_check_once_with_what_the_page_wants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["conformance", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines[:-1]]
    assert names == [each.name for each in CHECKS]
    assert len(set(names)) == len(names) >= 30
    assert set(BROKEN.values()) <= set(names)
    assert lines[-1].startswith(f"{len(names)} checks")
