"""Which GPIO of an RP2040 or RP2350 does what. MicroPython subset.

Every input is active high, and a wire that is off reads as the dangerous side: what reports danger has a pull-up (contacts
closed, residual current, PEN lost, stop pressed), what reports that all is well has a pull-down (locked, earth there).
"""

FIRST_ADC = 26  # GPIO of ADC input 0
ADC_INPUTS = 4


class Pins:
    """GPIO numbers; every one has to be said by name. ValueError when one is used twice or cannot do what it shall."""

    def __init__(
        self,
        *,
        cp_pwm: int,  # +12 V while high, -12 V while low
        coil: int,  # contactor: L1 and N, all poles where there is only one
        coil_phases: int,  # second contactor: L2, L3
        alive: int,  # to the charge pump that feeds both coils
        supply_enable: int,
        cp_off: int,
        lock: int,
        vent: int,
        rcd_test: int,
        contacts: int,
        contacts_phases: int,
        lock_closed: int,
        rcd_dc: int,
        rcd_ac: int,
        earth_ok: int,
        pen_lost: int,
        stop_pressed: int,
        cp_adc: int,
        mux_adc: int,
        mux_address: "tuple[int, int]",  # lowest bit first
    ) -> None:
        self.cp_pwm = cp_pwm
        self.coil = coil
        self.coil_phases = coil_phases
        self.alive = alive
        self.supply_enable = supply_enable
        self.cp_off = cp_off
        self.lock = lock
        self.vent = vent
        self.rcd_test = rcd_test
        self.contacts = contacts
        self.contacts_phases = contacts_phases
        self.lock_closed = lock_closed
        self.rcd_dc = rcd_dc
        self.rcd_ac = rcd_ac
        self.earth_ok = earth_ok
        self.pen_lost = pen_lost
        self.stop_pressed = stop_pressed
        self.cp_adc = cp_adc
        self.mux_adc = mux_adc
        self.mux_address = mux_address
        self._check()

    def outputs(self) -> "tuple[int, ...]":
        """What is driven with a level, all low when the board starts; without the pilot signal."""
        return (
            self.coil,
            self.coil_phases,
            self.alive,
            self.supply_enable,
            self.cp_off,
            self.lock,
            self.vent,
            self.rcd_test,
        ) + self.mux_address

    def danger_inputs(self) -> "tuple[int, ...]":
        """Inputs whose high level reports danger: pulled up."""
        return self.contacts, self.contacts_phases, self.rcd_dc, self.rcd_ac, self.pen_lost, self.stop_pressed

    def well_inputs(self) -> "tuple[int, ...]":
        """Inputs whose high level reports that all is well: pulled down."""
        return self.lock_closed, self.earth_ok

    def _check(self) -> None:
        analogue = (self.cp_adc, self.mux_adc)
        used = (self.cp_pwm,) + self.outputs() + self.danger_inputs() + self.well_inputs() + analogue
        for number in used:
            if used.count(number) > 1:
                raise ValueError(f"GPIO {number} is used twice")
            if not 0 <= number < FIRST_ADC + ADC_INPUTS:
                raise ValueError(f"there is no GPIO {number}; they are 0..{FIRST_ADC + ADC_INPUTS - 1}")
        for number in analogue:
            if number < FIRST_ADC:
                raise ValueError(f"GPIO {number} has no ADC; {FIRST_ADC}..{FIRST_ADC + ADC_INPUTS - 1} have one")
        if self.cp_pwm & 1:
            raise ValueError(f"the pilot signal needs channel A of a PWM slice, an even GPIO, not {self.cp_pwm}")
