"""The commands ``models …``."""

from pathlib import Path
from typing import Annotated

import typer

from facilitair_cli.commanding import JsonOption, finish, with_gateway

app = typer.Typer(help="The models that agents can run on.", no_args_is_help=True)

_NAME = "A model as `models ls` names it, such as openai/gpt-4.1-mini."


@app.command()
def ls(
    *,
    usable: Annotated[
        bool, typer.Option("--usable", help="Only those whose provider is set up and allowed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the models: what they hold and cost, and which can be used here.

    Prices are USD for a million tokens of input and of output; one that is unknown is shown so.
    The model that a provider is asked for when nobody names one is marked with *.

    Example: facilitair models ls --usable
    """
    from facilitair_cli import model_lists  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: model_lists.listed(a, usable=usable, as_json=as_json)))


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help=_NAME)], *, as_json: JsonOption = False
) -> None:
    """Tell all that is known of a model, and where its prices are from.

    Example: facilitair models show anthropic/claude-sonnet-4-6
    """
    from facilitair_cli import model_lists  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: model_lists.shown(name, a, as_json=as_json)))


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help=_NAME)] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds that a model may take.")
    ] = 60,
    *,
    as_json: JsonOption = False,
) -> None:
    """Ask models for one word each, and tell how long they took or what is wrong.

    Without names it asks one model of every provider that is set up.
    Each is asked by a collaboration of its own, once, and is paid for.
    Exit code 1 when one does not answer.

    Example: facilitair models check openai/gpt-4.1-mini ollama/llama3.2
    """
    from facilitair_cli import model_checks  # noqa: PLC0415 - help does without

    finish(
        with_gateway(
            lambda a: model_checks.check(names or (), a, timeout_s=timeout_s, as_json=as_json)
        )
    )


@app.command()
def count(
    name: Annotated[str, typer.Argument(metavar="NAME", help=_NAME)],
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A text; without it, stdin is read.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Count the tokens of a text as a model's provider would, and tell how exact that is.

    Roles, tools and what else a provider adds to a text are not counted.

    Example: facilitair models count openai/gpt-4.1-mini README.md
    """
    from facilitair_cli import model_counts  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: model_counts.count(name, a, file=file, as_json=as_json)))
