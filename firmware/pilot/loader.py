"""The loader: the small fixed program that decides which bundle runs, and owns the main loop around it. MicroPython subset.

It is put on the board by wire, as a package of its own (`pilot_loader`: this file and those it imports), and no update changes it.
Nothing of a bundle has been imported when the slot is chosen, and one start imports from one bundle only.

A bundle's entry module has make(context), which returns the program: tick(now_ms, received) -> bytes to send, and link.peer_ok,
true as soon as a station has answered its HELLO. The loader calls tick every 5 ms and feeds the watchdog after it has returned: a
program that hangs is reset by the hardware, one that no station answers within TRIAL_MS of its first start goes back.

The board gives the loader an `edge`:
    cause() -> int              why the hardware has started, as RESET_... of protocols/link/messages.py
    start_watchdog(), feed()    the hardware's; it must be longer than the slowest import, and cannot be stopped
    wait() -> int               sleep until the next tick, return the clock in modular ms (2**30)
    read() -> bytes             what has arrived on the line, never waiting
    write(bytes)                to the line
    restart()                   let the line run empty, then reset the hardware; does not return
    hardware                    passed on to the program as context.hardware
"""

import gc
import sys

from . import bootrecord, image
from .flash import Flash
from .slots import Slots

API = 1
TRIAL_MS = 10000
_CLOCK_MASK = (1 << 30) - 1


class Context:
    """What a program is given. Fields are only ever added: a loader stays on its board for good.

    `program` and `firmware_hash` (8 bytes) are for HELLO, as is `reset_reason`; `slots` takes the next bundle; restart() asks the
    loader for a reset once the bytes that this tick returns have been sent; `hardware` is what the board brings.
    """

    def __init__(self, program: str, slots: Slots, hardware: "object") -> None:
        self.api = API
        self.program = program
        self.firmware_hash = slots.sha256[:8]
        self.reset_reason = slots.reset_reason
        self.slots = slots
        self.hardware = hardware
        self.restart_asked = False

    def restart(self) -> None:
        """Reset after this tick."""
        self.restart_asked = True


class Loader:
    """One start of one pilot."""

    def __init__(self, edge: "object", flash: Flash, slots: Slots, enter: "object" = image.enter) -> None:
        self._edge = edge
        self._flash = flash
        self._slots = slots
        self._enter = enter

    def run(self) -> None:
        """Choose, run, and reset at the end; raises NoImageError when there is nothing that may run."""
        edge = self._edge
        name = self._slots.choose(edge.cause())  # type: ignore[attr-defined]
        manifest = image.read_head(self._flash, name)
        gc.collect()
        # Judging has its own bounds; from here on somebody else's program is trusted with the time.
        edge.start_watchdog()  # type: ignore[attr-defined]
        try:
            context = Context(manifest.program, self._slots, edge.hardware)  # type: ignore[attr-defined]
            module = self._enter(self._flash, name, manifest)  # type: ignore[operator]
            self._loop(module.make(context), context)
        except Exception as error:  # noqa: BLE001, RUF100 - whatever it is: this is where a program ends
            _print(error)
            if self._slots.trial:
                self._slots.fail(bootrecord.CRASHED)
        edge.restart()  # type: ignore[attr-defined]

    def _loop(self, program: "object", context: Context) -> None:
        """Ticks, until the program asks for a restart or its trial has failed."""
        edge = self._edge
        slots = self._slots
        started_ms = -1
        while True:
            now_ms = edge.wait()  # type: ignore[attr-defined]
            out = program.tick(now_ms, edge.read())  # type: ignore[attr-defined]
            if out:
                edge.write(out)  # type: ignore[attr-defined]
            edge.feed()  # type: ignore[attr-defined]
            if context.restart_asked:
                return
            if slots.trial:
                if started_ms < 0:
                    started_ms = now_ms
                if program.link.peer_ok:  # type: ignore[attr-defined]
                    # Now, before a lease can come: writing may stop the ticks for longer than the contactor's drive lasts.
                    slots.confirm()
                elif now_ms - started_ms & _CLOCK_MASK >= TRIAL_MS:
                    slots.fail(bootrecord.SILENT)
                    return


def _print(error: BaseException) -> None:
    """The exception with its lines, for whoever is at the console."""
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)
    else:
        print(type(error).__name__, error, file=sys.stderr)
