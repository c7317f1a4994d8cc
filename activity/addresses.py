"""Addresses that a list prints again and again: asked of the resolver once."""

import functools

from django.urls import reverse


@functools.cache
def fixed(name: str, *args: str) -> str:
    """What reverse(name, args=args) gives, for the few addresses that stand on every page of a list."""
    return reverse(name, args=args)


def numbered(name: str, pk: int) -> str:
    """What reverse(name, args=[pk]) gives, for addresses with exactly one number; asks the resolver once per name."""
    before, after = _around(name)
    return f"{before}{pk}{after}"


@functools.cache
def _around(name: str) -> tuple[str, str]:
    marker = "987654321987654321"  # a number that no address holds by itself
    before, _, after = reverse(name, args=[int(marker)]).partition(marker)
    return before, after
