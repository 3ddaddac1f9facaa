"""The update of the pilot program over its link, on real MicroPython behind a pty.

Whatever happens, the pilot answers afterwards with a genuine program: the old one or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pilot_update_rig import FOREIGN, Board, bundle_of, good_bundle
from pilotwire.firmware.pilot import bootrecord, image
from pilotwire.firmware.pilot.update import PAGE
from pilotwire.protocols.link import messages
from pilotwire.tools.firmware import bundle, update
from pilotwire.tools.firmware.problem import FirmwareError

POWER, WATCHDOG, COMMAND = messages.RESET_POWER, messages.RESET_WATCHDOG, messages.RESET_COMMAND
STEPS_MOST = 60


@pytest.fixture(scope="module")
def old() -> bytes:
    return good_bundle("old program", 1)


@pytest.fixture(scope="module")
def new() -> bytes:
    return good_bundle("new program", 2)


@pytest.fixture
def board(tmp_path: Path, old: bytes) -> Board:
    with Board(tmp_path, old) as board:
        yield board


def mark(data: bytes) -> bytes:
    """What HELLO says of a bundle."""
    return hashlib.sha256(data).digest()[:8]


def assert_runs(board: Board, data: bytes, reason: int) -> None:
    hello = board.hello()
    assert (hello.firmware_hash, hello.reset_reason) == (mark(data), reason), (hello.program, board.story())


def test_a_good_image_runs_and_stays_after_a_power_cut(board: Board, old: bytes, new: bytes) -> None:
    assert_runs(board, old, messages.RESET_POWER)
    seen: list[int] = []
    report = board.update(new, lambda done, total: seen.append(done))
    assert (report.program, report.sent, seen[-1]) == ("new program", len(new), len(new))
    assert report.transfer_s > 0
    assert_runs(board, new, messages.RESET_TRIAL)
    board.cut_power()
    while board.hello().reset_reason != messages.RESET_POWER:
        pass  # bounded by the starts that the board is given
    assert_runs(board, new, messages.RESET_POWER)
    assert board.causes == [POWER, COMMAND, POWER]


def test_two_updates_in_a_row_use_both_slots_and_the_same_one_again_sends_nothing(
    board: Board, old: bytes, new: bytes
) -> None:
    third = good_bundle("third program", 2)
    assert board.update(new).sent == len(new)
    assert board.update(third).sent == len(third)
    assert board.update(third).sent == 0
    assert_runs(board, third, messages.RESET_TRIAL)
    assert (board.flash / "slot0.img").read_bytes() == third
    assert (board.flash / "slot1.img").read_bytes() == new


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


def resealed(data: bytes, at: int) -> bytes:
    """One byte of the contents changed by somebody who knows the format and corrects its SHA-256, but has no key."""
    found = image.Image(data)
    contents = flipped(data, at)[found.start :]
    head = found.signed[: -image.SHA_SIZE] + hashlib.sha256(contents).digest()
    return head + found.signature + contents


def places(data: bytes) -> dict[str, int]:
    """One byte in each region of a bundle that the loader, and nobody before it, is asked to judge."""
    found = image.Image(data)
    size = len(found.signed) - image.SHA_SIZE
    return {
        "release": 8,
        "key": 12,
        "program": data.index(b"new program"),
        "a file's name": data.index(b"pilot_update_image.mpy"),
        "hash of the contents": size + 5,
        "R of the signature": len(found.signed) + 3,
        "S of the signature": len(found.signed) + 35,
        "first file": found.start,
        "last byte": len(data) - 1,
    }


VERDICT_OF = {"key": bootrecord.FOREIGN, "hash of the contents": bootrecord.DAMAGED, "first file": bootrecord.DAMAGED}
VERDICT_OF["last byte"] = bootrecord.DAMAGED


def refused_by_the_loader(board: Board, old: bytes, data: bytes, verdict: int, *causes: int) -> None:
    """The update fails for this reason, the old program is back, and it takes the next one."""
    with pytest.raises(FirmwareError) as error:
        board.update(data)
    assert bootrecord.VERDICTS[verdict] in str(error.value), board.story()
    assert "old program runs" in str(error.value)
    assert_runs(board, old, messages.RESET_REVERTED)
    assert board.causes == [POWER, COMMAND, *causes], board.story()


def test_a_tampered_image_is_refused_wherever_it_was_changed_and_the_old_one_runs_on(
    board: Board, old: bytes, new: bytes
) -> None:
    regions = places(new)
    for count, (region, at) in enumerate(regions.items()):
        with pytest.raises(FirmwareError) as error:
            board.update(flipped(new, at))
        if region == "a file's name":
            # Then there is no entry: the pilot notices at COMMIT.
            assert bootrecord.VERDICTS[bootrecord.FORMAT] in str(error.value)
            continue
        verdict = VERDICT_OF.get(region, bootrecord.FORGED)
        assert bootrecord.VERDICTS[verdict] in str(error.value), (region, board.story())
        assert_runs(board, old, messages.RESET_REVERTED)
        assert board.causes[1:] == [COMMAND] * (len(board.causes) - 1), "no start but the one that each update asks for"
        assert len(board.causes) <= count + 2
    with pytest.raises(FirmwareError, match="signature is wrong"):
        board.update(resealed(new, len(new) - 1))
    assert board.update(new).program == "new program"


def test_a_bundle_with_a_broken_head_is_refused_at_its_commit(board: Board, old: bytes, new: bytes) -> None:
    for at in (0, 4, 6, 25):
        with pytest.raises(FirmwareError, match="the pilot does not take the bundle"):
            board.update(flipped(new, at))
    assert_runs(board, old, messages.RESET_POWER)
    assert board.causes == [POWER]


def test_an_image_signed_with_a_foreign_key_is_refused(board: Board, old: bytes) -> None:
    refused_by_the_loader(board, old, good_bundle("new program", 2, FOREIGN), bootrecord.FOREIGN)


def test_a_foreign_key_that_claims_to_be_ours_is_refused(board: Board, old: bytes, new: bytes) -> None:
    found = image.Image(new)
    data = found.signed + FOREIGN.sign(found.signed) + new[found.start :]
    refused_by_the_loader(board, old, data, bootrecord.FORGED)


def test_an_unsigned_image_is_refused(board: Board, old: bytes, new: bytes) -> None:
    found = image.Image(new)
    refused_by_the_loader(board, old, found.signed + bundle.NO_SIGNATURE + new[found.start :], bootrecord.FORGED)


def test_another_boards_image_and_an_older_release_are_refused_before_the_restart(board: Board, new: bytes) -> None:
    with pytest.raises(FirmwareError, match="made for another board"):
        board.update(good_bundle("new program", 2, board="other"))
    board.update(new)
    with pytest.raises(FirmwareError, match="release is lower"):
        board.update(good_bundle("old program", 1))
    assert_runs(board, new, messages.RESET_TRIAL)


SILENT = """\
class P:
    def tick(self, now_ms, data): return b''
def make(context):
    p = P()
    p.link = p
    p.peer_ok = False
    return p
"""
BAD_PROGRAMS = {
    "says nothing": (SILENT, bootrecord.SILENT, COMMAND),
    "says other things": (SILENT.replace("return b''", "return b'hello\\0'"), bootrecord.SILENT, COMMAND),
    "crashes at import": ("1 // 0\n", bootrecord.CRASHED, COMMAND),
    "imports what is not there": ("import pilotwire.firmware\n", bootrecord.CRASHED, COMMAND),
    "crashes when it is made": ("def make(context): raise MemoryError\n", bootrecord.CRASHED, COMMAND),
    "crashes in a tick": (SILENT.replace("return b''", "raise KeyError"), bootrecord.CRASHED, COMMAND),
    "returns nonsense": (SILENT.replace("return b''", "return 5"), bootrecord.CRASHED, COMMAND),
    "hangs at import": ("while True: pass\n", bootrecord.HUNG, WATCHDOG),
    "hangs in a tick": (SILENT.replace("return b''", "exec('while 1: pass')"), bootrecord.HUNG, WATCHDOG),
    "resets the board": (SILENT.replace("return b''", "import sys; sys.exit(0)"), bootrecord.INTERRUPTED, COMMAND),
}


@pytest.mark.parametrize("what", BAD_PROGRAMS)
def test_a_genuine_image_that_fails_its_trial_is_given_up_for_the_old_one(
    board: Board, old: bytes, tmp_path: Path, what: str
) -> None:
    text, verdict, cause = BAD_PROGRAMS[what]
    refused_by_the_loader(board, old, bundle_of(tmp_path, text), verdict, cause)


def test_no_update_begins_or_goes_on_while_a_car_is_connected(board: Board, old: bytes, new: bytes) -> None:
    board.plug_in(True)
    with pytest.raises(FirmwareError, match="a car is connected"):
        board.update(new)
    assert (board.flash / "slot1.img").exists() is False
    board.plug_in(False)

    def plug_in_at_half(done: int, total: int) -> None:
        if done > total // 2 and not (board.flash / "car").exists():
            board.plug_in(True)

    with pytest.raises(FirmwareError, match="a car is connected"):
        board.update(new, plug_in_at_half)
    written = (board.flash / "slot1.img").stat().st_size
    assert 0 < written < len(new)

    def plug_in_at_the_end(done: int, total: int) -> None:
        if done == total:
            board.plug_in(True)

    board.plug_in(False)
    with pytest.raises(FirmwareError, match="a car is connected"):
        board.update(new, plug_in_at_the_end)
    assert board.causes == [POWER], "never restarted under a car"
    board.plug_in(False)
    assert board.update(new).program == "new program"


class VanishedError(Exception):
    """The station's process has ended."""


def test_a_station_that_vanishes_in_the_middle_leaves_the_old_program_and_another_one_begins_again(
    board: Board, old: bytes, new: bytes
) -> None:
    for part in (0, 1, 2):

        def vanish(done: int, total: int, part: int = part) -> None:
            if done * 3 > total * part:
                raise VanishedError

        with pytest.raises(VanishedError):
            board.update(new, vanish)
        assert_runs(board, old, messages.RESET_POWER)
    assert board.update(new).program == "new program"
    assert board.causes == [POWER, COMMAND]


def pages(data: bytes) -> int:
    """Writes of a slot: blocks are gathered until they fill a page of flash memory."""
    block = messages.DATA_MAX
    return -(-len(data) // (-(-PAGE // block) * block))


def all_steps(folder: Path, old: bytes, what: Callable[[Board], None], allowed: set[bytes]) -> list[bytes]:
    """what() on a fresh board for each step of writing at which the power may be cut; returns what ran afterwards."""
    after: list[bytes] = []
    for step in range(1, STEPS_MOST):
        place = folder / str(step)
        place.mkdir()
        with Board(place, old, cut=step) as board:
            # The transfer was cut off, or the old program is back: what counts is what answers now.
            with contextlib.suppress(FirmwareError):
                what(board)
            runs = board.hello().firmware_hash
            assert runs in allowed, (step, board.story())
            if not board.cuts:
                return after
            assert board.cuts == 1
            after.append(runs)
    raise AssertionError(f"more than {STEPS_MOST} steps of writing")


def test_the_power_may_be_cut_in_every_step_of_an_update(tmp_path: Path, old: bytes, new: bytes) -> None:
    def work(board: Board) -> None:
        board.update(new)

    after = all_steps(tmp_path, old, work, {mark(old), mark(new)})
    assert after[0] == mark(new), "cut before the update has begun"
    # Each record is three steps: made empty, half written, closed. The last one is when it counts.
    first, commit, trial, success = "NNN", "ooN", "NNo", "ooN"
    slot = "o" * (2 + pages(new))
    assert "".join("N" if runs == mark(new) else "o" for runs in after) == first + slot + commit + trial + success


def test_the_power_may_be_cut_in_every_step_of_going_back(tmp_path: Path, old: bytes) -> None:
    bad = bundle_of(tmp_path, "1 // 0\n")

    def work(board: Board) -> None:
        board.update(bad)

    after = all_steps(tmp_path, old, work, {mark(old)})
    # The first record, the slot, and the records of commit, trial, failure and return.
    assert len(after) == 3 + (2 + pages(bad)) + 4 * 3


def test_the_power_may_be_cut_at_any_moment(tmp_path: Path, old: bytes, new: bytes) -> None:
    """Not only while something is written: also while the loader judges, and in a trial."""
    with Board(tmp_path, old) as board:
        allowed = {mark(old), mark(new)}
        for delay_s in (0.05, 0.15, 0.3, 0.45, 0.5, 0.55, 0.6, 0.65):
            timer = threading.Timer(delay_s, board.cut_power)
            timer.start()
            with contextlib.suppress(FirmwareError):
                board.update(new)
            timer.join()
            assert board.hello().firmware_hash in allowed, board.story()
        assert board.cuts >= 1
        if board.hello().firmware_hash == mark(old):
            assert board.update(new).program == "new program"


def test_the_command_prints_the_time_it_took_and_says_why_it_failed(
    board: Board, tmp_path: Path, new: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    good, tampered = tmp_path / "good.pwb", tmp_path / "tampered.pwb"
    good.write_bytes(new)
    tampered.write_bytes(flipped(new, len(new) - 1))
    assert update.main(["--port", board.device, str(good)]) == 0
    out = capsys.readouterr().out
    assert f"sent {len(new)} bytes in " in out
    assert " bytes/s)" in out
    assert "it now runs new program" in out
    assert update.main(["--port", board.device, str(good)]) == 0
    assert "runs this program already" in capsys.readouterr().out
    assert update.main(["--port", board.device, str(tampered)]) == 1
    assert "is damaged" in capsys.readouterr().err
    assert update.main(["--port", str(tmp_path / "no-such-port"), str(good)]) == 1
    assert "Does it exist" in capsys.readouterr().err
