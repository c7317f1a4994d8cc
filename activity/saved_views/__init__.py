"""Saved views: the filters, the order and the columns of a list, kept under a name by one person or shared by them.

A view is an address and columns. It gives nobody a right: the list asks who reads it each time that it is opened.
"""
