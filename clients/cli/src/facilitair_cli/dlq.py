"""The commands ``dlq …``."""

from pathlib import Path
from typing import Annotated, Final

import typer

from facilitair_cli.commanding import JsonOption, finish, with_gateway
from facilitair_cli.errors import OptionError

app = typer.Typer(
    help="Dead letters: records that could not be handled, for administrators.",
    no_args_is_help=True,
)

_STATES: Final = ("open", "replayed", "discarded", "all")

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Like collaboration-inbox-dlq:0:7; see dlq ls.")
]
TopicOption = Annotated[
    str | None, typer.Option("--topic", help="Of this topic, e.g. collaboration-inbox.")
]
GroupOption = Annotated[str | None, typer.Option("--group", help="Of this consumer group.")]
ReasonOption = Annotated[
    str | None,
    typer.Option("--reason", help="A part of the reason, or the name of the exception class."),
]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Of this tenant's records.")]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="2h", help="90s, 15m, 12h, 7d, or an RFC 3339 time."),
]
AgainOption = Annotated[bool, typer.Option("--again", help="Also when it is closed already.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it; do not ask.")]


@app.command()
def ls(  # noqa: PLR0917 - one parameter for each option
    topic: TopicOption = None,
    group: GroupOption = None,
    reason: ReasonOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    state: Annotated[str, typer.Option("--state", help="open, replayed, discarded, all.")] = "open",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most so many.")] = 100,
    *,
    as_json: JsonOption = False,
) -> None:
    """List dead letters topic by topic, oldest first, without what users and models wrote.

    Example: facilitair dlq ls --topic collaboration-inbox --since 2h
    """
    from facilitair_cli import letters  # noqa: PLC0415 - help does without

    if state not in _STATES:
        raise OptionError(option="--state", reason=f"must be one of {', '.join(_STATES)}")
    given = {"topic": topic, "group": group, "reason": reason, "tenant": tenant}
    filters = letters.filters_of(given, since=since, state=None if state == "all" else state)
    finish(with_gateway(lambda a: letters.listed(a, filters, limit=limit, as_json=as_json)))


@app.command()
def show(
    letter: IdArgument,
    *,
    raw: Annotated[bool, typer.Option("--raw", help="Only the value, byte for byte.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show one letter: why it is dead, its record, what was done about it, where it came from.

    Example: facilitair dlq show collaboration-inbox-dlq:0:7 --raw > value.json
    """
    from facilitair_cli import letters  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: letters.shown(letter, a, raw=raw, as_json=as_json)))


@app.command()
def replay(  # noqa: PLR0913, PLR0917 - one parameter for each option
    letter: Annotated[
        str | None, typer.Argument(metavar="ID", help="One letter; or say which with options.")
    ] = None,
    topic: TopicOption = None,
    group: GroupOption = None,
    reason: ReasonOption = None,
    tenant: TenantOption = None,
    since: SinceOption = None,
    *,
    again: AgainOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put the record of a letter back into its topic, byte for byte.

    With --topic all open letters that the options choose; without --yes they are only listed.

    Example: facilitair dlq replay --topic agent-tasks --reason timeout --yes
    """
    from facilitair_cli import letters, letters_in_bulk  # noqa: PLC0415 - help does without

    given = {"topic": topic, "group": group, "reason": reason, "tenant": tenant}
    if letter is not None:
        if since or any(given.values()):
            raise OptionError(option="ID", reason="choose by ID or by options, not both")
        finish(
            with_gateway(
                lambda a: letters.replayed(letter, a, again=again, dry_run=dry_run, as_json=as_json)
            )
        )
    if topic is None:
        raise OptionError(option="ID", reason="name a letter, or choose many with --topic")
    if again:
        raise OptionError(option="--again", reason="only for one letter, by its ID")
    filters = letters.filters_of(given, since=since, state="open")
    doing = yes and not dry_run
    finish(with_gateway(lambda a: letters_in_bulk.replayed(a, filters, yes=doing, as_json=as_json)))


@app.command()
def edit(  # noqa: PLR0917 - one parameter for each option
    letter: IdArgument,
    value: Annotated[
        str | None,
        typer.Option("--value", metavar="FILE", help="The corrected JSON; - reads stdin."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=JSON", help="Change one place, like task.size=7."),
    ] = None,
    headers: Annotated[
        list[str] | None,
        typer.Option("--header", metavar="NAME=TEXT", help="Set a header; without text, remove."),
    ] = None,
    *,
    again: AgainOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Correct a record, show the difference, and put it back. The letter itself never changes.

    Without --value and --set the value is opened in $VISUAL or $EDITOR.

    Example: facilitair dlq edit agent-tasks-dlq:0:7 --set timeout_s=60
    """
    from facilitair_cli import letters_editing  # noqa: PLC0415 - help does without

    if value is not None and changes:
        raise OptionError(option="--set", reason="use --value or --set, not both")
    wish = letters_editing.Wish(
        file=None if value in {None, "-"} else Path(str(value)),
        stdin=value == "-",
        changes=tuple(changes or ()),
        headers=letters_editing.headers_of(headers or ()),
        again=again,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )
    finish(with_gateway(lambda a: letters_editing.edited(letter, a, wish=wish)))


@app.command()
def discard(
    letter: IdArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with the letter.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Close a letter without doing anything else; its record stays until it expires.

    Example: facilitair dlq discard agent-tasks-dlq:0:7 --reason "sent by a test"
    """
    from facilitair_cli import letters  # noqa: PLC0415 - help does without

    finish(with_gateway(lambda a: letters.discarded(letter, a, reason=reason, as_json=as_json)))
