"""Measures the console beside its peers in the same run, so that ratios can be compared. No time is asserted."""
