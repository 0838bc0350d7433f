"""The rows of an export with their lines, whether it is CSV or JSON. Pure."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from msgspec import Struct

from facilitair_cli.bills.bill import BillFault

_MOST_USD: Final = Decimal(10**9)
_MS: Final = 10**11
"""Seconds since the epoch are fewer, milliseconds are more."""


class FieldError(Exception):
    """A field of a row is missing or wrong."""

    def __init__(self, *, field: str, reason: str) -> None:
        super().__init__(f"{field!r} {reason}")


class UnreadableError(Exception):
    """A text is neither CSV nor JSON."""

    def __init__(self, *, line: int, reason: str) -> None:
        self.fault = BillFault(line=line, message=reason)
        super().__init__(reason)


class Row(Struct, frozen=True):
    """One row of an export, by the names of its fields in lower case.

    ``ragged`` says that it has more or fewer cells than the heading, so that no field is sure.
    """

    line: int
    fields: dict[str, Any]
    ragged: str = ""

    def has(self, name: str) -> bool:
        """Whether there is something in a field."""
        found = self.fields.get(name)
        return found is not None and found != ""

    def text(self, *names: str) -> str:
        """The first of these fields that has a text. Raises FieldError."""
        for name in names:
            if self.has(name):
                return str(self.fields[name]).strip()
        raise FieldError(field=names[0], reason="is missing")

    def usd(self, *names: str) -> Decimal:
        """An amount; one below 0 is none. Raises FieldError."""
        text = self.text(*names).removeprefix("$").replace(",", "")
        try:
            amount = Decimal(text)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not (amount.is_finite() and 0 <= amount < _MOST_USD):
            raise FieldError(field=names[0], reason=f"is no amount of USD: {text[:40]!r}")
        return amount

    def count(self, *names: str) -> int:
        """A number of tokens, 0 where there is none. Raises FieldError."""
        for name in names:
            if self.has(name):
                text = str(self.fields[name]).strip().replace(",", "").removesuffix(".0")
                if not (text.isascii() and text.isdigit()):
                    raise FieldError(field=name, reason=f"is no count: {text[:40]!r}")
                return int(text)
        return 0

    def time(self, *names: str) -> datetime:
        """A time, by seconds since the epoch or ISO 8601; without a zone it is of UTC.

        Raises FieldError.
        """
        text = self.text(*names)
        try:
            if text.replace(".", "", 1).isdigit():
                number = float(text)
                return datetime.fromtimestamp(number / 1000 if number > _MS else number, UTC)
            found = datetime.fromisoformat(text.removesuffix(" UTC"))
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError, OSError) as error:
            reason = f"is no time: {text[:40]!r}"
            raise FieldError(field=names[0], reason=reason) from error

    def day(self, *names: str) -> date:
        """A day of UTC. Raises FieldError."""
        return self.time(*names).date()


def rows_of(text: str) -> list[Row]:
    """The rows of a CSV file, or the objects of a JSON document, its pages or its lines.

    Buckets of JSON are opened: each of their results is a row with the bucket's own fields.
    Raises UnreadableError.
    """
    if text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["}:
        return list(_json_rows(text))
    return list(_csv_rows(text.lstrip("\ufeff")))


def _csv_rows(text: str) -> Iterator[Row]:
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text), delimiter="\t" if "\t" in first else ",", strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        if len(names) < 2:  # noqa: PLR2004 - a table has columns
            raise UnreadableError(line=1, reason="it is neither CSV with a heading nor JSON")
        for cells in reader:
            if any(cell.strip() for cell in cells):
                wrong = f"it has {len(cells)} fields, the heading has {len(names)}"
                yield Row(
                    reader.line_num,
                    dict(zip(names, cells, strict=False)),
                    "" if len(cells) == len(names) else wrong,
                )
    except csv.Error as error:
        raise UnreadableError(line=reader.line_num, reason=f"it is no CSV: {error}") from error


def _json_rows(text: str) -> Iterator[Row]:
    decoder, place = json.JSONDecoder(parse_float=Decimal), 0
    while True:
        rest = text[place:].lstrip("\ufeff \t\r\n")
        if not rest:
            return
        start = len(text) - len(rest)
        line = text.count("\n", 0, start) + 1
        try:
            found, length = decoder.raw_decode(rest)
        except (json.JSONDecodeError, RecursionError) as error:
            at = getattr(error, "lineno", 1) + line - 1
            raise UnreadableError(line=at, reason=f"it is no JSON: {error}") from error
        place = start + length
        yield from _objects(found, line=line)


def _objects(found: Any, *, line: int) -> Iterator[Row]:
    """Objects in their order; the line is that of the document, as JSON tells no other."""
    if isinstance(found, list):
        for item in found:
            yield from _objects(item, line=line)
    elif not isinstance(found, dict):
        raise UnreadableError(line=line, reason="it holds something that is no object")
    elif isinstance(found.get("data"), list | dict):
        yield from _objects(found["data"], line=line)
    elif isinstance(found.get("results"), list):
        bucket = {name.lower(): value for name, value in found.items() if name != "results"}
        for item in found["results"]:
            for row in _objects(item, line=line):
                yield Row(line, bucket | row.fields)
        if not found["results"]:
            yield Row(line, bucket | {"empty": "true"})
    else:
        yield Row(line, {str(name).lower(): value for name, value in found.items()})
