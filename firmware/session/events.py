"""What a session hears and what it wants done. Events are past participles, effects are verbs."""

from __future__ import annotations

from dataclasses import dataclass

from pilotwire.firmware.energy.allocation import Allocation
from pilotwire.hal.ports import MeterReading


@dataclass(frozen=True, slots=True)
class PilotChanged:
    """The pilot's view of car and contactor has changed, or the pilot has come back."""

    pilot: str
    """A, B, C, D, E, F or ? (not known yet)."""
    contacts_closed: bool
    faults: tuple[str, ...]
    """Names of the kernel's active faults."""


@dataclass(frozen=True, slots=True)
class PilotLost:
    """No word from the pilot."""

    silent_ms: int


@dataclass(frozen=True, slots=True)
class TokenAccepted:
    """Somebody may charge here."""

    id_tag: str


@dataclass(frozen=True, slots=True)
class TokenPresented:
    """Somebody has shown a token; whether it may charge is not decided yet."""

    id_tag: str


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The session is to end; `reason` in the words of OCPP 1.6 (Local, Remote, DeAuthorized, ...)."""

    reason: str


@dataclass(frozen=True, slots=True)
class MeterRead:
    """A new meter reading."""

    reading: MeterReading


@dataclass(frozen=True, slots=True)
class MeterLost:
    """The meter does not answer; `error` says how."""

    error: str


@dataclass(frozen=True, slots=True)
class AllocationChanged:
    """The energy side has a new allocation."""

    allocation: Allocation


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed; deadlines are looked at."""


SessionEvent = (
    PilotChanged | PilotLost | TokenAccepted | StopRequested | MeterRead | MeterLost | AllocationChanged | Ticked
)


@dataclass(frozen=True, slots=True)
class AskToken:
    """Find out who wants to charge; answered by TokenAccepted if anybody may."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Lease this much to the pilot; renewed by the link for as long as nothing else is said. 0 withdraws the lease."""

    limit_ma: int


@dataclass(frozen=True, slots=True)
class BeginTransaction:
    """Write down the start of a transaction."""

    id_tag: str
    reading: MeterReading


@dataclass(frozen=True, slots=True)
class EndTransaction:
    """Write down the end of the transaction; reading None: the last one on record has to do."""

    reason: str
    reading: MeterReading | None


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """Tell the world the state of the connector, in the words of OCPP 1.6."""

    status: str
    error_code: str
    info: str


SessionEffect = AskToken | Grant | BeginTransaction | EndTransaction | ReportStatus
