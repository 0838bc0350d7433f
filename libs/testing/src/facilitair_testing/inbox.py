"""A collaboration's inbox in tests: definitions, records, and the folding of them."""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from facilitair_events import codec
from facilitair_events.decision import Command, Decision, Received
from facilitair_events.definitions import Agent, Definition, Model, Output, Repeat, Step
from facilitair_events.ids import call_id
from facilitair_events.requests import (
    AttemptReported,
    CallReported,
    CancelRequested,
    CollaborationRequested,
    DescribeRequested,
    Fault,
    ReplyTo,
    TimerFired,
    Usage,
)
from facilitair_events.state import CollaborationSnapshot, CollaborationState
from facilitair_events.text import inline
from facilitair_events.types import NAMES, kind_of
from facilitair_events.work import RunAttempt
from facilitair_workflows.decide import KNOWN_LOGIC, decide

MODEL = Model(name="m", provider="p")
CHAIN = (
    Model(name="m", provider="p", max_output_tokens=1000),
    Model(name="n", provider="q"),
    Model(name="o", provider="q", max_output_tokens=4000),
)
"""The models of agents that have a chain; they are asked in this order."""

VERDICT = {
    "type": "object",
    "required": ["approved"],
    "properties": {"approved": {"type": "boolean"}},
}


def agent(name: str) -> Agent:
    """An agent on the test model."""
    return Agent(
        name=name, version="1", role=name, prompt="You are.", prompt_name=name,
        prompt_version="1", models=(MODEL,),
    )  # fmt: skip


def step(ident: str, *needs: str, **more: Any) -> Step:
    """An agent step whose agent has the step's name."""
    return Step(id=ident, needs=needs, agent=ident, input=more.pop("input", "{{ task }}"), **more)


def definition(*steps: Step, output: str, **more: Any) -> Definition:
    """A resolved workflow of these steps."""
    names = {inner.agent for outer in steps for inner in (outer, *outer.steps) if inner.agent}
    return Definition(
        workflow="w", version="1", digest="d", description="", steps=steps,
        agents={name: agent(name) for name in sorted(names)}, output=output, **more,
    )  # fmt: skip


def chained(
    *steps: Step, output: str = "a", models: int = 3, limit: int | None = None
) -> Definition:
    """A workflow whose agents have so many models, and this limit of output tokens."""
    wanted = definition(*steps, output=output)
    agents = {
        name: replace(agent, models=CHAIN[:models], max_output_tokens=limit)
        for name, agent in wanted.agents.items()
    }
    return replace(wanted, agents=agents)


def review_loop(maximum: int = 3) -> Definition:
    """coder, then a review that repeats until it approves."""
    reviewer = step(
        "reviewer", input="{{ outputs.coder }}", output=Output(kind="json", json_schema=VERDICT)
    )
    again = step(
        "coder", "reviewer", when="!outputs.reviewer.approved", input="{{ outputs.reviewer }}"
    )
    group = Step(
        id="review", needs=("coder",), steps=(reviewer, again),
        repeat=Repeat(until="outputs.reviewer.approved", max=maximum),
    )  # fmt: skip
    return definition(step("coder"), group, step("documenter", "review"), output="coder")


class Inbox:
    """Feeds records to ``decide`` and keeps everything that came out."""

    def __init__(self) -> None:
        self.state: CollaborationState | None = None
        self.records: list[Received] = []
        self.decisions: list[Decision[CollaborationState]] = []
        self.now_ms = 1_700_000_000_000

    def feed(self, data: msgspec.Struct, *, after_ms: int = 1) -> Decision[CollaborationState]:
        self.now_ms += after_ms
        offset = len(self.records)
        record = Received(
            tenant="local",
            subject="c1",
            offset=offset,
            at_ms=self.now_ms,
            id=f"e{offset}",
            data=data,
        )
        self.records.append(record)
        decision = decide(self.state, record)
        self.decisions.append(decision)
        self.state = decision.state
        return decision

    def request(self, wanted: Definition, **more: Any) -> Decision[CollaborationState]:
        return self.feed(requested(wanted, **more))

    @property
    def events(self) -> list[Any]:
        return [event for decision in self.decisions for event in decision.events]

    @property
    def kinds(self) -> list[str]:
        return [kind_of(NAMES[type(event)]) for event in self.events]

    @property
    def commands(self) -> list[Command]:
        return [command for decision in self.decisions for command in decision.commands]

    @property
    def tasks(self) -> list[RunAttempt]:
        return [c.data for c in self.commands if isinstance(c.data, RunAttempt)]

    @property
    def open_tasks(self) -> list[RunAttempt]:
        """The tasks whose attempt may still report."""
        assert self.state is not None
        opened = {(s.path, s.open) for s in self.state.steps.values() if s.open}
        return [task for task in self.tasks if (task.path, task.attempt) in opened]

    def call(self, task: RunAttempt, **more: Any) -> Decision[CollaborationState]:
        return self.feed(call_reported(task, **more))

    def answer(
        self, task: RunAttempt, text: str, *, value: Any = None
    ) -> Decision[CollaborationState]:
        """The call and the attempt both succeed."""
        self.call(task, outcome="completed", output=inline(text))
        report = AttemptReported(
            path=task.path,
            attempt=task.attempt,
            outcome="completed",
            output=inline(text),
            value=value,
        )
        return self.feed(report)

    def fail(self, task: RunAttempt, code: str, **more: Any) -> Decision[CollaborationState]:
        output = more.pop("output", None)
        report = AttemptReported(
            path=task.path, attempt=task.attempt, outcome="failed", output=output,
            fault=Fault(code=code, message=code, **more),
        )  # fmt: skip
        return self.feed(report)

    def fire(self, name: str, *, early_ms: int = 0) -> Decision[CollaborationState]:
        assert self.state is not None
        timer = next(timer for timer in self.state.timers if timer.name == name)
        after_ms = max(timer.due_ms - self.now_ms - early_ms, 1)
        return self.feed(TimerFired(timer_id=timer.timer_id, name=name), after_ms=after_ms)

    def run_to_end(self, answers: dict[str, tuple[str, Any]] | None = None) -> None:
        """Answer every open task until nothing is open."""
        while self.open_tasks:
            task = self.open_tasks[0]
            text, value = (answers or {}).get(task.path, (f"text of {task.path}", None))
            if value is None and task.output.kind == "json":
                text, value = '{"approved": true}', {"approved": True}
            self.answer(task, text, value=value)


def requested(wanted: Definition | None, **more: Any) -> CollaborationRequested:
    """A request for a workflow, with any field changed."""
    fields: dict[str, Any] = {
        "collaboration": "c1", "project": "default", "actor": "me", "task": inline("Do it."),
        "body_digest": "b1", "stream_start": 7, "logic": KNOWN_LOGIC, "definition": wanted,
        "reply_to": ReplyTo(topic="query-replies", correlation="r1"),
    }  # fmt: skip
    return CollaborationRequested(**(fields | more))


def call_reported(task: RunAttempt, *, index: int = 0, **more: Any) -> CallReported:
    """A completed call of a task's attempt, with any field changed."""
    fields: dict[str, Any] = {
        "call_id": call_id("local", "c1", task.path, task.attempt, index),
        "path": task.path, "attempt": task.attempt, "index": index, "outcome": "completed",
        "model": "m", "request_digest": "q1", "finish_reason": "stop",
        "usage": Usage(input_tokens=10, output_tokens=5), "cost_usd": Decimal("0.01"),
    }  # fmt: skip
    return CallReported(**(fields | more))


def cancel(client_id: str = "k1") -> CancelRequested:
    """Somebody asks for the end."""
    return CancelRequested(
        client_id=client_id,
        actor="me",
        reason="enough",
        reply_to=ReplyTo(topic="query-replies", correlation="r2"),
    )


def describe() -> DescribeRequested:
    """Somebody asks what goes on."""
    return DescribeRequested(reply_to=ReplyTo(topic="query-replies", correlation="r3"))


def reloaded(state: CollaborationState | None) -> CollaborationState | None:
    """The state after a trip through its snapshot, as a new owner loads it."""
    if state is None:
        return None
    value = codec.encode(CollaborationSnapshot(applied=0, state=state))
    snapshot = codec.decode("facilitair.collaboration.snapshot.v1", value)
    assert isinstance(snapshot, CollaborationSnapshot)
    return snapshot.state


def output_bytes(decision: Decision[CollaborationState]) -> list[bytes]:
    """Everything a decision puts out, as bytes."""
    data = [
        *decision.events,
        *(c.data for c in decision.commands),
        *(r.data for r in decision.replies),
    ]
    return [codec.encode(item) for item in data]
