"""A RP2040 or RP2350 as the pilot's front end sees it: registers, memory, four peripherals, and the modules machine, rp2, uctypes.

What it does: mem32 and mem16 reach the registers of PWM, ADC and DMA and the memory whose address was asked for; PWM counts in
microseconds with its compare value taken over at the wrap; the ADC converts at the rate of its divider and keeps a FIFO of four,
which overflows; DMA channels are paced by ADC and PWM wrap or run at once, write into rings, chain, and start on their trigger
register.

What it does NOT do: no real timing (bus, DMA and program take no time at all, time passes only in run_us); no analogue settling but
the one that a test's `level` function makes up; no noise, no ADC non-linearity, no conversion error unless asked for; no clocks,
resets or pads; PWM channel A only; no DMA errors, priorities, byte swap, sniffing, interrupts or abort; no credit counter
of requests, a request that finds its channel idle is lost; registers that nobody here needs do not exist and raise KeyError. It
was written from the same reading of the register headers as the driver, so it cannot find a mistake in that reading.

MicroPython subset: one test runs it there.
"""

LAYOUTS = {
    # Lowest bit and width of each field of a DMA channel's CTRL.
    "RP2040": {
        "enable": (0, 1),
        "high_pri": (1, 1),
        "size": (2, 2),
        "inc_read": (4, 1),
        "inc_write": (5, 1),
        "ring_size": (6, 4),
        "ring_sel": (10, 1),
        "chain_to": (11, 4),
        "treq_sel": (15, 6),
        "irq_quiet": (21, 1),
    },
    "RP2350": {
        "enable": (0, 1),
        "high_pri": (1, 1),
        "size": (2, 2),
        "inc_read": (4, 1),
        "inc_write": (6, 1),
        "ring_size": (8, 4),
        "ring_sel": (12, 1),
        "chain_to": (13, 4),
        "treq_sel": (17, 6),
        "irq_quiet": (23, 1),
    },
}
CHIP_ID = {"RP2040": 0x20002927, "RP2350": 0x20004927}
ADC = {"RP2040": 0x4004C000, "RP2350": 0x400A0000}
PWM = {"RP2040": 0x40050000, "RP2350": 0x400A8000}
WRAP_0 = {"RP2040": 24, "RP2350": 32}
ADC_REQUEST = {"RP2040": 36, "RP2350": 48}
CLOCK_HZ = {"RP2040": 125000000, "RP2350": 150000000}
DMA = 0x50000000
SCRATCH = {"RP2040": 0x4005800C, "RP2350": 0x400D800C}
FORCE = 63
FIFO_DEPTH = 4
RAM = 0x20010004  # of the first buffer: aligned to a word and no better, as a heap is


class ResetError(Exception):
    """machine.reset() was called: the chip would start anew."""


class Channel:
    """One DMA channel. `count` is the live one, `reload` what a trigger begins with."""

    def __init__(self) -> None:
        self.read = 0
        self.write = 0
        self.count = 0
        self.reload = 0
        self.ctrl = 0
        self.busy = False
        self.claimed = False


class Slice:
    """One PWM slice; `latched` is the compare value that the running period has."""

    def __init__(self) -> None:
        self.csr = 0
        self.div = 0x10
        self.ctr = 0
        self.cc = 0
        self.top = 0xFFFF
        self.latched = 0
        self.wrapped_us = 0.0


class Rp2040:
    """The chip. `level(input, now_us, since_wrap_us, high_us)` is the world: it returns the ADC's 12 bits for an input."""

    def __init__(self, kind: str = "RP2040", phase_us: float = 1.0) -> None:
        self.kind = kind
        self.now_us = 0.0
        self.level = lambda ain, now_us, since_us, high_us: 0
        self.clock_hz = CLOCK_HZ[kind]
        self.phase_us = phase_us  # of the ADC against the wrap
        self.lose = 0  # so many results vanish on their way into the FIFO
        self.spoil = 0  # so many conversions fail
        self.reset_cause = 1
        self.levels = {}  # GPIO -> level that is driven or comes from outside
        self.modes = {}  # GPIO -> "in", "in up", "in down", "out", "pwm", "adc"
        self.log = []  # (GPIO, level) of everything that was driven; None: not kept
        self.fed = 0
        self.watchdog_ms = None
        self.lines = []
        self.channels = [Channel() for _ in range(12)]
        self.slices = [Slice() for _ in range(8)]
        self.cs = 0
        self.scratch = [0xDEADBEEF, 0x12345678]  # whatever power finds there
        self.fcs = 0
        self.adc_div = 0
        self.fifo = []
        self.overflows = 0
        self._next_adc_us = None
        self._next_wrap_us = None
        self._wrapping = None
        self._blocks = []  # (address, buffer)
        self._free = RAM
        self.layout = LAYOUTS[kind]

    # Memory

    def address_of(self, block: "bytearray") -> int:
        for address, known in self._blocks:
            if known is block:
                return address
        address = self._free
        self._blocks.append((address, block))
        self._free += (len(block) + 11) & -4
        return address

    # Without a tuple or a slice: a test runs these while MicroPython's heap is locked.

    def peek(self, address: int, size: int) -> int:
        if address >= 0x30000000:
            return self._register(address)
        for start, block in self._blocks:
            if start <= address < start + len(block):
                value = 0
                for place in range(size):
                    value |= block[address - start + place] << 8 * place
                return value
        raise KeyError("there is no memory at " + hex(address))

    def poke(self, address: int, size: int, value: int) -> None:
        if address >= 0x30000000:
            self._set_register(address, value)
            return
        for start, block in self._blocks:
            if start <= address < start + len(block):
                for place in range(size):
                    block[address - start + place] = value >> 8 * place & 255
                return
        raise KeyError("there is no memory at " + hex(address))

    # Registers

    def _register(self, address: int) -> int:
        if address == 0x40000000:
            return CHIP_ID[self.kind]
        adc = ADC[self.kind]
        if SCRATCH[self.kind] <= address < SCRATCH[self.kind] + 8:
            return self.scratch[(address - SCRATCH[self.kind]) >> 2]
        if address == adc:
            return self.cs
        if address == adc + 8:
            return self.fcs | len(self.fifo) << 16
        if address == adc + 12:
            return self.fifo.pop(0)
        if DMA <= address < DMA + 0x40 * len(self.channels):
            channel = self.channels[(address - DMA) >> 6]
            offset = address & 0x3F
            if offset == 0:
                return channel.read
            if offset == 4:
                return channel.write
        raise KeyError("the fake has no register to read at " + hex(address))

    def _set_register(self, address: int, value: int) -> None:
        adc = ADC[self.kind]
        pwm = PWM[self.kind]
        if SCRATCH[self.kind] <= address < SCRATCH[self.kind] + 8:
            self.scratch[(address - SCRATCH[self.kind]) >> 2] = value
            return
        if address == adc:
            if value & 8 and not self.cs & 8:
                self._next_adc_us = self.now_us + self.phase_us
            self.cs = value
        elif address == adc + 8:
            self.fcs = value & 0x0F00000F
        elif address == adc + 16:
            self.adc_div = value
        elif pwm <= address < pwm + 8 * 0x14:
            self._set_slice(self.slices[(address - pwm) // 0x14], (address - pwm) % 0x14, value)
        elif DMA <= address < DMA + 0x40 * len(self.channels) and address & 0x3F == 0x1C:
            channel = self.channels[(address - DMA) >> 6]
            channel.reload = value
            self._trigger(channel)
        else:
            raise KeyError("the fake has no register to write at " + hex(address))

    def _set_slice(self, part: Slice, offset: int, value: int) -> None:
        if offset == 0:
            if value & 1 and not part.csr & 1:
                self._wrapping = self.slices.index(part)
                part.latched = part.cc
                part.wrapped_us = self.now_us
                self._next_wrap_us = self.now_us + self.period_us(part)
            part.csr = value
        elif offset == 4:
            part.div = value
        elif offset == 8:
            part.ctr = value
        elif offset == 12:
            part.cc = value & 0xFFFF
        else:
            part.top = value

    def period_us(self, part: Slice) -> float:
        return (part.top + 1) * (part.div / 16) * 1e6 / self.clock_hz

    def high_us(self, number: int) -> float:
        """How long channel A of this slice is high in the running period."""
        part = self.slices[number]
        return min(part.latched, part.top + 1) * (part.div / 16) * 1e6 / self.clock_hz

    # DMA

    def field(self, channel: Channel, name: str) -> int:
        low, width = self.layout[name]
        return channel.ctrl >> low & (1 << width) - 1

    def _trigger(self, channel: Channel) -> None:
        channel.count = channel.reload
        channel.busy = self.field(channel, "enable") == 1 and channel.count > 0
        while channel.busy and self.field(channel, "treq_sel") == FORCE:
            self._transfer(channel)
        if channel.busy and self.field(channel, "treq_sel") == ADC_REQUEST[self.kind]:
            self._request(ADC_REQUEST[self.kind], len(self.fifo))

    def _request(self, request: int, times: int = 1) -> None:
        for _ in range(times):
            for channel in self.channels:
                if channel.busy and self.field(channel, "treq_sel") == request:
                    self._transfer(channel)
                    break

    def _transfer(self, channel: Channel) -> None:
        size = 1 << self.field(channel, "size")
        if channel.read % size or channel.write % size:
            raise ValueError("a DMA address is not aligned to the size of a transfer")
        value = self.peek(channel.read, size)
        to = channel.write
        of_write = self.field(channel, "ring_sel") == 1
        ring = self.field(channel, "ring_size")
        if self.field(channel, "inc_read"):
            channel.read = self._step(channel.read, size, 0 if of_write else ring)
        if self.field(channel, "inc_write"):
            channel.write = self._step(channel.write, size, ring if of_write else 0)
        channel.count -= 1
        done = channel.count == 0
        if done:
            channel.busy = False
        self.poke(to, size, value)
        if done:
            following = self.channels[self.field(channel, "chain_to")]
            if following is not channel:
                self._trigger(following)

    def _step(self, address: int, size: int, ring: int) -> int:
        if not ring:
            return address + size
        mask = (1 << ring) - 1
        return address & ~mask | address + size & mask

    # Time

    def run_us(self, us: float) -> None:
        """Let the hardware run for so long."""
        end_us = self.now_us + us
        while True:
            wrap_us = end_us + 1 if self._next_wrap_us is None else self._next_wrap_us
            adc_us = end_us + 1 if self._next_adc_us is None or not self.cs & 8 else self._next_adc_us
            if min(wrap_us, adc_us + 2) > end_us:
                break
            # A conversion takes 2 us; its result is there only then, after a wrap that comes in between.
            if wrap_us <= adc_us + 2:
                self._wrap(wrap_us, adc_us)
            else:
                self._convert(adc_us)
        self.now_us = end_us

    def _wrap(self, at_us: float, adc_us: float) -> None:
        part = self.slices[self._wrapping]
        self._pending = None
        if adc_us <= at_us:  # the sample was taken before the wrap
            self._pending = self._sample(adc_us)
        self.now_us = at_us
        part.latched = part.cc
        part.wrapped_us = at_us
        self._next_wrap_us = at_us + self.period_us(part)
        self._request(WRAP_0[self.kind] + self._wrapping)

    _pending = None

    def _sample(self, at_us: float) -> int:
        part = self.slices[0 if self._wrapping is None else self._wrapping]
        since_us = at_us - part.wrapped_us
        result = self.level(self.cs >> 12 & 7, at_us, since_us, self.high_us(self.slices.index(part)))
        if self.spoil:
            self.spoil -= 1
            return result | 0x8000
        return result

    def _convert(self, at_us: float) -> None:
        result = self._sample(at_us) if self._pending is None else self._pending
        self._pending = None
        self.now_us = at_us + 2
        # Without a divider conversions follow each other; with one they begin at its rate. 48 cycles are a microsecond.
        cycles = (self.adc_div >> 8) + 1 if self.adc_div else 96
        self._next_adc_us = at_us + cycles / 48
        if self.lose:
            self.lose -= 1
            return
        if not self.fcs & 1:
            return
        if len(self.fifo) == FIFO_DEPTH:
            self.overflows += 1
            return
        self.fifo.append(result)
        if self.fcs & 8:
            self._request(ADC_REQUEST[self.kind])

    # Modules

    def modules(self) -> "dict[str, object]":
        """What `import machine`, `rp2` and `uctypes` give on this chip."""
        return {"machine": Machine(self), "rp2": Rp2(self), "uctypes": Uctypes(self)}


class Memory:
    """machine.mem32 and machine.mem16."""

    def __init__(self, chip: Rp2040, size: int) -> None:
        self._chip = chip
        self._size = size

    def __getitem__(self, address: int) -> int:
        return self._chip.peek(address, self._size)

    def __setitem__(self, address: int, value: int) -> None:
        self._chip.poke(address, self._size, value)


class Pin:
    """machine.Pin bound to one chip: Machine makes a subclass."""

    IN = 0
    OUT = 1
    ALT = 3
    PULL_UP = 1
    PULL_DOWN = 2
    ALT_PWM = 4

    def __init__(  # noqa: PLR0917 - as PinMaker sorts them
        self, chip: Rp2040, number: int, mode: int, pull: int, value: "int | None", alt: int
    ) -> None:
        self._chip = chip
        self.number = number
        if mode == self.IN:
            chip.modes[number] = ("in", "in up", "in down")[pull if pull > 0 else 0]
            chip.levels.setdefault(number, 1 if pull == self.PULL_UP else 0)
        elif mode == self.OUT:
            chip.modes[number] = "out"
            if value is not None:
                self.value(value)
        elif mode == self.ALT:
            chip.modes[number] = "pwm" if alt == self.ALT_PWM else "alt"

    def value(self, value: "int | None" = None) -> "int | None":
        if value is None:
            return self._chip.levels.get(self.number, 0)
        if self._chip.modes.get(self.number) != "out":
            raise ValueError("GPIO is no output")
        self._chip.levels[self.number] = value
        if self._chip.log is not None:
            self._chip.log.append((self.number, value))
        return None


class PinMaker:
    IN = Pin.IN
    OUT = Pin.OUT
    ALT = Pin.ALT
    PULL_UP = Pin.PULL_UP
    PULL_DOWN = Pin.PULL_DOWN
    ALT_PWM = Pin.ALT_PWM

    def __init__(self, chip: Rp2040) -> None:
        self._chip = chip

    def __call__(self, number: int, mode: int = -1, pull: int = -1, value: "int | None" = None, alt: int = 5) -> Pin:
        return Pin(self._chip, number, mode, pull, value, alt)


class Uart:
    """machine.UART: `arrived` is what waits to be read. A read() without a number would wait for the end of the stream: refused."""

    def __init__(self, number: int, baud: int, settings: "dict[str, object]") -> None:
        self.number = number
        self.baud = baud
        self.settings = settings
        self.arrived = b""
        self.sent = b""
        self.stuck = False

    def any(self) -> int:
        return len(self.arrived)

    def read(self, size: int) -> "bytes | None":
        data, self.arrived = self.arrived[:size], self.arrived[size:]
        return data or None

    def write(self, data: bytes) -> int:
        self.sent += data
        return len(data)

    def flush(self) -> None:
        if self.stuck:
            raise OSError(110)


class Watchdog:
    def __init__(self, chip: Rp2040) -> None:
        self._chip = chip

    def feed(self) -> None:
        self._chip.fed += 1


class Machine:
    """The module machine."""

    PWRON_RESET = 1
    WDT_RESET = 3

    def __init__(self, chip: Rp2040) -> None:
        self._chip = chip
        self.mem32 = Memory(chip, 4)
        self.mem16 = Memory(chip, 2)
        self.Pin = PinMaker(chip)

    def ADC(self, number: int) -> None:  # noqa: N802 - machine's own names
        if not 26 <= number <= 29:
            raise ValueError("GPIO has no ADC")
        self._chip.modes[number] = "adc"
        self._chip.cs |= 1

    def UART(self, number: int, baud: int, **settings: object) -> Uart:  # noqa: N802
        line = Uart(number, baud, settings)
        self._chip.lines.append(line)
        return line

    def WDT(self, timeout: int = 5000) -> Watchdog:  # noqa: N802
        self._chip.watchdog_ms = timeout
        return Watchdog(self._chip)

    def reset(self) -> None:
        raise ResetError

    def freq(self) -> int:
        return self._chip.clock_hz

    def unique_id(self) -> bytes:
        return b"\xe6\x60\x58\x38\x83\x12\x34\x56"

    def reset_cause(self) -> int:
        return self._chip.reset_cause


class Dma:
    """rp2.DMA."""

    def __init__(self, chip: Rp2040) -> None:
        self._chip = chip
        self.number = -1
        # From the middle: code that takes the first channels for its own is found out.
        for number in range(3, len(chip.channels)):
            if not chip.channels[number].claimed:
                self.number = number
                break
        self._channel = chip.channels[self.number]
        self._channel.claimed = True

    def pack_ctrl(self, **fields: int) -> int:
        given = {"enable": 1, "size": 2, "inc_read": 1, "inc_write": 1, "treq_sel": FORCE, "irq_quiet": 1}
        given["chain_to"] = self.number
        given.update(fields)
        value = 0
        for name, wanted in given.items():
            low, width = self._chip.layout[name]
            if not 0 <= wanted < 1 << width:
                raise ValueError("bad field value")
            value |= int(wanted) << low
        return value

    def config(self, read: int, write: int, count: int, ctrl: int, trigger: bool = False) -> None:
        channel = self._channel
        channel.read = read
        channel.write = write
        channel.reload = count
        channel.ctrl = ctrl
        if trigger:
            self._chip._trigger(channel)


class DmaMaker:
    def __init__(self, chip: Rp2040) -> None:
        self._chip = chip

    def __call__(self) -> Dma:
        return Dma(self._chip)

    def unpack_ctrl(self, value: int) -> "dict[str, int]":
        layout = self._chip.layout
        return {name: value >> layout[name][0] & (1 << layout[name][1]) - 1 for name in layout}


class Rp2:
    """The module rp2."""

    def __init__(self, chip: Rp2040) -> None:
        self.DMA = DmaMaker(chip)


class Uctypes:
    """The module uctypes."""

    def __init__(self, chip: Rp2040) -> None:
        self.addressof = chip.address_of
