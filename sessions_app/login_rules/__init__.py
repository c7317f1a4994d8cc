"""What administrators decide about signing in: from where, when, how often, and what becomes of accounts out of use."""
