"""Proof that the activity log is whole: its hash tree, signed checkpoints, and the check of both."""
