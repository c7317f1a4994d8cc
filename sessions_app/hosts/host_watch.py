"""What a host last said about who is logged on. One look serves all its sessions and all workers."""

from __future__ import annotations

CLOCK_IS_OFF = 60.0  # seconds; people are warned from this difference on
MOST_BELIEVED = 86400.0  # seconds; the greatest difference that we believe a host


def clock_words(seconds: float) -> str:
    """Return by how much a host's clock differs from ours, such as “10 min ahead of the console's”."""
    minutes, rest = divmod(round(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{days} d" if days else "", f"{hours} h" if hours else "", f"{minutes} min" if minutes else ""]
    words = " ".join([part for part in parts if part][:2]) or f"{rest} s"
    return f"{words} {'ahead of' if seconds > 0 else 'behind'} the console's"
