"""Measurements, as ratios to a peer in the same run. Nothing here asserts a time."""
