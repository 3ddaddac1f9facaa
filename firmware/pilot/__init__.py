"""The pilot program around the kernel: front end, link server, tick loop. MicroPython subset."""
