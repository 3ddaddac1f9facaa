"""OCPP messages as msgspec Structs, each class built when it is first asked for.

A generated module (`_generated/v16.py`) holds only a table; building all classes of a version at import would cost a
small board a good part of its start-up time, and a charge point uses a fraction of them.

Type codes in the table: `int`, `float`, `bool`, `str` or `str20` (at most 20 characters), `time` (RFC 3339 text),
`=A|B` (one of these words), a type name, or `*`/`+` before a code (array; `+` needs at least one element).

Two readings of each type exist. *Strict* is for what we are asked to do and for what we say ourselves: lengths, times
and unknown fields are checked. *Lenient* is for answers to us: a central system that adds a field or sends a
parentIdTag of 36 characters must not make us lose the transaction id beside it. In both an optional field may be null.
"""

from __future__ import annotations

from types import GenericAlias
from typing import Annotated, Any, Literal

import msgspec

from .errors import CallErrorCode, LocalProtocolError, PayloadError

Fields = tuple[tuple[str, str, bool], ...]
"""Of one type: (wire name, type code, required), required ones first."""

Table = dict[str, Fields]
"""Type name -> fields."""

_TIME_PATTERN = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?$"

_PLAIN: dict[str, Any] = {"int": int, "float": float, "bool": bool, "str": str}

# What msgspec says -> what OCPP-J calls it (OCPP-J 1.6, 4.2.3). The first match counts; wrong wording breaks a test.
_CODE_OF_TEXT: tuple[tuple[str, str], ...] = (
    ("missing required field", CallErrorCode.OCCURRENCE),
    ("`array` of length", CallErrorCode.OCCURRENCE),
    ("unknown field", CallErrorCode.FORMATION),
    ("of length", CallErrorCode.PROPERTY),
    ("matching regex", CallErrorCode.PROPERTY),
    ("Invalid enum value", CallErrorCode.PROPERTY),
    ("out of range", CallErrorCode.PROPERTY),
    ("Expected `", CallErrorCode.TYPE),
)


class Messages:
    """The message types of one OCPP version, by name ("Authorize", "AuthorizeResponse", "IdTagInfo")."""

    def __init__(self, table: Table, actions: tuple[str, ...]) -> None:
        self._table = table
        self._actions = frozenset(actions)
        self._structs: dict[tuple[str, bool], type[msgspec.Struct]] = {}
        self._decoders: dict[tuple[str, bool], msgspec.json.Decoder[Any]] = {}

    def knows(self, action: str) -> bool:
        """Whether this version of OCPP has the action at all, in either direction."""
        return action in self._actions

    def struct(self, name: str, strict: bool = True) -> type[msgspec.Struct]:
        """The class of one type; raises KeyError for a name the version does not have."""
        key = (name, strict)
        if key not in self._structs:
            fields: list[Any] = []
            for wire_name, code, required in self._table[name]:
                kind = self._kind(code, strict)
                fields.append((wire_name, kind) if required else (wire_name, kind | None, None))
            self._structs[key] = msgspec.defstruct(
                name, fields, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=strict
            )
        return self._structs[key]

    def attribute(self, name: str) -> type[msgspec.Struct]:
        """`struct` for a module's `__getattr__`: an unknown name is an AttributeError."""
        if name not in self._table:
            raise AttributeError(f"no OCPP type {name!r}")
        return self.struct(name)

    def decode(self, name: str, payload: msgspec.Raw | bytes | str, strict: bool = True) -> Any:
        """Read one payload; raises PayloadError with the CALLERROR code that fits and where it happened."""
        key = (name, strict)
        if key not in self._decoders:
            self._decoders[key] = msgspec.json.Decoder(self.struct(name, strict))
        try:
            return self._decoders[key].decode(payload)
        except msgspec.ValidationError as error:
            text = str(error)
            if " - at" not in text and text.startswith("Expected `object`"):
                raise PayloadError(CallErrorCode.FORMATION, f"payload: {text}") from None
            code = next((code for part, code in _CODE_OF_TEXT if part in text), CallErrorCode.PROPERTY)
            raise PayloadError(code, text) from None
        except (ValueError, RecursionError) as error:
            raise PayloadError(CallErrorCode.FORMATION, f"payload is not readable JSON: {error}") from None

    def encode(self, message: msgspec.Struct) -> bytes:
        """JSON of one of our own messages, checked against the schema; raises LocalProtocolError."""
        name = type(message).__name__
        payload = msgspec.json.encode(message)
        try:
            self.decode(name, payload)
        except PayloadError as error:
            raise LocalProtocolError(f"{name} may not be sent so: {error.text}") from None
        return payload

    def _kind(self, code: str, strict: bool) -> Any:
        if code in _PLAIN:
            return _PLAIN[code]
        if code[0] == "*":
            return GenericAlias(list, (self._kind(code[1:], strict),))
        if code[0] == "+":
            items: Any = GenericAlias(list, (self._kind(code[1:], strict),))
            return Annotated[items, msgspec.Meta(min_length=1)] if strict else items
        if code[0] == "=":
            return Literal[tuple(code[1:].split("|"))]
        if code == "time":
            return Annotated[str, msgspec.Meta(pattern=_TIME_PATTERN)] if strict else str
        if code.startswith("str"):
            return Annotated[str, msgspec.Meta(max_length=int(code[3:]))] if strict else str
        return self.struct(code, strict)
