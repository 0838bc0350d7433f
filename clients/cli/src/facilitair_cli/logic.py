"""The commands ``logic …``."""

from typing import Annotated

import typer

from facilitair_cli.commanding import JsonOption, finish, with_gateway

app = typer.Typer(
    help="The version of the reducer that new collaborations keep, for administrators.",
    no_args_is_help=True,
)


@app.command()
def show(*, as_json: JsonOption = False) -> None:
    """Tell which version new collaborations keep, and the newest that the gateway knows."""
    from facilitair_cli import administering  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: administering.show_logic(a, as_json=as_json)))


@app.command()
def activate(
    version: Annotated[int, typer.Argument(metavar="N", min=1, help="The version.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Have new collaborations keep version N. Only when every orchestrator runs it.

    An orchestrator that meets a newer version than it knows stops, and goes on only when it was
    upgraded. The version is never lowered; what runs already keeps its own.
    """
    from facilitair_cli import administering  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: administering.activate_logic(version, a, as_json=as_json)))
