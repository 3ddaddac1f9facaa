"""Limits and what follows from them: one allocation that names its reason. Pure."""
