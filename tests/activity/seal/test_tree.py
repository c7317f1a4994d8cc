"""The tree in the database gives the roots and proofs of RFC 9162, computed here from the text of the RFC."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from activity.models import SealState, SealTile
from activity.seal import tree
from tests.support.rfc9162 import tree_root

pytestmark = pytest.mark.django_db


def _leaf(number: int) -> bytes:
    return hashlib.sha256(b"\x00" + str(number).encode()).digest()


def _is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Verify an inclusion proof as section 2.1.3.2 says."""
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = hashlib.sha256(b"\x01" + p + r).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = hashlib.sha256(b"\x01" + r + p).digest()
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def _is_consistent(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Verify a consistency proof as section 2.1.4.2 says."""
    steps = [first_root, *path] if first & (first - 1) == 0 else list(path)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = steps[0]
    for c in steps[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = hashlib.sha256(b"\x01" + c + fr).digest(), hashlib.sha256(b"\x01" + c + sr).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = hashlib.sha256(b"\x01" + sr + c).digest()
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first_root and sr == second_root


def _grow(*steps: int) -> list[bytes]:
    """Let the tree grow by so many leaves at a time; entry n has the number 3 n + 1. Return all leaves."""
    leaves: list[bytes] = []
    for step in steps:
        new = range(len(leaves), len(leaves) + step)
        tree.save(tree.grown(len(leaves), [3 * n + 1 for n in new], [_leaf(n) for n in new]))
        leaves += [_leaf(n) for n in new]
    SealState.objects.update_or_create(pk=SealState.THE_ROW, defaults={"size": len(leaves)})
    return leaves


def test_roots_are_those_of_the_rfc_at_every_size() -> None:
    leaves = _grow(1, 2, 252, 1, 1, 300, 43)
    assert [tree.root(size) for size in range(601)] == [tree_root(leaves[:size]) for size in range(601)]


def test_every_leaf_is_proved_at_sizes_around_the_edges_of_tiles() -> None:
    leaves = _grow(600)
    for size in (1, 2, 255, 256, 257, 511, 512, 513, 600):
        at_size, root = tree.Tree(size), tree_root(leaves[:size])
        for index in {0, 1, size // 2, 254, 255, 256, 257, 511, size - 1}:
            if index < size:
                assert _is_included(leaves[index], index, size, at_size.inclusion_proof(index), root)
                assert (
                    not _is_included(leaves[index - 1], index, size, at_size.inclusion_proof(index), root) or size == 1
                )


def test_older_trees_are_proved_to_be_the_beginning_of_newer_ones() -> None:
    leaves = _grow(600)
    sizes = (1, 2, 3, 128, 255, 256, 257, 300, 511, 512, 513, 599, 600)
    for new in sizes:
        for old in (size for size in sizes if size < new):
            roots = tree_root(leaves[:old]), tree_root(leaves[:new])
            assert _is_consistent(old, new, *roots, tree.Tree(new).consistency_proof(old)), (old, new)
    assert tree.Tree(600).consistency_proof(600) == tree.Tree(600).consistency_proof(0) == []


def test_a_tree_with_three_levels_gives_proofs_from_few_rows() -> None:
    leaves = _grow(65_000, 1_000)
    root = tree_root(leaves)
    for index in (0, 300, 65_535, 65_536, 65_999):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            proof = tree.Tree(66_000).inclusion_proof(index)
        assert _is_included(leaves[index], index, 66_000, proof, root)
        assert len(asked) == 2  # how large the log is, and the tiles
    for old in (255, 65_279, 65_536, 65_537):
        with CaptureQueriesContext(connection) as asked:
            proof = tree.Tree(66_000).consistency_proof(old)
        assert _is_consistent(old, 66_000, tree_root(leaves[:old]), root, proof)
        assert len(asked) == 2
    assert SealTile.objects.filter(level=1).count() == 2
    assert len(SealTile.objects.get(level=2).hashes) == 32


def test_the_leaf_of_an_entry_is_found_by_its_number() -> None:
    _grow(600)
    assert [tree.leaf_index(3 * n + 1) for n in (0, 255, 256, 599)] == [0, 255, 256, 599]
    for absent in (0, 2, 3 * 600 + 1):
        with pytest.raises(tree.NotSealed):
            tree.leaf_index(absent)


def test_what_the_tree_never_had_is_refused() -> None:
    _grow(10)
    with pytest.raises(tree.NotSealed):
        tree.root(11)
    with pytest.raises(tree.NotSealed):
        tree.Tree(5).inclusion_proof(5)
    with pytest.raises(tree.NotSealed):
        tree.Tree(6).consistency_proof(7)
    SealTile.objects.all().delete()
    with pytest.raises(tree.TreeDamaged):
        tree.root(10)
    with pytest.raises(tree.TreeDamaged):
        tree.grown(10, [99], [_leaf(99)])
