"""Keys of the WSGI environment by which pages tell the web server about a request."""

PERSON = "sessionadmin.person"  # the id of the logged-in user as text; missing without a login
