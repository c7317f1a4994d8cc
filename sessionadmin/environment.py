"""Reads settings from the environment, and names the variable whose value cannot be used."""

from __future__ import annotations

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured


class Environment(environ.Env):  # type: ignore[misc]  # the package has no types
    """The environment of this process."""

    def get_value(self, var: str, *args: Any, **kwargs: Any) -> Any:
        """Return the value of a variable. Raise ImproperlyConfigured, in one sentence, for one of the wrong kind."""
        try:
            return super().get_value(var, *args, **kwargs)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"The value of {var} cannot be used: {error}. Nothing was started. Correct it, or leave it out."
            ) from error
