"""Local authorisation: free charging, or a list of id tags."""

from __future__ import annotations

from collections.abc import Iterable

FREE_TAG = "FREE"
"""The id tag that free charging appears under in transactions."""


class LocalAuthorisation:
    """The station's own answer to "may this tag charge?". Tags compare without regard to case (OCPP 1.6 CiString)."""

    def __init__(self, mode: str, id_tags: Iterable[str]) -> None:
        self.free = mode == "free"
        self._known = {tag.casefold() for tag in id_tags}

    def accepts(self, id_tag: str) -> bool:
        """True when this tag may charge without asking anybody else."""
        return self.free or id_tag.casefold() in self._known
