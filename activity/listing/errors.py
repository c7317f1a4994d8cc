"""The errors of a list that cannot be shown."""


class BadListRequest(Exception):
    """The URL asks for something that the list does not have. The text is for the person; the answer is a 400."""


MANY_TO_SORT = (
    "More than 10,000 rows are not sorted by this column. Narrow the list down first, or sort it by another column."
)
