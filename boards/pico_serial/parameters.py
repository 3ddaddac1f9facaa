"""The parameters of this board. Whoever builds one changes what differs: installation, contactor, what is fitted.

As it stands: fixed cable, three phases of 16 A on one contactor, residual direct current detection with self-test, emergency
stop, current transformers, both temperatures. MicroPython subset.
"""

from pilotwire.firmware.kernel import params, variants

FITTED = params.RCD_DC | params.RCD_TEST | params.STOP_BUTTON | params.CURRENT | params.PLUG_TEMP | params.BOARD_TEMP

VALUES = params.changed(params.changed(variants.IEC, params.MAX_MA, 16000), params.FITTED, FITTED)


def build() -> params.Parameters:
    """The block, sealed, for the kernel. ValueError where the kernel would refuse it: a mistake in this file shows at once."""
    if not params.in_range(VALUES):
        raise ValueError(
            "boards/pico_serial/parameters.py: a value is out of range, see LIMITS in firmware/kernel/params.py"
        )
    return params.Parameters(VALUES, params.seal(VALUES))
