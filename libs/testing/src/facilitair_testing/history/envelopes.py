"""R25 to R27: numbered requests count once, answers are to them, and the end is the end."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from facilitair_events.accounts import (
    CallCharged,
    FundsAnswered,
    FundsRequested,
    FundsReturned,
)
from facilitair_events.books import (
    CallSettled,
    FundsRefused,
    FundsReleased,
    FundsReserved,
)
from facilitair_testing.history.entries import Entry, grouped, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import Violation

_COUNTED: Final = (FundsReserved, FundsRefused, FundsReleased, CallSettled)
_ASKED_BY: Final[Mapping[type, type]] = {
    FundsReserved: FundsRequested,
    FundsRefused: FundsRequested,
    FundsReleased: FundsReturned,
    CallSettled: CallCharged,
}
_ITS_OWN: Final = frozenset({"asked_ms", "was_usd"})
"""What the account knows better: a call may have been reconciled since."""

_DECIDED: Final = {"granted": FundsReserved, "refused": FundsRefused}


def r12_accounts_are_dense(index: Index) -> Iterator[Violation]:
    """The events of an account count 1, 2, 3, …; a number has one content."""
    for tenant, entries in index.books.events.items():
        seen: dict[int, Entry] = {}
        for entry in entries:
            before = seen.setdefault(entry.data.seq, entry)
            if before.record.value != entry.record.value:
                text = f"number {entry.data.seq} of the account stands for two different events"
                yield violation("R12", before, entry, key=tenant, text=text)
            elif before is entry and entry.data.seq != len(seen):
                text = f"after number {len(seen) - 1} of the account comes {entry.data.seq}"
                yield violation("R12", entry, key=tenant, text=text)
                break


def r25_a_number_is_one_request(index: Index) -> Iterator[Violation]:
    """Requests of a collaboration are numbered; who writes one again writes the same bytes."""
    for key, entries in index.books.numbered.items():
        first: dict[int, Entry] = {}
        for entry in entries:
            before = first.setdefault(entry.data.n, entry)
            if before.record.value != entry.record.value:
                text = f"request {entry.data.n} stands for two different requests"
                yield violation("R25", before, entry, key=key, text=text)


def r25_a_number_counts_once(index: Index) -> Iterator[Violation]:
    """A request leads to one event of the account, however often it is written."""
    for key, entries in _events_by_collaboration(index).items():
        counted = grouped((entry.data.n, entry) for entry in entries)
        for n, found in counted.items():
            if len(found) > 1:
                text = f"request {n} counts {len(found)} times"
                yield violation("R25", *found, key=key, text=text)


def r25_what_is_in_the_books_was_asked(index: Index) -> Iterator[Violation]:
    """Whatever is reserved, refused, released or settled, somebody asked for it, and as it is."""
    for key, entries in _events_by_collaboration(index).items():
        asked = {e.data.n: e for e in index.books.numbered.get(key, ())}
        for entry in entries:
            request = asked.get(entry.data.n)
            if request is None:
                text = f"nobody wrote request {entry.data.n}"
                yield violation("R25", entry, key=key, text=text)
            else:
                fault = _difference(entry.data, request.data)
                if fault is not None:
                    yield violation("R25", request, entry, key=key, text=fault)


def r27_after_the_end_nothing_is_granted(index: Index) -> Iterator[Violation]:
    """An envelope that was closed gets neither money nor slots; late money still counts."""
    for key, entries in _events_by_collaboration(index).items():
        closed: Entry | None = None
        for entry in entries:
            data = entry.data
            if isinstance(data, FundsReserved) and closed is not None:
                text = "money or slots are granted after the end"
                yield violation("R27", closed, entry, key=key, text=text)
            elif isinstance(data, CallSettled) and data.late != (closed is not None):
                said = "late" if data.late else "in time"
                text = f"call {data.call_id} is called {said}, and the envelope was"
                text += " closed" if closed is not None else " open"
                yield violation("R27", entry, key=key, text=text)
            elif isinstance(data, FundsReleased) and data.closed:
                closed = closed or entry


def r27_the_end_gives_everything_back(index: Index) -> Iterator[Violation]:
    """Who has ended holds no envelope: it was closed, and then nothing stays set aside."""
    if not index.terms.ended:
        return
    closed = {
        key
        for key, entries in _events_by_collaboration(index).items()
        if any(isinstance(e.data, FundsReleased) and e.data.closed for e in entries)
    }
    for key in index.books.numbered:
        end = index.terminal(key)
        if end is not None and key not in closed:
            text = "it has ended, and its envelope was never closed"
            yield violation("R27", end, key=key, text=text)


def r26_answers_are_to_requests(index: Index) -> Iterator[Violation]:
    """A grant is what the books reserved for that request, a refusal what they refused."""
    events = _events_by_collaboration(index)
    for key, entries in index.inbox.items():
        asked = {
            e.data.n: e
            for e in index.books.numbered.get(key, ())
            if isinstance(e.data, FundsRequested)
        }
        decided = {
            (type(e.data), e.data.n): e.data for e in events.get(key, ()) if hasattr(e.data, "n")
        }
        for entry in entries:
            if not isinstance(entry.data, FundsAnswered):
                continue
            fault = _answer_fault(entry.data, asked=asked, decided=decided)
            if fault is not None:
                text = f"the answer to request {entry.data.n} {fault}"
                yield violation("R26", entry, key=key, text=text)


def i06_the_books_say_what_the_collaboration_says(index: Index) -> Iterator[Violation]:
    """What the collaboration's reducer charged for a call is what stands in the books."""
    if not index.terms.ended:
        return
    for key, replay in index.replays.items():
        if not replay.states or not index.books.keeps(key):
            continue
        state = list(replay.states.values())[-1].state
        for call_id, call in state.calls.items():
            told, entry = call.charged_usd, index.books.charged(call_id)
            booked = None if entry is None else getattr(entry, "charged_usd", None)
            if told is not None and told != booked:
                text = f"call {call_id} was charged {told} USD, the books have {booked}"
                yield violation("I6", key=key, text=text)


def _events_by_collaboration(index: Index) -> dict[str, list[Entry]]:
    return grouped(
        (f"{tenant}:{entry.data.collaboration}", entry)
        for tenant, events in index.books.first.items()
        for entry in events.values()
        if isinstance(entry.data, _COUNTED)
    )


def _difference(event: Any, request: Any) -> str | None:
    """How an event differs from the request that it names."""
    asked: type = type(request)
    if asked is not _ASKED_BY[type(event)]:
        return f"request {event.n} was a {asked.__name__}"
    if isinstance(event, CallSettled):
        names = [n for n in request.__struct_fields__ if n not in _ITS_OWN]
        other = [n for n in names if getattr(event, n) != getattr(request, n)]
        return f"the entry of request {event.n} says another {other[0]}" if other else None
    if isinstance(event, FundsReserved) and not _granted_in_order(event, request):
        return f"request {event.n} did not ask for these parts, or not in this order"
    return None


def _granted_in_order(event: FundsReserved, request: FundsRequested) -> bool:
    """The first parts of those asked for; one without a known price is granted as nothing."""
    granted = [(part.agent, part.usd or 0) for part in event.parts]
    asked = [(part.agent, part.usd or 0) for part in request.parts]
    return granted == asked[: len(granted)]


def _answer_fault(
    answer: FundsAnswered, *, asked: dict[int, Entry], decided: dict[tuple[type, int], Any]
) -> str | None:
    if answer.n not in asked:
        return "is to a request that nobody wrote"
    kind = _DECIDED.get(answer.outcome)
    if kind is None:
        return None
    event = decided.get((kind, answer.n))
    if event is None:
        return f"is {answer.outcome}, and the books say nothing of it"
    if answer.outcome == "granted" and answer.parts != event.parts:
        return "grants other parts than the books reserved"
    if answer.outcome == "granted" and answer.slots < event.slots:
        return "grants other slots than the books reserved"
    if answer.outcome == "refused" and answer.refusal != event.refusal:
        return "is refused for another reason than the books have"
    return None
