"""The pilot's front end on Linux: the kernel's inputs from IIO and GPIO, its outputs to PWM and GPIO. No decisions here.

An OSError of the hardware goes through to the loop, which ends the process with everything off: without a tick there is no alive
wave, and without that wave no coil.
"""

from __future__ import annotations

from collections.abc import Mapping

from pilotwire.boards.linux_direct.config import Analog
from pilotwire.boards.linux_direct.lines import Lines
from pilotwire.boards.linux_direct.sysfs import Channel, Pwm
from pilotwire.firmware.kernel.inputs import OPEN_OHM, Inputs
from pilotwire.firmware.kernel.kernel import Kernel

SWITCHES = ("coil", "coil_phases", "supply_enable", "cp_off", "lock", "vent", "rcd_test", "coil_isolate")
"""Every output that silence() turns off, the alive wave apart."""


class Front:
    """One connector's pins. Lines that are not declared keep the harmless value of kernel/inputs.py."""

    def __init__(self, pwm: Pwm, lines: Lines, channels: Mapping[str, Channel], analog: Mapping[str, Analog]) -> None:
        self.pwm = pwm
        self.lines = lines
        self._channels = dict(channels)
        self._earth = lines.has("earth_ok")
        self._pp = analog.get("pp")
        self._wave = False

    def sample(self, inputs: Inputs) -> None:
        """Fill the kernel's Inputs; raises OSError."""
        lines, channels = self.lines, self._channels
        lines.refresh()
        inputs.cp_high_mv = channels["cp_high"].read()
        inputs.cp_low_mv = channels["cp_low"].read()
        inputs.contacts_closed = lines.get("contacts")
        inputs.phases_closed = lines.get("contacts_phases")
        inputs.lock_closed = lines.get("lock_closed")
        inputs.rcd_dc = lines.get("rcd_dc")
        inputs.rcd_ac = lines.get("rcd_ac")
        inputs.earth_ok = lines.get("earth_ok") or not self._earth
        inputs.pen_lost = lines.get("pen_lost")
        inputs.stop_pressed = lines.get("stop_pressed")
        if self._pp is not None:
            inputs.pp_ohm = pp_ohm(channels["pp"].read(), self._pp.source_mv, self._pp.source_ohm)
        if "current" in channels:
            inputs.current_ma = max(0, channels["current"].read())
        if "plug_temp" in channels:
            inputs.plug_ddeg = channels["plug_temp"].read()
        if "board_temp" in channels:
            inputs.board_ddeg = channels["board_temp"].read()

    def drive(self, kernel: Kernel) -> None:
        """Put the kernel's outputs on the pins and turn the alive wave by half a period; raises OSError.

        The wave of the running pilot is turned here and nowhere else, after a whole step of the kernel.
        """
        self.pwm.show(kernel.duty)
        lines = self.lines
        lines.put("coil", kernel.close)
        lines.put("coil_phases", kernel.close_phases)
        lines.put("supply_enable", kernel.supply_enable)
        lines.put("cp_off", kernel.cp_off)
        lines.put("lock", kernel.lock)
        lines.put("vent", kernel.vent)
        lines.put("rcd_test", kernel.rcd_test)
        self.turn()
        lines.flush()

    def turn(self) -> None:
        """Turn the alive wave with the next flush: for drive(), and for the self-test, which needs the wave without a kernel."""
        self._wave = not self._wave
        self.lines.put("alive", self._wave)

    def hold(self, level: bool) -> None:
        """Hold the alive line at a level with the next flush: what a program that hangs would do. Only the self-test does it."""
        self._wave = level
        self.lines.put("alive", level)

    def silence(self) -> None:
        """X1 and every output off; tries all of it, whatever fails, and raises the first OSError."""
        failed: OSError | None = None
        for name in SWITCHES:
            self.lines.put(name, False)
        self.hold(False)
        for action in (self.lines.flush, self.pwm.silence):
            try:
                action()
            except OSError as error:
                failed = failed or error
        if failed is not None:
            raise failed


def pp_ohm(mv: int, source_mv: int, source_ohm: int) -> int:
    """Resistance to earth for a voltage on the proximity wire; OPEN_OHM when nothing is connected."""
    if mv >= source_mv:
        return OPEN_OHM
    return min(OPEN_OHM, max(0, mv) * source_ohm // (source_mv - max(0, mv)))
