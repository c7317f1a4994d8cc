"""The privileged session: its models, status lifecycle, policy, flows and lists."""
