"""Temperatures: linear derating, then a stop, and a sensor that cannot be believed is a stop as well."""

from . import duty, faults, params, times
from .ticks import evidence

SENSOR_MIN_DDEG = -400
SENSOR_MAX_DDEG = 1250
COOL_DDEG = 100  # a stop ends this far below its threshold
STEP_MA = 500  # a derated current moves in such steps, so that a trembling sensor does not move the duty


def derated_ma(ddeg: int, max_ma: int, derate_ddeg: int, stop_ddeg: int) -> int:
    """Current at this temperature: max_ma up to derate_ddeg, then linearly down to 6 A at stop_ddeg."""
    if ddeg <= derate_ddeg:
        return max_ma
    if ddeg >= stop_ddeg:
        return duty.MIN_MA
    left_ma = (max_ma - duty.MIN_MA) * (stop_ddeg - ddeg) // (stop_ddeg - derate_ddeg)
    return duty.MIN_MA + left_ma // STEP_MA * STEP_MA


class Sensor:
    """One temperature. `ddeg` is the last reading that can be believed."""

    def __init__(self, hot: int) -> None:
        self.ddeg = SENSOR_MIN_DDEG
        self._hot = hot  # the fault that it proves
        self._hot_ms = 0
        self._is_hot = False
        self._broken_ms = 0

    def update(self, ddeg: int, stop_ddeg: int, passed_ms: int) -> int:
        """One reading; returns the faults that it proves."""
        broken = not SENSOR_MIN_DDEG < ddeg < SENSOR_MAX_DDEG
        self._broken_ms = evidence(self._broken_ms, broken, passed_ms, times.SENSOR_MS)
        if self._broken_ms >= times.SENSOR_MS:
            return faults.SENSOR
        if not broken:
            self.ddeg = ddeg
        self._hot_ms = evidence(self._hot_ms, self.ddeg >= stop_ddeg, passed_ms, times.SENSOR_MS)
        if self._hot_ms >= times.SENSOR_MS:
            self._is_hot = True
        elif self.ddeg < stop_ddeg - COOL_DDEG:
            self._is_hot = False
        return self._hot if self._is_hot else 0


class Heat:
    """Both sensors of a board; `limit_ma` is what the hotter one allows."""

    def __init__(self) -> None:
        self.limit_ma = 0
        self._plug = Sensor(faults.PLUG_HOT)
        self._board = Sensor(faults.BOARD_HOT)

    def update(self, plug_ddeg: int, board_ddeg: int, parameters: params.Parameters, passed_ms: int) -> int:
        """One reading of each; returns the faults that they prove."""
        stop_ddeg = parameters.value[params.STOP_DDEG]
        proven = 0
        hottest_ddeg = SENSOR_MIN_DDEG
        if parameters.fitted(params.PLUG_TEMP):
            proven |= self._plug.update(plug_ddeg, stop_ddeg, passed_ms)
            hottest_ddeg = self._plug.ddeg
        if parameters.fitted(params.BOARD_TEMP):
            proven |= self._board.update(board_ddeg, stop_ddeg, passed_ms)
            hottest_ddeg = max(hottest_ddeg, self._board.ddeg)
        derate_ddeg = parameters.value[params.DERATE_DDEG]
        self.limit_ma = derated_ma(hottest_ddeg, parameters.value[params.MAX_MA], derate_ddeg, stop_ddeg)
        return proven
