"""The sample data of `sessionadmin load_sample`: people, what they may request, and what happened in the last weeks.

Plain data and builders, for trying the console out. No part of the product reads it.
"""
