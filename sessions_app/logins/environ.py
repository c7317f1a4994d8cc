"""Keys of the WSGI environment by which pages tell the web server about a request."""

PERSON = "sessionadmin.person"  # the id of who is logged in, as text; missing for strangers
