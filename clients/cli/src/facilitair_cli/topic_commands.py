"""The commands ``topics …``."""

import typer

from facilitair_cli.commanding import JsonOption, finish, with_gateway

app = typer.Typer(help="The topics of the log.", no_args_is_help=True)


@app.command()
def ls(*, as_json: JsonOption = False) -> None:
    """List the topics: partitions and records ever appended."""
    from facilitair_cli import topics  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda attached: topics.listed(attached, as_json=as_json)))


@app.command()
def lag(*, as_json: JsonOption = False) -> None:
    """Tell how many records each group has before it."""
    from facilitair_cli import topics  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda attached: topics.lag(attached, as_json=as_json)))


@app.command()
def apply(*, as_json: JsonOption = False) -> None:
    """Create the topics that are missing; exit code 1 where settings of others differ.

    With KAFKA_BOOTSTRAP_SERVERS it works on that cluster, before any service runs.
    """
    from facilitair_cli import topics  # noqa: PLC0415 - help does without

    if topics.is_direct():
        finish(topics.apply_directly(as_json=as_json))
    finish(with_gateway(lambda attached: topics.apply(attached, as_json=as_json)))
