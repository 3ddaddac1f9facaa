"""OCPP: a sans-IO charge point. Its classes are imported from their modules, so that nothing unused is loaded."""
