"""I1 and I2: what a client was promised is in the log, once.

An ``info`` line promises nothing: its request may or may not be there. What was answered to a
client beyond that (R15) is judged as far as ``query-replies``, kept for an hour, still holds it.
"""

from collections.abc import Iterator

from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import CancelRequested, CollaborationRequested, Parked
from facilitair_events.topics import QUERY_REPLIES
from facilitair_testing.history.entries import Entry, grouped, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import ClientLine, Violation

_CONFLICT = 409
_NOT_FOUND = 404
_WANTED = {"submit": CollaborationRequested, "cancel": CancelRequested}


def i01_what_was_accepted_is_in_the_log(index: Index) -> Iterator[Violation]:
    """A yes to a submit or a cancel means that its record is in the inbox."""
    for line in index.history.client:
        wanted = _WANTED.get(line.op)
        if line.type != "ok" or wanted is None:
            continue
        key = f"{line.tenant}:{line.collaboration}"
        if not any(isinstance(e.data, wanted) for e in index.inbox.get(key, ())):
            text = f"client {line.client} was told {line.status} for a {line.op}"
            yield violation("I1", key=key, text=f"{text}, and the inbox has no record of it")


def i01_what_was_accepted_stays_known(index: Index) -> Iterator[Violation]:
    """Nobody is told that there is no such collaboration once somebody was told that there is."""
    accepted: set[str] = set()
    begun: dict[str, bool] = {}
    for line in index.history.client:
        key = f"{line.tenant}:{line.collaboration}"
        if line.type == "invoke":
            begun[line.id] = key in accepted
        elif line.op == "submit" and line.type == "ok":
            accepted.add(key)
        elif line.type == "fail" and line.status == _NOT_FOUND and begun.get(line.id):
            text = f"client {line.client} was told {line.status} for a {line.op} after a 202"
            yield violation("I1", key=key, text=text)


def i01_nothing_accepted_is_lost(index: Index) -> Iterator[Violation]:
    """Every request in the inbox led to an event."""
    if not index.terms.ended:
        return
    for key, entries in index.inbox.items():
        asked = [e for e in entries if isinstance(e.data, CollaborationRequested) and _own(e)]
        if asked and key not in index.first:
            yield violation("I1", asked[0], key=key, text="it was asked for and nothing followed")


def i02_one_collaboration_for_a_key(index: Index) -> Iterator[Violation]:
    """One ``Idempotency-Key`` of a tenant is one collaboration with one body."""
    submits = [line for line in index.history.client if line.op == "submit" and line.key]
    for name, lines in grouped((f"{line.tenant}:{line.key}", line) for line in submits).items():
        accepted = [line for line in lines if line.type == "ok"]
        ids = {line.collaboration for line in accepted}
        bodies = {line.body for line in accepted}
        if len(ids) > 1:
            yield violation("I2", key=name, text=f"one key led to {len(ids)} collaborations")
        elif len(bodies) > 1:
            yield violation("I2", key=name, text="one key was accepted with different bodies")
        yield from _wrong_conflicts(name, lines)


def i02_repeats_are_told_apart(index: Index) -> Iterator[Violation]:
    """The same body again is a duplicate, another one a conflict (R15)."""
    answers = grouped(
        (entry.data.correlation, entry)
        for entry in index.topics.get(QUERY_REPLIES, ())
        if isinstance(entry.data, RequestAnswered)
    )
    for key, entries in index.inbox.items():
        if any(isinstance(entry.data, Parked) for entry in entries):
            continue
        asked = [e for e in entries if isinstance(e.data, CollaborationRequested) and _own(e)]
        for number, entry in enumerate(asked):
            same = entry.data.body_digest == asked[0].data.body_digest
            legal = {"accepted", "refused"} if not number else set()
            # A record that is in the inbox twice is answered by what it is at each place.
            legal |= {"duplicate"} if same else {"conflict"}
            correlation = entry.data.reply_to.correlation if entry.data.reply_to else ""
            for answer in answers.get(correlation, ()):
                if answer.data.outcome not in legal:
                    text = f"request {number + 1} was answered {answer.data.outcome}"
                    yield violation("I2", entry, answer, key=key, text=text)


def _own(entry: Entry) -> bool:
    """Not a record under a foreign key, which is dead-lettered."""
    envelope = entry.envelope
    return envelope is not None and entry.key == f"{envelope.tenant}:{envelope.subject}"


def _wrong_conflicts(name: str, lines: list[ClientLine]) -> Iterator[Violation]:
    bodies = {line.body for line in lines}
    refused = [line for line in lines if line.type == "fail" and line.status == _CONFLICT]
    if refused and len(bodies) == 1 and None not in bodies:
        text = f"client {refused[0].client} was told 409 for the only body there was"
        yield violation("I2", key=name, text=text)
