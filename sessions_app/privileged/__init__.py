"""The privileged session: its tables, status lifecycle, policy, flows and lists."""
