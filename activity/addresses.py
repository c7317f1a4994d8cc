"""Addresses that a list prints again and again: asked of the resolver once."""

import functools

from django.urls import reverse


@functools.cache
def fixed(name: str, *args: str) -> str:
    """Return reverse(name, args=args). Kept for the few addresses that every page of a list has."""
    return reverse(name, args=args)


def numbered(name: str, pk: int) -> str:
    """Return reverse(name, args=[pk]) for an address with one number. The resolver is asked once for each name."""
    before, after = _around(name)
    return f"{before}{pk}{after}"


@functools.cache
def _around(name: str) -> tuple[str, str]:
    marker = "987654321987654321"  # a number that no address holds by itself
    before, _, after = reverse(name, args=[int(marker)]).partition(marker)
    return before, after
