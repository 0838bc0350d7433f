"""What went wrong in a group of tasks."""


def first_of(error: BaseException) -> BaseException:
    """The first error inside nested groups: what is to be told, and to be decided by."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
