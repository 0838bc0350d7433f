"""What commands in files of their own share with ``app``: the gateway they talk to, and the end."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any

import typer

from facilitair_cli.attaching import Attachment, attachment
from facilitair_cli.exits import ExitCode
from facilitair_cli.state_folder import state_folder

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


async def with_gateway(body: Callable[[Attachment], Awaitable[int]], *, stays: bool = False) -> int:
    """Run a command that needs a gateway; our own starts while the rest of us is loaded."""
    async with attachment(state_folder(os.environ), os.environ, stays=stays) as attached:
        await attached.begin()
        return await body(attached)


def finish(command: Coroutine[Any, Any, int]) -> None:
    """Run a command to its end, and leave with its exit code."""
    try:
        code = asyncio.run(command)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    raise typer.Exit(code)
