"""Reports for auditors, such as who approved what in a period."""
