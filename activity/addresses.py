"""Addresses of numbered pages, for lists that print hundreds of them."""

import functools

from django.urls import reverse


def numbered(name: str, pk: int) -> str:
    """What reverse(name, args=[pk]) gives, for addresses with exactly one number; asks the resolver once per name."""
    before, after = _around(name)
    return f"{before}{pk}{after}"


@functools.cache
def _around(name: str) -> tuple[str, str]:
    marker = "987654321987654321"  # a number that no address holds by itself
    before, _, after = reverse(name, args=[int(marker)]).partition(marker)
    return before, after
