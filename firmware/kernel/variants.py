"""Two starting points for a board's parameters, in the order of params.LIMITS. A board changes what differs and seals the result.

The control pilot itself is the same in both standards (bands, duty, the times of times.py). What differs is around it.
"""

from . import params

# IEC 61851-1, case C (fixed cable), three phases, residual direct current detection (IEC 62955) with self-test.
IEC = (
    32000,  # MAX_MA
    3,  # PHASES
    params.RCD_DC | params.RCD_TEST,  # FITTED
    250,  # TO_C_MS
    10000,  # MIN_OFF_MS
    30000,  # FAULT_OFF_MS
    30000,  # WAKE_AFTER_MS
    60000,  # DEAD_MS
    0,  # SWITCH_PHASES
    0,  # RECLOSE_TRIES
    900000,  # RECLOSE_MS
    80000,  # SIMPLE_MA: no cap, the 10 A duty is the car's
    600,  # DERATE_DDEG
    700,  # STOP_DDEG
    0,  # DC_MAX_MA
    5000,  # TTL_MS
)

# SAE J1772: two live wires of one phase, fixed cable, CCID20 with self-test, earth monitor; no wake-up as in IEC A.5.3.
J1772 = (
    32000,
    1,
    params.RCD_AC | params.RCD_TEST | params.EARTH,
    250,
    10000,
    30000,
    0,
    60000,
    0,
    0,
    900000,
    80000,
    600,
    700,
    0,
    5000,
)
