"""The parameters of one board: they live in the pilot program, with a CRC, and the station can only narrow them.

A block is a tuple of integers in the order of LIMITS and its CRC-16 (seal()). A block that does not fit its CRC, or has a value
outside the compiled-in range, is a fault that nothing but a new program clears; the copy in memory is checked again all the time.
"""

MAX_MA = 0  # current per phase of board, wiring and breaker
PHASES = 1  # phases that are wired
FITTED = 2  # what the board has, bits below
TO_C_MS = 3  # evidence for the change to C or D; closing may take 3 s
MIN_OFF_MS = 4  # the contactor stays open at least this long
FAULT_OFF_MS = 5  # and this long when there has been a fault since it opened, or one that opened it
WAKE_AFTER_MS = 6  # a car that has been offered power for so long and does not ask is woken up once; 0 = never
DEAD_MS = 7  # the pilot wire is off this long around a change between one and three phases
SWITCH_PHASES = 8  # 1 = the number of phases may change while a car is connected
RECLOSE_TRIES = 9  # how often a residual current fault clears by itself, for each car; 0 = never
RECLOSE_MS = 10  # and after what time
SIMPLE_MA = 11  # cap for a car without S2 (simplified pilot)
DERATE_DDEG = 12  # above this temperature the current goes down linearly
STOP_DDEG = 13  # at this one charging stops
DC_MAX_MA = 14  # direct current; 0 = no DC
TTL_MS = 15  # no lease lives longer

# Bits of FITTED.
SOCKET = 1  # a socket that reads the cable's proximity resistor; otherwise the cable is fixed
LOCK = 2  # the socket has a lock with feedback
VENTILATION = 4  # the pilot can switch ventilation on
SECOND = 8  # L2 and L3 have a contactor of their own
RCD_DC = 16  # residual current device with a trip output for direct current
RCD_AC = 32  # and for alternating current
RCD_TEST = 64  # and an input for its self-test
EARTH = 128  # earth monitor
PEN = 256  # PEN-fault detector
STOP_BUTTON = 512  # emergency stop
CURRENT = 1024  # own current transformer
PLUG_TEMP = 2048
BOARD_TEMP = 4096

# What the station may do with a parameter while the program runs.
FIXED = 0
DOWN = 1
UP = 2

# Smallest value, largest value, direction that is narrower.
LIMITS = (
    (6000, 80000, DOWN),  # MAX_MA
    (1, 3, DOWN),  # PHASES
    (0, 8191, FIXED),  # FITTED
    (100, 1000, UP),  # TO_C_MS
    (0, 600000, UP),  # MIN_OFF_MS
    (0, 600000, UP),  # FAULT_OFF_MS
    (0, 600000, FIXED),  # WAKE_AFTER_MS
    (10000, 300000, UP),  # DEAD_MS
    (0, 1, DOWN),  # SWITCH_PHASES
    (0, 4, DOWN),  # RECLOSE_TRIES
    (300000, 3600000, UP),  # RECLOSE_MS
    (6000, 80000, DOWN),  # SIMPLE_MA
    (300, 800, DOWN),  # DERATE_DDEG
    (350, 900, DOWN),  # STOP_DDEG
    (0, 500000, DOWN),  # DC_MAX_MA
    (500, 5000, DOWN),  # TTL_MS
)

BYTES = 4  # of each value, for the CRC


def crc_byte(crc: int, value: int) -> int:
    """CRC-16/CCITT (polynomial 0x1021) after one more byte."""
    crc ^= value << 8
    for _ in range(8):
        crc = (crc << 1 ^ 0x1021) & 0xFFFF if crc & 0x8000 else crc << 1
    return crc


def seal(values: "tuple[int, ...] | list[int]") -> int:
    """CRC of a block of values: for whoever builds a pilot program, and for the program after it has narrowed a value."""
    crc = 0xFFFF
    for value in values:
        for place in range(BYTES):
            crc = crc_byte(crc, value >> 8 * place & 255)
    return crc


def changed(values: "tuple[int, ...]", index: int, value: int) -> "tuple[int, ...]":
    """A block with one value replaced."""
    return values[:index] + (value,) + values[index + 1 :]


def in_range(values: "tuple[int, ...] | list[int]") -> bool:
    """Whether a block is complete, every value in its range, and the values fit each other."""
    if len(values) != len(LIMITS):
        return False
    for index in range(len(LIMITS)):
        if not LIMITS[index][0] <= values[index] <= LIMITS[index][1]:
            return False
    fitted = values[FITTED]
    if fitted & RCD_TEST and not fitted & (RCD_DC | RCD_AC):
        return False
    if fitted & LOCK and not fitted & SOCKET:
        return False
    return values[PHASES] != 2 and values[DERATE_DDEG] < values[STOP_DDEG]


def narrowest() -> "list[int]":
    """What stands in for a block that cannot be used."""
    return [row[1] if row[2] == UP else row[0] for row in LIMITS]


class Parameters:
    """The block as the kernel uses it: `value[MAX_MA]` and so on. `damaged` is true from the first doubt on."""

    def __init__(self, values: "tuple[int, ...]", crc: int) -> None:
        self.damaged = not in_range(values) or seal(values) != crc
        self.value = narrowest() if self.damaged else list(values)
        self._crc = crc
        self._running = 0xFFFF
        self._index = 0
        self._place = 0

    def fitted(self, bits: int) -> bool:
        """Whether the board has any of `bits`."""
        return self.value[FITTED] & bits != 0

    def narrow(self, index: int, value: int) -> bool:
        """The station asks for a more restrictive value until the next restart; returns whether it is in force now."""
        if self.damaged or not 0 <= index < len(LIMITS):
            return False
        before = self.value[index]
        direction = LIMITS[index][2]
        if value == before:
            return True
        if direction == FIXED or (direction == UP) != (value > before):
            return False
        if seal(self.value) != self._crc:
            self.damaged = True  # a new seal would make the damage good
            return False
        self.value[index] = value
        if not in_range(self.value):
            self.value[index] = before
            return False
        self._crc = seal(self.value)
        self._running = 0xFFFF
        self._index = 0
        self._place = 0
        return True

    def check(self) -> None:
        """Check one more byte of the copy in memory; call once in each tick."""
        self._running = crc_byte(self._running, self.value[self._index] >> 8 * self._place & 255)
        self._place += 1
        if self._place < BYTES:
            return
        self._place = 0
        self._index += 1
        if self._index < len(LIMITS):
            return
        self._index = 0
        if self._running != self._crc:
            self.damaged = True
        self._running = 0xFFFF
