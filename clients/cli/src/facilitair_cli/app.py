"""The commands and their options; what they do is loaded when they run."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from facilitair_cli import dlq, keys, logic, models, providers, tenants
from facilitair_cli.attaching import Attachment
from facilitair_cli.commanding import JsonOption, finish, with_gateway
from facilitair_cli.environment import check_environment
from facilitair_cli.errors import CommandError, OptionError
from facilitair_cli.exits import ExitCode
from facilitair_cli.out_folder import check_folder
from facilitair_cli.state_folder import state_folder
from facilitair_cli.wanted import Wanted

app = typer.Typer(
    name="facilitair",
    help="Run collaborations of LLM agents, watch them, and keep what they made.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def before_each() -> None:
    """Look at what every command relies on."""
    check_environment(os.environ)


IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The id of a collaboration.")]


@app.command()
def run(  # noqa: PLR0917 - one parameter for each option
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
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files in --out.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run one collaboration and stream it.

    Exit codes: 0 completed, 1 failed, 2 usage, 3 refused, 130 interrupted.
    """
    wanted = Wanted(
        task=_task(task),
        workflow=workflow,
        inputs=_pairs(inputs, option="--input"),
        models=_pairs(models, option="--model"),
        out=out,
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


@app.command()
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


@app.command()
def up(
    scale: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVICE=N", help="Processes of a service; only with --fleet."),
    ] = None,
    stores: Annotated[
        str, typer.Option(help="Servers that a fleet is started with; only with --fleet.")
    ] = "kafka",
    *,
    fleet: Annotated[
        bool, typer.Option("--fleet", help="On a real Kafka, every service a process of its own.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return when it is ready.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start Facilitair on this machine and stay; the API is on FACILITAIR_GATEWAY_PORT (8080)."""
    folder = state_folder(os.environ)
    if fleet:
        from facilitair_cli.fleet import upping as fleets  # noqa: PLC0415 - help does without

        if detach:
            starting = fleets.up_detached(folder, scale=scale or (), stores=stores, as_json=as_json)
            finish(starting)
        raise typer.Exit(fleets.up(folder, scale=scale or (), stores=stores, as_json=as_json))
    if scale:
        raise OptionError(option="--scale", reason="only a fleet is scaled; add --fleet")
    from facilitair_cli import upping  # noqa: PLC0415 - help does without

    if detach:
        finish(upping.up_detached(folder, as_json=as_json))
    raise typer.Exit(upping.up(folder, as_json=as_json))


@app.command()
def down(*, as_json: JsonOption = False) -> None:
    """Stop what `up` started, and the simulator."""
    from facilitair_cli import upping  # noqa: PLC0415 - help does without

    finish(upping.down(state_folder(os.environ), as_json=as_json))


@app.command()
def status(*, as_json: JsonOption = False) -> None:
    """Tell what runs on this machine; exit code 1 when it is not ready."""
    from facilitair_cli import status as statuses  # noqa: PLC0415 - help does without

    finish(statuses.status(state_folder(os.environ), as_json=as_json))


@app.command()
def doctor(*, as_json: JsonOption = False) -> None:
    """Tell what would keep a run or a fleet from working here; exit code 1 when something does."""
    from facilitair_cli import doctor as checks  # noqa: PLC0415 - help does without

    finish(checks.doctor(state_folder(os.environ), as_json=as_json))


@app.command()
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


@app.command()
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


def _add_list(kind: str) -> None:
    """Add ``<kind> ls``."""
    group = typer.Typer(help=f"The {kind} there are.", no_args_is_help=True)

    @group.callback()
    def only_a_group() -> None:
        """Keep ``ls`` a command of its own."""

    @group.command("ls", help=f"List the {kind}.")
    def ls(*, as_json: JsonOption = False) -> None:
        async def body(attached: Attachment) -> int:
            from facilitair_cli import showing  # noqa: PLC0415 - loaded while solo starts

            return await showing.listed(kind, attached, as_json=as_json)

        finish(with_gateway(body))

    app.add_typer(group, name=kind)


for _kind in ("workflows", "agents"):
    _add_list(_kind)


app.add_typer(models.app, name="models")
app.add_typer(tenants.app, name="tenants")
app.add_typer(keys.app, name="keys")
app.add_typer(providers.app, name="providers")
app.add_typer(logic.app, name="logic")
app.add_typer(dlq.app, name="dlq")

topics_app = typer.Typer(help="The topics of the log.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")


@topics_app.command("ls")
def topics_ls(*, as_json: JsonOption = False) -> None:
    """List the topics: partitions and records ever appended."""
    from facilitair_cli import topics  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda attached: topics.listed(attached, as_json=as_json)))


@topics_app.command("lag")
def topics_lag(*, as_json: JsonOption = False) -> None:
    """Tell how many records each group has before it."""
    from facilitair_cli import topics  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda attached: topics.lag(attached, as_json=as_json)))


@topics_app.command("apply")
def topics_apply(*, as_json: JsonOption = False) -> None:
    """Create the topics that are missing; exit code 1 where settings of others differ.

    With KAFKA_BOOTSTRAP_SERVERS it works on that cluster, before any service runs.
    """
    from facilitair_cli import topics  # noqa: PLC0415 - help does without

    if topics.is_direct():
        finish(topics.apply_directly(as_json=as_json))
    finish(with_gateway(lambda attached: topics.apply(attached, as_json=as_json)))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code. Errors are one message on stderr."""
    try:
        app(list(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.FAILED
    except CommandError as error:
        sys.stderr.write(f"facilitair: {error}\n")
        return error.code
    except BrokenPipeError:
        # Who read our output has gone; nothing can be told to anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    return ExitCode.DONE


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
