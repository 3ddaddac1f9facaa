"""What the loader does with damaged, missing or full flash memory. The whole of an update is in test_pilot_update.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilot_update_rig import FOREIGN, OURS, good_bundle
from pilotwire.firmware.pilot import bootrecord, image, slots
from pilotwire.firmware.pilot.flash import Flash
from pilotwire.firmware.pilot.slots import NAMES, NoImageError, Slots
from pilotwire.firmware.pilot.update import UpdateService
from pilotwire.protocols.link import messages

POWER = messages.RESET_POWER


@pytest.fixture(scope="module")
def old() -> bytes:
    return good_bundle("old program", 1)


@pytest.fixture(scope="module")
def new() -> bytes:
    return good_bundle("new program", 2)


def loader(folder: Path) -> Slots:
    """As each start has it."""
    return Slots(Flash(f"{folder}/"), "test", [OURS.public_key().public_bytes_raw()])


def start(folder: Path, cause: int = POWER) -> tuple[Slots, str]:
    made = loader(folder)
    return made, made.choose(cause)


def install(folder: Path, data: bytes) -> None:
    """One successful update."""
    running, _ = start(folder)
    with running.open_spare() as file:  # type: ignore[attr-defined]
        file.write(data)
    assert running.commit(image.digest(Flash(f"{folder}/"), NAMES[1 - running.running])) == ""
    trial, _ = start(folder, messages.RESET_COMMAND)
    assert trial.trial
    trial.confirm()


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_board_without_a_record_runs_the_genuine_bundle_with_the_highest_release(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    (tmp_path / NAMES[0]).write_bytes(old)
    (tmp_path / NAMES[1]).write_bytes(new)
    assert start(tmp_path)[1] == NAMES[1]
    for name in bootrecord.NAMES:
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / NAMES[1]).write_bytes(good_bundle("foreign", 9, FOREIGN))
    assert start(tmp_path)[1] == NAMES[0]


def test_when_the_running_bundle_is_damaged_the_one_before_runs_and_says_so(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    (tmp_path / NAMES[0]).write_bytes(old)
    install(tmp_path, new)
    spoil(tmp_path / NAMES[1])
    found, name = start(tmp_path)
    assert (name, found.reset_reason, found.verdict) == (NAMES[0], messages.RESET_REVERTED, bootrecord.DAMAGED)
    found, name = start(tmp_path)
    assert (name, found.reset_reason) == (NAMES[0], POWER), "said once"


def test_with_both_bundles_damaged_nothing_runs_and_the_reasons_are_named(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    (tmp_path / NAMES[0]).write_bytes(old)
    install(tmp_path, new)
    spoil(tmp_path / NAMES[0])
    spoil(tmp_path / NAMES[1])
    for _ in range(2):
        with pytest.raises(NoImageError, match=r"slot0.img: its release is lower.*; slot1.img: the file is damaged"):
            start(tmp_path)
    (tmp_path / NAMES[0]).write_bytes(new)  # by wire
    assert start(tmp_path)[1] == NAMES[0]


def test_an_old_bundle_put_there_by_wire_does_not_come_back_while_the_record_is_whole(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    (tmp_path / NAMES[0]).write_bytes(old)
    install(tmp_path, new)
    for name in NAMES:
        (tmp_path / name).write_bytes(good_bundle("another old one", 1))
    with pytest.raises(NoImageError, match="release is lower"):
        start(tmp_path)


def test_an_empty_board_is_silent(tmp_path: Path) -> None:
    with pytest.raises(NoImageError, match="no bundle that this loader can read"):
        start(tmp_path)


def test_one_damaged_copy_of_the_record_changes_nothing_but_the_last_write(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    (tmp_path / NAMES[0]).write_bytes(old)
    install(tmp_path, new)
    whole = {name: (tmp_path / name).read_bytes() for name in bootrecord.NAMES}
    newest = max(whole, key=lambda name: int.from_bytes(whole[name][4:8], "little"))
    for size in range(len(whole[newest])):
        for name, data in whole.items():
            (tmp_path / name).write_bytes(data)
        (tmp_path / newest).write_bytes(whole[newest][:size])
        found, name = start(tmp_path)
        # The copy before is that of a trial which has not been confirmed: it goes back, and back is a genuine program.
        assert (name, found.verdict) == (NAMES[0], bootrecord.INTERRUPTED)


class FullFlash(Flash):
    """Flash memory with `left` bytes."""

    def __init__(self, root: str, left: int) -> None:
        super().__init__(root)
        self.left = left

    def free(self) -> int:
        return self.left


class FullFile:
    def write(self, data: bytes) -> None:
        raise OSError(28, "no space left")

    def close(self) -> None:
        pass


def service(made: Slots, restarts: list[int]) -> UpdateService:
    return UpdateService(made, lambda: True, lambda: restarts.append(1))


def test_a_bundle_that_does_not_fit_is_refused_before_the_old_one_in_that_slot_is_touched(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    (tmp_path / NAMES[0]).write_bytes(old)
    (tmp_path / NAMES[1]).write_bytes(b"x" * 1000)
    made = Slots(FullFlash(f"{tmp_path}/", 500), "test", [OURS.public_key().public_bytes_raw()])
    made.choose(POWER)
    status, room, text = service(made, []).handle(messages.UPDATE_BEGIN, len(new), bytes(32)) or (0, 0, b"")
    assert (status, room) == (messages.BAD, 1500)
    assert b"128 to 1500 bytes" in text
    assert (tmp_path / NAMES[1]).read_bytes() == b"x" * 1000
    huge = slots.MAX_BYTES + 1
    assert (service(made, []).handle(messages.UPDATE_BEGIN, huge, bytes(32)) or (0,))[0] == messages.BAD


def test_flash_memory_that_turns_out_to_be_full_ends_the_update_and_nothing_else(
    tmp_path: Path, old: bytes, new: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAMES[0]).write_bytes(old)
    made, _ = start(tmp_path)
    restarts: list[int] = []
    taker = service(made, restarts)
    monkeypatch.setattr(made, "open_spare", FullFile)
    assert taker.handle(messages.UPDATE_BEGIN, len(new), bytes(32)) == (messages.OK, 0, b"")
    answers = [taker.handle(messages.UPDATE_DATA, at, new[at : at + 192]) for at in range(0, len(new), 192)]
    refused = [answer for answer in answers if answer is not None and answer[0] == messages.REFUSED]
    assert b"cannot be written" in refused[0][2]
    assert b"no update has begun" in refused[-1][2]
    assert taker.handle(messages.UPDATE_COMMIT, 0, b"") == (
        messages.REFUSED,
        0,
        b"no update has begun, or the pilot has restarted since",
    )
    assert restarts == []
    assert start(tmp_path)[1] == NAMES[0]


def test_blocks_out_of_order_twice_or_too_many_are_named_and_what_came_before_stays(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    (tmp_path / NAMES[0]).write_bytes(old)
    made, _ = start(tmp_path)
    restarts: list[int] = []
    taker = service(made, restarts)
    assert taker.handle(messages.UPDATE_DATA, 0, b"x") == (
        messages.REFUSED,
        0,
        b"no update has begun, or the pilot has restarted since",
    )
    sha256 = image.hashlib.sha256(new).digest()
    assert taker.handle(messages.UPDATE_BEGIN, len(new), sha256) == (messages.OK, 0, b"")
    for at in range(0, len(new), 192):
        block = new[at : at + 192]
        assert (taker.handle(messages.UPDATE_DATA, at + 1, block) or (0,))[0] == messages.BAD
        end = at + len(block)
        assert taker.handle(messages.UPDATE_DATA, at, block) == (messages.OK, end, b"")
        assert taker.handle(messages.UPDATE_DATA, at, block) == (messages.OK, end, b""), "our answer was lost"
    assert (taker.handle(messages.UPDATE_DATA, len(new), b"more") or (0,))[0] == messages.BAD
    assert taker.handle(messages.UPDATE_COMMIT, 0, b"") == (messages.OK, len(new), b"")
    assert restarts == [1]
    assert start(tmp_path, messages.RESET_COMMAND)[1] == NAMES[1]
