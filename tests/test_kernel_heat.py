"""Temperatures of plug and board: the derating line, the stop and its hysteresis, sensors that cannot be believed."""

from __future__ import annotations

import pytest

from kernel_board import EVERYTHING, KernelBoard
from pilotwire.firmware.kernel import faults, params, table
from pilotwire.firmware.kernel.heat import Heat, Sensor, derated_ma

STOP_DDEG = 700
X1 = 10000
SENSORS = [("plug_ddeg", faults.PLUG_HOT), ("board_ddeg", faults.BOARD_HOT)]
OTHER = {"plug_ddeg": params.BOARD_TEMP, "board_ddeg": params.PLUG_TEMP}

# 32 A, linear from 60 °C down to 6 A at 70 °C, in whole steps of 0.5 A above 6 A.
LINE = (
    (-390, 32000),
    (599, 32000),
    (600, 32000),
    (601, 31500),  # 31.74 A
    (602, 31000),  # 31.48 A
    (650, 19000),
    (651, 18500),  # 18.74 A
    (698, 6500),  # 6.52 A
    (699, 6000),  # 6.26 A
    (700, 6000),
    (701, 6000),
    (1200, 6000),
)


@pytest.mark.parametrize(("ddeg", "ma"), LINE)
def test_the_current_follows_the_line(ddeg: int, ma: int) -> None:
    assert derated_ma(ddeg, 32000, 600, 700) == ma


def test_the_line_goes_down_in_whole_steps_and_stays_under_the_exact_one() -> None:
    before_ma = 32000
    for ddeg in range(600, 701):
        ma = derated_ma(ddeg, 32000, 600, 700)
        exact_ma = 32000 - 26000 * (ddeg - 600) // 100
        assert 0 <= exact_ma - ma < 500
        assert (ma - 6000) % 500 == 0
        assert ma <= before_ma
        before_ma = ma


def test_the_line_has_the_ends_that_the_parameters_say() -> None:
    assert derated_ma(450, 80000, 450, 451) == 80000
    assert derated_ma(451, 80000, 450, 451) == 6000
    assert derated_ma(500, 16000, 400, 600) == 11000
    assert derated_ma(899, 80000, 300, 900) == 6000
    assert derated_ma(301, 6000, 300, 900) == 6000
    assert (
        derated_ma(600, 16250, 600, 700) == 16250
    )  # what is no whole step is one up to the very beginning of the line
    assert derated_ma(601, 16250, 600, 700) == 16000


# --- one sensor alone


def fed(sensor: Sensor, ddeg: int, ms: int) -> int:
    """Faults in the last of so many milliseconds; they may not have changed on the way."""
    found = [sensor.update(ddeg, STOP_DDEG, 1) for _ in range(ms)]
    assert len(set(found)) == 1, found
    return found[-1]


def test_a_temperature_is_too_high_after_a_second_at_the_threshold() -> None:
    sensor = Sensor(faults.PLUG_HOT)
    assert fed(sensor, 699, 3000) == 0
    assert fed(sensor, 700, 999) == 0
    assert fed(sensor, 700, 1) == faults.PLUG_HOT
    assert fed(sensor, 1249, 10) == faults.PLUG_HOT


def test_a_temperature_that_falls_below_the_threshold_within_the_second_is_forgiven() -> None:
    sensor = Sensor(faults.PLUG_HOT)
    for _ in range(3):
        assert fed(sensor, 900, 999) == 0
        assert fed(sensor, 699, 999) == 0


def test_a_stop_ends_more_than_10_degrees_below_its_threshold() -> None:
    sensor = Sensor(faults.BOARD_HOT)
    fed(sensor, 700, 999)
    assert fed(sensor, 700, 1) == faults.BOARD_HOT
    assert fed(sensor, 699, 1000) == faults.BOARD_HOT
    assert fed(sensor, 600, 1000) == faults.BOARD_HOT
    assert fed(sensor, 599, 1) == 0
    assert fed(sensor, 700, 999) == 0
    assert fed(sensor, 700, 1) == faults.BOARD_HOT


@pytest.mark.parametrize(
    ("ddeg", "broken"), [(-401, True), (-400, True), (-399, False), (1249, False), (1250, True), (1500, True)]
)
def test_a_reading_at_the_ends_of_the_scale_is_a_broken_sensor_after_a_second(ddeg: int, broken: bool) -> None:
    sensor = Sensor(faults.PLUG_HOT)
    sensor.update(250, 2000, 1)
    for _ in range(999):
        assert sensor.update(ddeg, 2000, 1) == 0
        assert sensor.ddeg == (250 if broken else ddeg), "the last that can be believed"
    assert sensor.update(ddeg, 2000, 1) == (faults.SENSOR if broken else 0)
    assert sensor.update(250, 2000, 1) == 0


def test_a_sensor_that_is_broken_from_power_up_on_is_found_as_fast() -> None:
    sensor = Sensor(faults.PLUG_HOT)
    assert fed(sensor, 1250, 999) == 0
    assert fed(sensor, 1250, 1) == faults.SENSOR


def test_before_the_first_reading_no_current_is_allowed() -> None:
    assert Heat().limit_ma == 0


def test_a_sensor_that_is_broken_for_less_than_a_second_is_forgiven() -> None:
    sensor = Sensor(faults.PLUG_HOT)
    for _ in range(3):
        assert fed(sensor, 1250, 999) == 0
        assert fed(sensor, 250, 999) == 0


@pytest.mark.parametrize(("ddeg", "fault"), [(1250, faults.SENSOR), (800, faults.PLUG_HOT)])
@pytest.mark.parametrize(("bad_of_10", "fails"), [(9, True), (6, True), (5, False)])
def test_a_reading_that_is_bad_more_often_than_good_is_a_fault(
    ddeg: int, fault: int, bad_of_10: int, fails: bool
) -> None:
    sensor = Sensor(faults.PLUG_HOT)
    found = 0
    for number in range(10_000):
        found |= sensor.update(ddeg if number % 10 < bad_of_10 else 250, STOP_DDEG, 1)
    assert found == (fault if fails else 0)


def test_a_hot_sensor_that_breaks_is_still_hot_until_it_is_broken() -> None:
    sensor = Sensor(faults.PLUG_HOT)
    fed(sensor, 700, 500)
    assert fed(sensor, 1250, 499) == 0
    assert fed(sensor, 1250, 1) == faults.PLUG_HOT
    assert fed(sensor, 1250, 499) == faults.PLUG_HOT
    assert fed(sensor, 1250, 1) == faults.SENSOR
    assert fed(sensor, 700, 1) == faults.PLUG_HOT


# --- both sensors


def parameters(fitted: int) -> params.Parameters:
    return KernelBoard(fitted=fitted).kernel.parameters


@pytest.mark.parametrize(
    ("fitted", "limit_ma"),
    [(0, 32000), (params.PLUG_TEMP, 19000), (params.BOARD_TEMP, 11000), (params.PLUG_TEMP | params.BOARD_TEMP, 11000)],
)
def test_the_hotter_of_the_fitted_sensors_limits(fitted: int, limit_ma: int) -> None:
    heat = Heat()
    assert heat.update(650, 680, parameters(fitted), 1) == 0
    assert heat.limit_ma == limit_ma
    if fitted == params.PLUG_TEMP | params.BOARD_TEMP:
        heat.update(680, 650, parameters(fitted), 1)
        assert heat.limit_ma == limit_ma


@pytest.mark.parametrize("fitted", [0, params.PLUG_TEMP, params.BOARD_TEMP, params.PLUG_TEMP | params.BOARD_TEMP])
def test_each_sensor_proves_its_own_fault_where_it_is_fitted(fitted: int) -> None:
    hot = (faults.PLUG_HOT if fitted & params.PLUG_TEMP else 0) | (
        faults.BOARD_HOT if fitted & params.BOARD_TEMP else 0
    )
    heat = Heat()
    for _ in range(999):
        assert heat.update(700, 700, parameters(fitted), 1) == 0
    assert heat.update(700, 700, parameters(fitted), 1) == hot
    assert heat.limit_ma == (6000 if fitted else 32000)


# --- the kernel with them


@pytest.mark.parametrize(("sensor", "bit"), SENSORS)
@pytest.mark.parametrize("alone", [True, False])
def test_each_sensor_derates_and_then_stops(sensor: str, bit: int, alone: bool) -> None:
    board = KernelBoard(fitted=EVERYTHING & ~OTHER[sensor] if alone else EVERYTHING).closed()
    board.granted_ma = 32000
    board.run(10_000, tick_ms=10)
    assert (board.kernel.limit_ma, board.kernel.derated_ma) == (31998, 32000)
    setattr(board.inputs, sensor, 650)
    board.exactly(1, "19 A", lambda: board.kernel.limit_ma == 18996)
    assert board.kernel.derated_ma == 19000
    setattr(board.inputs, sensor, 700)
    board.exactly(1000, "X1", lambda: board.kernel.duty == X1)
    assert (board.kernel.faults, board.kernel.phase) == (bit, table.STOPPING)
    board.run(7000)
    assert not board.contacts


def test_a_derated_current_goes_down_when_the_spacing_allows_and_comes_back_when_it_is_cooler() -> None:
    board = KernelBoard().closed()
    board.granted_ma = 32000
    board.run(10_000, tick_ms=10)
    board.inputs.plug_ddeg = 620
    board.tick(1)
    assert board.kernel.limit_ma == 26496  # 26.8 A in steps: 26.5 A
    board.inputs.plug_ddeg = 650
    board.exactly(5000, "19 A", lambda: board.kernel.limit_ma == 18996, coarse_ms=5)
    board.inputs.plug_ddeg = 600
    board.exactly(5000, "32 A", lambda: board.kernel.limit_ma == 31998, coarse_ms=5)
    assert board.kernel.cycles == 1


def test_a_lease_below_the_derated_current_is_not_touched() -> None:
    board = KernelBoard().closed()
    board.inputs.plug_ddeg = 620
    board.always("16 A", lambda: board.kernel.limit_ma == 15996, 6000)


@pytest.mark.parametrize(("sensor", "bit"), SENSORS)
def test_a_sensor_that_is_not_fitted_says_nothing(sensor: str, bit: int) -> None:
    missing = {"plug_ddeg": params.PLUG_TEMP, "board_ddeg": params.BOARD_TEMP}[sensor]
    for ddeg in (900, 1500, -600):
        board = KernelBoard(fitted=EVERYTHING & ~missing).closed()
        setattr(board.inputs, sensor, ddeg)
        board.run(3000)
        assert (board.kernel.faults, board.kernel.derated_ma, board.kernel.close) == (0, 32000, True)


@pytest.mark.parametrize(("sensor", "bit"), SENSORS)
@pytest.mark.parametrize("ddeg", [-400, 1250])
def test_a_broken_sensor_stops_gracefully_and_clears_when_it_works_again(sensor: str, bit: int, ddeg: int) -> None:
    board = KernelBoard().closed()
    setattr(board.inputs, sensor, ddeg)
    board.exactly(1000, "X1", lambda: board.kernel.duty == X1)
    assert board.kernel.faults == faults.SENSOR
    board.run(7000)
    assert not board.contacts
    setattr(board.inputs, sensor, 250)
    board.exactly(1000, "cleared", lambda: not board.kernel.faults)
    board.run_until("charging", lambda: board.kernel.contacts_closed, 2000)
    assert bit not in (board.kernel.faults, 0)


def test_a_car_that_comes_to_a_hot_plug_waits_until_it_has_cooled_down() -> None:
    board = KernelBoard()
    board.inputs.plug_ddeg = 750
    board.run(1500)
    board.granted_ma, board.level_mv = 16000, 6000
    board.never("PWM", lambda: board.kernel.duty != X1, 2000)
    board.inputs.plug_ddeg = 600
    board.never("PWM", lambda: board.kernel.duty != X1, 2000)
    board.inputs.plug_ddeg = 599
    board.run_until("charging", lambda: board.kernel.contacts_closed, 3000)


def test_a_narrowed_threshold_counts_from_the_next_tick_on() -> None:
    board = KernelBoard().closed()
    board.inputs.board_ddeg = 480
    board.run(2000)
    assert not board.kernel.faults
    assert board.kernel.parameters.narrow(params.DERATE_DDEG, 400)
    assert board.kernel.parameters.narrow(params.STOP_DDEG, 480)
    board.exactly(1000, "X1", lambda: board.kernel.duty == X1)
    assert board.kernel.faults == faults.BOARD_HOT
