"""Scales of the RP2040 board that differ from the simulated one: temperature by NTC. MicroPython subset.

The sensor is an NTC of 10 kOhm at 25 °C, B 3950 K, from the ADC input to ground, with 10 kOhm up to the ADC's reference; only the
ratio counts, so the reference may drift. The row of the table is the code (of 65536) that this divider gives at a temperature.
"""

# Tenths of a degree Celsius of the first row, and of each step down to the next.
HOTTEST_DDEG = 1250
STEP_DDEG = 50
# fmt: off
CODES = (
    2270, 2564, 2902, 3294, 3747, 4273, 4885, 5596, 6424, 7387, 8507, 9807,  # 125 .. 70 °C
    11313, 13049, 15040, 17306, 19860, 22706, 25831, 29202, 32768, 36455, 40171, 43817,  # 65 .. 10 °C
    47293, 50512, 53406, 55933, 58080, 59856, 61289, 62418, 63288, 63945,  # 5 .. -40 °C
)
# fmt: on
# Beyond the table the sensor is shorted or open; the kernel takes these for a broken sensor.
SHORTED_DDEG = 1500
OPEN_DDEG = -600


def ntc_ddeg(u16: int) -> int:
    """Tenths of a degree Celsius for a reading: straight between two rows of the table."""
    if u16 < CODES[0]:
        return SHORTED_DDEG
    for row in range(1, len(CODES)):
        above = CODES[row]
        if u16 <= above:
            below = CODES[row - 1]
            return (
                HOTTEST_DDEG
                - (row - 1) * STEP_DDEG
                - ((u16 - below) * STEP_DDEG * 2 + above - below) // (2 * (above - below))
            )
    return OPEN_DDEG
