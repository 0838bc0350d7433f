"""Telling which call each request to a provider was, which only the simulator is told.

A provider is not told our ids. But the calls of a collaboration with one step follow each other:
its n-th request is that of its n-th winning claim that was not given up.
"""

from collections import Counter
from collections.abc import Mapping

from msgspec.structs import replace

from facilitair_testing.history.index import Index
from facilitair_testing.history.ledgers import Call
from facilitair_testing.history.types import History, ProviderLine, Terms


class RequestsDifferError(AssertionError):
    """A collaboration has another number of requests than of winning claims."""

    def __init__(self, *, key: str, requests: int, claims: int) -> None:
        super().__init__(f"{key}: {requests} requests, {claims} claims that were used")


def named(history: History, keys: Mapping[str, str]) -> History:
    """The history with the ids of calls in the provider's lines.

    ``keys`` says of which collaboration the prompt with a sha256 is.
    Raises RequestsDifferError unless each request has exactly one winning claim, and each of those
    a request, a void or an outcome ``unknown``.
    """
    used = _used(history)
    starts = [line for line in history.provider if line.outcome == "started"]
    counts = Counter(keys[line.prompt_sha256] for line in starts)
    for key in counts.keys() | used.keys():
        if counts[key] != len(used.get(key, [])):
            raise RequestsDifferError(key=key, requests=counts[key], claims=len(used.get(key, [])))
    begun: Counter[str] = Counter()
    lines = [_named(line, used[keys[line.prompt_sha256]], begun=begun) for line in history.provider]
    return replace(history, provider=tuple(lines))


def _named(line: ProviderLine, calls: list[Call], *, begun: Counter[str]) -> ProviderLine:
    """Requests of one collaboration never overlap: an end is that of the last beginning."""
    key = calls[0].attempt.key
    begun[key] += line.outcome == "started"
    return replace(line, call_id=calls[begun[key] - 1].call_id)


def _used(history: History) -> dict[str, list[Call]]:
    """The calls of each collaboration that were claimed to be made, and not given up, in order."""
    calls = Index(history, Terms(lease_ms=0)).ledger.calls.values()
    found: dict[str, list[Call]] = {}
    for call in sorted(calls, key=lambda call: (call.attempt.path, call.attempt.attempt)):
        if call.winner is not None and call.voided is None and not call.fence:
            found.setdefault(call.attempt.key, []).append(call)
    return found
