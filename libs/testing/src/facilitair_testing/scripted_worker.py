"""A worker of a ``ScriptedRun``: it claims, asks, streams and reports as the real one does."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

from facilitair_events.codec import encode
from facilitair_events.envelope import Envelope, timestamp
from facilitair_events.ids import call_id, derive
from facilitair_events.keys import LedgerKind, call_key, collaboration_key
from facilitair_events.requests import AttemptReported, CallReported, Fault, Usage
from facilitair_events.stream import AttemptReset, AttemptStarted, Token
from facilitair_events.text import inline
from facilitair_events.topics import COLLABORATION_INBOX, COLLABORATION_STREAM, LLM_CALLS
from facilitair_events.work import CallClaimed, CallDone, CallRenewed, CallVoided, LedgerTicked
from facilitair_messaging.messages import caused_by, message
from facilitair_messaging.ports import Message
from facilitair_testing.history.entries import TOKEN_TYPE
from facilitair_testing.history.types import ProviderLine
from facilitair_testing.scripted_run import STEP, TENANT, ScriptedRun, Task


class ScriptedWorker:
    """One incarnation of a worker.

    ``bills`` is what a call costs whose provider writes down what it bills; without, it does not.
    """

    def __init__(self, run: ScriptedRun, name: str = "w1", *, bills: Decimal | None = None) -> None:
        self.run = run
        self.name = name
        self._bills = bills

    def answer(
        self,
        task: Task,
        *texts: str,
        value: Any = None,
        digest: str = "q1",
        output: str | None = None,
    ) -> None:
        """The model answers as declared; ``output`` is the result where it is not the answer."""
        text = "".join(texts)
        nonce = self.begin(task, *texts)
        self.billed(task)
        call = self.called(task, output=inline(text), request_digest=digest)
        attempt = AttemptReported(
            path=task.data.path, attempt=task.data.attempt, outcome="completed",
            output=inline(text if output is None else output), value=value,
        )  # fmt: skip
        self.report(task, [call, attempt])
        self.done(task, nonce, outcome="completed")

    def fail(self, task: Task, *texts: str, code: str = "overloaded", output: bool = False) -> None:
        """The provider declines, or ``output`` is not as declared."""
        fault = Fault(code=code, message=code, retryable=True)
        nonce = self.begin(task, *texts)
        said = inline("".join(texts)) if output else None
        outcome = "completed" if output else "failed"
        call = self.called(task, outcome=outcome, output=said, request_digest=f"d{nonce}")
        attempt = AttemptReported(
            path=task.data.path, attempt=task.data.attempt, outcome="failed", output=said,
            fault=fault,
        )  # fmt: skip
        self.report(task, [call, attempt])
        self.done(task, nonce, outcome=outcome)

    def stop(self, task: Task, nonce: str) -> None:
        """It stops writing because somebody asked it to (R23)."""
        fault = Fault(code="stopped", message="stopped: asked")
        call = self.called(task, outcome="failed", usage=None, cost_usd=None)
        attempt = AttemptReported(
            path=task.data.path, attempt=task.data.attempt, outcome="failed", fault=fault
        )
        self.report(task, [call, attempt])
        self.done(task, nonce, outcome="failed")

    def give_up(self, task: Task) -> None:
        """Its task cannot be read: it takes the attempt for itself and says so."""
        nonce = self.claim(task)
        self._ledger(task, _voided(task, nonce), kind="void", nonce=nonce)
        fault = Fault(code="task_unreadable", message="unreadable")
        attempt = AttemptReported(
            path=task.data.path, attempt=task.data.attempt, outcome="failed", fault=fault
        )
        self.report(task, [attempt])
        self.done(task, nonce, outcome="void")

    def refuse(self, task: Task) -> None:
        """The attempt was stopped before it was claimed (R23)."""
        fault = Fault(code="stopped", message="stopped: cancelled")
        self.report(
            task,
            [
                AttemptReported(
                    path=task.data.path, attempt=task.data.attempt, outcome="failed", fault=fault
                )
            ],
        )

    def void(self, task: Task) -> None:
        """The claim became too old; nothing is asked (R19)."""
        nonce = self.claim(task)
        self._ledger(task, _voided(task, nonce), kind="void", nonce=nonce)
        self.report(task, [self.called(task, outcome="void", usage=None, cost_usd=None)])
        self.done(task, nonce, outcome="void")

    def reuse(self, task: Task, *texts: str) -> None:
        """An earlier attempt has paid for the answer (R22)."""
        self.open(task)
        self.write(task, *texts)
        attempt = AttemptReported(
            path=task.data.path, attempt=task.data.attempt, outcome="completed",
            output=inline("".join(texts)),
        )  # fmt: skip
        self.report(task, [attempt])

    def lose(self, task: Task, *texts: str, watcher: "ScriptedWorker") -> str:
        """It goes silent in the middle of its answer, and ``watcher`` declares it (R20)."""
        nonce = self.begin(task, *texts)
        self.declare(task, watcher=watcher)
        return nonce

    def wake(self, task: Task, *texts: str, nonce: str) -> None:
        """It was only stopped: it writes on, all of ``texts`` by now, and reports what it cost."""
        self.write(task, *texts)
        self.billed(task)
        text = inline("".join(texts))
        attempt = AttemptReported(
            path=task.data.path, attempt=task.data.attempt, outcome="completed", output=text
        )
        self.report(task, [self.called(task, output=text, request_digest="q"), attempt])
        self.done(task, nonce, outcome="completed")

    def lose_result(self, task: Task, *texts: str, digest: str, watcher: "ScriptedWorker") -> None:
        """It dies between the report of its call and that of its attempt."""
        self.begin(task, *texts)
        self.billed(task)
        output = inline("".join(texts))
        self.report(task, [self.called(task, output=output, request_digest=digest)])
        self.declare(task, watcher=watcher)

    def declare(self, task: Task, *, watcher: "ScriptedWorker") -> None:
        """``watcher`` waits for a lease, fences the attempt and says ``unknown``."""
        watcher.watch(task, for_ms=self.run.lease_ms)
        fence = watcher.claim(task, index=1, fence=True)
        watcher.report(task, [watcher.called(task, outcome="unknown", usage=None, cost_usd=None)])
        watcher.done(task, fence, outcome="unknown", index=1)

    def begin(self, task: Task, *texts: str) -> str:
        """Claim, ask and stream; returns the nonce."""
        nonce = self.claim(task)
        self.ask(task)
        self.open(task)
        self.write(task, *texts)
        return nonce

    def watch(self, task: Task, *, for_ms: int) -> None:
        """Tick every third of a lease."""
        pause_ms = max(self.run.lease_ms // 3, 1)
        for _ in range(for_ms // pause_ms):
            entry = LedgerTicked(incarnation=self.name)
            self.run.now_ms += pause_ms - 1
            self._ledger(task, entry, kind="tick", nonce=self.name, ident=self.call_id(task))

    def renew(self, task: Task, nonce: str) -> None:
        """Show that the attempt is worked on."""
        entry = CallRenewed(
            call_id=self.call_id(task), nonce=nonce, path=task.data.path,
            attempt=task.data.attempt,
        )  # fmt: skip
        self._ledger(task, entry, kind="renewal", nonce=nonce)

    def claim(self, task: Task, *, index: int = 0, fence: bool = False) -> str:
        """Append a claim and read it back; returns its nonce."""
        nonce = f"n{next(self.run.numbers)}"
        entry = CallClaimed(
            call_id=self.call_id(task, index=index), nonce=nonce, incarnation=self.name,
            path=task.data.path, attempt=task.data.attempt, index=index, fence=fence,
        )  # fmt: skip
        self._ledger(task, entry, kind="claim", nonce=nonce)
        return nonce

    def ask(self, task: Task) -> None:
        """The request reaches the provider."""
        self.run.now_ms += 1
        self._journal(task, outcome="started")

    def billed(self, task: Task) -> None:
        """The provider answers whole and writes down what it bills, if it does such a thing."""
        if self._bills is not None:
            self._journal(task, outcome="completed", input_tokens=1, output_tokens=1)

    def _journal(self, task: Task, **more: Any) -> None:
        line: dict[str, Any] = {
            "at_ms": self.run.now_ms, "call_id": self.call_id(task), "tenant": TENANT,
            "model": "m", "prompt_sha256": "p",
        }  # fmt: skip
        self.run.provider.append(ProviderLine(**(line | more)))

    def open(self, task: Task) -> None:
        """Announce the attempt on the stream."""
        kind = AttemptStarted if task.data.attempt == 1 else AttemptReset
        data = kind(
            collaboration=task.data.collaboration, step=task.data.path,
            attempt=task.data.attempt, agent=task.data.agent.name, model="m",
        )  # fmt: skip
        built = message(
            topic=COLLABORATION_STREAM, key=self.key(task), data=data,
            envelope=self._envelope(task, data, name="opening"),
        )  # fmt: skip
        self.run.append([Message(built.topic, built.key, built.value, built.headers + where(task))])

    def write(self, task: Task, *texts: str) -> None:
        """Stream one chunk per text."""
        for index, text in enumerate(texts):
            data = Token(
                step=task.data.path, attempt=task.data.attempt, agent=task.data.agent.name,
                index=index, text=text,
            )  # fmt: skip
            headers = (("ce_type", TOKEN_TYPE), *where(task), ("index", str(index).encode()))
            sent = Message(COLLABORATION_STREAM, self.key(task).encode(), encode(data), headers)
            self.run.append([sent])

    def called(self, task: Task, **more: Any) -> CallReported:
        """The outcome of the attempt's call."""
        fields: dict[str, Any] = {
            "call_id": self.call_id(task), "path": task.data.path, "attempt": task.data.attempt,
            "index": 0, "outcome": "completed", "model": "m", "finish_reason": "stop",
            "usage": Usage(input_tokens=1, output_tokens=1),
            "cost_usd": self._bills or Decimal("0.01"),
        }  # fmt: skip
        return CallReported(**(fields | more))

    def report(self, task: Task, reports: Sequence[CallReported | AttemptReported]) -> None:
        """Tell the collaboration, and let it decide."""
        self.run.append(
            [
                message(
                    topic=COLLABORATION_INBOX, key=self.key(task), data=report,
                    envelope=self._envelope(task, report, name=type(report).__name__),
                )
                for report in reports
            ]
        )  # fmt: skip
        self.run.decide()

    def done(self, task: Task, nonce: str, *, outcome: Any, index: int = 0) -> None:
        """The outcome is in the inbox."""
        entry = CallDone(
            call_id=self.call_id(task, index=index), nonce=nonce, path=task.data.path,
            attempt=task.data.attempt, outcome=outcome, last=True,
        )  # fmt: skip
        self._ledger(task, entry, kind="done", nonce=nonce, ident=self.call_id(task, index=index))

    def call_id(self, task: Task, *, index: int = 0) -> str:
        """The id of a call of the attempt."""
        data = task.data
        return call_id(TENANT, data.collaboration, data.path, data.attempt, index)

    def key(self, task: Task) -> str:
        """The collaboration's."""
        return collaboration_key(TENANT, task.data.collaboration)

    def _ledger(
        self, task: Task, entry: Any, *, kind: LedgerKind, nonce: str, ident: str | None = None
    ) -> None:
        ident = ident or entry.call_id
        envelope = self._envelope(task, entry, name=f"{kind}-{nonce}-{next(self.run.numbers)}")
        key = call_key(task.key, ident, kind, nonce)
        self.run.append([message(topic=LLM_CALLS, key=key, data=entry, envelope=envelope)])

    def _envelope(self, task: Task, data: Struct, *, name: str) -> Envelope:
        return caused_by(
            task.envelope, id=derive(task.envelope.id, name, getattr(data, "outcome", "")),
            data=data, source="agent-worker",
            time=timestamp(self.run.now_ms), subject=task.data.collaboration,
        )  # fmt: skip


def where(task: Task) -> tuple[tuple[str, bytes], ...]:
    """The headers that name an attempt."""
    return (("step", task.data.path.encode()), ("attempt", str(task.data.attempt).encode()))


def take(run: ScriptedRun, path: str | None = None) -> Task:
    """The oldest task that nobody took, of a path if one is named."""
    task = next(task for task in run.tasks if path in (None, task.data.path))
    run.tasks.remove(task)
    waiting = [other.offset for other in run.tasks if other.tp == task.tp]
    run.committed[task.tp] = min(waiting, default=STEP * len(run.log[task.tp]))
    return task


def _voided(task: Task, nonce: str) -> CallVoided:
    data = task.data
    ident = call_id(TENANT, data.collaboration, data.path, data.attempt, 0)
    return CallVoided(call_id=ident, nonce=nonce, path=data.path, attempt=data.attempt)
