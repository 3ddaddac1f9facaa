"""Generated message tables; see `tools/codegen/ocpp.py`."""
