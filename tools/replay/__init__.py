"""Feeds a recording to the same pure parts and compares what they make of it."""
