"""The addresses of files of others that scripts/vendor.py installs. git ignores them, so they may be missing."""

from __future__ import annotations

from django.contrib.staticfiles import finders
from django.templatetags.static import static


def vendor_url(name: str) -> str:
    """Return the address of static/vendor/<name>; empty when it is not installed."""
    path = f"vendor/{name}"
    try:
        url = static(path)
    except ValueError:  # collected under names with a hash, and this one is not among them
        return ""
    is_collected = not url.endswith(path)  # under such a name
    return url if is_collected or finders.find(path) is not None else ""
