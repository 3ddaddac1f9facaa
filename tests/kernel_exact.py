"""Times to the millisecond at the kernel's pins."""

from __future__ import annotations

from collections.abc import Callable

from kernel_bench import KernelBench

BIG_MS = 40  # the longest tick that is not lost time


def exactly(
    bench: KernelBench, what: str, condition: Callable[[], object], nominal_ms: int, tick_ms: int = BIG_MS
) -> None:
    """Pass nominal_ms: condition() holds at its end and at no tick before.

    Only the last tick is 1 ms long unless tick_ms says so; where one time starts inside of another, all must be.
    """
    left_ms = nominal_ms - 1
    assert not condition(), f"{what}: at once"
    while left_ms > 0:
        passed_ms = left_ms % tick_ms or tick_ms  # the odd one first
        bench.tick(passed_ms)
        left_ms -= passed_ms
        assert not condition(), f"{what}: {left_ms + 1} ms before its {nominal_ms} ms"
    bench.tick(1)
    assert condition(), f"{what}: not after {nominal_ms} ms"
