"""The pins of a Raspberry Pi Pico or Pico 2 as a load box. MicroPython subset.

    GPIO  what                     direction   off, or the wire broken
     0,1  UART 0 TX, RX   link     -           the box hears nobody: everything opens (pico_serial/edge.py drives it)
     2    PLUG                     out         unplugged
     3    RB    2740 ohms          out         open
     4    RC    1300 ohms          out         open
     5    RD     270 ohms          out         open
     6    NO_DIODE                 out         the diode is in
     7    SHORT                    out         no short
     8    proximity 1500 ohms      out         open
     9    proximity  680 ohms      out         open
    10    proximity  220 ohms      out         open
    11    proximity  100 ohms      out         open
    16    cp_above, comparator     in, down    constant low
    26    cp_adc                   ADC 0       -

Before the program runs every GPIO is an input with a weak pull-down: all relays are open. The pull-down of an RP2350 cannot hold a
pin low against some leakage (erratum RP2350-E9, recalled); the relay drivers' own inputs do (README.md).
"""

from pilotwire.boards.loadbox_pico import commands

RELAYS = (
    (commands.PLUG, 2),
    (commands.RB, 3),
    (commands.RC, 4),
    (commands.RD, 5),
    (commands.NO_DIODE, 6),
    (commands.SHORT, 7),
)
"""(bit of the mask, GPIO)."""
PP = ((1500, 8), (680, 9), (220, 10), (100, 11))
"""(ohms, GPIO)."""
CP_ABOVE = 16
CP_ADC = 26
FIRST_ADC = 26  # GPIO of ADC input 0


def levels_of(mask: int, pp_ohm: int) -> int:
    """Which GPIOs are high, as bits, when these relays are closed."""
    levels = 0
    for bit, number in RELAYS:
        if mask & bit:
            levels |= 1 << number
    for ohm, number in PP:
        if ohm == pp_ohm:
            levels |= 1 << number
    return levels


ALL = levels_of(commands.ALL_RELAYS, 0) | sum([1 << number for _, number in PP])
