"""Section 5 of the sheet: residual current, earth, contactor."""

from __future__ import annotations

from pilotwire.firmware.kernel import params
from pilotwire.firmware.kernel.times import TEST_PERIOD_MS
from pilotwire.tools.bench.pilot import stage
from pilotwire.tools.bench.pilot.aged import FAULTS_SKIPPED_MS, SELF_TEST_SKIPPED_MS
from pilotwire.tools.bench.pilot.rigs import Rig
from pilotwire.tools.bench.pilot.row import COUNT, Elsewhere, Row, Scene


def _trip_dc(rig: Rig) -> None:
    rig.world.residual.dc_ma = 10.0


def _trip_ac(rig: Rig) -> None:
    rig.world.residual.ac_ma = 40.0


def _trip_and_wait(rig: Rig) -> None:
    _trip_dc(rig)
    rig.run(500)
    rig.world.residual.dc_ma = 0.0
    rig.run(500)
    rig.run_coarse(10000)  # the car has been told, the pilot shows X1: nothing moves any more
    rig.age_faults()


def _next_car(rig: Rig) -> None:
    rig.world.unplug()
    rig.run(rig.rng.randrange(1500, 1800))
    rig.world.plug()


def _dead_test(rig: Rig) -> None:
    rig.world.residual.test_dead = True
    rig.world.plug()
    rig.permit(stage.LIMIT_MA)


def _stuck_outputs(rig: Rig) -> None:
    rig.world.plug()
    rig.permit(stage.LIMIT_MA)
    rig.run_until("the trip of the self-test", lambda: rig.world.residual.dc.tripped, 2000)
    rig.world.residual.dc.stuck = True


def _leave_for_a_day(rig: Rig) -> None:
    rig.world.plug()
    rig.run_until("the trip of the self-test", lambda: rig.world.residual.dc.tripped, 2000)
    rig.run(500)
    rig.world.unplug()
    rig.run(500)
    rig.age_self_test()


def _charge_for_a_day(rig: Rig) -> None:
    stage.charging(rig)
    rig.age_self_test()


def _weld(rig: Rig) -> None:
    rig.world.contactor.welded = True
    rig.world.car.wants_charge = False


def _stick(rig: Rig) -> None:
    rig.world.contactor.stuck_open = True
    rig.world.car.wants_charge = True


def _lose_mirror(rig: Rig) -> None:
    rig.world.contactor.mirror_open = True


def _lose_earth(rig: Rig) -> None:
    rig.world.earth_ok = False


def _lose_pen(rig: Rig) -> None:
    rig.world.pen_lost = True


def _press_stop(rig: Rig) -> None:
    rig.world.stop_pressed = True


def _freeze(rig: Rig) -> None:
    rig.freeze()


# fmt: off
SCENES = (
    Scene("rcd-dc", stage.charging, _trip_dc, 500, (
        *stage.opens("rcd-dc", "Trip output of the RDC-DD (6 mA DC)", "5: Fault output", "ours", stage.RCD_DC),
    )),
    Scene("rcd-ac", stage.charging, _trip_ac, 500, (
        *stage.opens("rcd-ac", "Trip output of the RCD (30 mA AC, CCID20)", "5: Fault output", "ours", stage.RCD_AC),
    )),
    Scene("self-test", stage.charging, _next_car, 5000, (
        Row("self-test-begins", "Next car: self-test begins", "5: self-test (X804/X904)", "ours", stage.TEST,
            stage.PLUGGED, least=0, most=500),
        Row("self-test-first", "Next car: contacts closed after the self-test (negative: before it)",
            "5: self-test (X804/X904)", "S", stage.CONTACTS_CLOSED, stage.TEST_ENDS, least=0, from_stimulus=True),
    ), real_from=1300),
    Scene("self-test-dead", stage.ready, _dead_test, 2500, (
        Row("self-test-dead", "Self-test: outputs do not trip; given up after", "5: self-test (X804/X904)", "S",
            stage.TEST_ENDS, stage.TEST, least=700, most=780),
        Row("self-test-dead-closings", "The same: closings", "5: self-test (X804/X904)", "S", stage.CLOSE, least=0,
            most=0, kind=COUNT, unit="closings"),
    )),
    Scene("self-test-stuck", stage.ready, _stuck_outputs, 4500, (
        Row("self-test-stuck", "Self-test: outputs stay tripped; given up (state F) after",
            "5: self-test (X804/X904)", "S", stage.SHOWS_F, stage.TEST_ENDS, least=2900, most=3010),
    ), coarse=(700, 2900)),
    Scene("self-test-daily", stage.ready, _leave_for_a_day, 14000, (
        Row("self-test-daily", "No car for a day: age of the last self-test when the next begins",
            "5: self-test (X804/X904)", "S", stage.TEST, stage.RCD_DC_AWAY, most=TEST_PERIOD_MS + 100,
            plus=SELF_TEST_SKIPPED_MS),
    ), ages=True),
    Scene("self-test-daily-car", stage.ready, _charge_for_a_day, 14000, (
        Row("self-test-daily-car",
            "Charging for a day: age of the last self-test when X1 asks the car to stop for the next",
            "5: self-test (X804/X904)", "S", stage.SHOWS_X1, stage.RCD_DC_AWAY, most=TEST_PERIOD_MS + 100,
            plus=SELF_TEST_SKIPPED_MS),
    ), ages=True),
    Scene("reclose", stage.charging, _trip_and_wait, 20000, (
        Row("reclose", "Automatic reclosing (an option, off by default): contacts open to contacts closed",
            "5: UL auto-reclose", "K", stage.CONTACTS_CLOSED, stage.CONTACTS_OPEN, least=900000, most=905000,
            plus=FAULTS_SKIPPED_MS),
    ), ((params.RECLOSE_TRIES, 4),), coarse=(11500, 14500), ages=True),
    Scene("weld", stage.charging, _weld, 1300, (
        Row("weld", "Contacts welded: from the opening command to the fault shown as state F",
            "5: Weld/stuck relay", "S", stage.SHOWS_F, stage.OPEN, most=1000),
    )),
    Scene("stuck-open", stage.offered, _stick, 1800, (
        Row("stuck-open", "Contacts do not close: how long the coil command stands", "5: Weld/stuck relay", "S",
            stage.OPEN, stage.CLOSE, most=1000),
    )),
    Scene("mirror", stage.charging, _lose_mirror, 500, (
        *stage.opens("mirror", "Mirror contact reports open without a command", "5: Mirror/aux contact", "ours"),
    )),
    Scene("earth", stage.charging, _lose_earth, 500, (
        Row("earth", "Earth monitor reports no earth: contacts open", "5: Ground monitor", "K", stage.CONTACTS_OPEN,
            most=100),
    )),
    Scene("pen", stage.charging, _lose_pen, 800, (
        Row("pen", "PEN-fault detector trips: contacts open", "5: UK PEN fault", "K", stage.CONTACTS_OPEN,
            most=5000),
    )),
    Scene("stop-button", stage.charging, _press_stop, 800, (
        *stage.opens("stop-button", "Emergency stop pressed", "design: emergency stop", "ours"),
        Row("stop-button-f", "The same: how long state F is shown", "4: state F shown after fault", "S",
            stage.F_ENDS, stage.SHOWS_F, least=300, most=400),
    )),
    Scene("frozen", stage.charging, _freeze, 500, (
        Row("frozen",
            "Pilot program frozen: contacts open by the charge pump (simulated hardware, no program takes part)",
            "5: Fault output", "ours", stage.CONTACTS_OPEN, most=100),
    )),
)
# fmt: on

_DEVICE = "The device measures and trips by itself; the pilot's part begins at its trip output (above)."

# fmt: off
ELSEWHERE = (
    Elsewhere("IEC 62955 RDC-DD: trip times", "5: IEC 62955 RDC-DD", "K",
        "6 mA ≤ 10 s, 60 mA ≤ 0.3 s, 200 mA ≤ 0.1 s", "hardware", _DEVICE),
    Elsewhere("RCD type A: trip time", "5: IEC RCD type A", "K", "30 mA ≤ 0.3 s", "hardware", _DEVICE),
    Elsewhere("CCID20: trip curve", "5: CCID20", "K", "T = (20/I)^1.43 s, 15–20 mA", "hardware", _DEVICE),
    Elsewhere("RDC-DD and main contactor as the RCD's switch", "5: RDC-DD + main contactor", "S", "4-pole device",
        "hardware", "Poles of a contactor are not a matter of time or program."),
    Elsewhere("Contact gap", "5: Contact gap", "S", "≥ 3 mm", "hardware",
        "A property of the contactor; the simulated one has none."),
    Elsewhere("Fault output opens the contactor directly", "5: Fault output", "S", "not through a program",
        "hardware",
        "The trip output cuts the coil's supply; the rows above are the pilot's second, independent reaction."),
    Elsewhere("GFI self-test by current pulses", "5: OpenEVSE GFI self-test", "S", "60 pulses of 8.33 ms",
        "hardware", "Another firmware's way to drive its own transformer. Here the device has a test input."),
    Elsewhere("Fault output's debounce, device self-test", "5: Western Automation RCM14", "S", "1 ms, ≤ 15 s",
        "hardware", "The pilot takes a trip output without debounce, in the tick that sees it."),
    Elsewhere("Test pulse and analogue plausibility", "5: Bender RCMB102", "S", "50–100 µs, 6.6 s", "hardware",
        "Another device; a board with it brings its own front end."),
    Elsewhere("PEN fault: protective conductor switched too, touch voltage", "5: UK PEN fault", "K", "> 70 V",
        "hardware", "The detector measures; a five-pole contactor switches PE."),
    Elsewhere("Wetting current of mirror contacts", "5: Mirror/aux contact", "S", "10–50 mA", "hardware",
        "Electrical design of the board."),
)
# fmt: on
