"""What every test shares: the hypothesis profile, and one line at the top that says what this machine lacks."""

from __future__ import annotations

import importlib.util
import platform
import sys

from hypothesis import settings

# A busy CI machine must not turn a slow example into a failure; a failing example prints how to repeat it.
settings.register_profile("pilotwire", deadline=None, print_blob=True)
settings.load_profile("pilotwire")


def pytest_report_header() -> list[str]:
    """Say which interpreter plays the pilot here, so that no report hides a stand-in."""
    real = importlib.util.find_spec("micropython_unix")
    pilot = "real MicroPython" if real else f"CPython child process (no MicroPython wheel for {platform.machine()})"
    return [f"pilotwire: python {sys.version.split()[0]}, pilot side runs under: {pilot}"]
