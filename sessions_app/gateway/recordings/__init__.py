"""Recordings once they are rows: their files are made and searched, and they are deleted in time.

Pages, worker and gateway use this package. It does not know how a terminal is recorded (gateway/recording.py).
"""
