"""The draft of one decision: working copies of the state, and what will be emitted."""

from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from facilitair_events.collaboration import PublicEvent
from facilitair_events.decision import Command, Decision, Received, Reply
from facilitair_events.definitions import Definition, Step
from facilitair_events.envelope import Headers, instant
from facilitair_events.ids import derive
from facilitair_events.keys import collaboration_key
from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import ReplyTo
from facilitair_events.state import CollaborationState, StepState, Timer
from facilitair_workflows.errors import EndedError
from facilitair_workflows.reducing import paths

TERMINAL: Final = frozenset({"refused", "completed", "failed", "cancelled", "expired"})
ENDING: Final = frozenset({"finishing", "cancelling"})
REMEMBERED_CLIENT_IDS: Final = 256
FUNDS_SINCE: Final = 3
"""The first logic that asks an account before it starts anything (R9)."""

POLICIES_SINCE: Final = 2
"""The first logic with jitter, fallback, endings and a deadline over all attempts (R9)."""


class Draft:
    """Collects one decision about one collaboration.

    It lives inside one call of ``decide``; nothing outside ever sees it, so ``decide`` stays pure.
    """

    def __init__(self, state: CollaborationState, received: Received) -> None:
        self._before = state
        self._places: dict[str, Step] | None = None
        self._state = replace(state, now_ms=max(state.now_ms, received.at_ms))
        self.received = received
        self.steps = dict(state.steps)
        self.outputs = dict(state.outputs)
        self.calls = dict(state.calls)
        self.timers = list(state.timers)
        self._events: list[Struct] = []
        self._commands: list[Command] = []
        self._replies: list[Reply] = []
        self.stirred = False
        """Whether a step that waits for money or a slot may start now."""

    @property
    def state(self) -> CollaborationState:
        """The scalar parts; steps, outputs, calls and timers are the draft's own."""
        return self._state

    @property
    def now_ms(self) -> int:
        """The reducer's now (R1)."""
        return self._state.now_ms

    @property
    def changed_ms(self) -> int:
        """When the state last changed before this record: a question moves no clock of it."""
        return self._before.now_ms

    @property
    def definition(self) -> Definition:
        """The resolved workflow. Raises EndedError in a stub, where nothing may ask for it."""
        if self._state.definition is None:
            raise EndedError(collaboration=self._state.collaboration)
        return self._state.definition

    def spec(self, path: str) -> Step:
        """The definition of the step at a path. Raises KeyError for a path that there is not."""
        return self.places[paths.place(path)]

    @property
    def places(self) -> dict[str, Step]:
        """Every step of the definition, those in groups included, by its place."""
        if self._places is None:
            self._places = paths.places(self.definition)
        return self._places

    @property
    def running(self) -> bool:
        """Whether new work may start."""
        return self._state.status not in TERMINAL and self._state.status not in ENDING

    @property
    def policies(self) -> bool:
        """Whether this collaboration keeps a logic that has the policies of steps and agents."""
        return self._state.logic >= POLICIES_SINCE

    def set(self, **changes: Any) -> None:
        """Change scalar fields of the state."""
        self._state = replace(self._state, **changes)

    def put_step(self, step: StepState) -> None:
        """Store a step under its path."""
        self.steps[step.path] = step

    def emit(self, event: type[PublicEvent], **fields: Any) -> None:
        """Append a public event with the next seq (R12)."""
        seq = self._state.seq + 1
        self.set(seq=seq)
        self._events.append(
            event(
                collaboration=self._state.collaboration, seq=seq, at=self.at(self.now_ms), **fields
            )
        )

    def command(
        self,
        topic: str,
        data: Struct,
        *,
        key: str | None = None,
        headers: Headers = (),
        subject: str | None = None,
    ) -> None:
        """Append a record for another service; the default key is the collaboration's."""
        own = collaboration_key(self._state.tenant, self._state.collaboration)
        key = own if key is None else key
        self._commands.append(
            Command(topic=topic, key=key, data=data, headers=headers, subject=subject)
        )

    def reply(self, to: ReplyTo | None, outcome: str, **fields: Any) -> None:
        """Answer a request, if it asked for an answer (R15)."""
        if to is None:
            return
        data = RequestAnswered(
            correlation=to.correlation,
            collaboration=self._state.collaboration,
            outcome=outcome,  # type: ignore[arg-type]
            status=self._state.status,
            stream_start=self._state.stream_start,
            last_seq=self._state.seq,
            **fields,
        )
        self._replies.append(Reply(to=to, data=data))

    def arm(
        self, name: str, *, due_ms: int, path: str | None = None, attempt: int | None = None
    ) -> None:
        """Add a timer; its id comes from the record that arms it and is never reused (R11)."""
        scope = f"{path or ''}#{attempt or 0}"
        timer_id = derive(self.received.subject, self.received.id, name, scope)
        self.timers.append(
            Timer(timer_id=timer_id, name=name, due_ms=due_ms, path=path, attempt=attempt)
        )

    def arm_deadline(self) -> None:
        """From now on the time of the whole workflow counts."""
        self.arm("deadline", due_ms=self.now_ms + round(self.definition.timeout_s * 1000))

    def disarm_named(self, name: str) -> None:
        """Drop the timers of a name."""
        self.timers = [timer for timer in self.timers if timer.name != name]

    def disarm(self, path: str) -> None:
        """Drop the timers of a step."""
        self.timers = [timer for timer in self.timers if timer.path != path]

    @staticmethod
    def at(ms: int) -> datetime:
        """Log time as events carry it."""
        return instant(ms)

    def decision(self) -> Decision[CollaborationState]:
        """What was collected. A question leaves the very state it was asked of, so no snapshot."""
        state = replace(
            self._state,
            steps=self.steps,
            outputs=self.outputs,
            calls=self.calls,
            timers=tuple(self.timers),
        )
        quiet = not self._events and not self._commands
        if quiet and replace(state, now_ms=self._before.now_ms) == self._before:
            state = self._before
        return Decision(
            state=state,
            events=tuple(self._events),
            commands=tuple(self._commands),
            replies=tuple(self._replies),
        )
