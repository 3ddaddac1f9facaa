"""What the pilot is waiting for, in words: from its phase and the conditions of its table (kernel/table.py)."""

from __future__ import annotations

from pilotwire.firmware.kernel import bands, table

# What a phase that passes by itself is doing.
PASSING = {
    table.TESTING: "self-test of the residual current device",
    table.STOPPING: "the car has been told to stop",
    table.DRAINING: "the supply is off, its current fades",
    table.STEP_EF: "pilot wire at -12 V as asked for",
    table.STEP_X1: "pilot wire without PWM as asked for",
    table.WAKING: "waking up a car that does not ask for power",
    table.SWITCHING: "change between one and three phases",
    table.SETTLING: "the car gets a moment before PWM",
}

# What must hold before PWM is shown to a car under a lease; the words are for when it does not.
FOR_PWM = (
    (table.TESTED, "the self-test of the residual current device"),
    (table.CABLE_OK, "a readable cable in the socket"),
    (table.LOCKED, "the socket's lock"),
    (table.RESTED, "the contactor's rest between two closings"),
    (table.SPACED, "the 5 s between two changes of the duty"),
)

# What must hold besides before the contactor closes for a car that asks for power.
FOR_POWER = (
    (table.DIODE_OK, "the check of the car's diode"),
    (table.PROVEN_OPEN, "mirror contacts that report open"),
    (table.RESTED, "the contactor's rest between two closings"),
    (table.POWER, "the station's permission for power"),
)


def waiting_for(phase: int, conditions: int, pilot: int) -> list[str]:
    """Everything that stands between a car with a lease and its power, as far as the pilot knows; empty when nothing does."""
    if phase in PASSING:
        return [PASSING[phase]]
    if conditions & table.FAULT or not conditions & table.PERMIT:
        return []  # the fault, or the station itself, says why
    if pilot == bands.D and not conditions & table.CAR:
        return ["ventilation: the car asks for it and there is none"]
    if phase == table.IDLE and conditions & table.CAR:
        missing = [words for bit, words in FOR_PWM if not conditions & bit]
        if conditions & table.SWITCH:
            missing.append("proof that no current flows, before phases change")
        return missing
    if phase == table.OFFERING and conditions & table.WANTS:
        return [words for bit, words in FOR_POWER if not conditions & bit]
    return []
