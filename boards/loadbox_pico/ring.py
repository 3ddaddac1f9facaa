"""The ADC of an RP2040 or RP2350, converting one input without a pause into a ring in memory. MicroPython subset.

    data    ADC FIFO -> ring, paced by the ADC; when it has gone round it starts `reload`
    reload  starts `data` again (the ring goes on; the ADC's FIFO bridges the gap)

As in firmware/pilot/rp2040_adc.py, less what ties the samples to a signal of one's own: this wire is somebody else's. Nobody else
may use the ADC. Addresses are those of the makers' register headers; not tried on silicon.
"""

from pilotwire.boards.loadbox_pico.levels import RING_SIZE, SAMPLE_US, SAMPLES
from pilotwire.boards.loadbox_pico.pins import FIRST_ADC
from pilotwire.firmware.pilot.rp2040_adc import CHIP_ID, find_chip

_CS = 0x00
_FCS = 0x08
_FIFO = 0x0C
_ADC_DIV = 0x10
_CS_EN_START_MANY = 1 | 8
_CS_INPUT = 12
_FCS_EN_DREQ = 1 | 8
_FCS_CLEAR = 3 << 10
_FCS_THRESHOLD_1 = 1 << 24
_FCS_LEVEL = 0xF << 16
_FIFO_MOST = 8  # of the RP2350
_ADC_CYCLES = 48 * SAMPLE_US

_DMA = 0x50000000
_CHANNEL = 0x40
_COUNT_TRIGGER = 0x1C
_HALF_WORD = 1
_WORD = 2
_RING_BITS = 9  # 512 bytes


class Ring:
    """Samples of one input, the newest RING_SIZE bytes of them, two bytes each."""

    def __init__(self, gpio: int) -> None:
        import machine  # type: ignore[import-not-found]  # noqa: PLC0415 - there is none on a host
        import rp2  # type: ignore[import-not-found]  # noqa: PLC0415
        import uctypes  # type: ignore[import-not-found]  # noqa: PLC0415

        mem32 = machine.mem32
        chip = find_chip(mem32[CHIP_ID])
        machine.ADC(gpio)  # makes the pad analogue, and wakes the ADC
        mem32[chip.adc + _CS] = 1
        mem32[chip.adc + _FCS] = _FCS_EN_DREQ | _FCS_CLEAR | _FCS_THRESHOLD_1
        mem32[chip.adc + _ADC_DIV] = _ADC_CYCLES - 1 << 8
        for _ in range(_FIFO_MOST):
            if mem32[chip.adc + _FCS] & _FCS_LEVEL:
                _ = mem32[chip.adc + _FIFO]
        # DMA wants a ring aligned to its size; twice the room has one. Never let go: DMA writes there for good.
        self._block = bytearray(2 * RING_SIZE)
        address: int = uctypes.addressof(self._block)
        self._first = -address % RING_SIZE
        self._count = bytearray(8)
        count_at: int = uctypes.addressof(self._count)
        count_at += -count_at % 4
        mem32[count_at] = SAMPLES
        data, reload = rp2.DMA(), rp2.DMA()
        self._channels = (data, reload)  # a DMA object that is collected stops
        data_number, reload_number = (rp2.DMA.unpack_ctrl(each.pack_ctrl())["chain_to"] for each in self._channels)
        reload.config(
            read=count_at,
            write=_DMA + _CHANNEL * data_number + _COUNT_TRIGGER,
            count=1,
            ctrl=reload.pack_ctrl(size=_WORD, inc_read=False, inc_write=False),
        )
        data.config(
            read=chip.adc + _FIFO,
            write=address + self._first,
            count=SAMPLES,
            ctrl=data.pack_ctrl(
                size=_HALF_WORD,
                inc_read=False,
                ring_sel=True,
                ring_size=_RING_BITS,
                treq_sel=chip.adc_request,
                chain_to=reload_number,
            ),
            trigger=True,
        )
        mem32[chip.adc + _CS] = _CS_EN_START_MANY | gpio - FIRST_ADC << _CS_INPUT

    def snapshot(self) -> bytes:
        """A copy of the ring as it is now; where its oldest sample stands is not said."""
        return bytes(self._block[self._first : self._first + RING_SIZE])
