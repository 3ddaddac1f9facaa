"""What the hardware says in one tick."""

OPEN_OHM = 100000  # proximity: nothing connected


class Inputs:
    """Set the fields, then call Kernel.step. What a board does not have keeps its value here, and params.FITTED leaves it out."""

    def __init__(self) -> None:
        self.cp_high_mv = 0  # highest level of the control pilot since the last tick
        self.cp_low_mv = 0  # lowest level of the control pilot since the last tick
        self.contacts_closed = False  # mirror contact of the contactor (L1, N; all poles where there is only one)
        self.phases_closed = False  # mirror contact of the second contactor (L2, L3)
        self.pp_ohm = OPEN_OHM  # proximity, resistance to earth
        self.lock_closed = False  # the socket's lock reports that it holds the plug
        self.rcd_dc = False  # trip output of the residual current device, smooth direct current (6 mA)
        self.rcd_ac = False  # trip output, alternating current (30 mA; CCID20: 15..20 mA)
        self.earth_ok = True  # earth monitor
        self.pen_lost = False  # UK: the PEN-fault detector has tripped
        self.stop_pressed = False  # emergency stop
        self.plug_ddeg = 250  # temperature of plug or socket, tenths of a degree Celsius
        self.board_ddeg = 250  # temperature of the board
        self.current_ma = 0  # largest current of any phase, by the pilot's own current transformer
