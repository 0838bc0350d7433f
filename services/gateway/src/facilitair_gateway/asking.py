"""Questions to the log on behalf of a request: none waits longer than requests may.

The adapters ask a log that is away again and again, for a minute: right for a service, not for
somebody who waits at the other end of a connection.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from facilitair_gateway.errors import LogSilentError
from facilitair_messaging.errors import LogUnavailableError

T = TypeVar("T")


async def answered(question: Awaitable[T], *, timeout_s: float) -> T:
    """The answer to a question. Raises LogSilentError when none comes in time."""
    try:
        async with asyncio.timeout(timeout_s):
            return await question
    except (TimeoutError, LogUnavailableError) as error:
        raise LogSilentError(timeout_s=timeout_s) from error
