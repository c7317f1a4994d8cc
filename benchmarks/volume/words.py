"""Words with known frequencies in generated text, so that a benchmark can search for a rare one."""

from __future__ import annotations

RARE, MIDDLING, COMMON = "quetzal", "failover", "nightly"  # one in 100,000, in 1,000, in 10
WORST = "mainframe"  # one in ten of the oldest tenth only, so that a search from the newest reads everything
NONE = "xylophone"  # in no row
FOREIGN = ("Überprüfung", "проверка", "検査")  # one in 5,000 each
EVERY = {RARE: 100_000, MIDDLING: 1000, COMMON: 10}


def word_of(number: int, count: int) -> str:
    """Return the word in row `number` of `count` (from 0, the oldest), or an empty text."""
    if number % EVERY[COMMON] == 3:
        return COMMON
    if number % EVERY[MIDDLING] == 17:
        return MIDDLING
    if number % min(EVERY[RARE], count) == min(EVERY[RARE], count) // 2 + 1:
        return RARE
    if number % 10 == 8 and number * 10 < count:
        return WORST
    place = number % 5000
    return FOREIGN[place // 1000 - 1] if place in (1006, 2006, 3006) else ""
