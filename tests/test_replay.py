"""A session with a fault at a random moment, recorded, is replayed to the same effects, byte by byte."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pilotwire.tools.replay.main import main
from pilotwire.tools.replay.replayer import Recording, Replayer
from pilotwire.tools.rig.rig import find_micropython
from pilotwire.tools.sim.control import FAULTS, SimControl
from pilotwire.tools.sim.options import read_options
from pilotwire.tools.sim.station import SimStation

TAG = "DE-SECRET-1234"


def record_session(file: Path, seed: int, pilot: str) -> None:
    """Plug, token, charge, something bad at some moment, heal, stop or unplug, all as the seed says."""
    chance = random.Random(seed)
    with SimStation(read_options({"id_tags": [TAG, "OTHER-TAG"]}), pilot=pilot) as station:
        control = SimControl(station)
        station.stop_station()
        station.recording = file
        station.start_station()
        control.ask("run", ms=chance.randrange(200, 2000))
        control.ask("plug")
        control.ask("run", ms=chance.randrange(1500))
        control.ask("swipe", tag=chance.choice((TAG, TAG.lower(), "UNKNOWN-TAG", TAG)))
        control.ask("run", ms=chance.randrange(6000))
        fault = chance.choice((*FAULTS, "pilot", "meter", "hang"))
        if fault in FAULTS:
            control.ask("inject", fault=fault)
        elif fault == "meter":
            control.ask("meter", silent=True)
        else:
            control.ask("pilot", do="reset" if fault == "pilot" else "hang")
        control.ask("run", ms=chance.randrange(4000))
        control.ask("pilot", do="resume")
        control.ask("heal")
        control.ask("meter", silent=False)
        if chance.random() < 0.5:
            control.ask("clear")
        control.ask("run", ms=chance.randrange(5000))
        control.ask(chance.choice(("stop", "unplug")))
        control.ask("run", ms=chance.randrange(3000))
        station.stop_station()


@pytest.mark.parametrize("seed", range(6))
def test_a_recording_replays_to_the_same_effects(tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "session.rec"
    record_session(file, seed, "cpython")
    assert main([str(file)]) == 0, capsys.readouterr().out
    assert "the same effects" in capsys.readouterr().out


def test_a_recording_made_with_the_pilot_on_micropython_replays(tmp_path: Path) -> None:
    if find_micropython() is None:
        pytest.skip("no MicroPython wheel for this machine")
    file = tmp_path / "session.rec"
    record_session(file, 1, "micropython")
    assert main([str(file)]) == 0


def test_a_recording_holds_no_token(tmp_path: Path) -> None:
    file = tmp_path / "session.rec"
    record_session(file, 3, "cpython")
    data = file.read_bytes().lower()
    for secret in (TAG, "OTHER-TAG", "UNKNOWN-TAG"):
        assert secret.lower().encode() not in data
    assert b"tag-" in data


def test_a_changed_effect_is_found_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "session.rec"
    record_session(file, 0, "cpython")
    data = file.read_bytes()
    at = data.rindex(b"Preparing")
    file.write_bytes(data[:at] + b"Preparinq" + data[at + 9 :])
    assert main([str(file)]) == 1
    out = capsys.readouterr().out
    assert "differs" in out
    assert "Preparinq" in out


def test_a_torn_end_is_replayed_up_to_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "session.rec"
    record_session(file, 0, "cpython")
    file.write_bytes(file.read_bytes()[:-3])
    assert main([str(file)]) == 0
    assert "incomplete" in capsys.readouterr().out


@pytest.mark.parametrize("data", [b"", b"\x82\x01\x02", b"not a recording at all", b"\xff" * 50])
def test_a_file_that_is_no_recording_is_refused(
    tmp_path: Path, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other"
    file.write_bytes(data)
    assert main([str(file)]) == 2
    assert str(file) in capsys.readouterr().err or data.startswith(b"\xff")


def test_explain_says_what_limited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "session.rec"
    record_session(file, 2, "cpython")
    assert main([str(file), "--explain", "4"]) == 0
    assert "board limits.board_ma: 32 A" in capsys.readouterr().out


def test_the_replayed_station_has_the_recorded_settings(tmp_path: Path) -> None:
    file = tmp_path / "session.rec"
    record_session(file, 2, "cpython")
    recording = Recording(file)
    assert recording.settings.limits.board_ma == 32_000
    assert all(tag.startswith("tag-") for tag in recording.settings.authorisation.id_tags)
    assert Replayer(recording).station.session.state == "Idle"
