"""The frame of the pages on which administrators add, change and delete what is configured.

A model needs a form (forms.py) and a subclass of `Configuration` (views.py), which lie in the package of its subject.
"""
