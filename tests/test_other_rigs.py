"""The same session on the other set-ups a newcomer may have: no MicroPython, no central system, a limit that is too low."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from end_to_end import charging, transactions, until, wait_energy, wait_status
from pilotwire.tools.rig.rig import Rig, wait_world
from pilotwire.tools.rig.settings import CHARGE_POINT, RigSettings


def test_the_pilot_files_run_in_a_cpython_child_on_the_pty_where_there_is_no_micropython(tmp_path: Path) -> None:
    with charging(tmp_path, RigSettings(back_end=False, cpython_pilot=True)) as (rig, world):
        assert "CPython" in rig.pilot_note
        shot = rig.snapshot()
        assert shot is not None
        assert "cpython" in shot["pilot"]["program"]
        wait_energy(rig, 3.0)
        world.set(car={"wants_charge": False})
        until("open contacts", lambda: not world.read()["closed"])
        world.unplug()
        wait_status(rig, "Available")
        assert [item.reason for item in transactions(rig)] == ["EVDisconnected"]


def test_the_central_system_starts_stops_and_pauses_a_session(tmp_path: Path) -> None:
    with Rig(tmp_path, RigSettings(id_tags=("CARD1",))) as rig:
        rig.start()
        world, csms = rig.world, rig.csms
        assert world is not None
        assert csms is not None
        world.plug()
        wait_status(rig, "Preparing")
        reply = csms.command("remote_start", cp=CHARGE_POINT, id_tag="CARD1", connector=1)
        assert reply["status"] == "Accepted"
        wait_status(rig, "Charging")
        low_ms = world.now_ms()
        assert csms.command("set_limit", cp=CHARGE_POINT, amps=5)["status"] == "Accepted"
        shot = wait_status(rig, "SuspendedEVSE")
        assert "5 A" in shot["session"]["why"], "less than 6 A is a pause, and the station says why"
        wait_world(rig, "duty_permyriad", 10000, low_ms)
        wait_world(rig, "contacts_closed", False, low_ms)
        assert csms.command("clear_limit", cp=CHARGE_POINT)["status"] == "Accepted"
        shot = wait_status(rig, "Charging")
        number = shot["session"]["transaction"]["ocpp_id"]
        assert csms.command("remote_stop", cp=CHARGE_POINT, transaction=number)["status"] == "Accepted"
        wait_status(rig, "Finishing")
        world.unplug()
        wait_status(rig, "Available")
        assert [item.reason for item in transactions(rig)] == ["Remote"]


def test_a_card_that_nobody_knows_does_not_charge(tmp_path: Path) -> None:
    settings = RigSettings(id_tags=("CARD1",), csms_options=("--authorize", "OTHER"))
    with Rig(tmp_path, settings) as rig:
        rig.start()
        world, csms = rig.world, rig.csms
        assert world is not None
        assert csms is not None
        world.plug()
        wait_status(rig, "Preparing")
        present(rig, "STRANGER")
        asked = csms.wait_for(lambda: bool(csms.calls("Authorize")), 10.0)
        assert asked, "the central system was not asked"
        present(rig, "OTHER")
        wait_status(rig, "Charging")
        assert transactions(rig)[0].id_tag == "OTHER"


def test_pilotwire_run_refuses_a_wrong_configuration_with_file_key_and_range(tmp_path: Path) -> None:
    config = tmp_path / "station.toml"
    config.write_text('[limits]\nboard_ma = 99000\ncable_ma = "much"\nphases = 3\nspeed = 9\n')
    done = subprocess.run(
        [sys.executable, "-m", "pilotwire.tools.cli", "run", "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert str(config) in done.stderr
    assert "limits.board_ma" in done.stderr
    assert "6000..80000" in done.stderr
    assert "limits.cable_ma" in done.stderr
    assert "limits.speed" in done.stderr
    assert "Traceback" not in done.stderr


def present(rig: Rig, id_tag: str) -> None:
    """Hold a card to the reader."""
    from pilotwire.tools.rig.clients import send_command  # noqa: PLC0415

    send_command(rig.status_socket, {"present": id_tag})


def test_a_second_station_on_the_same_data_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with charging(tmp_path, RigSettings(back_end=False)) as (rig, _):
        done = subprocess.run(
            [sys.executable, "-m", "pilotwire.tools.cli", "run", "--config", str(rig.config)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 1
        assert "another station is running" in done.stderr
        assert str(rig.data_dir) in done.stderr
        assert "Traceback" not in done.stderr
        shot = rig.snapshot()
        assert shot is not None
        assert shot["session"]["state"] == "Charging"
        assert len(transactions(rig)) == 1
