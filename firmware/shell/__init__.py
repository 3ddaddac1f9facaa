"""Sockets, timers and tasks around the pure parts. Each file is one port; runner.py joins them."""
