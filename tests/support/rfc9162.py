"""Roots and proofs of hash trees by the recursions in the text of RFC 9162, section 2.1: slow, and easy to compare."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def tree_root(leaves: Sequence[bytes]) -> bytes:
    """Return MTH(D[n]) of hashes of leaves (section 2.1.1)."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    left = _left(leaves)
    return hashlib.sha256(b"\x01" + tree_root(leaves[:left]) + tree_root(leaves[left:])).digest()


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return PATH(m, D[n]), from the leaf up (section 2.1.3.1)."""
    if len(leaves) == 1:
        return []
    left = _left(leaves)
    if index < left:
        return [*inclusion_path(leaves[:left], index), tree_root(leaves[left:])]
    return [*inclusion_path(leaves[left:], index - left), tree_root(leaves[:left])]


def consistency_path(leaves: Sequence[bytes], old: int, is_whole: bool = True) -> list[bytes]:
    """Return SUBPROOF(m, D[n], b) from `old` leaves to all of them; PROOF(m, D[n]) to begin with (section 2.1.4.1)."""
    if old == len(leaves):
        return [] if is_whole else [tree_root(leaves)]
    left = _left(leaves)
    if old <= left:
        return [*consistency_path(leaves[:left], old, is_whole), tree_root(leaves[left:])]
    return [*consistency_path(leaves[left:], old - left, False), tree_root(leaves[:left])]


def _left(leaves: Sequence[bytes]) -> int:
    """Return k, the largest power of two that is smaller than the number of leaves."""
    return 1 << ((len(leaves) - 1).bit_length() - 1)
