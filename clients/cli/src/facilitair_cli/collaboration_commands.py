"""The commands about one collaboration: run, watch, show, cancel, resume, estimate."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from facilitair_cli.amounts import usd
from facilitair_cli.attaching import Attachment
from facilitair_cli.commanding import JsonOption, finish, with_gateway
from facilitair_cli.errors import OptionError
from facilitair_cli.out_folder import check_folder
from facilitair_cli.state_folder import state_folder
from facilitair_cli.wanted import Wanted

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The id of a collaboration.")]


def run(  # noqa: PLR0913, PLR0917 - one parameter for each option
    task: Annotated[str, typer.Argument(metavar="TASK", help="What shall be done; - reads stdin.")],
    workflow: Annotated[str, typer.Option("--workflow", "-w", help="Who does it.")] = "code",
    inputs: Annotated[
        list[str] | None, typer.Option("--input", metavar="K=V", help="An input of the workflow.")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="AGENT=MODEL", help="The model an agent runs on."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write texts and files there.")
    ] = None,
    budget_usd: Annotated[
        str | None,
        typer.Option("--budget", metavar="USD", help="The most that it may cost, like 2.50."),
    ] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files in --out.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run one collaboration and stream it.

    Exit codes: 0 completed, 1 failed, 2 usage, 3 refused (also for want of money), 130 interrupted.

    Example: facilitair run "Write a rate limiter, with tests" --budget 0.50
    """
    wanted = Wanted(
        task=_task(task),
        workflow=workflow,
        inputs=_pairs(inputs, option="--input"),
        models=_pairs(models, option="--model"),
        out=out,
        budget=None if budget_usd is None else usd(budget_usd, option="--budget"),
        force=force,
        detach=detach,
        as_json=as_json,
    )
    if out is not None:
        check_folder(out, force=force)

    async def body(attached: Attachment) -> int:
        from facilitair_cli.running import run_wanted  # noqa: PLC0415 - loaded while solo starts

        return await run_wanted(wanted, attached)

    finish(with_gateway(body, stays=detach))


def watch(
    collaboration: IdArgument,
    cursor: Annotated[
        str | None, typer.Option("--from", metavar="CURSOR", help="Go on after this event id.")
    ] = None,
    *,
    ws: Annotated[bool, typer.Option("--ws", help="Over WebSocket; it shows the same.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Watch a collaboration from its beginning, live or over; leaving does not end it."""

    async def body(attached: Attachment) -> int:
        from facilitair_cli.running import watch_one  # noqa: PLC0415 - loaded while solo starts

        return await watch_one(collaboration, attached, cursor=cursor, ws=ws, as_json=as_json)

    finish(with_gateway(body))


def show(
    collaboration: IdArgument,
    step: Annotated[
        str | None, typer.Option("--step", metavar="S", help="Print this step's final text only.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Tell what a collaboration is doing, or print one step's final text."""

    async def body(attached: Attachment) -> int:
        from facilitair_cli import showing  # noqa: PLC0415 - loaded while solo starts

        return await showing.show(collaboration, attached, step=step, as_json=as_json)

    finish(with_gateway(body))


def cancel(
    collaboration: IdArgument,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; shown at the end.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """End a running collaboration; what was paid for is kept."""
    from facilitair_cli import showing  # noqa: PLC0415 - help does without

    folder = state_folder(os.environ)
    finish(
        showing.cancel(
            collaboration, reason=reason, as_json=as_json, folder=folder, environ=os.environ
        )
    )


def resume(
    collaboration: IdArgument,
    budget_usd: Annotated[
        str | None,
        typer.Option("--budget", metavar="USD", help="Its own budget from now on, like 5."),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Let a collaboration go on that was paused for want of money; it asks for it again.

    Exit code 3 when it is not paused.

    Example: facilitair resume 6f543e0e-400c-541b-8d5f-cd4421e60407 --budget 5
    """
    from facilitair_cli import showing  # noqa: PLC0415 - help does without

    wanted = None if budget_usd is None else usd(budget_usd, option="--budget")
    finish(with_gateway(lambda a: showing.resume(collaboration, a, budget=wanted, as_json=as_json)))


def estimate(  # noqa: PLR0917 - one parameter for each option
    task: Annotated[str, typer.Argument(metavar="TASK", help="What would be done; - reads stdin.")],
    workflow: Annotated[str, typer.Option("--workflow", "-w", help="Who would do it.")] = "code",
    inputs: Annotated[
        list[str] | None, typer.Option("--input", metavar="K=V", help="An input of the workflow.")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="AGENT=MODEL", help="The model an agent would run on."),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Estimate calls, tokens and cost of a run, step by step; nothing is run and nobody is asked.

    Example: facilitair estimate "Write a rate limiter, with tests" --workflow code
    """
    from facilitair_cli import estimates  # noqa: PLC0415 - help does without

    wanted = Wanted(
        task=_task(task),
        workflow=workflow,
        inputs=_pairs(inputs, option="--input"),
        models=_pairs(models, option="--model"),
    )
    finish(with_gateway(lambda a: estimates.estimate(wanted, a, as_json=as_json)))


def add_to(app: typer.Typer) -> None:
    """Make these commands of ``app``, in the order of its help."""
    for command in (run, watch, show, cancel, resume, estimate):
        app.command()(command)


def _task(given: str) -> str:
    """The task itself. Raises OptionError for one that is no text."""
    text = sys.stdin.read() if given == "-" else given
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise OptionError(option="TASK", reason="it is not valid UTF-8") from error
    if not text.strip():
        raise OptionError(option="TASK", reason="it is empty; say what shall be done")
    return text


def _pairs(given: Sequence[str] | None, *, option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for pair in given or ():
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise OptionError(option=option, reason=f"{pair!r} is not of the form name=value")
        if name in pairs:
            raise OptionError(option=option, reason=f"{name!r} is given twice")
        pairs[name] = value
    return pairs
