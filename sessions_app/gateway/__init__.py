"""The gateway: people reach their sessions through it, with an SSH client or from the browser, and administrators
control and see what happens there.

The only asyncio process of the product. No database call runs on its event loop: all go through store.py.
"""
