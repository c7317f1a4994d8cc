"""Tests of second factors, and of asking for one again."""
