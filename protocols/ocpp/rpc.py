"""OCPP-J framing: CALL, CALLRESULT, CALLERROR (OCPP-J 1.6, chapter 4), without sockets or clocks.

Rules of this file:
- at most one CALL of ours is outstanding (4.1.1); a reply to anything else is reported as late or ignored;
- every CALL from the other side is answered exactly once: by `result`, by `error`, or here when it is malformed;
- nothing received ever raises. A frame whose message id cannot be read cannot be answered in 1.6: it is ignored and
  reported as `FrameIgnored`;
- frames above `MAX_FRAME_CHARS` are refused unread, so that one message cannot hold up the loop.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Any

import msgspec

from .errors import CallErrorCode, LocalProtocolError, PayloadError
from .messages import Messages

CALL, CALLRESULT, CALLERROR = 2, 3, 4

MAX_FRAME_CHARS = 256 * 1024
"""A full charging profile of 1.6 is below 100 KiB; nothing larger has meaning for this charge point."""

MAX_ID_CHARS = 255
"""1.6 allows 36; longer ones are answered all the same, absurd ones are not echoed."""

_HEAD_OF_CALL = re.compile(r'\s*\[\s*2\s*,\s*"([^"\\\x00-\x1f\ud800-\udfff]{1,255})"\s*[,\]]')
_HEAD_OF_LARGE = re.compile(r'\s*\[\s*([0-9])\s*,\s*"([^"\\\x00-\x1f\ud800-\udfff]{1,255})"\s*[,\]]')

_frame_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_any_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


class CallReceived(msgspec.Struct, frozen=True):
    """A well-formed request to us; answer with `Rpc.result` or `Rpc.error`."""

    message_id: str
    action: str
    payload: Any
    """Struct of the action's type."""


class ResultReceived(msgspec.Struct, frozen=True):
    """The answer to our call, or, with `late`, to a call we had given up."""

    message_id: str
    action: str
    """Empty when late: only the caller may still know."""
    payload: msgspec.Raw
    late: bool = False


class ErrorReceived(msgspec.Struct, frozen=True):
    """A CALLERROR for our call."""

    message_id: str
    action: str
    code: str
    description: str


class CallTimedOut(msgspec.Struct, frozen=True):
    """No answer to our call in time."""

    message_id: str
    action: str


class CallRefused(msgspec.Struct, frozen=True):
    """A malformed or unknown request was answered with a CALLERROR."""

    message_id: str
    action: str
    code: str
    description: str


class FrameIgnored(msgspec.Struct, frozen=True):
    """Something arrived that cannot be answered."""

    why: str


RpcEvent = CallReceived | ResultReceived | ErrorReceived | CallRefused | FrameIgnored


class Rpc:
    """One end of an OCPP-J connection; the shell moves the texts."""

    def __init__(self, messages: Messages, supported: frozenset[str], call_timeout_ms: int = 30_000) -> None:
        self._messages = messages
        self._supported = supported
        self._call_timeout_ms = call_timeout_ms
        self._out: deque[str] = deque()
        self._call_id = ""
        self._call_action = ""
        self._call_until_ms: int | None = None
        self._unanswered: set[str] = set()

    @property
    def outstanding(self) -> bool:
        """Whether a call of ours waits for its answer."""
        return self._call_until_ms is not None

    def deadline(self) -> int | None:
        """Monotonic ms at which `tick` should be called, None while nothing is outstanding."""
        return self._call_until_ms

    def frame(self, message_id: str, payload: msgspec.Struct) -> str:
        """Text of a CALL, not sent yet; raises LocalProtocolError when the payload breaks its schema."""
        body = self._messages.encode(payload)
        return msgspec.json.encode([CALL, message_id, type(payload).__name__, msgspec.Raw(body)]).decode()

    def call(self, message_id: str, action: str, frame: str, now_ms: int) -> None:
        """Send a CALL made by `frame`, now or years ago; raises LocalProtocolError while another is outstanding."""
        if self.outstanding:
            raise LocalProtocolError(f"{action}: {self._call_action} is still outstanding; OCPP-J allows one call")
        self._call_id = message_id
        self._call_action = action
        self._call_until_ms = now_ms + self._call_timeout_ms
        self._out.append(frame)

    def result(self, message_id: str, payload: msgspec.Struct) -> bool:
        """Answer a CallReceived; False when there is nothing to answer (any more)."""
        if message_id not in self._unanswered:
            return False
        body = self._messages.encode(payload)
        self._unanswered.discard(message_id)
        self._out.append(msgspec.json.encode([CALLRESULT, message_id, msgspec.Raw(body)]).decode())
        return True

    def error(self, message_id: str, code: str, description: str) -> bool:
        """Answer a CallReceived with a CALLERROR; False when there is nothing to answer (any more)."""
        if message_id not in self._unanswered:
            return False
        self._unanswered.discard(message_id)
        self._put_error(message_id, code, description)
        return True

    def ignore(self, message_id: str) -> None:
        """Leave a CallReceived unanswered on purpose (a rejected charge point must stay silent)."""
        self._unanswered.discard(message_id)

    def data_to_send(self) -> list[str]:
        """Texts to send now, in order; each is given once."""
        texts = list(self._out)
        self._out.clear()
        return texts

    def reset(self) -> None:
        """The connection is gone: forget the outstanding call, unsent texts and unanswered requests."""
        self._out.clear()
        self._unanswered.clear()
        self._call_until_ms = None

    def tick(self, now_ms: int) -> CallTimedOut | None:
        """Give the outstanding call up when its time is over."""
        if self._call_until_ms is None or now_ms < self._call_until_ms:
            return None
        self._call_until_ms = None
        return CallTimedOut(self._call_id, self._call_action)

    def receive(self, text: str) -> RpcEvent:
        """Read one frame. Never raises, whatever arrives."""
        if len(text) > MAX_FRAME_CHARS:
            return self._too_large(text)
        try:
            parts = _frame_decoder.decode(text)
            kind = _any_decoder.decode(parts[0]) if parts else None
            message_id = _any_decoder.decode(parts[1]) if len(parts) > 1 else None
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            return self._unreadable(text, f"not a JSON array: {error}")
        if type(kind) is not int or kind not in (CALL, CALLRESULT, CALLERROR):
            return FrameIgnored("unknown message type; 2, 3 or 4 would be right")  # OCPP-J 1.6, 4.1.3: ignore
        if not isinstance(message_id, str) or not 0 < len(message_id) <= MAX_ID_CHARS:
            return FrameIgnored("message id is not a string of 1 to 36 characters")
        if kind == CALL:
            return self._receive_call(message_id, parts)
        return self._receive_reply(kind, message_id, parts)

    def _receive_call(self, message_id: str, parts: list[msgspec.Raw]) -> RpcEvent:
        if len(parts) != 4:
            return self._refuse(message_id, "", CallErrorCode.FORMATION, f"a CALL has 4 elements, not {len(parts)}")
        try:
            action = _any_decoder.decode(parts[2])
        except (ValueError, RecursionError, msgspec.MsgspecError):
            action = None
        if not isinstance(action, str):
            return self._refuse(message_id, "", CallErrorCode.FORMATION, "the action is not a string")
        if not self._messages.knows(action):
            return self._refuse(message_id, action, CallErrorCode.NOT_IMPLEMENTED, "no such action in this version")
        if action not in self._supported:
            return self._refuse(message_id, action, CallErrorCode.NOT_SUPPORTED, f"{action} is not supported here")
        if message_id in self._unanswered:
            # Answering twice would be wrong, and so would acting twice: the first one is still being worked on.
            return FrameIgnored(f"{action}: message id is in use by a request not answered yet")
        try:
            payload = self._messages.decode(action, parts[3])
        except PayloadError as error:
            return self._refuse(message_id, action, error.code, error.text)
        self._unanswered.add(message_id)
        return CallReceived(message_id, action, payload)

    def _receive_reply(self, kind: int, message_id: str, parts: list[msgspec.Raw]) -> RpcEvent:
        expected = self.outstanding and message_id == self._call_id
        action = self._call_action if expected else ""
        if kind == CALLRESULT:
            if expected:
                self._call_until_ms = None
            return ResultReceived(
                message_id, action, parts[2] if len(parts) > 2 else msgspec.Raw(b"null"), not expected
            )
        if not expected:
            return FrameIgnored("CALLERROR for a call that is not outstanding")
        self._call_until_ms = None
        return ErrorReceived(message_id, action, _words(parts, 2) or CallErrorCode.GENERIC, _words(parts, 3))

    def _too_large(self, text: str) -> RpcEvent:
        head = _HEAD_OF_LARGE.match(text)
        why = f"frame of {len(text)} characters; {MAX_FRAME_CHARS} are allowed"
        if head is None:
            return FrameIgnored(why)
        kind, message_id = int(head[1]), head[2]
        if kind == CALL:
            return self._refuse(message_id, "", CallErrorCode.FORMATION, why)
        if kind in (CALLRESULT, CALLERROR) and self.outstanding and message_id == self._call_id:
            self._call_until_ms = None
            return ErrorReceived(message_id, self._call_action, CallErrorCode.FORMATION, why)
        return FrameIgnored(why)

    def _unreadable(self, text: str, why: str) -> RpcEvent:
        head = _HEAD_OF_CALL.match(text)
        if head is None:
            return FrameIgnored(why)
        return self._refuse(head[1], "", CallErrorCode.FORMATION, why)

    def _refuse(self, message_id: str, action: str, code: str, description: str) -> CallRefused:
        if message_id not in self._unanswered:
            self._put_error(message_id, code, description)
        return CallRefused(message_id, action, code, description)

    def _put_error(self, message_id: str, code: str, description: str) -> None:
        # Our own descriptions may quote the peer: a lone surrogate would not encode, and 255 characters are the limit.
        clean = description.encode("utf-8", "replace").decode()[:255]
        self._out.append(msgspec.json.encode([CALLERROR, message_id, code, clean, {}]).decode())


def _words(parts: list[msgspec.Raw], index: int) -> str:
    if len(parts) <= index:
        return ""
    try:
        value = _any_decoder.decode(parts[index])
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return ""
    return value[:255] if isinstance(value, str) else ""
