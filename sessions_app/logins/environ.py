"""What the pages tell the web server about a request, in its WSGI environment."""

PERSON = "sessionadmin.person"  # the id of who is logged in, as text; missing for strangers
