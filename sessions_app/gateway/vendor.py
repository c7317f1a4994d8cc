"""Where the files are that are not ours and that git ignores (scripts/vendor.py); they may be missing."""

from __future__ import annotations

from django.contrib.staticfiles import finders
from django.templatetags.static import static


def vendor_url(name: str) -> str:
    """The address of static/vendor/<name>; empty when it was never brought here."""
    path = f"vendor/{name}"
    try:
        url = static(path)
    except ValueError:  # collected under names with a hash, and this one is not among them
        return ""
    is_collected = not url.endswith(path)  # under such a name
    return url if is_collected or finders.find(path) is not None else ""
