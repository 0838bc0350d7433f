"""The commands ``keys …``."""

import re
from typing import Annotated, Final

import typer

from facilitair_cli.commanding import JsonOption, finish, with_gateway
from facilitair_cli.errors import OptionError

app = typer.Typer(help="The API keys, for administrators.", no_args_is_help=True)

_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])", re.ASCII)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@app.command()
def create(  # noqa: PLR0917 - one parameter for each option
    tenant: Annotated[str, typer.Option("--tenant", help="Whose key it is.")] = "local",
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="read, write (the default; reads too), or admin (all)."),
    ] = None,
    label: Annotated[str, typer.Option("--label", help="What it is for.")] = "",
    project: Annotated[
        str | None, typer.Option("--project", help="What its requests are filed under.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="30d", help="When it ends; 90s, 15m, 12h.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Issue a key and print it, this once.

    The first one closes the door: from then on every request needs a key.
    """
    from facilitair_cli import administering  # noqa: PLC0415 - help does without

    expires_in_s = None if expires is None else duration_s(expires)
    finish(
        with_gateway(
            lambda a: administering.create_key(
                a,
                tenant=tenant,
                scopes=scopes or ["write"],
                label=label,
                project=project,
                expires_in_s=expires_in_s,
                as_json=as_json,
            )
        )
    )


@app.command()
def ls(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the keys, never the keys themselves."""
    from facilitair_cli import administering  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: administering.list_keys(a, tenant=tenant, as_json=as_json)))


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY-ID", help="The id of a key.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """End a key at once, with the streams that it opened."""
    from facilitair_cli import administering  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: administering.revoke_key(key, a, as_json=as_json)))


def duration_s(text: str, *, option: str = "--expires") -> int:
    """A duration in seconds. Raises OptionError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        reason = f"{text!r} is no duration; write it like 90s, 15m, 12h or 30d"
        raise OptionError(option=option, reason=reason)
    return int(found[1]) * _UNITS[found[2]]
