"""The commands and their options; what they do is loaded when they run."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from facilitair_cli import (
    budget,
    collaboration_commands,
    dlq,
    keys,
    logic,
    models,
    providers,
    tenants,
    topic_commands,
    usage,
)
from facilitair_cli.attaching import Attachment
from facilitair_cli.commanding import JsonOption, finish, with_gateway
from facilitair_cli.environment import check_environment
from facilitair_cli.errors import CommandError, OptionError
from facilitair_cli.exits import ExitCode
from facilitair_cli.state_folder import state_folder

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


collaboration_commands.add_to(app)


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

app.add_typer(topic_commands.app, name="topics")
app.add_typer(budget.app, name="budget")
app.add_typer(usage.app, name="usage")


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
