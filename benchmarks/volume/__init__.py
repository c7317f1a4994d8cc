"""Generates millions of rows, as a company has them after years of use: `python -m benchmarks.volume`."""
