"""Inputs that say one thing only: no earth, no PEN conductor, emergency stop."""

from . import faults, params, times
from .inputs import Inputs
from .ticks import evidence


class Monitors:
    """The earth monitor, the PEN-fault detector and the emergency stop of a board, where they are fitted."""

    def __init__(self) -> None:
        self._earth_ms = 0
        self._pen_ms = 0

    def update(self, inputs: Inputs, parameters: params.Parameters, passed_ms: int) -> int:
        """One sample of all; returns the faults that it proves."""
        self._earth_ms = evidence(self._earth_ms, not inputs.earth_ok, passed_ms, times.EARTH_MS)
        self._pen_ms = evidence(self._pen_ms, inputs.pen_lost, passed_ms, times.PEN_MS)
        proven = 0
        if self._earth_ms >= times.EARTH_MS and parameters.fitted(params.EARTH):
            proven |= faults.EARTH
        if self._pen_ms >= times.PEN_MS and parameters.fitted(params.PEN):
            proven |= faults.PEN
        if inputs.stop_pressed and parameters.fitted(params.STOP_BUTTON):
            proven |= faults.STOP_BUTTON
        return proven
