"""Inputs that say one thing only: no earth, no PEN conductor, emergency stop."""

from . import faults, params, times
from .inputs import Inputs
from .ticks import add


class Monitors:
    """The earth monitor, the PEN-fault detector and the emergency stop of a board, where they are fitted."""

    def __init__(self) -> None:
        self._earth_ms = 0
        self._pen_ms = 0

    def update(self, inputs: Inputs, parameters: params.Parameters, passed_ms: int) -> int:
        """One sample of all; returns the faults that it proves."""
        self._earth_ms = 0 if inputs.earth_ok else add(self._earth_ms, passed_ms)
        self._pen_ms = add(self._pen_ms, passed_ms) if inputs.pen_lost else 0
        proven = 0
        if self._earth_ms >= times.EARTH_MS and parameters.fitted(params.EARTH):
            proven |= faults.EARTH
        if self._pen_ms >= times.PEN_MS and parameters.fitted(params.PEN):
            proven |= faults.PEN
        if inputs.stop_pressed and parameters.fitted(params.STOP_BUTTON):
            proven |= faults.STOP_BUTTON
        return proven
