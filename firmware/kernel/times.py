"""Every time the kernel knows, in milliseconds. Those that a board may choose are parameters (params.py).

Sources are sections of the project's fact sheet on IEC 61851-1, ISO 15118-3 and public firmwares; [K] marks what is recalled there
and not read in a source. "ours" marks a choice of this project.
"""

# Control pilot
FROM_C_MS = 25  # evidence that the car has left C (or D); contacts must be open 100 ms after it, mechanics included (4: 8.1, 8.2)
OTHER_MS = 50  # evidence for any other change but the one to C or D, which is the parameter TO_C_MS
INVALID_MS = 200  # no defined level for so long is a fault (8)
PWM_SETTLE_MS = 20  # the negative level means something only after PWM has run this long (ours)
DIODE_GOOD_MS = 100  # the negative level has been unloaded for so long (ours)
DIODE_BAD_MS = 50  # ... or loaded: no diode (ours)
PULSE_EVIDENCE_MS = 20  # a pulse from B to C and back is followed this closely (ours)
PULSE_MIN_MS = 150  # a BCB pulse lasts 200..400 ms, with 50 ms of tolerance (4: 11)
PULSE_MAX_MS = 450
PULSE_WINDOW_MS = 3700  # the whole sequence lasts 3.5 s, with 0.2 s of tolerance

# Signals
SPACING_MS = 5000  # the duty changes at most this often, except to X1 (4: 6)
STOP_MS = 6200  # open under load no earlier than 6.0 s and no later than 6.5 s after X1 (4: 10.2)
TELL_MS = 6000  # after a prompt stop PWM stays this long at most, so that the car can be told (ours)
F_HOLD_MS = (
    320  # state F is shown at least 300 ms (Table A.5 as restated); 20 ms are for an output that comes late (ours)
)
STEP_EF_MS = 4000  # T_step_EF (4)
STEP_X1_MS = 3000  # T_step_X1 (evse_requirements 24)
WAKE_MS = 4000  # wake-up of a sleeping car: the pilot wire is off this long (4, A.5.3)
SETTLE_MS = 750  # X1 between that and PWM, 500..1000 (4)

# Contactor
LOST_MS = (
    20  # a mirror contact that has followed its command and moves without one; shorter bounces are forgiven (ours)
)
FEEDBACK_MS = 250  # a contactor follows its command within this time (5)
DRAIN_MS = 900  # DC: contacts open at relay-safe current, and within 1 s whatever the current is
ZERO_MS = 1000  # contacts open, and no current where it is measured, for so long: proven zero current
OVERRUN_MS = 40  # the charge pump holds the coil at least so long: a later tick may have lost control of the contactor
RECOVER_MS = 1000  # the cause of a fault must have been away this long, with contacts open (ours)

# Cable, lock, sensors
CABLE_MS = 100  # evidence for a cable's coding resistor (ours)
CABLE_WAIT_MS = 3000  # with a car and without a readable cable for so long: a fault (ours)
LOCK_MS = 1000  # a lock follows its drive within this time (ours)
LOCK_PAUSE_MS = 500  # the drive rests between two tries (ours)
EARTH_MS = 50  # evidence of lost earth; power off within 100 ms (4 [K])
PEN_MS = 50  # evidence of a lost PEN conductor; the regulation allows 5 s (5 [K])
SENSOR_MS = 1000  # evidence that a temperature is too high or a sensor is broken (ours)

# Residual current device
TRIP_MS = 740  # a self-test makes the outputs trip within this time (5, X804/X904)
RELEASE_MS = 3000  # and they are released within this time after it (5)
TEST_PERIOD_MS = 86400000  # a self-test is good for 24 h (5)

# Over-current, with the pilot's own current transformer
OVER_MS = 7000  # over the limit for so long (9)
FOLLOW_MS = 3000  # after a reduction the old limit counts this long: current below the new one within 10 s (9)
PHANTOM_MS = 250  # current although the mirror contacts report open (ours)

TTL_MAX_MS = 5000  # no lease lives longer, whatever the parameters say
