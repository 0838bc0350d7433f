"""I6: nobody is charged for what was not asked, nor for more than the provider counted.

Judged where the provider's journal is at hand. What a call cost is not in that journal: its tokens
are, and the cost of tokens is settled by the prices of the definition, which the replay repeats.
A call that the provider did not complete may have been counted by an estimate, and is not judged;
nor is one that says of its counts that they are ours, because the provider told none.
"""

from collections.abc import Iterator

from facilitair_events.requests import CallReported
from facilitair_testing.history.entries import tenant_and_id, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import ProviderLine, Violation

_COMPLETED = "completed"


def i06_what_is_charged_was_asked(index: Index) -> Iterator[Violation]:
    """A completed call has a request of its tenant, and the tokens that its provider counted."""
    if not index.history.provider:
        return
    counted = {line.call_id: line for line in index.history.provider if line.outcome == _COMPLETED}
    for key, entries in index.inbox.items():
        for entry in entries:
            data = entry.data
            if not isinstance(data, CallReported) or data.outcome != _COMPLETED:
                continue
            asked = index.requests.get(data.call_id, [])
            fault = _fault(data, asked, counted.get(data.call_id), tenant=tenant_and_id(key)[0])
            if fault is not None:
                yield violation("I6", entry, key=key, text=f"call {data.call_id} {fault}")


def _fault(  # noqa: PLR0917 - what is charged, against what was asked and counted
    charged: CallReported, asked: list[ProviderLine], counted: ProviderLine | None, *, tenant: str
) -> str | None:
    if not asked:
        return "is charged and was never asked"
    if asked[0].tenant not in {None, tenant}:
        return f"is charged to {tenant}, {asked[0].tenant} asked it"
    usage = charged.usage
    if counted is None or usage is None or usage.estimated:
        return None
    told = (usage.input_tokens, usage.output_tokens)
    if told != (counted.input_tokens, counted.output_tokens):
        seen = f"{counted.input_tokens} and {counted.output_tokens}"
        return f"is charged for {told[0]} and {told[1]} tokens, its provider counted {seen}"
    return None
