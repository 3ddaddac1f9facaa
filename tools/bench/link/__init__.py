"""The pilot link, measured: a station on CPython, the pilot program on MicroPython, a pty between them."""
