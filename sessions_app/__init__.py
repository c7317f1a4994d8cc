"""Privileged sessions and login sessions: models, policy, lifecycle, flows, worker and pages."""
