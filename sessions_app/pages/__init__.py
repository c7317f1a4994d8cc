"""Pages that show several subjects at once: they stand above the rooms that they show."""
