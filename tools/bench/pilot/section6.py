"""Section 6 of the sheet (over-current, temperature, pauses), and what sections 8 and 9 decide: times, leases, stop classes."""

from __future__ import annotations

from pilotwire.firmware.kernel import params
from pilotwire.firmware.kernel.lease import REQUEST_STOP
from pilotwire.firmware.pilot.program import TICK_MS
from pilotwire.tools.bench.pilot import stage
from pilotwire.tools.bench.pilot.rigs import TTL_MS, Rig
from pilotwire.tools.bench.pilot.row import COUNT, VALUE, Elsewhere, Row, Scene

DEAD_MS = 10000
LATENCY_MS = 20
"""Between a pilot's tick and the wire. Nothing on a virtual clock; in real time the silence may begin just after a lease."""
DIRECT = ((params.DC_MAX_MA, 100000),)


def _too_much(rig: Rig) -> None:
    rig.world.transformer.offset_a = 6.0


def _lower(rig: Rig) -> None:
    rig.permit(10000)


def _warm(rig: Rig) -> None:
    rig.world.plug_sensor.celsius = 65.0


def _hot(rig: Rig) -> None:
    rig.world.plug_sensor.celsius = 75.0


def _break_sensor(rig: Rig) -> None:
    rig.world.board_sensor.open = True


def _one_phase(rig: Rig) -> None:
    rig.permit(stage.LIMIT_MA, phases=1)


def _charging_one_phase(rig: Rig) -> None:
    rig.permit(stage.LIMIT_MA, phases=1)
    stage.charging(rig)


def _three_phases(rig: Rig) -> None:
    rig.permit(stage.LIMIT_MA, phases=3)


def _charging_rested(rig: Rig) -> None:
    rig.run_coarse(10000)  # a restart counts as an opening
    stage.charging(rig)


def _change_mind(rig: Rig) -> None:
    rig.world.car.wants_charge = False
    rig.run(200)
    rig.world.car.wants_charge = True


def _short_briefly(rig: Rig) -> None:
    rig.world.car.circuit.shorted = True
    rig.run(300)
    rig.world.car.circuit.shorted = False


def _lose_cable(rig: Rig) -> None:
    rig.world.cable.lost = True


def _ask_stop(rig: Rig) -> None:
    rig.station.request(REQUEST_STOP)


# fmt: off
SCENES = (
    Scene("over-current", stage.charging, _too_much, 7500, (
        Row("over-current", "Own current transformer reads above (limit + 0.5 A) · 1.1: coil command off after",
            "6: Over-current", "S", stage.OPEN, least=7000 - TICK_MS, most=7100),
    ), coarse=(500, 6500)),
    Scene("lower-ignored", stage.charging_stubborn, _lower, 10600, (
        Row("lower-ignored", "EV ignores a lower limit: coil command off, counted from its signal on the wire",
            "9: a lower limit", "ours", stage.OPEN, stage.duty(1666), most=10000),
    ), coarse=(500, 9500)),
    Scene("warm", stage.charging_full, _warm, 500, (
        Row("warm", "Plug at 65 °C (derating 60…70 °C): 19 A of 32 A on the wire, last change of duty long ago",
            "6: Temperature", "ours", stage.duty(3166), most=100),
    )),
    Scene("hot", stage.charging, _hot, 1500, (
        Row("hot", "Plug above 70 °C: X1", "6: Temperature", "ours", stage.SHOWS_X1, most=1100),
    )),
    Scene("sensor", stage.charging, _break_sensor, 1500, (
        Row("sensor", "Temperature sensor broken: X1", "6: Temperature", "ours", stage.SHOWS_X1, most=1100),
    )),
    Scene("to-one-phase", stage.charging, _one_phase, 17000, (
        Row("phases-zero-current", "3→1 phases: contacts open without current before anything is switched",
            "6: 1↔3 phase switch", "ours", stage.CP_OFF, stage.CONTACTS_OPEN, least=1000 - TICK_MS, most=1100),
        Row("phases-dead-time", "3→1 phases: pilot off, with the smallest dead time that can be set",
            "6: 1↔3 phase switch", "S", stage.CP_ON, stage.CP_OFF, least=DEAD_MS, most=DEAD_MS + 100),
        Row("phases-x1", "3→1 phases: X1 until PWM is back", "6: 1↔3 phase switch", "S", stage.PWM, stage.CP_ON,
            least=500, most=1000),
        Row("phases-second", "3→1 phases: closings of the second contactor (L2, L3) afterwards",
            "6: 1↔3 phase switch", "ours", stage.PHASES_CLOSED, stage.CP_ON, least=0, most=0, kind=COUNT,
            unit="closings"),
    ), ((params.SWITCH_PHASES, 1), (params.DEAD_MS, DEAD_MS)), coarse=(4500, 12500), real_from=13300),
    Scene("to-three-phases", _charging_one_phase, _three_phases, 17000, (
        Row("phases-second-closes", "1→3 phases: from the opening of L1 and N to the closing of L2 and L3",
            "6: 1↔3 phase switch", "S", stage.PHASES_CLOSED, stage.CONTACTS_OPEN, least=DEAD_MS + 1000 - TICK_MS,
            from_stimulus=True),
    ), ((params.SWITCH_PHASES, 1), (params.DEAD_MS, DEAD_MS)), coarse=(4500, 12500)),
    Scene("min-off", _charging_rested, _change_mind, 14000, (
        Row("min-off", "EV opens S2 and closes it again: contacts open at least", "8: min off time", "ours",
            stage.CONTACTS_CLOSED, stage.CONTACTS_OPEN, least=10000 - TICK_MS, most=13000),
    ), ((params.MIN_OFF_MS, 10000),), coarse=(500, 9500)),
    Scene("fault-off", stage.charging, _short_briefly, 34000, (
        Row("fault-off", "CP shorted for 0.3 s: contacts open at least", "8: min off time", "ours",
            stage.CONTACTS_CLOSED, stage.CONTACTS_OPEN, least=30000 - TICK_MS, most=33000),
    ), ((params.FAULT_OFF_MS, 30000),), coarse=(500, 29500)),
    Scene("cp-invalid", stage.charging, stage.hold_wire, 800, (
        Row("cp-invalid", "CP above 13 V, a level that is none: coil command off", "8: invalid CP", "ours",
            stage.OPEN, most=200 + 50),
    )),
    Scene("cable-lost", stage.charging, _lose_cable, 800, (
        Row("cable-lost", "Proximity contact lost while charging: contacts open", "3: PP loss", "ours",
            stage.CONTACTS_OPEN, most=200),
    )),
    Scene("lease-expires", stage.charging, stage.silence, TTL_MS + 300, (
        Row("lease-expires", "Station silent, time to live 1 s: X1, counted from its silence", "8: link TTL",
            "ours", stage.SHOWS_X1, least=0, most=TTL_MS + LATENCY_MS),
    )),
    Scene("lease-expires-dc", stage.charging_direct, stage.silence, TTL_MS + 1300, (
        Row("dc-enable", "DC, station silent: supply enable off, counted from its silence", "8: link TTL", "ours",
            stage.SUPPLY_OFF, least=0, most=TTL_MS + LATENCY_MS),
        Row("dc-contacts", "The same: contacts open after enable is off; the supply's current falls", "8: link TTL",
            "ours", stage.CONTACTS_OPEN, stage.SUPPLY_OFF, least=0, most=1000, from_stimulus=True),
        Row("dc-broken", "The same: current that the contacts break", "8: link TTL", "ours", stage.BROKEN_A, most=5,
            kind=VALUE, unit="A"),
    ), DIRECT),
    Scene("lease-expires-stiff", stage.charging_stiff, stage.silence, TTL_MS + 1300, (
        Row("dc-stiff", "The same with a supply whose current does not fall: contacts open", "8: link TTL", "ours",
            stage.CONTACTS_OPEN, stage.SUPPLY_OFF, least=0, most=1000, from_stimulus=True),
    ), DIRECT),
    Scene("station-stop", stage.charging, _ask_stop, 800, (
        Row("station-stop", "Station asks for a prompt stop: contacts open, link included", "design: prompt stop",
            "ours", stage.CONTACTS_OPEN, most=250),
    )),
)
# fmt: on

# fmt: off
ELSEWHERE = (
    Elsewhere("Pause from the host", "6: Pause from host", "S", "X1, then 6 s", "pilot",
        "Measured as 9.x and 10.2 of section 4."),
)
# fmt: on
