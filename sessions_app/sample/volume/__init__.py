"""Generated data by the million for `sessionadmin generate`, as a company has it after years of use."""
