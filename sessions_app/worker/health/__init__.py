"""Check what sessions depend on. `sessionadmin doctor` and the page Health share these checks."""
