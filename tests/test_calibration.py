"""Calibration on the pilot: the arithmetic both ways, blocks that are not believed, the store without power, the commands."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import calibration_script
import pilotwire.firmware.pilot.calibration_store as store_module
from pilotwire.firmware.pilot import calibration
from pilotwire.firmware.pilot.calibration import (
    ADC_MAX,
    CHANNELS,
    CP,
    CURRENT,
    OFFSET_MAX,
    PP,
    SAMPLES,
    SHIFT,
    SLICE,
    TRIM_MAX,
    Calibration,
    CalibrationError,
    CalibrationService,
    corrected,
    seal,
    two_points,
    unseal,
)
from pilotwire.firmware.pilot.calibration_store import FileStore
from pilotwire.protocols.link import messages
from pilotwire.tools.rig.rig import PACKAGE_ROOT, find_micropython

BOARD = bytes(range(1, 9))
OTHER = bytes(range(2, 10))
PLAIN = [(0, 0)] * len(CHANNELS)
ROWS = [(2000, 300), (-1500, 200), (9000, -500), (0, 0), (5, -7)]
BLOCK = seal(BOARD, ROWS)


def raw_of(wanted: float, gain: float, shift: float) -> int:
    """What an ADC with this error reads where `wanted` would be right."""
    return round((wanted - shift) / gain)


# The arithmetic.


@given(
    st.floats(0.985, 1.015), st.floats(-120, 120), st.integers(2000, 25000), st.integers(40000, 63000), st.integers(1, 65534)
)  # fmt: skip
def test_two_points_take_a_linear_error_away_over_the_whole_scale(
    gain: float, shift: float, low: int, high: int, wanted: int
) -> None:
    points = [(raw_of(value, gain, shift), value) for value in (low, high)]
    try:
        trim, offset = two_points(CURRENT, *points)
    except CalibrationError:
        pytest.fail(f"an ordinary error is refused: {points}")
    for raw, value in points:
        assert abs(corrected(raw, trim, offset) - value) <= 1
    raw = raw_of(wanted, gain, shift)
    if 0 < raw < ADC_MAX:
        # Each point is known to half a code; outside of them that grows with the distance.
        reach = max(abs(wanted - low), abs(wanted - high)) / (high - low)
        assert abs(corrected(raw, trim, offset) - wanted) <= 2 + 1.5 * reach


def test_without_an_error_nothing_is_changed_at_any_code() -> None:
    assert two_points(CP, (3000, 3000), (60000, 60000)) == (0, 0)
    assert all(corrected(code, 0, 0) == code for code in range(ADC_MAX + 1))


@pytest.mark.parametrize("trim", [-TRIM_MAX, -1, 1, TRIM_MAX])
@pytest.mark.parametrize("offset", [-OFFSET_MAX, 0, OFFSET_MAX])
def test_every_code_stays_in_its_order_on_the_scale_and_within_small_integers(trim: int, offset: int) -> None:
    last = 0
    for code in range(ADC_MAX + 1):
        assert abs(code * trim + (1 << SHIFT - 1)) < 2**30
        now = corrected(code, trim, offset)
        assert last <= now <= ADC_MAX
        last = now


@pytest.mark.parametrize("row", [(TRIM_MAX, OFFSET_MAX), (-TRIM_MAX, -OFFSET_MAX)])
def test_a_reading_at_the_end_of_the_scale_still_says_broken(row: tuple[int, int]) -> None:
    assert corrected(0, *row) == 0
    assert corrected(ADC_MAX, *row) == ADC_MAX


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        ((30000, 30000), (33000, 33000), "tenth of the scale"),
        ((60000, 60000), (30000, 30000), "low before high"),
        ((0, 300), (60000, 60000), "end of the scale"),
        ((30000, 30000), (65535, 65000), "end of the scale"),
        ((30000, 30000), (60000, 0), "end of the scale"),
        ((30000, 30000), (60000, 62500), "gain"),
        ((5000, 8000), (60000, 63000), "offset"),
        ((32768, 32768), (60000, 61000), "would be moved by"),
    ],
)
def test_points_that_no_tolerance_explains_are_refused(low: tuple[int, int], high: tuple[int, int], word: str) -> None:
    with pytest.raises(CalibrationError, match=word):
        two_points(CP, low, high)


@given(st.integers(0, len(CHANNELS) - 1), st.integers(-0x8000, 0x7FFF), st.integers(-0x8000, 0x7FFF))
def test_whatever_is_believed_moves_no_reading_further_than_its_channel_allows(
    channel: int, trim: int, offset: int
) -> None:
    rows = [*PLAIN[:channel], (trim, offset), *PLAIN[channel + 1 :]]
    try:
        assert unseal(seal(BOARD, rows), BOARD) == rows
    except CalibrationError:
        assert calibration.why_not(channel, trim, offset)
        return
    assert abs(trim) <= TRIM_MAX
    assert abs(offset) <= OFFSET_MAX
    for code in range(0, ADC_MAX + 1, 257):
        assert abs(corrected(code, trim, offset) - code) <= CHANNELS[channel][1]


def test_the_two_interpreters_compute_the_same() -> None:
    program = find_micropython()
    if program is None:
        pytest.skip("there is no MicroPython wheel for this machine: the comparison with CPython cannot be made")
    done = subprocess.run(
        [program, calibration_script.__file__, "3000", "7"],
        env={**os.environ, "MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    here = calibration_script.run(3000, 7)
    assert done.stdout == here + "\n"
    assert min(int(word) for word in here.split()[1:]) > 300, "a sample of one kind compares little"


def test_correcting_allocates_nothing_on_micropython() -> None:
    program = find_micropython()
    if program is None:
        pytest.skip("there is no MicroPython wheel for this machine: its heap cannot be looked at")
    text = (
        "import gc\n"
        "from pilotwire.firmware.pilot.calibration import Calibration, seal\n"
        f"used = Calibration({BOARD!r})\n"
        f"used.use(seal({BOARD!r}, {ROWS!r}))\n"
        "def grown(count):\n"
        "    gc.collect()\n"
        "    gc.disable()\n"
        "    before = gc.mem_alloc()\n"
        "    for code in range(count):\n"
        "        used.correct(code % 5, code)\n"
        "    return gc.mem_alloc() - before\n"
        "print(grown(60000) - grown(10))\n"
    )
    done = subprocess.run(
        [program, "-c", text],
        env={**os.environ, "MICROPYPATH": f"{PACKAGE_ROOT}:.frozen"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


# Blocks that are not believed.


def test_a_block_fits_into_one_command_of_the_link() -> None:
    assert len(seal(bytes(calibration.ID_MAX), PLAIN)) <= messages.DATA_MAX


def test_every_flipped_bit_of_a_block_is_noticed() -> None:
    for place in range(len(BLOCK)):
        for bit in range(8):
            spoilt = bytearray(BLOCK)
            spoilt[place] ^= 1 << bit
            with pytest.raises(CalibrationError):
                unseal(bytes(spoilt), BOARD)


def test_every_truncation_and_every_extra_byte_of_a_block_is_noticed() -> None:
    for size in range(len(BLOCK)):
        with pytest.raises(CalibrationError):
            unseal(BLOCK[:size], BOARD)
    for more in range(256):
        with pytest.raises(CalibrationError):
            unseal(BLOCK + bytes((more,)), BOARD)


def test_random_bytes_are_no_block() -> None:
    rng = random.Random(3)
    for _ in range(5000):
        with pytest.raises(CalibrationError):
            unseal(rng.randbytes(rng.randrange(60)), BOARD)


@pytest.mark.parametrize(
    ("place", "value", "word"), [(2, 2, "version 2, this program reads 1"), (3, 4, "4 channels"), (4, 7, "channels")]
)
def test_a_whole_block_of_another_layout_is_refused(place: int, value: int, word: str) -> None:
    import binascii  # noqa: PLC0415

    changed = bytearray(BLOCK[:-4])
    changed[place] = value
    with pytest.raises(CalibrationError, match=word):
        unseal(bytes(changed) + binascii.crc32(changed).to_bytes(4, "big"), BOARD)


def test_the_calibration_of_another_board_is_refused_and_names_it() -> None:
    with pytest.raises(CalibrationError, match="belongs to another board: 0203040506070809"):
        unseal(seal(OTHER, ROWS), BOARD)


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ((TRIM_MAX + 1, 0), "gain"),
        ((-TRIM_MAX - 1, 0), "gain"),
        ((0, OFFSET_MAX + 1), "offset"),
        ((0, -OFFSET_MAX - 1), "offset"),
        ((0, 984), "code 0 would be moved by 984"),
        ((8000, -984), "code 0 would be moved by -984"),
        ((TRIM_MAX, 0), "code 65535 would be moved"),
    ],
)
def test_an_implausible_row_is_refused_by_name(row: tuple[int, int], word: str) -> None:
    with pytest.raises(CalibrationError, match=f"^pp: .*{word}"):
        unseal(seal(BOARD, [PLAIN[0], row, *PLAIN[2:]]), BOARD)


def test_what_is_in_use_stays_when_a_block_is_refused() -> None:
    used = Calibration(BOARD)
    assert used.reason == calibration.NONE_STORED
    assert used.correct(CP, 50000) == 50000
    used.use(BLOCK)
    assert used.reason == ""
    before = used.correct(CP, 50000)
    assert before == corrected(50000, *ROWS[CP]) != 50000
    with pytest.raises(CalibrationError):
        used.use(seal(OTHER, PLAIN))
    assert used.correct(CP, 50000) == before


# The store.


def test_what_was_saved_last_is_loaded(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "calibration"))
    assert (store.load(), store.reason) == (b"", "")
    for count in range(7):
        store.save(b"block %d" % count)
        fresh = FileStore(str(tmp_path / "calibration"))
        assert fresh.load() == store.load() == b"block %d" % count
        assert fresh.reason == ""


def test_generations_go_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_PERIOD", 4)
    store = FileStore(str(tmp_path / "calibration"))
    for count in range(13):
        store.save(b"block %d" % count)
        assert FileStore(str(tmp_path / "calibration")).load() == b"block %d" % count


def test_a_power_cut_at_any_byte_of_a_save_leaves_the_block_before(tmp_path: Path) -> None:
    path = str(tmp_path / "calibration")
    store = FileStore(path)
    store.save(BLOCK)
    newer = seal(BOARD, PLAIN)
    store.save(newer)
    written = Path(path + ".0").read_bytes(), Path(path + ".1").read_bytes()
    third = seal(BOARD, [(1, 1), *PLAIN[1:]])
    store.save(third)
    (slot,) = (slot for slot in (0, 1) if Path(f"{path}.{slot}").read_bytes() != written[slot])
    whole = Path(f"{path}.{slot}").read_bytes()
    for size in range(len(whole)):
        # A file that was opened for writing is empty or short; on flash without a journal its rest may be the old content.
        for left in (whole[:size], whole[:size] + written[slot][size:], whole[:size] + b"\xff" * (len(whole) - size)):
            Path(f"{path}.{slot}").write_bytes(left)
            fresh = FileStore(path)
            loaded = fresh.load()
            assert loaded in (newer, third if left == whole else newer), size
            fresh.save(BLOCK)
            assert FileStore(path).load() == BLOCK
            Path(f"{path}.{1 - slot}").write_bytes(written[1 - slot])
            Path(f"{path}.{slot}").write_bytes(whole)
    assert FileStore(path).load() == third


def test_two_damaged_copies_are_no_calibration_and_it_says_so(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path / "calibration"))
    store.save(BLOCK)
    store.save(BLOCK)
    for slot in (0, 1):
        path = tmp_path / f"calibration.{slot}"
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    fresh = FileStore(str(tmp_path / "calibration"))
    assert (fresh.load(), fresh.reason) == (b"", "the stored calibration is damaged")
    (tmp_path / "calibration.0").write_bytes(bytes(5000))
    assert fresh.load() == b""


def test_a_store_that_does_not_read_back_says_so_and_keeps_the_block_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(str(tmp_path / "calibration"))
    store.save(BLOCK)
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "_read", lambda _path: b"worn out")
        with pytest.raises(OSError, match="does not read back"):
            store.save(b"new")
    (tmp_path / "calibration.1").write_bytes(b"worn out")
    assert FileStore(str(tmp_path / "calibration")).load() == BLOCK


# The commands.


class Bench:
    """A service with injected readings; the store is real."""

    def __init__(self, folder: Path, unique_id: bytes = BOARD) -> None:
        self.readings: list[int] = []
        self.asked: list[int] = []
        self.idle = True
        self.calibration = Calibration(unique_id)
        self.store = FileStore(str(folder / "calibration"))
        self.service = CalibrationService(self.calibration, self.store, self._read, lambda: self.idle)

    def _read(self, channel: int) -> int:
        self.asked.append(channel)
        return self.readings[(len(self.asked) - 1) % len(self.readings)]

    def handle(self, code: int, number: int = 0, data: bytes = b"") -> tuple[int, int, bytes]:
        done: Any = self.service.handle(code, number, data)
        assert done is not None
        assert len(done[2]) <= messages.DATA_MAX
        return done  # type: ignore[no-any-return]


def test_a_code_of_somebody_else_is_left_to_others(tmp_path: Path) -> None:
    service = Bench(tmp_path).service
    for code in range(64):
        ours = code in (messages.RAW_READ, messages.CALIBRATION_READ, messages.CALIBRATION_WRITE)
        assert ours or service.handle(code, 0, b"") is None


def test_a_raw_read_is_the_mean_of_64_uncorrected_samples_taken_in_slices(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.calibration.use(BLOCK)
    bench.readings = [40000 + 10 * count for count in range(SAMPLES)]
    for count in range(1, SAMPLES // SLICE):
        assert bench.handle(messages.RAW_READ, PP) == (messages.BUSY, 0, b"")
        assert len(bench.asked) == count * SLICE
    status, mean, data = bench.handle(messages.RAW_READ, PP)
    assert (status, mean, data) == (messages.OK, 40315, b"")
    assert bench.asked == [PP] * SAMPLES
    assert SAMPLES >= 64


def test_ticks_between_two_calls_add_samples_and_none_too_many(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.readings = [1000]
    bench.service.tick()
    assert bench.asked == [], "nobody has asked yet"
    assert bench.handle(messages.RAW_READ, CP)[0] == messages.BUSY
    for _ in range(200):
        bench.service.tick()
    assert bench.handle(messages.RAW_READ, CP) == (messages.OK, 1000, b"")
    assert len(bench.asked) == SAMPLES
    bench.service.tick()
    assert len(bench.asked) == SAMPLES


def test_another_channel_begins_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.readings = [1000]
    bench.handle(messages.RAW_READ, CP)
    bench.readings = [2000]
    answers = [bench.handle(messages.RAW_READ, PP) for _ in range(SAMPLES // SLICE)]
    assert answers[-1] == (messages.OK, 2000, b"")
    assert [answer[0] for answer in answers[:-1]] == [messages.BUSY] * (SAMPLES // SLICE - 1)


@pytest.mark.parametrize("channel", [-1, len(CHANNELS), 2**29])
def test_a_channel_that_does_not_exist_is_bad(tmp_path: Path, channel: int) -> None:
    status, _, data = Bench(tmp_path).handle(messages.RAW_READ, channel)
    assert status == messages.BAD
    assert b"0..4" in data


def test_a_written_block_is_in_use_at_once_and_after_the_next_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.handle(messages.CALIBRATION_READ) == (messages.OK, 0, b"")
    assert bench.handle(messages.CALIBRATION_WRITE, 0, BLOCK) == (messages.OK, 0, b"")
    for each in (bench, Bench(tmp_path)):
        assert each.handle(messages.CALIBRATION_READ) == (messages.OK, 1, BLOCK)
        assert each.calibration.correct(CP, 50000) == corrected(50000, *ROWS[CP])
        assert each.calibration.reason == ""


def test_nothing_is_written_while_the_pilot_is_not_idle(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.idle = False
    status, _, data = bench.handle(messages.CALIBRATION_WRITE, 0, BLOCK)
    assert status == messages.REFUSED
    assert b"state A" in data
    assert bench.calibration.correct(CP, 50000) == 50000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("block", [b"", BLOCK[:-1], seal(OTHER, PLAIN), seal(BOARD, [(9999, 0), *PLAIN[1:]])])
def test_a_block_that_is_not_believed_is_neither_stored_nor_used(tmp_path: Path, block: bytes) -> None:
    bench = Bench(tmp_path)
    bench.handle(messages.CALIBRATION_WRITE, 0, BLOCK)
    status, _, data = bench.handle(messages.CALIBRATION_WRITE, 0, block)
    assert status == messages.BAD
    assert data
    assert Bench(tmp_path).handle(messages.CALIBRATION_READ) == (messages.OK, 1, BLOCK)
    assert bench.calibration.correct(CP, 50000) == corrected(50000, *ROWS[CP])


def test_a_block_that_cannot_be_stored_is_not_used(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.store._paths = (str(tmp_path / ("x" * 300) / "0"), str(tmp_path / ("x" * 300) / "1"))
    status, _, data = bench.handle(messages.CALIBRATION_WRITE, 0, BLOCK)
    assert (status, data[:32]) == (messages.REFUSED, b"the calibration cannot be stored")
    assert bench.calibration.correct(CP, 50000) == 50000


def test_a_stored_block_of_another_board_is_not_used_and_the_station_is_told(tmp_path: Path) -> None:
    Bench(tmp_path, OTHER).handle(messages.CALIBRATION_WRITE, 0, seal(OTHER, ROWS))
    bench = Bench(tmp_path)
    assert bench.calibration.correct(CP, 50000) == 50000
    status, _, data = bench.handle(messages.CALIBRATION_READ)
    assert (status, data) == (messages.REFUSED, b"the calibration belongs to another board: 0203040506070809")


def test_a_damaged_store_is_told_and_can_be_written_again(tmp_path: Path) -> None:
    (tmp_path / "calibration.0").write_bytes(b"nothing of ours")
    bench = Bench(tmp_path)
    assert bench.handle(messages.CALIBRATION_READ) == (messages.REFUSED, 0, b"the stored calibration is damaged")
    assert bench.handle(messages.CALIBRATION_WRITE, 0, BLOCK) == (messages.OK, 0, b"")
    assert Bench(tmp_path).handle(messages.CALIBRATION_READ) == (messages.OK, 1, BLOCK)
