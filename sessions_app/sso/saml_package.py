"""Loads python3-saml, which is the extra `saml`, because it needs libraries in C.

Without it the console works, and a system check says what is missing where a provider of this kind is set up.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from sessions_app.sso.errors import ProviderUnavailable
from sessions_app.sso.providers import SamlProvider

MISSING = "the package for SAML is not installed: pip install 'sessionadmin[saml]'"


@functools.cache
def _loaded() -> Any:
    """Return the names of python3-saml; None if it cannot be loaded, for instance because xmlsec does not fit lxml."""
    try:
        return importlib.import_module("sessions_app.sso.saml_toolkit")
    except (ImportError, RuntimeError):
        return None


def is_installed() -> bool:
    return _loaded() is not None


def toolkit(provider: SamlProvider) -> Any:
    """Return the names of python3-saml. Raise ProviderUnavailable if it is not installed."""
    if (found := _loaded()) is None:
        raise ProviderUnavailable(provider.name, MISSING)
    return found
