#!/usr/bin/env python
"""Equals the `sessionadmin` command."""

from sessionadmin.cli import main

if __name__ == "__main__":
    main()
