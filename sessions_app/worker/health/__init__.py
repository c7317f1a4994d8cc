"""Is everything that sessions depend on in order? Small checks, shared by `sessionadmin doctor` and the page Health."""
