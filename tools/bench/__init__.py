"""Measurements: figures for claims, never pass or fail of a test."""
