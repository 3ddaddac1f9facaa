"""The fake chip of rp2040_fake.py with what the load box asks beside it: single-cycle I/O, and a PIO state machine.

The PIO executes the program that rp2.asm_pio has assembled, one instruction per cycle, on a wave that a test gives as a function
of the cycle. It knows the instructions of edge_timer.py and no others: jmp, mov, in_, push without block, labels, wrap. It has no
synchroniser (two cycles of delay on both edges), no divider, no side-set. It was written from the same reading of the data sheet
as the program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rp2040_fake import Machine, Pin, Rp2, Rp2040, Uctypes

GPIO_OUT = 0xD0000010
_MASK = 0xFFFFFFFF


class BoxChip(Rp2040):
    """`levels` follows GPIO_OUT. `wave(cycle)` is the comparator."""

    def __init__(self, kind: str = "RP2040", phase_us: float = 1.0) -> None:
        super().__init__(kind, phase_us)
        self.wave: Callable[[int], int] = lambda cycle: 0
        self.writes: list[int] = []
        self.pio: StateMachine | None = None

    def _register(self, address: int) -> int:
        if address == GPIO_OUT:
            return sum(level << number for number, level in self.levels.items() if self.modes.get(number) == "out")
        return super()._register(address)

    def _set_register(self, address: int, value: int) -> None:
        if address == GPIO_OUT:
            self.writes.append(value)
            for number, mode in self.modes.items():
                if mode == "out":
                    self.levels[number] = value >> number & 1
            return
        super()._set_register(address, value)

    def modules(self) -> dict[str, object]:
        return {"machine": Machine(self), "rp2": BoxRp2(self), "uctypes": Uctypes(self)}


class Program:
    """Instructions as tuples, jumps resolved."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.code: list[tuple[Any, ...]] = []
        self.labels: dict[str, int] = {}
        self.wrap_target = 0
        self.wrap = 0

    def names(self) -> dict[str, Any]:
        def emit(*words: Any) -> None:
            self.code.append(words)

        def jmp(first: str, second: str | None = None) -> None:
            emit("jmp", "always" if second is None else first, first if second is None else second)

        words = {name: name for name in ("x", "y", "isr", "null", "pin", "x_dec", "y_dec", "noblock")}
        return {
            **words,
            "jmp": jmp,
            "mov": lambda to, what: emit("mov", to, what),
            "in_": lambda what, count: emit("in", what, count),
            "push": lambda how: emit("push", how),
            "invert": lambda what: ("invert", what),
            "label": lambda name: self.labels.__setitem__(name, len(self.code)),
            "wrap_target": lambda: setattr(self, "wrap_target", len(self.code)),
            "wrap": lambda: setattr(self, "wrap", len(self.code)),
        }


class StateMachine:
    """One state machine. The FIFO holds eight words, and what is pushed into a full one is lost."""

    def __init__(self, chip: BoxChip, program: Program, pin: Pin) -> None:
        self._chip = chip
        self._program = program
        self.pin = pin
        self.fifo: list[int] = []
        self.lost = 0
        self.cycle = 0
        self._at = 0
        self._registers = {"x": 0, "y": 0, "isr": 0, "null": 0}
        assert program.settings == {"in_shiftdir": BoxRp2.PIO.SHIFT_RIGHT, "fifo_join": BoxRp2.PIO.JOIN_RX}
        assert len(program.code) <= 32

    def active(self, on: int) -> None:
        assert on
        self._chip.pio = self

    def rx_fifo(self) -> int:
        return len(self.fifo)

    def get(self) -> int:
        return self.fifo.pop(0)

    def run(self, cycles: int) -> None:
        for _ in range(cycles):
            self._step()
            self.cycle += 1

    def _step(self) -> None:
        program, registers = self._program, self._registers
        kind, *words = program.code[self._at]
        self._at = self._at + 1 if self._at + 1 < program.wrap else program.wrap_target
        if kind == "jmp":
            condition, label = words
            if self._holds(condition):
                self._at = program.labels[label]
        elif kind == "mov":
            to, what = words
            value = registers[what] if isinstance(what, str) else ~registers[what[1]] & _MASK
            registers[to] = value
        elif kind == "in":
            what, count = words
            part = registers[what] & (1 << count) - 1
            registers["isr"] = (registers["isr"] >> count | part << 32 - count) & _MASK
        else:
            if len(self.fifo) < 8:
                self.fifo.append(registers["isr"])
            else:
                self.lost += 1
            registers["isr"] = 0

    def _holds(self, condition: str) -> bool:
        if condition == "pin":
            return bool(self._chip.wave(self.cycle))
        name = condition[0]
        before = self._registers[name]
        self._registers[name] = before - 1 & _MASK
        return before != 0


class BoxRp2(Rp2):
    """The module rp2 with PIO."""

    class PIO:
        SHIFT_LEFT = 0
        SHIFT_RIGHT = 1
        JOIN_NONE = 0
        JOIN_TX = 1
        JOIN_RX = 2

    def __init__(self, chip: BoxChip) -> None:
        super().__init__(chip)
        self._chip = chip

    def asm_pio(self, **settings: Any) -> Callable[[Callable[[], None]], Program]:
        def assemble(source: Callable[[], None]) -> Program:
            program = Program(settings)
            names, around = program.names(), source.__globals__
            before = dict(around)
            around.update(names)
            try:
                source()
            finally:
                around.clear()
                around.update(before)
            return program

        return assemble

    def StateMachine(self, number: int, program: Program, jmp_pin: Pin) -> StateMachine:  # noqa: N802 - rp2's own name
        assert number == 0
        return StateMachine(self._chip, program, jmp_pin)
