"""The text of an error in one line."""


def first_line(error: BaseException) -> str:
    r"""Return the first line of an error's message, or its type if it has none.

    Example:
        >>> first_line(RuntimeError("no memory\nat line 3")), first_line(RuntimeError())
        ('no memory', 'RuntimeError')
    """
    return next(iter(str(error).splitlines()), "") or type(error).__name__
