"""What went wrong with a key, a bundle or an update, in words for the person at the terminal."""

from __future__ import annotations


class FirmwareError(Exception):
    """The text says what, where, and what would be right."""
