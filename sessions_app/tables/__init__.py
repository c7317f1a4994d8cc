"""The columns of each list: what a cell says and what a download holds. Rows come from the views."""
