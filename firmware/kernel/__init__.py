"""The safety kernel: pure, integers only, imports nothing. The same files run on CPython and MicroPython."""
