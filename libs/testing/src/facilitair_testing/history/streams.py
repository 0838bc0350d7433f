"""I8 and R7 on the stream: announcements, chunks, and the result they add up to.

The order of a stream partition is exact, so everything but the worker's last chunk against its
report (two topics, judged by append time) is judged by offsets. A repeat of equal bytes is legal.
A worker that was held for silent may write on under its old attempt: viewers drop that.
"""

from collections.abc import Iterator

from facilitair_events.collaboration import AttemptCompleted
from facilitair_events.requests import AttemptReported, CallReported
from facilitair_events.stream import AttemptReset, AttemptStarted, Token
from facilitair_events.text import Text
from facilitair_testing.history.entries import AttemptId, Entry, first_chunks, violation
from facilitair_testing.history.index import Index
from facilitair_testing.history.types import Violation


def i08_attempts_are_announced(index: Index) -> Iterator[Violation]:
    """``attempt.started`` or ``attempt.reset`` precedes the first token of its attempt."""
    for attempt, entries in index.attempts.items():
        name = f"attempt {attempt.attempt} of {attempt.path}"
        opening, chunks = _openings(entries), first_chunks(entries)
        if chunks and (not opening or opening[0].offset > chunks[0].offset):
            text = f"{name} writes before it is announced"
            yield violation("I8", chunks[0], key=attempt.key, text=text)
        kind = AttemptStarted if attempt.attempt == 1 else AttemptReset
        for entry in opening:
            if type(entry.data) is not kind:
                text = f"{name} is announced as {entry.kind}"
                yield violation("I8", entry, key=attempt.key, text=text)


def i08_chunks_are_dense(index: Index) -> Iterator[Violation]:
    """The chunks of an attempt count 0, 1, 2, …; an index has one content."""
    for attempt, entries in index.attempts.items():
        name = f"attempt {attempt.attempt} of {attempt.path}"
        first: dict[int, Entry] = {}
        for entry in entries:
            if not isinstance(entry.data, Token):
                continue
            known = first.setdefault(entry.data.index, entry)
            if known.data != entry.data:
                text = f"chunk {entry.data.index} of {name} has two contents"
                yield violation("I8", known, entry, key=attempt.key, text=text)
        for number, entry in enumerate(first.values()):
            if entry.data.index != number:
                text = f"{name}: chunk {entry.data.index} stands where {number} was expected"
                yield violation("I8", entry, key=attempt.key, text=text)
                break


def i08_chunks_add_up_to_the_result(index: Index) -> Iterator[Violation]:
    """What was streamed is what was reported, for the call and for the attempt.

    A call that went on from earlier text answered with the rest alone.
    """
    calls = _answers(index)
    for key, events in index.first.items():
        for entry in events.values():
            if not isinstance(entry.data, AttemptCompleted):
                continue
            attempt = AttemptId(key, entry.data.step, entry.data.attempt)
            chunks = first_chunks(index.attempts.get(attempt, []))
            streamed = "".join(chunk.data.text for chunk in chunks)
            told = _said(index, calls[attempt]) if attempt in calls else None
            before = _earlier(index, attempt)
            called = None if told is None or before is None else before + told
            for said, exact in ((_said(index, entry.data.output), False), (called, True)):
                if said is not None and not _agree(index, attempt, streamed, said, exact=exact):
                    name = f"attempt {attempt.attempt} of {attempt.path}"
                    fault = f"the chunks of {name} are not its result"
                    yield violation("I8", *chunks[:1], entry, key=key, text=fault)
                    break


def i08_chunks_precede_the_completion(index: Index) -> Iterator[Violation]:
    """Viewers are told that an attempt is complete after its last chunk."""
    for key, entries in index.copies.items():
        for entry in entries:
            if not isinstance(entry.data, AttemptCompleted):
                continue
            attempt = AttemptId(key, entry.data.step, entry.data.attempt)
            chunks = first_chunks(index.attempts.get(attempt, []))
            late = [chunk for chunk in chunks if chunk.offset > entry.offset]
            if late:
                text = f"attempt {attempt.attempt} of {attempt.path} writes after its completion"
                yield violation("I8", entry, late[0], key=key, text=text)


def r07_results_follow_their_chunks(index: Index) -> Iterator[Violation]:
    """A worker reports once its last chunk is acked; equal append times are legal."""
    for key, entries in index.inbox.items():
        seen: set[AttemptId] = set()
        for entry in entries:
            if not isinstance(entry.data, AttemptReported):
                continue
            attempt = AttemptId(key, entry.data.path, entry.data.attempt)
            chunks = first_chunks(index.attempts.get(attempt, []))
            late = [chunk for chunk in chunks if chunk.at_ms > entry.at_ms + index.terms.jumps_ms]
            if late and attempt not in seen:
                text = f"attempt {attempt.attempt} of {attempt.path} writes after its report"
                yield violation("R7", entry, late[0], key=key, text=text)
            seen.add(attempt)


def _openings(entries: list[Entry]) -> list[Entry]:
    return [e for e in entries if isinstance(e.data, AttemptStarted | AttemptReset)]


def _answers(index: Index) -> dict[AttemptId, Text]:
    """What the completed call of each attempt answered."""
    return {
        AttemptId(key, entry.data.path, entry.data.attempt): entry.data.output
        for key, entries in index.inbox.items()
        for entry in entries
        if isinstance(entry.data, CallReported) and entry.data.output is not None
    }


def _earlier(index: Index, attempt: AttemptId) -> str | None:
    """The text that an attempt was to go on from; None for one that is not in the history."""
    task = index.task(attempt)
    return "" if task is None or task.continued is None else _said(index, task.continued)


def _said(index: Index, text: Text) -> str | None:
    if text.text is not None and text.text.k is None:
        return text.text.v
    if text.artifact is None:
        return None
    blob = index.history.blobs.get(text.artifact.sha256)
    return None if blob is None else blob.decode()


def _agree(  # noqa: PLR0917 - the two texts of an attempt
    index: Index, attempt: AttemptId, streamed: str, said: str, *, exact: bool
) -> bool:
    """JSON loses its fence on the way from the model to the result."""
    task = index.task(attempt)
    if exact or task is None or task.output.kind != "json":
        return streamed == said
    return said.strip() in streamed
