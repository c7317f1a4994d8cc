"""Second factors: setting them up, asking for them, and how long one counts as fresh."""
