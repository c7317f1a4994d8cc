"""Makes bearer tokens.

A token is 256 random bits, so its SHA-256 can be stored and looked up: nobody can guess a token from its hash, and the
time that the lookup takes tells nothing that helps to guess one.
"""

from __future__ import annotations

import hashlib
import secrets

PREFIX = "sessionadmin_scim_"  # so that programs that search for leaked secrets can know it


def new_token() -> tuple[str, str]:
    """Return a new token and its hash."""
    token = PREFIX + secrets.token_urlsafe(32)
    return token, hash_token(token)


def hash_token(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
