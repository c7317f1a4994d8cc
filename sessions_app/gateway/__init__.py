"""The gateway, through which people reach their sessions with an SSH client or from the browser.

Administrators control and see what happens there. This is the only asyncio process of the product. No database call
runs on its event loop: all go through store.py.
"""
