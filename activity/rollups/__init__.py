"""Counts of the log by quarter of an hour, made once by a worker, so that the chart need not count entries again.

The tables are in models.py, counting.py fills them and follows what is deleted, reading.py answers the chart.
"""
