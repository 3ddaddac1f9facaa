"""Recordings: every input of the station's pure parts in a file, and what they made of it (docs/replay.md)."""
