"""One conversation with a gateway: errors of the API become errors of the command."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Final, TypeVar

from facilitair_cli.attaching import Attachment
from facilitair_cli.errors import (
    CommandError,
    GatewayError,
    KeyNeededError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from facilitair_cli.locating import Place
from facilitair_client import ApiError, ClientError, ConnectionLostError, Facilitair, Patience

T = TypeVar("T")

_LOCAL_PATIENCE: Final = Patience(give_up_after_s=2.0, longest_s=0.2)
"""A gateway of this machine that is gone is replaced, so we do not wait for it."""

_PATIENCE: Final = Patience(give_up_after_s=15.0)
_MOST_TRIES: Final = 5


async def ask(attached: Attachment, question: Callable[[Facilitair], Awaitable[T]]) -> T:
    """The answer to a question that may be repeated, by whatever gateway there is.

    Raises RefusedError for a request that the gateway does not want, NotFoundError, GatewayError.
    """
    tries = 0
    while True:
        tries += 1
        place = await attached.place()
        try:
            async with conversation(place) as client:
                return await question(client)
        except UnreachableError:
            # Another command's solo may have ended with that command.
            if place.pid is None or tries == _MOST_TRIES:
                raise


async def ask_once(attached: Attachment, question: Callable[[Facilitair], Awaitable[T]]) -> T:
    """The answer to a question that must not be repeated. Raises as ``ask`` does."""
    async with conversation(await attached.place()) as client:
        return await question(client)


@asynccontextmanager
async def conversation(place: Place) -> AsyncIterator[Facilitair]:
    """A client of the gateway; raises as ``translated`` does."""
    patience = _PATIENCE if place.pid is None else _LOCAL_PATIENCE
    with translated():
        async with Facilitair(place.url, place.api_key, request_patience=patience) as client:
            yield client


@contextmanager
def translated() -> Iterator[None]:
    """Tell what the client raises in the words of the command line.

    Raises RefusedError for a request that the gateway does not want, NotFoundError,
    UnreachableError and GatewayError.
    """
    try:
        yield
    except ApiError as error:
        raise _told(error) from error
    except ConnectionLostError as error:
        raise UnreachableError(reason=str(error)) from error
    except ClientError as error:
        raise GatewayError(reason=str(error)) from error


def _told(error: ApiError) -> CommandError:
    if error.status == HTTPStatus.NOT_FOUND:
        return NotFoundError(what=error.detail)
    if error.status == HTTPStatus.UNAUTHORIZED:
        return KeyNeededError(detail=error.detail)
    if error.transient:
        return UnreachableError(reason=str(error))
    if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        faults = [str(fault.get("message")) for fault in error.problem.get("errors", ())]
        return RefusedError(detail=error.detail, faults=faults)
    return GatewayError(reason=str(error))
