"""Memory of the RP2040 and RP2350 that a reset by the watchdog or by the program leaves alone. MicroPython subset.

The watchdog's scratch registers 0 and 1; the chip's own boot code and MicroPython use 4 to 7. Addresses as recalled from the data
sheets, and not tried on a chip yet [K].
"""

from .retained import Retained
from .rp2040_adc import CHIP_ID, part_number

# By the part number of the chip: the watchdog's registers.
_WATCHDOG = ((2, 0x40058000), (4, 0x400D8000))
_SCRATCH_0 = 0x0C
_SCRATCH_1 = 0x10


def retained() -> Retained:
    """The memory for standing faults of the chip that this runs on; ValueError when it is neither of the two."""
    import machine  # type: ignore[import-not-found]  # noqa: PLC0415 - there is none on a host

    part = part_number(machine.mem32[CHIP_ID])
    for number, base in _WATCHDOG:
        if number == part:
            return Retained(machine.mem32, base + _SCRATCH_0, base + _SCRATCH_1)
    raise ValueError(f"chip part number {part} is neither RP2040 (2) nor RP2350 (4)")
