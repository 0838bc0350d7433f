"""The commands ``usage`` and ``usage export``."""

from pathlib import Path
from typing import Annotated

import typer

from facilitair_cli.commanding import JsonOption, finish, with_gateway

app = typer.Typer(help="What was used and charged, and every entry of the books.")

SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="7d", help="7d, 12h, a day, or an RFC 3339 time.")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="DAY", help="Like --since; a day is included.")
]


@app.callback(invoke_without_command=True)
def usage(  # noqa: PLR0917 - one parameter for each option
    context: typer.Context,
    by: Annotated[
        str, typer.Option("--by", help="Some of day, agent, model, workflow, with commas.")
    ] = "day",
    since: SinceOption = None,
    until: UntilOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Tell what was used and charged, by day, agent, model or workflow.

    Days are those of the budget's time zone.

    Example: facilitair usage --by day,agent --since 7d
    """
    if context.invoked_subcommand is not None:
        return
    from facilitair_cli import usages  # noqa: PLC0415 - help does without

    names = usages.names_of(by)
    span = usages.days_of(since=since, until=until)
    finish(with_gateway(lambda a: usages.told(a, names, span=span, as_json=as_json)))


@app.command()
def export(  # noqa: PLR0917 - one parameter for each option
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where to; it goes on behind its end.")
    ],
    form: Annotated[str, typer.Option("--format", help="csv or jsonl.")] = "jsonl",
    since: SinceOption = None,
    until: UntilOption = None,
    collaboration: Annotated[
        str | None, typer.Option("--collaboration", metavar="ID", help="Only of this one.")
    ] = None,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Begin anew when FILE is there already.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write every entry of the books to a file: each names its call, and is written once.

    When FILE is there, it goes on behind its last entry: broken off or a day later, run it again.

    Example: facilitair usage export --format csv --out entries.csv
    """
    from facilitair_cli import exporting, usages  # noqa: PLC0415 - help does without

    wish = exporting.Wish(
        file=out,
        form=exporting.form_of(form),
        since=usages.instant_of(since, option="--since"),
        until=usages.instant_of(until, option="--until", after=True),
        collaboration=collaboration,
        force=force,
    )
    finish(with_gateway(lambda a: exporting.export(wish, a, as_json=as_json)))
