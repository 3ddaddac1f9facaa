"""The pins of a Raspberry Pi Pico or Pico 2 as a pilot board. MicroPython subset.

    GPIO  what            direction    off / wire broken reads as
     0,1  UART 0 TX, RX   link         -              (edge.py)
     2    coil            out          open
     3    coil_phases     out          open
     4    alive           out          steady: the charge pump runs dry
     5    supply_enable   out          off
     6    cp_off          out          car on the wire
     7    lock            out          not driven
     8    vent            out          off
     9    rcd_test        out          no test
    10    contacts        in, up       closed
    11    contacts_phases in, up       closed
    12    lock_closed     in, down     not locked
    13    rcd_dc          in, up       tripped
    14    rcd_ac          in, up       tripped
    15    earth_ok        in, down     no earth
    16    cp_pwm          PWM 0 A      -12 V
    17    pen_lost        in, up       lost
    18    stop_pressed    in, up       pressed
    20,21 mux_address     out          -
    26    cp_adc          ADC 0        -
    27    mux_adc         ADC 1        full scale, with the pull-up of proximity and sensors

Before the program runs every GPIO is an input with a weak pull-down: the pilot wire shows -12 V (state F), the coils are open.
The pull-down of an RP2350 cannot hold an input low against some leakage (erratum RP2350-E9, recalled): give GPIO 12 and 15
4.7 kOhm to ground outside.
"""

from pilotwire.firmware.pilot.rp2040_pins import Pins

PINS = Pins(
    cp_pwm=16,
    coil=2,
    coil_phases=3,
    alive=4,
    supply_enable=5,
    cp_off=6,
    lock=7,
    vent=8,
    rcd_test=9,
    contacts=10,
    contacts_phases=11,
    lock_closed=12,
    rcd_dc=13,
    rcd_ac=14,
    earth_ok=15,
    pen_lost=17,
    stop_pressed=18,
    cp_adc=26,
    mux_adc=27,
    mux_address=(20, 21),
)
