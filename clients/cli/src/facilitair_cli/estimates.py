"""``estimate``: what a run would take, told to people."""

from collections.abc import Iterator

import msgspec

from facilitair_cli.attaching import Attachment
from facilitair_cli.budgeting import tell
from facilitair_cli.exits import ExitCode
from facilitair_cli.talking import ask
from facilitair_cli.wanted import Wanted
from facilitair_cli.wording import money
from facilitair_client import CountRange, Estimate, UsdRange


async def estimate(wanted: Wanted, attached: Attachment, *, as_json: bool) -> int:
    """Tell what a collaboration would use and cost."""
    found = await ask(
        attached,
        lambda client: client.estimate(
            wanted.task, workflow=wanted.workflow, inputs=wanted.inputs, models=wanted.models
        ),
    )
    tell(msgspec.to_builtins(found), list(estimate_lines(found)), as_json=as_json)
    return ExitCode.DONE


def estimate_lines(found: Estimate) -> Iterator[str]:
    """A table of the steps, the sum, and what it leaves out."""
    rows: list[tuple[str, ...]] = [("step", "model", "calls", "tokens in", "tokens out", "cost")]
    rows += [
        (
            step.path,
            f"{step.provider}/{step.model}",
            _counts(step.calls),
            _counts(step.input_tokens),
            _counts(step.output_tokens),
            _usd(step.usd),
        )
        for step in found.steps
    ]
    sums = (_counts(one) for one in (found.calls, found.input_tokens, found.output_tokens))
    rows.append(("all", "", *sums, _usd(found.usd)))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
    yield from _notes(found)


def _notes(found: Estimate) -> Iterator[str]:
    if found.usd is not None:
        yield f"likely {money(found.usd.likely)}, at most {money(found.usd.high)}"
    if found.unpriced:
        yield f"without a known price: {', '.join(found.unpriced)}"
    learnt = sum(step.past_calls > 0 for step in found.steps)
    if found.history == "away":
        yield "what past runs used is not known now: accounts does not answer"
    elif learnt < len(found.steps):
        count = len(found.steps) - learnt
        yield f"{count} of {len(found.steps)} steps never ran: their answers are a guess"
    yield "attempts that fail and are made again come on top"


def _counts(counts: CountRange) -> str:
    if counts.low == counts.high:
        return f"{counts.likely:,}"
    return f"{counts.likely:,} ({counts.low:,} to {counts.high:,})"


def _usd(usd: UsdRange | None) -> str:
    if usd is None:
        return "unknown"
    if usd.low == usd.high:
        return money(usd.likely)
    return f"{money(usd.likely)} ({money(usd.low)} to {money(usd.high)})"
