"""What ``usage`` does, and how spans of time are written."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from facilitair_cli.attaching import Attachment
from facilitair_cli.budgeting import tell
from facilitair_cli.errors import OptionError
from facilitair_cli.exits import ExitCode
from facilitair_cli.keys import duration_s
from facilitair_cli.talking import ask
from facilitair_cli.wording import money
from facilitair_client import UsageReport, UsageRow

_BYS: Final = ("day", "agent", "model", "workflow")
_DAY: Final = timedelta(days=1)
_COLUMNS: Final = ("calls", "tokens in", "tokens out", "charged")

Span = tuple[date | None, date | None]


def names_of(text: str) -> tuple[str, ...]:
    """What to group by. Raises OptionError."""
    names = tuple(name.strip() for name in text.split(","))
    if not set(names) <= set(_BYS) or len(set(names)) != len(names):
        raise OptionError(option="--by", reason=f"some of {', '.join(_BYS)}, each once")
    return names


def days_of(*, since: str | None, until: str | None) -> Span:
    """The first and the last day. Raises OptionError."""
    first, last = (
        None if given is None else _moment(given, option=option)
        for given, option in ((since, "--since"), (until, "--until"))
    )
    return _day(first), _day(last)


def instant_of(text: str | None, *, option: str, after: bool = False) -> datetime | None:
    """The time that a text means; a day is its beginning in UTC, or with ``after`` its end.

    Raises OptionError.
    """
    if text is None:
        return None
    found = _moment(text, option=option)
    if isinstance(found, datetime):
        return found
    return datetime.combine(found + _DAY if after else found, datetime.min.time(), UTC)


async def told(attached: Attachment, names: Sequence[str], *, span: Span, as_json: bool) -> int:
    """Tell sums of what was used."""
    since, until = span
    report = await ask(attached, lambda client: client.money.usage(names, since=since, until=until))
    tell(msgspec.to_builtins(report), list(report_lines(report)), as_json=as_json)
    return ExitCode.DONE


def report_lines(report: UsageReport) -> Iterator[str]:
    """A table of the sums, with what they leave out."""
    if not report.data:
        yield "nothing was used in this time"
        return
    total = ("all", *("" for _ in report.by[1:]))
    rows = [
        tuple(report.by) + _COLUMNS,
        *((*(str(getattr(row, name)) for name in report.by), *_cells(row)) for row in report.data),
        (*total, *_cells(report.totals)),
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    notes = ["", *map(_note, report.data), _note(report.totals)]
    for row, told_of in zip(rows, notes, strict=True):
        cells = (
            cell.ljust(width) if place < len(report.by) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"{'  '.join(cells)}  {told_of}".rstrip()


def _cells(row: UsageRow) -> tuple[str, ...]:
    usage = row.usage
    about = "~" if usage.estimated else ""
    counted = (
        f"{row.calls:,}",
        f"{about}{usage.input_tokens:,}",
        f"{about}{usage.output_tokens:,}",
    )
    return (*counted, _charged(row))


def _charged(row: UsageRow) -> str:
    """What is unknown is never told as nothing."""
    if row.unpriced_calls and not row.charged_usd:
        return "unknown"
    return f"{'at least ' if row.unpriced_calls else ''}{money(row.charged_usd)}"


def _note(row: UsageRow) -> str:
    parts = [
        f"{count} {word}"
        for count, word in (
            (row.simulated_calls, "simulated"),
            (row.unknown_calls, "of unknown outcome"),
            (row.unpriced_calls, "without a price"),
        )
        if count
    ]
    return f"({', '.join(parts)})" if parts else ""


def _day(moment: datetime | date | None) -> date | None:
    return moment.date() if isinstance(moment, datetime) else moment


def _moment(text: str, *, option: str) -> datetime | date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC) - timedelta(seconds=duration_s(text, option=option))
    if found.tzinfo is None:
        reason = "say the zone too, like 2026-01-31T12:00:00Z, or give a day"
        raise OptionError(option=option, reason=reason)
    return found
