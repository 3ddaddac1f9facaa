"""The whole stack as separate processes on loopback and ptys: for the demo, the benches and the tests."""
