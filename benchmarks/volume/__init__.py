"""Generated data by the million, as a company has it after years of use: `python -m benchmarks.volume`."""
