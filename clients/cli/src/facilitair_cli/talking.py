"""One conversation with a gateway: errors of the API become errors of the command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from facilitair_cli.errors import GatewayError, NotFoundError, RefusedError
from facilitair_cli.locating import Place
from facilitair_client import ApiError, ClientError, Facilitair


@asynccontextmanager
async def conversation(place: Place) -> AsyncIterator[Facilitair]:
    """A client of the gateway whose errors are told in the words of the command line.

    Raises RefusedError for a request that the gateway does not want, NotFoundError, GatewayError.
    """
    try:
        async with Facilitair(place.url, place.api_key) as client:
            yield client
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            raise NotFoundError(what=error.detail) from error
        if error.status < HTTPStatus.INTERNAL_SERVER_ERROR and not error.transient:
            faults = [str(fault.get("message")) for fault in error.problem.get("errors", ())]
            raise RefusedError(detail=error.detail, faults=faults) from error
        raise GatewayError(reason=str(error)) from error
    except ClientError as error:
        raise GatewayError(reason=str(error)) from error
