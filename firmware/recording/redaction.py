"""Takes secrets out of what is recorded, so consistently that a replay behaves as the original did.

An id tag becomes a pseudonym made under a key that is never written down: the same tag, in whatever case, is the same pseudonym in
one recording, and nobody can find the tag by trying. What is recorded of an OCPP text is the text with its tags and keys replaced.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from typing import Any

from pilotwire.firmware.auth.tokens import FREE_TAG

HIDDEN = "(not recorded)"
_TAG = re.compile(r'("(?:idTag|parentIdTag)"\s*:\s*)("(?:[^"\\]|\\.)*")')
_KEY = re.compile(r'("key"\s*:\s*"(?:AuthorizationKey)"[^{}]*?"value"\s*:\s*)("(?:[^"\\]|\\.)*")', re.IGNORECASE)
_KEY_LAST = re.compile(r'("value"\s*:\s*)("(?:[^"\\]|\\.)*")([^{}]*?"key"\s*:\s*"(?:AuthorizationKey)")', re.IGNORECASE)


class Redactor:
    """One recording's pseudonyms."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._made: dict[str, str] = {}

    def tag(self, id_tag: str) -> str:
        """The pseudonym of an id tag, 20 characters at most; free charging's tag is no secret and stays."""
        if id_tag == FREE_TAG:
            return id_tag
        folded = id_tag.casefold()
        if folded not in self._made:
            self._made[folded] = (
                "tag-" + hmac.digest(self._key, folded.encode("utf-8", "surrogatepass"), "sha256").hex()[:16]
            )
        return self._made[folded]

    def text(self, text: str) -> str:
        """An OCPP text without tags and keys."""
        text = _TAG.sub(self._swap, text)
        hidden = json.dumps(HIDDEN)
        text = _KEY.sub(lambda found: found[1] + hidden, text)
        return _KEY_LAST.sub(lambda found: found[1] + hidden + found[3], text)

    def _swap(self, found: re.Match[str]) -> str:
        try:
            return found[1] + json.dumps(self.tag(json.loads(found[2])))
        except ValueError:  # no text that JSON knows: nothing that anybody could have compared with
            return found[1] + json.dumps(HIDDEN)

    def fields(self, value: Any) -> Any:
        """A journal row's data, or anything else out of dicts and lists, with the tags in it replaced."""
        if isinstance(value, dict):
            return {
                key: self.tag(item) if key == "id_tag" and isinstance(item, str) else self.fields(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return type(value)(self.fields(each) for each in value)
        return value
