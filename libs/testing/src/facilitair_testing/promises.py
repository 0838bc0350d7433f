"""What a history must not break: told apart from a test that merely got stuck."""

from collections.abc import Iterator
from contextlib import contextmanager

from facilitair_testing.eventually import ConditionNotMetError


class BrokenPromiseError(AssertionError):
    """A promise of the protocol does not hold; the message begins with the promise.

    It is a verdict: a test that found it is never asked again (``facilitair_testing.again``).
    """

    def __init__(self, *, promise: str, seen: object) -> None:
        self.promise = promise
        super().__init__(f"{promise}: {seen}")


@contextmanager
def promised(promise: str) -> Iterator[None]:
    """Whatever is asserted inside is this promise. Raises BrokenPromiseError.

    What did not happen in time is not broken: a ConditionNotMetError goes through as it is.
    """
    try:
        yield
    except (BrokenPromiseError, ConditionNotMetError):
        raise
    except AssertionError as error:
        raise BrokenPromiseError(promise=promise, seen=error) from error
