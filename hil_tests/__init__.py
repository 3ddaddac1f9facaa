"""One suite against a bench: simulated, with the pilot on MicroPython, or real hardware through labgrid. docs/hil.md."""
