"""Recordings once they are rows: pieces become one file, its text is searched, its time to stay runs out.

Pages, worker and gateway build on it. Knows nothing of how a terminal is recorded (gateway/recording.py).
"""
