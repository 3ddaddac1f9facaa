"""Section 4 of the sheet: the sequences of IEC 61851-1 Table A.6, and what belongs to them."""

from __future__ import annotations

from pilotwire.boards.sim.parameters import EVERYTHING
from pilotwire.firmware.kernel import params
from pilotwire.firmware.kernel.lease import REQUEST_STEP_EF, REQUEST_STEP_X1
from pilotwire.tools.bench.pilot import stage
from pilotwire.tools.bench.pilot.rigs import Rig
from pilotwire.tools.bench.pilot.row import COUNT, VALUE, Elsewhere, Row, Scene

F_MOST_MS = 400
"""State F has no upper limit in the sheet. Ours keeps a broken clock from passing."""


def _reduce_within_spacing(rig: Rig) -> None:
    rig.permit(stage.LIMIT_MA)
    rig.run_until("PWM", lambda: 0.0 < rig.world.duty < 1.0, 1000)
    rig.run_coarse(rig.rng.randrange(100, 4700))
    rig.permit(10000)


def _reduce(rig: Rig) -> None:
    rig.permit(10000)


def _withdraw_within_spacing(rig: Rig) -> None:
    rig.permit(stage.LIMIT_MA)
    rig.run_until("PWM", lambda: 0.0 < rig.world.duty < 1.0, 1000)
    rig.run(rig.rng.randrange(50, 1000))
    stage.withdraw(rig)


def _toggle(rig: Rig) -> None:
    rig.bcb_sent = rig.rng.randrange(1, 4)
    rig.world.car.toggle(rig.bcb_sent, rig.rng.randrange(200, 401), rig.rng.randrange(200, 401))


def _toggle_too_short(rig: Rig) -> None:
    rig.world.car.toggle(rig.rng.randrange(1, 4), rig.rng.randrange(1, 141), 300)


def _short(rig: Rig) -> None:
    rig.world.car.circuit.shorted = True


def _break_diode(rig: Rig) -> None:
    rig.world.car.circuit.diode = False


def _plug_resistor(rig: Rig) -> None:
    rig.world.car.circuit.diode = False
    stage.plug(rig)


def _ask_ventilation(rig: Rig) -> None:
    rig.world.car.circuit.ventilation = True


def _close_s2_with_ventilation(rig: Rig) -> None:
    rig.world.car.circuit.ventilation = True
    rig.world.car.wants_charge = True


def _permit(rig: Rig) -> None:
    rig.permit(stage.LIMIT_MA)


def _step_ef(rig: Rig) -> None:
    rig.station.request(REQUEST_STEP_EF)


def _step_x1(rig: Rig) -> None:
    rig.station.request(REQUEST_STEP_X1)


# fmt: off
SCENES = (
    Scene("plug-in", stage.ready, stage.plug, 1800, (
        Row("plug-in-pwm", "Plug in (A→B): PWM not before the station's permission (negative: too early)",
            "4: 1.1/1.2", "S", stage.PWM, stage.PERMITTED, least=0, most=1000, from_stimulus=True),
        Row("ready-pwm", "The station permits: PWM on, link included", "4: 3.x", "ours", stage.PWM, stage.PERMITTED,
            most=1000),
        Row("plug-in-lock", "Plug in (A→B): socket locked (0.3 s of it is the bolt's travel)", "4: 1.1/1.2", "ours",
            stage.LOCKED, stage.PLUGGED, most=1000),
    )),
    Scene("plug-in-fixed", stage.fixed_car, stage.plug, 1800, (
        Row("plug-in-fixed-pwm",
            "Plug in (A→C, car without S2): PWM not before the station's permission (negative: too early)",
            "4: 1.1/1.2", "S", stage.PWM, stage.PERMITTED, least=0, most=1000, from_stimulus=True),
        Row("pwm-in-c1", "PWM on while the car is in C1: contacts closed", "4: 5", "K", stage.CONTACTS_CLOSED,
            stage.PWM, least=0, most=3000, from_stimulus=True),
        Row("permission-to-contacts", "The station permits, the car is in C already: contacts closed",
            "8: close after permission", "ours", stage.CONTACTS_CLOSED, stage.PERMITTED, least=0, most=1000,
            from_stimulus=True),
        Row("simplified-duty", "Car without S2, with the option SIMPLE_MA = 10 A: duty in 1/100 %",
            "4: simplified pilot EV", "S", stage.PWM, stage.PERMITTED, least=1000, most=1666, kind=VALUE,
            unit="permyriad"),
    ), ((params.SIMPLE_MA, 10000),)),
    Scene("unplug", stage.charging, stage.unplug, 1000, (
        *stage.opens("unplug", "Unplug, or the cable's PE or CP breaks (C→A)", "4: 2.1/2.2", "S/K"),
        Row("unplug-second", "Unplug (C→A): second contactor (L2, L3) open", "4: 2.1/2.2", "S/K", stage.PHASES_OPEN,
            most=100),
        Row("unplug-pwm", "Unplug (C→A): PWM off", "4: 2.1/2.2", "ours", stage.SHOWS_X1, most=100),
        Row("unplug-unlock", "Unplug (C→A): socket unlocked, after the contacts have opened", "4: 2.1/2.2", "ours",
            stage.UNLOCKED, stage.CONTACTS_OPEN, least=0, most=1000, from_stimulus=True),
    )),
    Scene("unplug-b", stage.offered, stage.unplug, 1000, (
        Row("unplug-b-pwm", "Unplug (B→A): PWM off", "4: 2.1/2.2", "ours", stage.SHOWS_X1, most=100),
    )),
    Scene("s2-close", stage.offered, stage.close_s2, 3200, (
        Row("s2-close-command", "EV closes S2 (B2→C2): coil command on", "4: 4", "K", stage.CLOSE, stage.S2_CLOSED,
            most=3000),
        Row("s2-close-contacts", "EV closes S2 (B2→C2): contacts closed", "4: 4", "K", stage.CONTACTS_CLOSED,
            stage.S2_CLOSED, most=3000),
    )),
    Scene("duty-spacing", stage.plugged, _reduce_within_spacing, 6000, (
        Row("duty-spacing", "Limit lowered while the last change of duty is recent: time between the two", "4: 6",
            "S", stage.duty(1666), stage.PWM, least=5000),
        Row("duty-first-instant", "The same: signalled at the first instant that this allows", "9: a lower limit",
            "ours", stage.duty(1666), stage.PWM, most=5010),
    )),
    Scene("duty-lower", stage.charging_long, _reduce, 1000, (
        Row("duty-lower",
            "Limit lowered, last change of duty long ago: from the station's wish to the wire, link included",
            "9: a lower limit", "ours", stage.duty(1666), most=200),
    )),
    Scene("x1-at-once", stage.plugged, _withdraw_within_spacing, 2500, (
        Row("x1-at-once", "Permission withdrawn while the last change of duty is recent: X1, link included",
            "9: a lower limit", "ours", stage.SHOWS_X1, stage.WITHDRAWN, most=200),
    )),
    Scene("s2-open", stage.charging, stage.open_s2, 500, (
        *stage.opens("s2-open", "EV opens S2 under load (C2→B2)", "4: 8.1/8.2", "S", stage.S2_OPEN),
    )),
    Scene("pause", stage.charging, stage.withdraw, 3500, (
        Row("pause-x1", "Station pauses: X1, link included", "4: 9.x", "ours", stage.SHOWS_X1, stage.WITHDRAWN,
            most=200),
        *stage.opens("pause-obey", "EV obeys X1 and opens S2 (C1→B1)", "4: 8.1/8.2", "S", stage.S2_OPEN),
    ), coarse=(300, 2300)),
    Scene("pause-ignored", stage.charging_stubborn, stage.withdraw, 7000, (
        Row("pause-ignored", "EV ignores X1: contacts open under load, counted from X1", "4: 10.2", "S",
            stage.CONTACTS_OPEN, stage.SHOWS_X1, least=6000, most=6500),
    ), coarse=(500, 5500)),
    Scene("bcb", stage.plugged, _toggle, 4200, (
        Row("bcb-pulses", "BCB toggle of 1–3 pulses of 200–400 ms: pulses reported less pulses made", "4: 11", "S",
            stage.BCB, least=0, most=0, kind=VALUE, unit="pulses"),
        Row("bcb-report", "The same: from its begin until the station knows (window 3.5 s + 0.2 s)", "4: 11",
            "ours", stage.BCB, stage.S2_CLOSED, most=4000),
    )),
    Scene("bcb-short", stage.plugged, _toggle_too_short, 4200, (
        Row("bcb-short", "Pulses of less than 150 ms: toggles reported", "4: 11", "S", stage.BCB, least=0, most=0,
            kind=COUNT, unit="toggles"),
    ), coarse=(1500, 4200)),
    Scene("cp-short", stage.charging, _short, 500, (
        *stage.opens("cp-short", "CP shorted to PE (E)", "4: CP short / diode missing / EV lost PE", "K"),
    )),
    Scene("diode", stage.charging, _break_diode, 800, (
        Row("diode-contacts", "Diode lost while charging: contacts open",
            "4: CP short / diode missing / EV lost PE", "K", stage.CONTACTS_OPEN, most=100),
        Row("diode-f", "The same: how long state F is shown", "4: state F shown after fault", "S", stage.F_ENDS,
            stage.SHOWS_F, least=300, most=F_MOST_MS),
    )),
    Scene("no-diode", stage.fixed_car, _plug_resistor, 1500, (
        Row("no-diode", "Something without a diode asks for power: closings",
            "4: CP short / diode missing / EV lost PE", "K", stage.CLOSE, least=0, most=0, kind=COUNT,
            unit="closings"),
    )),
    Scene("wake-up", stage.asleep, _permit, 36500, (
        Row("wake-after", "EV stays in B2: from PWM to the interruption of the pilot", "4: wake-up of sleeping EV",
            "S", stage.CP_OFF, stage.PWM, least=30000, most=30100),
        Row("wake-off", "The same: how long the pilot is off", "4: wake-up of sleeping EV", "S", stage.CP_ON,
            stage.CP_OFF, least=4000, most=4100),
        Row("wake-x1", "The same: X1 until PWM is back", "4: after wake-up", "S", stage.PWM, stage.CP_ON, least=500,
            most=1000),
    ), coarse=(1000, 29500), real_from=33900),
    Scene("wake-once", stage.deaf, _permit, 9000, (
        Row("wake-once", "EV does not react to it: interruptions in 9 s, with 1 s instead of 30 s before one",
            "4: wake-up of sleeping EV", "S", stage.CP_OFF, least=1, most=1, kind=COUNT, unit="interruptions"),
    ), ((params.WAKE_AFTER_MS, 1000),), coarse=(0, 9000)),
    Scene("d-refused", stage.charging, _ask_ventilation, 500, (
        *stage.opens("d-refused", "EV asks for ventilation that there is not (C→D)", "4: D (ventilation)", "ours"),
    )),
    Scene("d-never", stage.offered, _close_s2_with_ventilation, 1500, (
        Row("d-never", "EV begins in D without ventilation there: closings", "4: D (ventilation)", "K", stage.CLOSE,
            least=0, most=0, kind=COUNT, unit="closings"),
    )),
    Scene("d-ventilated", stage.offered, _close_s2_with_ventilation, 3200, (
        Row("d-contacts", "EV begins in D, the pilot switches ventilation: contacts closed", "4: D (ventilation)",
            "K", stage.CONTACTS_CLOSED, stage.S2_CLOSED, most=3000),
        Row("d-vent", "The same: ventilation on before the contacts close", "4: D (ventilation)", "ours",
            stage.CONTACTS_CLOSED, stage.VENT, least=0, most=3000, from_stimulus=True),
    ), ((params.FITTED, EVERYTHING | params.VENTILATION),)),
    Scene("step-ef", stage.offered, _step_ef, 5500, (
        Row("step-ef", "T_step_EF: how long state F is shown", "4: ISO 15118-3 T_step_EF", "S", stage.F_ENDS,
            stage.SHOWS_F, least=4000, most=4100),
        Row("step-ef-x1", "T_step_EF: X1 after it", "4: ISO 15118-3 T_step_EF", "S", stage.PWM, stage.F_ENDS,
            least=500, most=1000),
    ), real_from=3800, coarse=(300, 3700)),
    Scene("step-x1", stage.offered, _step_x1, 3500, (
        Row("step-x1", "T_step_X1: how long X1 is shown", "4: ISO 15118-3 T_step_X1", "S", stage.PWM,
            stage.SHOWS_X1, least=3000, most=3100),
    ), coarse=(300, 2700)),
)
# fmt: on

# fmt: off
ELSEWHERE = (
    Elsewhere("EV follows a change of duty", "4: 6", "S", "≤ 5 s", "car",
        "What the pilot does about a car that does not: lower limit ignored, below."),
    Elsewhere("EV lowers its current, then opens S2", "4: 7", "S", "–", "car",
        "The pilot only sees S2 open: 8.1/8.2."),
    Elsewhere("EV opens S2 after X1", "4: 10.1", "S", "≤ 3 s", "car", "A car that does not is 10.2."),
)
# fmt: on
