"""The session's states and every way from one to another.

Every (state, trigger) pair stands in TABLE: the next state and the actions on the way, in order. A pair that is not there
is a mistake of the program. A fault is not a state: it lies over any of them (session.py), because a transaction goes on existing
while a pilot restarts.

state       what it means
IDLE        no car
PREPARING   a car, nobody has been authorised
STARTING    authorised; the transaction waits for the meter reading it begins with, and for a pilot without a fault
ACTIVE      a transaction runs; whether current flows is the pilot's and the car's business
ENDING      no longer ACTIVE, so the lease is withdrawn; waiting for the contacts to open
SETTLING    contacts are open; waiting for the meter reading the transaction ends with
FINISHING   the transaction is over, the car is still there
"""

from __future__ import annotations

IDLE = "Idle"
PREPARING = "Preparing"
STARTING = "Starting"
ACTIVE = "Active"
ENDING = "Ending"
SETTLING = "Settling"
FINISHING = "Finishing"

STATES = (IDLE, PREPARING, STARTING, ACTIVE, ENDING, SETTLING, FINISHING)

PLUGGED = "plugged"
UNPLUGGED = "unplugged"
AUTHORISED = "authorised"
METERED = "metered"  # in STARTING: a fresh reading, and nothing else in the way; in SETTLING: one taken after the contacts opened
STOP = "stop"
OPENED = "opened"
TIMEOUT = "timeout"  # a state that waits has waited long enough

TRIGGERS = (PLUGGED, UNPLUGGED, AUTHORISED, METERED, STOP, OPENED, TIMEOUT)

# Actions; session.py has a method for each.
ASK_TOKEN = "ask_token"  # look for somebody who may charge: a token shown before, or free charging  # noqa: S105
FORGET_TOKEN = "forget_token"  # noqa: S105
BEGIN = "begin_transaction"
END = "end_transaction"
NOTE_UNPLUGGED = "note_unplugged"

TABLE: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    (IDLE, PLUGGED): (PREPARING, (ASK_TOKEN,)),
    (IDLE, UNPLUGGED): (IDLE, ()),
    (IDLE, AUTHORISED): (IDLE, ()),  # kept until a car comes
    (IDLE, METERED): (IDLE, ()),
    (IDLE, STOP): (IDLE, (FORGET_TOKEN,)),
    (IDLE, OPENED): (IDLE, ()),
    (IDLE, TIMEOUT): (IDLE, (FORGET_TOKEN,)),
    (PREPARING, PLUGGED): (PREPARING, ()),
    (PREPARING, UNPLUGGED): (IDLE, (FORGET_TOKEN,)),
    (PREPARING, AUTHORISED): (STARTING, ()),
    (PREPARING, METERED): (PREPARING, ()),
    (PREPARING, STOP): (PREPARING, ()),
    (PREPARING, OPENED): (PREPARING, ()),
    (PREPARING, TIMEOUT): (PREPARING, ()),
    (STARTING, PLUGGED): (STARTING, ()),
    (STARTING, UNPLUGGED): (IDLE, (FORGET_TOKEN,)),
    (STARTING, AUTHORISED): (STARTING, ()),
    (STARTING, METERED): (ACTIVE, (BEGIN,)),
    (STARTING, STOP): (FINISHING, (FORGET_TOKEN,)),
    (STARTING, OPENED): (STARTING, ()),
    (STARTING, TIMEOUT): (STARTING, ()),
    (ACTIVE, PLUGGED): (ACTIVE, ()),
    (ACTIVE, UNPLUGGED): (ENDING, (NOTE_UNPLUGGED,)),
    (ACTIVE, AUTHORISED): (ACTIVE, ()),
    (ACTIVE, METERED): (ACTIVE, ()),
    (ACTIVE, STOP): (ENDING, ()),
    (ACTIVE, OPENED): (ACTIVE, ()),
    (ACTIVE, TIMEOUT): (ACTIVE, ()),
    (ENDING, PLUGGED): (ENDING, ()),
    (ENDING, UNPLUGGED): (ENDING, ()),
    (ENDING, AUTHORISED): (ENDING, ()),
    (ENDING, METERED): (ENDING, ()),
    (ENDING, STOP): (ENDING, ()),
    (ENDING, OPENED): (SETTLING, ()),
    (ENDING, TIMEOUT): (SETTLING, ()),  # the pilot is lost: its charge pump has opened by now
    (SETTLING, PLUGGED): (SETTLING, ()),
    (SETTLING, UNPLUGGED): (SETTLING, ()),
    (SETTLING, AUTHORISED): (SETTLING, ()),
    (SETTLING, METERED): (FINISHING, (END,)),
    (SETTLING, STOP): (SETTLING, ()),
    (SETTLING, OPENED): (SETTLING, ()),
    (SETTLING, TIMEOUT): (FINISHING, (END,)),  # no meter: the last reading has to do
    (FINISHING, PLUGGED): (FINISHING, ()),
    (FINISHING, UNPLUGGED): (IDLE, (FORGET_TOKEN,)),
    (FINISHING, AUTHORISED): (STARTING, ()),
    (FINISHING, METERED): (FINISHING, ()),
    (FINISHING, STOP): (FINISHING, ()),
    (FINISHING, OPENED): (FINISHING, ()),
    (FINISHING, TIMEOUT): (FINISHING, ()),
}

TIMEOUTS_MS = {IDLE: 60_000, ENDING: 10_000, SETTLING: 10_000}
"""How long a waiting state waits. IDLE: how long a token shown before the car counts (OCPP 1.6 ConnectionTimeOut)."""
