"""Pages that show several subjects at once. They stand above the packages that they show."""
