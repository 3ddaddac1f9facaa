"""Pilotwire: an EV charging station controller. See README.md and docs/one-session.md."""
