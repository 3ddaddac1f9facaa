"""PWM, ADC and DMA of an RP2040 or RP2350: the pilot signal, and its levels sampled in step with it. MicroPython subset.

How: the ADC converts all the time, and four DMA channels do the rest; the program only reads memory.

    data    ADC FIFO -> ring, paced by the ADC; when it has gone round it starts `reload`
    reload  starts `data` again (the ring goes on; the ADC's FIFO of four bridges the gap)
    select  next word of the plan -> ADC_CS, paced by the wrap of the PWM counter; starts `mark`
    mark    write address of `data` -> marks, at once; starts `select` again

Why so: an ADC of this chip cannot be started by PWM, and a PIO program could start it only through DMA as well. Starting it anew
in each period would leave a stray result in the FIFO whenever DMA stopped it in the middle of a conversion, and every later
result would be taken for its neighbour. Here nothing ever stops, the phase is measured in each period, and a lost result spoils
one period, which shows as its length. No interrupt and no part of the program is in the way of the timing, so neither garbage
collection nor a late tick moves a sample.

Nobody else may use the ADC, machine.ADC(4).read_u16() included. Addresses and request numbers are those of the makers' own
register headers (pico-sdk, hardware_regs). Not tried on silicon.
"""

from . import rp2040_sampling as sampling
from .rp2040_pins import FIRST_ADC


class Chip:
    """What differs between the two: base addresses, and the numbers by which DMA knows its requests."""

    def __init__(self, adc: int, pwm: int, wrap_0: int, adc_request: int) -> None:
        self.adc = adc
        self.pwm = pwm
        self.wrap_0 = wrap_0
        self.adc_request = adc_request


# By the part number in the chip's identification register.
CHIPS = (
    (2, Chip(0x4004C000, 0x40050000, 24, 36)),  # RP2040
    (4, Chip(0x400A0000, 0x400A8000, 32, 48)),  # RP2350
)
CHIP_ID = 0x40000000
_DMA = 0x50000000

# PWM slice
_SLICE = 0x14
_CSR = 0x00
_DIV = 0x04
_CTR = 0x08
_CC = 0x0C
_TOP = 0x10

# ADC
_CS = 0x00
_FCS = 0x08
_FIFO = 0x0C
_ADC_DIV = 0x10
_CS_EN = 1
_CS_START_MANY = 8
_CS_INPUT = 12  # AINSEL
_FCS_EN = 1
_FCS_ERR = 4  # bit 15 of a result says that the conversion failed
_FCS_DREQ_EN = 8
_FCS_CLEAR = 3 << 10
_FCS_THRESHOLD_1 = 1 << 24
_FCS_LEVEL = 0xF << 16
_FIFO_MOST = 8  # of the RP2350
_ADC_CYCLES = 48 * sampling.SAMPLE_US

# DMA channel
_CHANNEL = 0x40
_WRITE_ADDR = 0x04
_COUNT_TRIGGER = 0x1C
_HALF_WORD = 1
_WORD = 2


def part_number(chip_id: int) -> int:
    """Which chip it is, of its identification register."""
    return chip_id >> 12 & 0xFFFF


def find_chip(chip_id: int) -> Chip:
    """The chip with this identification; ValueError when it is neither."""
    part = part_number(chip_id)
    for number, chip in CHIPS:
        if number == part:
            return chip
    raise ValueError(f"chip part number {part} is neither RP2040 (2) nor RP2350 (4)")


class Sampler:
    """Pilot signal and samples.

    show() sets the duty. update() is called once in each tick, then read_pilot() and read_slow(). `high_u16` and `low_u16` are
    the levels of the pilot wire of the last good reading; a constant signal has one level, which is both.
    """

    def __init__(self, cp_pwm: int, cp_adc: int, slow_adc: int) -> None:
        import machine  # type: ignore[import-not-found]  # noqa: PLC0415 - there is none on a host

        self.high_u16 = 0
        self.low_u16 = 0
        self._mem32 = machine.mem32
        self._mem16 = machine.mem16
        self._memory: "list[bytearray]" = []  # what DMA writes to must never be collected
        chip = find_chip(machine.mem32[CHIP_ID])
        clock_hz: int = machine.freq()
        divide = sampling.divider(clock_hz)
        self._counts = clock_hz // (1000 * divide)
        slice_number = cp_pwm >> 1 & 7
        pwm = chip.pwm + _SLICE * slice_number
        self._compare = pwm + _CC
        machine.mem32[pwm + _CSR] = 0
        machine.mem32[pwm + _DIV] = divide << 4
        machine.mem32[pwm + _CTR] = 0
        machine.mem32[pwm + _TOP] = self._counts - 1
        machine.mem32[self._compare] = self._counts  # X1
        machine.Pin(cp_pwm, machine.Pin.ALT, alt=machine.Pin.ALT_PWM)
        for number in (cp_adc, slow_adc):
            machine.ADC(number)  # makes the pad analogue, and wakes the ADC
        plan = []
        for kind in sampling.PLAN:
            number = cp_adc if kind == sampling.PILOT else slow_adc
            plan.append(_CS_EN | _CS_START_MANY | number - FIRST_ADC << _CS_INPUT)
        self._start(chip, slice_number, plan)
        machine.mem32[pwm + _CSR] = 1
        self._permyriad = 10000
        self._high_end = sampling.high_end(10000)
        self._low_first = sampling.low_first(10000)
        self._slot = self._next_slot()
        self._in_step = False
        self._since_duty = 0
        self._since_input = 0

    def show(self, permyriad: int) -> None:
        """Set the duty; it begins with the next period, and read_pilot() waits for that."""
        self._mem32[self._compare] = sampling.compare(permyriad, self._counts)
        if permyriad != self._permyriad:
            self._permyriad = permyriad
            self._high_end = sampling.high_end(permyriad)
            self._low_first = sampling.low_first(permyriad)
            self._since_duty = -sampling.wraps(self._next_slot(), self._slot)

    def input_changed(self) -> None:
        """The multiplexer before the slow input has another address now: read_slow() waits for a period that began later."""
        self._since_input = -sampling.wraps(self._next_slot(), self._slot)

    def update(self) -> None:
        """Take note of the wraps since the last call."""
        slot = self._next_slot()
        passed = sampling.wraps(slot, self._slot)
        self._slot = slot
        # Marks that do not move are those of a signal that has stopped, and the ring goes on over what they point to.
        address: int = self._mem32[self._data_write]
        place = address - self._ring >> 1
        self._in_step = passed > 0 and sampling.is_running(self._mark(slot - 1 & sampling.MARKS - 1), place)
        self._since_duty = sampling.since(self._since_duty, passed)
        self._since_input = sampling.since(self._since_input, passed)

    def read_pilot(self) -> bool:
        """Bring high_u16 and low_u16 up to date; False when there is no good reading, and they stay."""
        mark = self._find(sampling.PILOT, self._since_duty)
        if mark < 0:
            return False
        high = low = -1
        if self._high_end:
            high = self._mean(mark, sampling.first_sample(0), self._high_end)
            if high < 0:
                return False
        if self._low_first < sampling.PER_PERIOD:
            low = self._mean(mark, self._low_first, sampling.PER_PERIOD)
            if low < 0:
                return False
        if self._overtaken():
            return False
        # A constant signal has only one level.
        if self._permyriad >= 10000:
            low = high
        elif self._permyriad <= 0:
            high = low
        if high < 0 or low < 0:
            return False  # a duty whose pulse is too short to be seen: the kernel knows none
        self.high_u16 = high
        self.low_u16 = low
        return True

    def read_slow(self) -> int:
        """Mean of the slow input over the second half of a period that began after input_changed(); -1 when there is none yet."""
        mark = self._find(sampling.SLOW, self._since_input)
        if mark < 0:
            return -1
        value = self._mean(mark, sampling.PER_PERIOD // 2, sampling.PER_PERIOD)
        return -1 if self._overtaken() else value

    def _find(self, kind: int, since_change: int) -> int:
        """Place in the ring of the newest whole period of this kind that began after a change; -1 when there is none."""
        if not self._in_step:
            return -1
        for back in range(1, sampling.LOOKBACK + 1):
            slot = self._slot - 1 - back & sampling.MARKS - 1
            if sampling.PLAN[slot & sampling.PLAN_MASK] != kind or not sampling.started_after(back, since_change):
                continue
            mark = self._mark(slot)
            if sampling.is_whole(mark, self._mark(slot + 1 & sampling.MARKS - 1)):
                return mark
        return -1

    def _mean(self, mark: int, first: int, end: int) -> int:
        step = sampling.stride(end - first)
        total = 0
        count = 0
        place = mark + first
        while count < sampling.TAKE and first < end:
            result: int = self._mem16[self._ring + ((place & sampling.RING - 1) << 1)]
            if result > sampling.RESULT_MAX:
                return -1
            total += result
            count += 1
            place += step
            first += step
        return sampling.mean_u16(total, count)

    def _overtaken(self) -> bool:
        return sampling.wraps(self._next_slot(), self._slot) > sampling.LATE_WRAPS

    def _next_slot(self) -> int:
        address: int = self._mem32[self._mark_write]
        return address - self._marks >> 2 & sampling.MARKS - 1

    def _mark(self, slot: int) -> int:
        address: int = self._mem32[self._marks + (slot << 2)]
        return address - self._ring >> 1 & sampling.RING - 1

    def _start(self, chip: Chip, slice_number: int, plan: "list[int]") -> None:
        import machine  # noqa: PLC0415
        import rp2  # type: ignore[import-not-found]  # noqa: PLC0415

        mem32 = machine.mem32
        mem32[chip.adc + _CS] = _CS_EN
        mem32[chip.adc + _FCS] = _FCS_EN | _FCS_ERR | _FCS_DREQ_EN | _FCS_CLEAR | _FCS_THRESHOLD_1
        mem32[chip.adc + _ADC_DIV] = _ADC_CYCLES - 1 << 8
        for _ in range(_FIFO_MOST):
            if mem32[chip.adc + _FCS] & _FCS_LEVEL:
                _ = mem32[chip.adc + _FIFO]
        self._ring = self._claim(1 << sampling.RING_BITS)
        self._marks = self._claim(1 << sampling.MARK_BITS)
        plan_at = self._claim(4 * len(plan))
        for place in range(len(plan)):
            mem32[plan_at + 4 * place] = plan[place]
        count_at = self._claim(4)
        mem32[count_at] = sampling.RING
        self._channels = [rp2.DMA() for _ in range(4)]  # a DMA object that is collected stops
        data, reload, select, mark = self._channels
        numbers = [rp2.DMA.unpack_ctrl(channel.pack_ctrl())["chain_to"] for channel in self._channels]
        self._data_write = _DMA + _CHANNEL * numbers[0] + _WRITE_ADDR
        self._mark_write = _DMA + _CHANNEL * numbers[3] + _WRITE_ADDR
        reload.config(
            read=count_at,
            write=_DMA + _CHANNEL * numbers[0] + _COUNT_TRIGGER,
            count=1,
            ctrl=reload.pack_ctrl(size=_WORD, inc_read=False, inc_write=False),
        )
        data.config(
            read=chip.adc + _FIFO,
            write=self._ring,
            count=sampling.RING,
            ctrl=data.pack_ctrl(
                size=_HALF_WORD,
                inc_read=False,
                ring_sel=True,
                ring_size=sampling.RING_BITS,
                treq_sel=chip.adc_request,
                chain_to=numbers[1],
                high_pri=True,
            ),
            trigger=True,
        )
        mark.config(
            read=self._data_write,
            write=self._marks,
            count=1,
            ctrl=mark.pack_ctrl(
                size=_WORD,
                inc_read=False,
                ring_sel=True,
                ring_size=sampling.MARK_BITS,
                chain_to=numbers[2],
                high_pri=True,
            ),
        )
        select.config(
            read=plan_at,
            write=chip.adc + _CS,
            count=1,
            ctrl=select.pack_ctrl(
                size=_WORD,
                inc_write=False,
                ring_sel=False,
                ring_size=4,  # bits: the plan has 16 bytes
                treq_sel=chip.wrap_0 + slice_number,
                chain_to=numbers[3],
                high_pri=True,
            ),
            trigger=True,
        )
        mem32[chip.adc + _CS] = plan[0]

    def _claim(self, size: int) -> int:
        """Address of memory aligned to its size, as a DMA ring wants it."""
        import uctypes  # type: ignore[import-not-found]  # noqa: PLC0415

        block = bytearray(2 * size)
        self._memory.append(block)
        address: int = uctypes.addressof(block)
        return address + size - 1 & -size
