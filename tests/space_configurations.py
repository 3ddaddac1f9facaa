"""The boards whose state spaces are walked, each with the few things that may happen to it.

Small ones are walked in `make test`; together they are enough to notice every deletion of a guard. Wide ones join more
causes.
"""

from __future__ import annotations

from pilotwire.firmware.kernel import params as p
from space_world import (
    AC,
    AC_LESS,
    AC_ONE,
    AC_THREE,
    BPT,
    DAMAGE,
    DC,
    DC_IDLE,
    HLC,
    HLC_IDLE,
    LATE,
    WITHDRAW,
    Configuration,
)

OHM = 220  # a cable for 32 A
DC_BOARD = {p.DC_MAX_MA: 200000}
SWITCHING = {p.SWITCH_PHASES: 1}
NO_REST = {p.MIN_OFF_MS: 0, p.FAULT_OFF_MS: 0}
SLEEPY = {p.WAKE_AFTER_MS: 7}
STEPS = ("step EF", "step X1")
STUCK = ("stays open", "stays closed")
# Debouncing that takes more than one tick, so that something else can happen in between.
SLOW = {"FROM_C_MS": 2, "OVERRUN_MS": 2, "OTHER_MS": 2, "DIODE_BAD_MS": 2, "EARTH_MS": 2, "PEN_MS": 2, "INVALID_MS": 3}
SLOWLY = {p.TO_C_MS: 3}

GOOD_DC = ({"car": "C", "station": DC},)
GOOD_CABLE = ({"car": "C", "station": AC, "proximity": OHM},)
GOOD_PHASES = ({"car": "C", "station": AC_ONE}, {"car": "C", "station": AC_THREE})

CONFIGURATIONS = (
    Configuration(
        name="ventilation",
        about="state D is served",
        changes={"car": ("B", "C", "D"), "station": (AC,)},
        fitted=p.VENTILATION,
    ),
    Configuration(
        name="slow",
        about="debouncing of several ticks, ticks that come too late",
        changes={"car": ("B", "C"), "station": (AC,)},
        acts=(LATE,),
        values=SLOWLY,
        times=SLOW,
    ),
    Configuration(
        name="diode",
        about="the diode is lost and comes back; a sleeping car",
        changes={"car": ("B", "C"), "diode": ("lost",), "station": (AC, HLC)},
        acts=("clear",),
        values={p.WAKE_AFTER_MS: 6},
    ),
    Configuration(
        name="contactor",
        about="contacts that stick, no rest between closings",
        changes={"car": ("B", "C"), "station": (AC,), "contactor": STUCK},
        acts=("clear",),
        values=NO_REST,
    ),
    Configuration(
        name="emergency",
        about="emergency stop, long rest after a fault",
        changes={"car": ("B", "C"), "station": (AC,), "stop": (True,)},
        acts=("clear",),
        fitted=p.STOP_BUTTON,
        values={p.FAULT_OFF_MS: 8},
    ),
    Configuration(
        name="steps",
        about="T_step_EF, T_step_X1, wake-up, emergency stop, D is not served",
        changes={"car": ("B", "C", "D"), "station": (AC,), "stop": (True,)},
        acts=(*STEPS, "clear"),
        fitted=p.STOP_BUTTON,
        values=SLEEPY,
    ),
    Configuration(
        name="steps, prompt",
        about="the same with 5 % and a prompt stop",
        changes={"car": ("B", "C"), "station": (AC, HLC)},
        acts=(*STEPS, "stop request"),
        values=SLEEPY,
    ),
    Configuration(
        name="cable",
        about="socket, cable comes and goes",
        changes={"car": ("B", "C"), "station": (HLC,), "proximity": (OHM,)},
        fitted=p.SOCKET,
        good=({"car": "C", "station": HLC, "proximity": OHM},),
    ),
    Configuration(
        name="lock",
        about="socket, lock that jams or opens, unlocking",
        changes={"car": ("B", "C"), "station": (AC,), "lock": STUCK},
        acts=("unlock",),
        fitted=p.SOCKET | p.LOCK,
        start={"proximity": OHM},
        good=GOOD_CABLE,
    ),
    Configuration(
        name="residual",
        about="residual current device with self-test: trips, does not answer",
        changes={"car": ("C",), "station": (AC,), "rcd": ("trips", "dead")},
        fitted=p.RCD_DC | p.RCD_TEST,
        times={"TEST_PERIOD_MS": 10},
    ),
    Configuration(
        name="self-test",
        about="the same, contacts that stick, prompt stop, no rest between closings",
        changes={"car": ("C",), "station": (AC,), "contactor": ("stays closed",)},
        acts=("stop request",),
        fitted=p.RCD_DC | p.RCD_TEST,
        values=NO_REST,
        times={"TEST_PERIOD_MS": 8},
    ),
    Configuration(
        name="phases",
        about="second contactor, one and three phases, D is not served, prompt stop",
        changes={"car": ("C", "D"), "station": (AC_ONE, AC_THREE)},
        acts=("stop request",),
        fitted=p.SECOND,
        values=SWITCHING,
        good=GOOD_PHASES,
    ),
    Configuration(
        name="phases, contacts",
        about="the second contactor sticks",
        changes={"car": ("B", "C"), "station": (AC_ONE, AC_THREE), "second": ("stays closed",)},
        fitted=p.SECOND,
        values=SWITCHING,
        good=GOOD_PHASES,
    ),
    Configuration(
        name="direct",
        about="direct current, measured",
        changes={"car": ("B", "C"), "station": (DC, DC_IDLE), "current": (50000,)},
        fitted=p.CURRENT,
        values=DC_BOARD,
        good=GOOD_DC,
    ),
    Configuration(
        name="direct, slow",
        about="debouncing of several ticks, emergency stop",
        changes={"car": ("B", "C"), "station": (DC, DC_IDLE), "stop": (True,)},
        acts=("clear",),
        fitted=p.STOP_BUTTON,
        values={**SLOWLY, **DC_BOARD},
        times=SLOW,
        good=GOOD_DC,
    ),
    Configuration(
        name="direct, self-test",
        about="the self-test grows too old",
        changes={"car": ("C",), "station": (DC,)},
        fitted=p.RCD_DC | p.RCD_TEST,
        values=DC_BOARD,
        good=GOOD_DC,
    ),
    Configuration(
        name="direct, faults",
        about="graceful and prompt stop",
        changes={"car": ("C",), "station": (DC,), "plug": (750,)},
        acts=("stop request",),
        fitted=p.PLUG_TEMP,
        values=DC_BOARD,
        good=GOOD_DC,
    ),
    # --- from here on only in make verify-kernel
    Configuration(
        name="pilot wire",
        about="every level",
        changes={"car": ("B", "C", "D", "E", "F", "undefined"), "station": (AC,)},
        wide=True,
    ),
    Configuration(
        name="pilot wire, slow",
        about="levels that wander, debouncing of several ticks",
        changes={"car": ("B", "C", "D", "E", "undefined"), "station": (AC,)},
        values=SLOWLY,
        times=SLOW,
        wide=True,
    ),
    Configuration(
        name="prompt",
        about="prompt stop by the station, by state E",
        changes={"car": ("B", "C", "E"), "station": (AC,)},
        acts=("clear", "stop request"),
        wide=True,
    ),
    Configuration(
        name="prompt, emergency",
        about="one stop in the other",
        changes={"car": ("B", "C"), "station": (AC,), "stop": (True,)},
        acts=("clear", "stop request"),
        fitted=p.STOP_BUTTON,
        wide=True,
    ),
    Configuration(
        name="graceful",
        about="plug too hot",
        changes={"car": ("B", "C"), "station": (AC,), "plug": (750,)},
        acts=("stop request",),
        fitted=p.PLUG_TEMP,
        wide=True,
    ),
    Configuration(
        name="bare",
        about="level E, diode, contacts that stick, prompt stop",
        changes={"car": ("B", "C", "E"), "diode": ("lost",), "station": (AC,), "contactor": STUCK},
        acts=("stop request",),
        wide=True,
    ),
    Configuration(
        name="contactor, rest",
        about="contacts that stick, rest between closings",
        changes={"car": ("B", "C"), "station": (AC,), "contactor": STUCK},
        acts=("clear",),
        wide=True,
    ),
    Configuration(
        name="duties",
        about="nominal duties and 5 %, with and without power, withdrawals",
        changes={"car": ("B", "C"), "station": (AC, AC_LESS, HLC, HLC_IDLE)},
        acts=(WITHDRAW, "stop request"),
        wide=True,
    ),
    Configuration(
        name="temperature",
        about="derating, stop, broken sensor",
        changes={"car": ("B", "C"), "station": (AC,), "plug": (650, 750, 2000)},
        acts=("clear",),
        fitted=p.PLUG_TEMP,
        wide=True,
    ),
    Configuration(
        name="late, damage",
        about="ticks that come too late, memory that loses a parameter",
        changes={"car": ("B", "C"), "station": (AC,)},
        acts=(LATE, DAMAGE),
        wide=True,
    ),
    Configuration(
        name="earth",
        about="lost earth, lost PEN conductor",
        changes={"car": ("B", "C"), "station": (AC,), "earth": (False,), "pen": (True,)},
        acts=("clear",),
        fitted=p.EARTH | p.PEN,
        wide=True,
    ),
    Configuration(
        name="reclose",
        about="residual current device that recloses once by itself",
        changes={"car": ("B", "C"), "station": (AC,), "rcd": ("trips",)},
        acts=("clear",),
        fitted=p.RCD_DC,
        values={p.RECLOSE_TRIES: 1},
        wide=True,
    ),
    Configuration(
        name="simplified",
        about="a car without S2 gets less",
        changes={"car": ("B", "C"), "station": (AC, AC_LESS)},
        values={p.SIMPLE_MA: 13000},
        wide=True,
    ),
    Configuration(
        name="socket",
        about="two cables, lock, unlocking",
        changes={"car": ("B", "C"), "station": (AC,), "proximity": (OHM, 1500)},
        acts=("unlock",),
        fitted=p.SOCKET | p.LOCK,
        good=GOOD_CABLE,
        wide=True,
    ),
    Configuration(
        name="socket, jam",
        about="cable and lock at the same time",
        changes={"car": ("B", "C"), "station": (AC,), "proximity": (OHM,), "lock": ("stays open",)},
        acts=("clear", "unlock"),
        fitted=p.SOCKET | p.LOCK,
        good=GOOD_CABLE,
        wide=True,
    ),
    Configuration(
        name="residual, steps",
        about="residual current device with self-test, T_step_EF, T_step_X1, clearing",
        changes={"car": ("B", "C"), "station": (AC,), "rcd": ("trips",)},
        acts=(*STEPS, "clear"),
        fitted=p.RCD_DC | p.RCD_TEST,
        times={"TEST_PERIOD_MS": 10},
        wide=True,
    ),
    Configuration(
        name="phases, steps",
        about="one and three phases, both contactors stick, T_step_EF",
        changes={
            "car": ("B", "C"),
            "station": (AC_ONE, AC_THREE),
            "contactor": ("stays closed",),
            "second": STUCK,
        },
        acts=("clear", "step EF"),
        fitted=p.SECOND,
        values=SWITCHING,
        good=GOOD_PHASES,
        wide=True,
    ),
    Configuration(
        name="direct, modes",
        about="DC, BPT and AC on one board, graceful and prompt stop",
        changes={"car": ("B", "C"), "station": (DC, BPT, AC), "plug": (750,)},
        acts=("stop request", "clear"),
        fitted=p.PLUG_TEMP,
        values=DC_BOARD,
        good=GOOD_DC,
        wide=True,
    ),
    Configuration(
        name="over-current",
        about="own current transformer, two limits",
        changes={"car": ("B", "C"), "station": (AC, AC_LESS), "current": (15000, 20000)},
        acts=("clear",),
        fitted=p.CURRENT,
        wide=True,
    ),
)
