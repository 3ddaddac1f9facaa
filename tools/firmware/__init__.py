"""Pilot programs as files: keys, bundles, a board's first files, and the update over the link."""
