"""What people fill in, one module a subject. Forms check words, flows check rules."""
