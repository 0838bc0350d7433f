"""What a history must not break: told apart from a test that merely got stuck."""

from collections.abc import Iterator
from contextlib import contextmanager


class BrokenPromiseError(AssertionError):
    """A promise of the protocol does not hold; the message begins with the promise."""

    def __init__(self, *, promise: str, seen: object) -> None:
        self.promise = promise
        super().__init__(f"{promise}: {seen}")


@contextmanager
def promised(promise: str) -> Iterator[None]:
    """Whatever is asserted inside is this promise. Raises BrokenPromiseError."""
    try:
        yield
    except AssertionError as error:
        raise BrokenPromiseError(promise=promise, seen=error) from error
