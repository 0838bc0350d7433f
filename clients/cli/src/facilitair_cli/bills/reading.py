"""From the text of an export to a bill: its shape is found by its fields. Pure."""

from facilitair_cli.bills.bill import PROVIDERS, Bill, BillError, BillFault
from facilitair_cli.bills.rows import Row, UnreadableError, rows_of
from facilitair_cli.bills.shapes import SHAPES, Shape, read_rows
from facilitair_cli.errors import OptionError


def read_bill(text: str, *, file: str, provider: str | None) -> Bill:
    """The bill in an export of a provider, or of whom its shape says.

    Raises OptionError for a provider that is not known or another one's export, and BillError with
    everything that is wrong with its lines.
    """
    if provider is not None and provider not in PROVIDERS:
        raise OptionError(option="--provider", reason=f"must be one of {', '.join(PROVIDERS)}")
    try:
        rows = rows_of(text)
    except UnreadableError as error:
        raise BillError(file=file, faults=[error.fault]) from error
    shape = _shape(rows, file=file)
    if provider not in {None, shape.provider}:
        reason = f"{file} looks like an export of {shape.provider} ({shape.form})"
        raise OptionError(option="--provider", reason=reason)
    bill, faults = read_rows(rows, shape)
    if faults:
        raise BillError(file=file, faults=faults)
    return bill


def _shape(rows: list[Row], *, file: str) -> Shape:
    filled = [row for row in rows if row.fields.get("empty") != "true"] or rows
    if not filled:
        raise BillError(file=file, faults=[BillFault(line=1, message="it has no rows")])
    first = next((row for row in filled if not row.ragged), filled[0])
    if first.ragged:
        raise BillError(
            file=file, faults=[BillFault(line=row.line, message=row.ragged) for row in filled]
        )
    for shape in SHAPES:
        if shape.fits(first.fields):
            return shape
    known = "; ".join(f"{shape.provider} {shape.form}" for shape in SHAPES)
    names = ", ".join(sorted(first.fields)[:12])
    message = f"no export that is known has these fields: {names}. Known are: {known}"
    raise BillError(file=file, faults=[BillFault(line=first.line, message=message)])
