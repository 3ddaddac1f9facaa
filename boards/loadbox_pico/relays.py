"""Which relays are closed now, and the script that closes and opens them in time. No pins here. MicroPython subset."""

from pilotwire.boards.loadbox_pico import commands
from pilotwire.firmware.kernel.ticks import elapsed


class Relays:
    """The wanted position of every relay. `mask` and `pp_ohm` as in commands.py; `steps_left` counts the running script's steps.

    A step ends at the sum of all times before it, counted from the start: a late tick delays one change and not those behind it.
    """

    def __init__(self) -> None:
        self.mask = 0
        self.pp_ohm = 0
        self.steps_left = 0
        self._steps: list[tuple[int, int]] = []
        self._started_ms = 0
        self._end_ms = 0  # of the present step, counted from the start

    def open_all(self) -> bool:
        """Unplug: every relay open, no script; False when it was so already."""
        there_was = self.mask != 0 or self.pp_ohm != 0 or self.steps_left != 0
        self.mask = 0
        self.pp_ohm = 0
        self.steps_left = 0
        return there_was

    def load(self, steps: "list[tuple[int, int]]") -> None:
        """Take a script, without starting it."""
        self._steps = steps

    def start(self, now_ms: int) -> int:
        """Take the first step of the loaded script; returns how long the script is in ms, 0: there is none."""
        steps = self._steps
        if not steps:
            return 0
        self.steps_left = len(steps)
        self._started_ms = now_ms
        self._end_ms = steps[0][1]
        self.mask = steps[0][0]
        total_ms = 0
        for step in steps:
            total_ms += step[1]
        return total_ms

    def stop(self) -> int:
        """End the script where it is; returns how many steps were left."""
        left = self.steps_left
        self.steps_left = 0
        return left

    def tick(self, now_ms: int) -> None:
        """Take every step that is due. After the last one the relays stay as they are."""
        while self.steps_left and elapsed(now_ms, self._started_ms) >= self._end_ms:
            self.steps_left -= 1
            if self.steps_left:
                mask, ms = self._steps[len(self._steps) - self.steps_left]
                self.mask = mask
                self._end_ms += ms

    def state(self) -> int:
        """The state of a car that is played, as STATE's field `pilot` has it: 1 A .. 5 E, 0 where it is none of them.

        It is what the relays make, not what is measured.
        """
        mask = self.mask & ~commands.NO_DIODE
        if mask & commands.SHORT:
            return 5
        if not mask & commands.PLUG:
            return 1
        return _STATES.get(mask, 0)


_STATES = {
    commands.PLUG | commands.RB: 2,
    commands.PLUG | commands.RB | commands.RC: 3,
    commands.PLUG | commands.RB | commands.RD: 4,
}
