"""What an operator does about letters: look, put back, correct, discard."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.codec import type_name
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.letters import LetterDiscarded, LetterReplayed
from facilitair_events.requests import Fault
from facilitair_gateway.errors import (
    ConflictError,
    LetterUnsureError,
    RequestFaultsError,
    UnknownLetterError,
)
from facilitair_gateway.inbox import Inbox
from facilitair_gateway.letters.letter import Letter, parse_place
from facilitair_gateway.letters.notes import Note, Standing
from facilitair_gateway.letters.prospects import prospects
from facilitair_gateway.letters.reading import LetterReader
from facilitair_gateway.letters.repair import Correction, corrected, put_back
from facilitair_gateway.principal import Principal
from facilitair_messaging.errors import ProduceUnknownError, RecordRefusedError
from facilitair_messaging.messages import message
from facilitair_messaging.ports import Ack, Log, Message, Producer

SOURCE: Final = "gateway"
_PROJECT: Final = "default"


class Edit(Struct, frozen=True, kw_only=True):
    """How a record shall be corrected. ``headers`` are set, or removed where they are None."""

    value: Any
    headers: Mapping[str, str | None] = {}


class Replayed(Struct, frozen=True, kw_only=True):
    """What putting a letter back did, or would do: then ``at`` is None.

    ``offset`` is None where the log did not tell it. ``warnings`` are for people.
    """

    letter: Letter
    topic: str
    partition: int
    replay: int
    warnings: tuple[str, ...]
    correction: Correction | None = None
    offset: int | None = None
    by: str | None = None
    at: datetime | None = None


class LetterDesk:
    """Acts on letters, one action at a time.

    The record is put back first and noted after it: a crash in between leaves the letter open, and
    putting it back again is harmless, as readers know a repeat by its id.
    Two gateways that are asked at one moment may both put a letter back; the first note counts.
    Every method raises UnknownLetterError for what is no letter, LettersUnreadError, and those that
    act ConflictError for a letter that is closed, LetterUnsureError when the log did not confirm.
    """

    def __init__(
        self,
        log: Log,
        reader: LetterReader,
        *,
        producer: Producer,
        inbox: Inbox,
        timeout_s: float,
        now_ms: Callable[[], int],
        fresh_id: Callable[[], str],
    ) -> None:
        self.reader: Final = reader
        self._log = log
        self._producer = producer
        self._inbox = inbox
        self._timeout_s = timeout_s
        self._now_ms = now_ms
        self._fresh_id = fresh_id
        self._turn = asyncio.Lock()

    async def look(self, letter_id: str) -> tuple[Letter, Standing]:
        """A letter and what it is now."""
        place = parse_place(letter_id)
        if place is None:
            raise UnknownLetterError
        letter = await self.reader.find(place)
        return letter, (await self.reader.notes(place.topic)).standing(letter)

    async def replay(
        self, letter_id: str, *, by: Principal, again: bool, dry_run: bool, edit: Edit | None = None
    ) -> Replayed:
        """Append the record of a letter to its original topic once more, corrected or as it was.

        ``again`` allows it for a closed letter. With ``dry_run`` nothing is appended.
        Raises RequestFaultsError for a correction that nobody could read.
        """
        async with self._turn:
            letter, standing = await self.look(letter_id)
            _check_open(letter, standing, again=again)
            _check_key(letter)
            correction = None
            if edit is not None:
                # A long value takes long to check, and viewers are served meanwhile.
                correction = await asyncio.to_thread(
                    corrected,
                    letter,
                    value=edit.value,
                    headers=edit.headers,
                    types=self.reader.types(letter.topic),
                )
            replay = letter.replay + standing.replays + 1
            built = put_back(
                letter,
                replay=replay,
                correction=correction,
                editor=None if edit is None else by.actor,
            )
            planned = Replayed(
                letter=letter,
                topic=built.topic,
                partition=self._log.partition_for(built.topic, built.key),
                replay=replay,
                warnings=await prospects(letter, self._inbox, by=by),
                correction=correction,
            )
            if dry_run:
                return planned
            ack = await self._append(built, letter)
            note = LetterReplayed(
                letter=letter.id,
                by=by.actor,
                at=self._now(),
                topic=built.topic,
                partition=ack.partition,
                replay=planned.replay,
                dlq_id=letter.dlq_id,
                offset=ack.offset,
                value_sha256=None if correction is None else correction.sha256,
            )
            await self._note(letter, note, by=by)
            return replace(
                planned, partition=ack.partition, offset=ack.offset, by=note.by, at=note.at
            )

    async def discard(self, letter_id: str, *, by: Principal, reason: str) -> Standing:
        """Close a letter without doing anything else."""
        async with self._turn:
            letter, standing = await self.look(letter_id)
            _check_open(letter, standing, again=False)
            note = LetterDiscarded(
                letter=letter.id, by=by.actor, at=self._now(), reason=reason, dlq_id=letter.dlq_id
            )
            await self._note(letter, note, by=by)
            return (await self.reader.notes(letter.place.topic)).standing(letter)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._now_ms() / 1000, UTC)

    async def _note(self, letter: Letter, note: Note, *, by: Principal) -> None:
        ident = self._fresh_id()
        envelope = Envelope(
            id=ident,
            type=type_name(note),
            source=SOURCE,
            time=timestamp(self._now_ms()),
            subject=letter.id,
            tenant=by.tenant,
            project=_PROJECT,
            actor=by.actor,
            correlation=ident,
            causation=letter.dlq_id or None,
            traceparent=by.traceparent,
        )
        built = message(topic=letter.place.topic, key="", data=note, envelope=envelope)
        # The letter's own key, whatever its bytes are: its notes stand behind it in one order.
        await self._append(replace(built, key=letter.record.key or b""), letter)

    async def _append(self, built: Message, letter: Letter) -> Ack:
        try:
            async with asyncio.timeout(self._timeout_s):
                return (await self._producer.send([built]))[0]
        except RecordRefusedError as error:
            fault = Fault(code="record_refused", message=str(error))
            raise RequestFaultsError(faults=(fault,)) from error
        except (TimeoutError, ProduceUnknownError) as error:
            raise LetterUnsureError(letter=letter.id, timeout_s=self._timeout_s) from error


def _check_open(letter: Letter, standing: Standing, *, again: bool) -> None:
    if standing.state == "open" or again:
        return
    first = standing.actions[0]
    told = f"{letter.id} was {first.did} by {first.by} at {first.at:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(first.note, LetterReplayed):
        told += f", as {first.note.topic}[{first.note.partition}]"
        told += "" if first.note.offset is None else f"@{first.note.offset}"
    raise ConflictError(
        code="letter_closed",
        message=f"{told}; to put its record back once more, replay it with 'again' (--again)",
    )


def _check_key(letter: Letter) -> None:
    """A record without a key has no partition of its own, and no reader takes it."""
    if letter.keyless:
        raise ConflictError(
            code="letter_without_key",
            message="this record has no key, so nobody could ever read it; discard the letter",
        )
