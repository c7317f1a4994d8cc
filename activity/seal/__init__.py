"""The sealed log: its entries as leaves of a hash tree after RFC 9162, and signed checkpoints of that tree.

Knows nothing of signing keys: whoever has them hands in how a text is signed (signing.py).
"""
