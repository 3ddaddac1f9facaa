"""Reaction times of the pilot, measured in the simulated circuit against what the fact sheet on IEC 61851-1 asks for."""
