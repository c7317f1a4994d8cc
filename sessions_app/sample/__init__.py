"""The sample data of `sessionadmin load_sample`: people, the catalogue, and sessions of the last weeks.

It serves to try the console out, and no part of the product reads it.
"""
