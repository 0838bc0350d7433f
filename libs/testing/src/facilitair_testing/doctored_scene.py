"""One legal run that holds something of everything, for tests that spoil it."""

from facilitair_events.definitions import Output, Retry, Step
from facilitair_testing.inbox import VERDICT, definition, review_loop, step
from facilitair_testing.scripted_run import ScriptedRun
from facilitair_testing.scripted_viewer import view
from facilitair_testing.scripted_worker import ScriptedWorker, take


class Scene:
    """A run with eight collaborations, each with its own end.

    ``rich`` fails once, goes silent once, answers JSON in a group and completes; its request came
    twice. ``stopped`` is cancelled while it writes. ``spoilt`` met a record that nobody can read.
    ``reused`` has an attempt that another paid for, ``repaid`` one that asked something else.
    ``ignored`` is cancelled before anybody took its task. ``voided`` has a claim that grew too old.
    ``given_up`` has a task that nobody can read.
    """

    def __init__(self) -> None:
        self.run = run = ScriptedRun()
        self.worker, self.other = ScriptedWorker(run), ScriptedWorker(run, "w2")
        self.rich = self._rich()
        self.stopped = self._stopped()
        self.spoilt = self._spoilt()
        self.reused = self._finished_before(reuse=True)
        self.repaid = self._finished_before(reuse=False)
        self.voided = self._voided()
        self.given_up = self._given_up()
        self.ignored = self._ignored()
        watched = (self.rich, self.stopped, self.spoilt, self.reused, self.voided, self.given_up)
        for ident in watched:
            view(run, ident)

    def _rich(self) -> str:
        run, worker, other = self.run, self.worker, self.other
        ident = run.submit(review_loop(), key="rich")
        run.submit(review_loop(), key="rich")
        worker.fail(take(run), "half")
        run.fire(ident, "retry")
        worker.lose(take(run), "on", "ce", watcher=other)
        other.answer(take(run), "the ", "co", "de")
        other.answer(take(run), '{"approved": ', "true}", value={"approved": True})
        self.documenter_task = take(run)
        other.answer(self.documenter_task, "docs")
        return ident

    def _stopped(self) -> str:
        ident = self.run.submit(definition(step("a"), output="a"), key="stopped")
        self.stopped_task = task = take(self.run)
        nonce = self.worker.begin(task, "one", "two")
        self.run.cancel(ident)
        self.worker.stop(task, nonce)
        return ident

    def _spoilt(self) -> str:
        ident = self.run.submit(definition(step("a"), output="a"), key="spoilt")
        task = take(self.run)
        nonce = self.worker.begin(task, "one")
        self.run.spoil(ident)
        self.worker.stop(task, nonce)
        return ident

    def _finished_before(self, *, reuse: bool) -> str:
        name = "reused" if reuse else "repaid"
        ident = self.run.submit(definition(step("a"), output="a"), key=name)
        self.worker.lose_result(take(self.run), "paid", digest="q1", watcher=self.other)
        if reuse:
            self.other.reuse(take(self.run), "paid")
        else:
            self.other.answer(take(self.run), "again", digest="q2")
        return ident

    def _voided(self) -> str:
        ident = self.run.submit(definition(corrected(), output="a"), key="voided")
        self.worker.void(take(self.run))
        self.worker.fail(take(self.run), "{", code="output_invalid", output=True)
        text = '{"approved": true}'
        self.worker.answer(
            take(self.run), f"```\n{text}\n```", output=text, value={"approved": True}
        )
        return ident

    def _ignored(self) -> str:
        ident = self.run.submit(definition(step("a"), output="a"), key="ignored")
        self.run.cancel(ident)
        self.run.fire(ident, "ending")
        return ident

    def _given_up(self) -> str:
        ident = self.run.submit(definition(step("a"), output="a"), key="given up")
        task = take(self.run)
        self.run.spoil_task(task)
        self.worker.give_up(task)
        return ident


def corrected() -> Step:
    """A step whose answer has to be JSON."""
    return step("a", output=Output(kind="json", json_schema=VERDICT), retry=Retry(max_attempts=2))
