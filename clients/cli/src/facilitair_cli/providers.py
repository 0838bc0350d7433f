"""The commands ``providers …``."""

from pathlib import Path
from typing import Annotated

import typer

from facilitair_cli.commanding import JsonOption, finish, with_gateway

app = typer.Typer(
    help="Your tenant's own keys for model providers, for administrators.", no_args_is_help=True
)

ProviderArgument = Annotated[str, typer.Argument(metavar="PROVIDER", help="Such as openai.")]


@app.command()
def ls(*, as_json: JsonOption = False) -> None:
    """List the providers that are set up, with your own key for each, never the key itself."""
    from facilitair_cli import provider_keys  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: provider_keys.list_providers(a, as_json=as_json)))


@app.command("set-key")
def set_key(
    provider: ProviderArgument,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", help="Read the key from here, not from stdin.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Have your calls of a provider made with your own key, from the next one on.

    The key is read from stdin, or asked for at a terminal: arguments are seen by everybody.
    """
    from facilitair_cli import provider_keys  # noqa: PLC0415 - help does without

    key = provider_keys.read_key(file)
    finish(with_gateway(lambda a: provider_keys.set_key(provider, key, a, as_json=as_json)))


@app.command("remove-key")
def remove_key(provider: ProviderArgument, *, as_json: JsonOption = False) -> None:
    """Remove your own key; your next call is made without it."""
    from facilitair_cli import provider_keys  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: provider_keys.remove_key(provider, a, as_json=as_json)))
