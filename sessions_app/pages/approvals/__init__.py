"""The requests that wait for approval, as an inbox."""
