"""Kernels that take memory in a tick, to see that kernel_script.py finds them. MicroPython subset."""

from pilotwire.firmware.kernel import kernel, table


def seed(kind: str) -> None:
    """Put one breach into Kernel.step."""
    step = kernel.Kernel.step

    def with_tuple(self: "kernel.Kernel", now_ms: int, inputs: "kernel.Inputs") -> None:
        step(self, now_ms, inputs)
        if self.phase == table.CLOSED:
            pair = (self.duty, now_ms)  # the breach
            self.cycles += pair[0] - pair[0]

    def with_float(self: "kernel.Kernel", now_ms: int, inputs: "kernel.Inputs") -> None:
        step(self, now_ms, inputs)
        if self.phase == table.CLOSED:
            self.cycles += int(self.limit_ma / 1000) * 0  # the breach

    kernel.Kernel.step = {"tuple": with_tuple, "float": with_float}[kind]
