"""Keys for sealing secrets in tests."""

from __future__ import annotations

import base64
import os


def make_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()
