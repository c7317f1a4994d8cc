"""Made-up data by the million, as `sessionadmin generate` writes it: what a company has after years of use."""
