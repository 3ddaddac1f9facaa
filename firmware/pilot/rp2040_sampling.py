"""When a sample of the pilot wire says something: the arithmetic between the ADC's ring and the levels of the control pilot.

The ADC (rp2040_adc.py) converts every SAMPLE_US without a pause, and DMA writes the results into a ring. At each wrap of the PWM
counter, which is the rising edge of the pilot signal, DMA notes where in the ring the next result will go: the mark of a period.
A period is whole when PER_PERIOD results lie between two marks; when any was lost, the period is not used.

A result goes into the ring CONVERSION_US after its sample was taken, and the ADC does not start anew at an edge. Result k
after a mark was therefore taken between k * SAMPLE_US - CONVERSION_US and (k + 1) * SAMPLE_US - CONVERSION_US after the edge.
It counts for a level only when all of that span lies in the level's window: SETTLE_US after the edge that begins it, and
GUARD_US before the edge that ends it. The shortest pulse, 5 % or 50 us, leaves nine samples, the first 10 us of it being ignored.

MicroPython subset; integers below 2**30, no allocation.
"""

PERIOD_US = 1000
SAMPLE_US = 4  # 250 kHz: 192 cycles of the ADC's 48 MHz
PER_PERIOD = PERIOD_US // SAMPLE_US
CONVERSION_US = 2  # 96 cycles
SETTLE_US = 10  # amplifier, cable and divider after an edge
GUARD_US = 2
SLACK = 1  # PWM and ADC run from one crystal, but a result may fall on either side of a wrap

RING_BITS = 12  # bytes of the ring: 2048 results, 8.192 ms
RING = 1 << RING_BITS - 1
MARK_BITS = 6  # bytes of the marks
MARKS = 1 << MARK_BITS - 2

# Which input each period belongs to, over and over; a power of two, so that a mark's slot tells the input.
PILOT = 0
SLOW = 1
PLAN = (PILOT, PILOT, PILOT, SLOW)
PLAN_MASK = len(PLAN) - 1

# How far back a period is looked for: 1 is the last one that is over. Of three in a row two are the pilot wire's, and of four one
# is a slow input's; the fourth step is for a pilot period that was not whole.
LOOKBACK = 4
# A reading is thrown away when so many wraps came while it was taken: its oldest sample may have been overwritten.
LATE_WRAPS = 3

TAKE = 8  # samples in a mean
ENOUGH = 3  # fewer are no reading
RESULT_MAX = 4095  # 12 bits; a conversion that failed has bit 15 set

# Nothing here is older than this when it is used: the first sample of the second last period that is over.
PILOT_AGE_US = 3 * PERIOD_US - SETTLE_US


def first_sample(edge_us10: int) -> int:
    """The first result that was taken wholly SETTLE_US after an edge; edge_us10 is in tenths of a microsecond after the mark."""
    step = 10 * SAMPLE_US
    return (edge_us10 + 10 * (SETTLE_US + CONVERSION_US) + step - 1) // step


def end_sample(edge_us10: int) -> int:
    """One past the last result that was taken wholly GUARD_US before an edge."""
    return (edge_us10 + 10 * (CONVERSION_US - GUARD_US)) // (10 * SAMPLE_US)


def high_end(permyriad: int) -> int:
    """Where the window of the high level ends, one past its last result; it begins at first_sample(0). 0: there is no window."""
    # One permyriad of a millisecond is a tenth of a microsecond.
    end = end_sample(permyriad)
    return end if end - first_sample(0) >= ENOUGH else 0


def low_first(permyriad: int) -> int:
    """The first result in the window of the low level; it ends at PER_PERIOD. PER_PERIOD: there is no window."""
    # A constant low level has its edge, if any, at the mark, as a constant high one has.
    first = first_sample(permyriad)
    return first if PER_PERIOD - first >= ENOUGH else PER_PERIOD


def stride(count: int) -> int:
    """Distance of the TAKE samples that stand for a window of `count` results: spread over all of it."""
    return count // TAKE if count > TAKE else 1


def mean_u16(total: int, count: int) -> int:
    """Mean of `count` results of 12 bits, as 16 bits: 0 stays 0, full scale becomes 65535."""
    mean = (total << 4) // count
    return mean + (mean >> 12)


def is_whole(mark: int, next_mark: int) -> bool:
    """Whether no result is missing between two marks (places in the ring)."""
    length = next_mark - mark & RING - 1
    return PER_PERIOD - SLACK <= length <= PER_PERIOD + SLACK


def is_running(mark: int, place: int) -> bool:
    """Whether the period that began at a mark can still be running, when the next result will go to `place`."""
    return (place - mark & RING - 1) <= PER_PERIOD + SLACK


def wraps(slot: int, before: int) -> int:
    """How many wraps lie between two slots. After MARKS of them it begins again at 0, which makes what was read look older."""
    return slot - before & MARKS - 1


def since(so_far: int, more: int) -> int:
    """A count of wraps that stops where it makes no difference any more."""
    so_far += more
    return so_far if so_far < MARKS else MARKS


def started_after(back: int, since_change: int) -> bool:
    """Whether the period `back` steps ago began after a change that is since_change wraps old."""
    return since_change > back


def divider(clock_hz: int) -> int:
    """The PWM divider that makes exactly 1 kHz of this system clock; ValueError when there is none."""
    for divide in range(1, 256):
        if clock_hz % (1000 * divide) == 0 and clock_hz // (1000 * divide) <= 65535:
            return divide
    raise ValueError(f"no whole divider makes 1 kHz of {clock_hz} Hz; 125 or 150 MHz would do")


def compare(permyriad: int, counts: int) -> int:
    """PWM compare value for a duty, never above it; `counts` in a period. 10000 is constantly high, 0 constantly low."""
    return permyriad * counts // 10000
