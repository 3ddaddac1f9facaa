"""Front end for a board with RP2040 or RP2350: between its pins and the kernel. No decisions here. MicroPython subset.

Analogue inputs: the ADC has four, of which a Pico brings three out. The pilot wire has one to itself; everything slow shares
another one through a multiplexer (74HC4051, third address line to ground), in the order of calibration.py: proximity, current,
temperature of the plug, temperature of the board. Every tick takes one of them and addresses the next, so that each is renewed
every four ticks, 20 ms. The chip's own temperature is not used: it says little about the board, and would need the ADC.

The current is the largest of all phases, rectified and averaged by the board; a sample every 20 ms cannot do that.

The front end says honestly when it does not know: a pilot level that it cannot read lies in no band, and a slow input that it
cannot read is at the full-scale end, which means no cable, far too much current, a broken sensor.
"""

from . import calibration
from .frontend import ADC_MAX, cp_mv, current_ma, pp_ohm
from .rp2040_adc import Sampler
from .rp2040_pins import Pins
from .rp2040_scales import ntc_ddeg

SLOW_CHANNELS = 4  # calibration.PP .. BOARD_TEMP; the multiplexer's address is the channel less one
# What the kernel reads while the pilot wire cannot be read: a level in no band, and a low level that proves no diode.
NO_LEVEL_MV = -5000
NO_LOW_MV = 0
# So many ticks in a row may pass without a good period; a change of duty costs none, one lost result at most one.
PILOT_MISSES = 3
SLOW_MISSES = 8


class Uncorrected:
    """Stands in where a board has no calibration (calibration.py)."""

    def correct(self, channel: int, u16: int) -> int:
        """The reading as it is."""
        return u16


class FrontEnd:
    """The pins of one board, for Pilot. Starts silent: X1, everything off.

    `correction` has correct(channel, u16), and returns the reading without the tolerances of the board (calibration.py).
    """

    def __init__(self, pins: Pins, correction: "object | None" = None) -> None:
        import machine  # type: ignore[import-not-found]  # noqa: PLC0415 - there is none on a host

        pin = machine.Pin
        for number in pins.outputs():
            pin(number, pin.OUT, value=0)
        for number in pins.danger_inputs():
            pin(number, pin.IN, pin.PULL_UP)
        for number in pins.well_inputs():
            pin(number, pin.IN, pin.PULL_DOWN)
        self._coil = pin(pins.coil)
        self._coil_phases = pin(pins.coil_phases)
        self._alive = pin(pins.alive)
        self._supply_enable = pin(pins.supply_enable)
        self._cp_off = pin(pins.cp_off)
        self._lock = pin(pins.lock)
        self._vent = pin(pins.vent)
        self._rcd_test = pin(pins.rcd_test)
        self._contacts = pin(pins.contacts)
        self._contacts_phases = pin(pins.contacts_phases)
        self._lock_closed = pin(pins.lock_closed)
        self._rcd_dc = pin(pins.rcd_dc)
        self._rcd_ac = pin(pins.rcd_ac)
        self._earth_ok = pin(pins.earth_ok)
        self._pen_lost = pin(pins.pen_lost)
        self._stop_pressed = pin(pins.stop_pressed)
        self._address_0 = pin(pins.mux_address[0])
        self._address_1 = pin(pins.mux_address[1])
        # The method itself: to take it out of its object in each tick would be an allocation.
        self._correct = (Uncorrected() if correction is None else correction).correct  # type: ignore[attr-defined]
        self._wave = 0
        self._raw = [ADC_MAX] * (1 + SLOW_CHANNELS)  # last reading of each channel, uncorrected
        self._pilot_misses = PILOT_MISSES  # until the first good reading there is none
        self._slow_misses = 0
        self._channel = calibration.PP  # that the multiplexer lets through
        self._sampler = Sampler(pins.cp_pwm, pins.cp_adc, pins.mux_adc)

    def sample(self, inputs: "object") -> None:
        """Fill the kernel's Inputs, every field of them."""
        sampler = self._sampler
        sampler.update()
        self._sample_slow()
        correct = self._correct
        if sampler.read_pilot():
            self._pilot_misses = 0
            self._raw[calibration.CP] = sampler.high_u16
        elif self._pilot_misses < PILOT_MISSES:
            self._pilot_misses += 1
        if self._pilot_misses < PILOT_MISSES:
            inputs.cp_high_mv = cp_mv(correct(calibration.CP, sampler.high_u16))  # type: ignore[attr-defined]
            inputs.cp_low_mv = cp_mv(correct(calibration.CP, sampler.low_u16))  # type: ignore[attr-defined]
        else:
            inputs.cp_high_mv = NO_LEVEL_MV  # type: ignore[attr-defined]
            inputs.cp_low_mv = NO_LOW_MV  # type: ignore[attr-defined]
        raw = self._raw
        inputs.pp_ohm = pp_ohm(correct(calibration.PP, raw[calibration.PP]))  # type: ignore[attr-defined]
        inputs.current_ma = current_ma(correct(calibration.CURRENT, raw[calibration.CURRENT]))  # type: ignore[attr-defined]
        inputs.plug_ddeg = ntc_ddeg(correct(calibration.PLUG_TEMP, raw[calibration.PLUG_TEMP]))  # type: ignore[attr-defined]
        inputs.board_ddeg = ntc_ddeg(correct(calibration.BOARD_TEMP, raw[calibration.BOARD_TEMP]))  # type: ignore[attr-defined]
        inputs.contacts_closed = self._contacts.value() != 0  # type: ignore[attr-defined]
        inputs.phases_closed = self._contacts_phases.value() != 0  # type: ignore[attr-defined]
        inputs.lock_closed = self._lock_closed.value() != 0  # type: ignore[attr-defined]
        inputs.rcd_dc = self._rcd_dc.value() != 0  # type: ignore[attr-defined]
        inputs.rcd_ac = self._rcd_ac.value() != 0  # type: ignore[attr-defined]
        inputs.earth_ok = self._earth_ok.value() != 0  # type: ignore[attr-defined]
        inputs.pen_lost = self._pen_lost.value() != 0  # type: ignore[attr-defined]
        inputs.stop_pressed = self._stop_pressed.value() != 0  # type: ignore[attr-defined]

    def drive(self, kernel: "object") -> None:
        """Put the kernel's outputs on the pins and turn the alive wave by half a period.

        The wave is turned here and nowhere else, after a whole step of the kernel, and never by PWM, PIO or a timer: a program that
        hangs anywhere stops it, and the charge pump behind it then lets the coils fall without any program's help.
        """
        self._sampler.show(kernel.duty)  # type: ignore[attr-defined]
        self._cp_off.value(1 if kernel.cp_off else 0)  # type: ignore[attr-defined]
        self._coil.value(1 if kernel.close else 0)  # type: ignore[attr-defined]
        self._coil_phases.value(1 if kernel.close_phases else 0)  # type: ignore[attr-defined]
        self._supply_enable.value(1 if kernel.supply_enable else 0)  # type: ignore[attr-defined]
        self._lock.value(1 if kernel.lock else 0)  # type: ignore[attr-defined]
        self._vent.value(1 if kernel.vent else 0)  # type: ignore[attr-defined]
        self._rcd_test.value(1 if kernel.rcd_test else 0)  # type: ignore[attr-defined]
        self._wave = 1 - self._wave
        self._alive.value(self._wave)

    def read_u16(self, channel: int) -> int:
        """The last reading of a channel (calibration.py), not corrected; of the pilot wire the high level."""
        return self._raw[channel]

    def _sample_slow(self) -> None:
        value = self._sampler.read_slow()
        if value >= 0:
            self._slow_misses = 0
            self._raw[self._channel] = value
            self._channel = self._channel + 1 if self._channel < calibration.BOARD_TEMP else calibration.PP
            address = self._channel - calibration.PP
            self._address_0.value(address & 1)
            self._address_1.value(address >> 1)
            self._sampler.input_changed()
        elif self._slow_misses < SLOW_MISSES:
            self._slow_misses += 1
        else:
            for channel in range(calibration.PP, calibration.BOARD_TEMP + 1):
                self._raw[channel] = ADC_MAX
