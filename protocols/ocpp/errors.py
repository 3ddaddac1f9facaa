"""What can go wrong in OCPP, named by whose fault it is."""

from __future__ import annotations


class CallErrorCode:
    """Error codes of a CALLERROR (OCPP-J 1.6, table 7), with their spelling on the wire."""

    NOT_IMPLEMENTED = "NotImplemented"
    """The action is not known at all."""
    NOT_SUPPORTED = "NotSupported"
    """The action is known and not supported."""
    INTERNAL = "InternalError"
    PROTOCOL = "ProtocolError"
    SECURITY = "SecurityError"
    FORMATION = "FormationViolation"
    PROPERTY = "PropertyConstraintViolation"
    OCCURRENCE = "OccurenceConstraintViolation"
    """One r: the misprint of the 1.6 specification is the name on the wire (errata: will not be fixed)."""
    TYPE = "TypeConstraintViolation"
    GENERIC = "GenericError"


class LocalProtocolError(ValueError):
    """Our own side asked for something OCPP does not allow; the text says what would be right."""


class PayloadError(Exception):
    """The other side's payload breaks its schema."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        """Spelling for the CALLERROR."""
        self.text = text
        """What and where, in words."""
