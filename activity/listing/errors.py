"""What a list cannot show."""


class BadListRequest(Exception):
    """The URL asks for something that the list does not have. The text is for the person; the answer is a 400."""
