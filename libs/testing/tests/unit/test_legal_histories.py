"""Legal histories of every shape are judged legal."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facilitair_events.codec import type_name
from facilitair_events.definitions import Definition, Output, Repeat, Retry, Step
from facilitair_events.envelope import Envelope, instant, timestamp
from facilitair_events.tenants import TenantCreated
from facilitair_events.topics import COLLABORATION_EVENTS, COLLABORATION_STREAM, TENANTS
from facilitair_messaging.messages import message
from facilitair_testing.doctored_scene import Scene
from facilitair_testing.history import judge
from facilitair_testing.inbox import VERDICT, definition, review_loop, step
from facilitair_testing.scripted_run import ScriptedRun
from facilitair_testing.scripted_viewer import view
from facilitair_testing.scripted_worker import ScriptedWorker, take

QUICK = Retry(max_attempts=2, max_lost=2, backoff_s=0.1)
DEFINITIONS: list[Definition] = [
    review_loop(2),
    definition(step("a", retry=QUICK), step("b", retry=QUICK), step("c", "a", "b"), output="c"),
    definition(step("a", when="inputs.go == true", retry=QUICK), step("b", "a"), output="b"),
    definition(
        step("a", output=Output(kind="json", json_schema=VERDICT, corrections=1), retry=QUICK),
        Step(
            id="g", needs=("a",), repeat=Repeat(until="iteration >= 2", max=3),
            steps=(step("x", retry=QUICK), step("y", "x", when="iteration == 1")),
        ),
        output="x",
    ),
]  # fmt: skip
ENDS = {"refused", "completed", "failed", "cancelled", "expired"}
ACTIONS = st.sampled_from(
    [
        "answer", "answer", "reject", "fail", "permanent", "invalid", "lose", "wake", "lose result",
        "void", "cancel", "spoil", "timer", "submit again", "repeat", "expire",
    ]
)  # fmt: skip


class Play:
    """Two workers, one user, and what may happen to their collaborations."""

    def __init__(self) -> None:
        self.run = ScriptedRun()
        self.worker, self.other = ScriptedWorker(self.run), ScriptedWorker(self.run, "w2")
        self.wanted: dict[str, tuple[Definition, str, dict[str, Any]]] = {}

    def submit(self, wanted: Definition, *, go: bool) -> None:
        more = {"inputs": {"go": go}}
        key = f"key-{len(self.wanted)}"
        self.wanted[self.run.submit(wanted, key=key, **more)] = (wanted, key, more)

    def act(self, name: str, *, pick: int) -> None:
        ident = list(self.wanted)[pick % len(self.wanted)]
        if name == "cancel" and self.run.status(ident) not in ENDS:
            self.run.cancel(ident)
        elif name == "spoil":
            self.run.spoil(ident)
        elif name == "repeat":
            self.run.repeat()
        elif name == "submit again":
            wanted, key, more = self.wanted[ident]
            self.run.submit(wanted, key=key, **more)
        elif name in {"timer", "expire"}:
            wanted_timer = "retry" if name == "timer" else "deadline"
            if wanted_timer in self.run.timers(ident):
                self.run.fire(ident, wanted_timer)
        elif self.run.tasks:
            self.work(name, take(self.run))

    def work(self, name: str, task: Any) -> None:
        if not self.open(task):
            self.worker.refuse(task)
            return
        approved: Any = None
        texts = ("some ", "text")
        if task.data.output.kind == "json":
            approved = {"approved": name != "reject"}
            texts = ('{"approved": ', "true}" if name != "reject" else "false}")
        if name in {"answer", "reject"}:
            self.worker.answer(task, *texts, value=approved, digest=f"q{next(self.run.numbers)}")
        elif name in {"fail", "permanent"}:
            self.worker.fail(task, "so", code="overloaded" if name == "fail" else "stopped")
        elif name == "invalid":
            self.worker.fail(task, "{", code="output_invalid", output=True)
        elif name == "void":
            self.worker.void(task)
        elif name == "lose result":
            digest = f"q{next(self.run.numbers)}"
            self.worker.lose_result(task, *texts, digest=digest, watcher=self.other)
        else:
            nonce = self.worker.lose(task, texts[0], watcher=self.other)
            if name == "wake":
                self.worker.wake(task, *texts, nonce=nonce)

    def open(self, task: Any) -> bool:
        held = self.run.folds[f"local:{task.data.collaboration}"].standing.held
        if held is None or held.state.status in {"cancelling", "finishing", *ENDS}:
            return False
        return held.state.steps[task.data.path].open == task.data.attempt

    def finish(self) -> None:
        """Bring everything to its end, then look at it."""
        for _ in range(300):
            if self.run.tasks:
                self.work("answer", take(self.run))
                continue
            left = [i for i in self.wanted if self.run.status(i) not in ENDS]
            if not left:
                break
            timers = self.run.timers(left[0])
            order = ("retry", "ending", "attempt_stop", "attempt_timeout", "deadline")
            self.run.fire(left[0], next(name for name in order if name in timers))
        for ident in self.wanted:
            assert self.run.status(ident) in ENDS
            view(self.run, ident)


def test_a_run_with_something_of_everything_is_legal() -> None:
    scene = Scene()
    assert judge(scene.run.history(), lease_ms=scene.run.lease_ms, healed_ms=0) == []


@given(
    st.lists(st.tuples(st.sampled_from(DEFINITIONS), st.booleans()), min_size=1, max_size=3),
    st.lists(st.tuples(ACTIONS, st.integers(0, 99)), max_size=25),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_may_happen_is_judged_legal(
    wanted: list[tuple[Definition, bool]], actions: list[tuple[str, int]]
) -> None:
    play = Play()
    for each, go in wanted:
        play.submit(each, go=go)
    for name, pick in actions:
        play.act(name, pick=pick)
    # While it runs it is legal too, but for what has not ended.
    assert judge(play.run.history(), lease_ms=play.run.lease_ms, ended=False) == []
    play.finish()
    assert judge(play.run.history(), lease_ms=play.run.lease_ms) == []


def test_what_a_stopped_owner_writes_again_is_legal() -> None:
    play = Play()
    play.submit(DEFINITIONS[1], go=True)
    play.act("repeat", pick=0)
    play.finish()
    history = play.run.history()
    for topic in (COLLABORATION_EVENTS, COLLABORATION_STREAM):
        values = [r.value for r in history.records if r.topic == topic]
        assert len(values) > len(set(values)), f"nothing was repeated in {topic}"
    assert judge(history, lease_ms=play.run.lease_ms) == []


def test_the_key_of_a_tenant_names_no_collaboration() -> None:
    run = ScriptedRun()
    data = TenantCreated(tenant="acme", created_by="me", created_at=instant(run.now_ms))
    envelope = Envelope(
        id="t1", type=type_name(data), source="gateway", time=timestamp(run.now_ms),
        subject="tenant/acme", tenant="acme", project="default", actor="me", correlation="t1",
    )  # fmt: skip
    run.append([message(topic=TENANTS, key="acme:tenant", data=data, envelope=envelope)])
    assert judge(run.history(), lease_ms=run.lease_ms) == []
