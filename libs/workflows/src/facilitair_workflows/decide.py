"""``decide``: the whole life of a collaboration as one pure function of its inbox."""

from typing import Final

from msgspec.structs import replace

from facilitair_events.accounts import FundsAnswered
from facilitair_events.decision import Decision, Received, Reply
from facilitair_events.replies import RequestAnswered
from facilitair_events.requests import (
    AttemptReported,
    CallReported,
    CancelRequested,
    CollaborationRequested,
    DescribeRequested,
    Fault,
    Parked,
    ResumeRequested,
    TimerFired,
)
from facilitair_events.state import CollaborationState, Ending, Timer
from facilitair_events.text import Text
from facilitair_workflows.errors import UnknownLogicError
from facilitair_workflows.reducing import (
    ending,
    funds,
    funds_policy,
    recovery,
    requests,
    results,
)
from facilitair_workflows.reducing.draft import TERMINAL, Draft

KNOWN_LOGIC: Final = 3
"""The newest version in this code; behaviour that changes is guarded by ``state.logic`` (R9)."""

_FIRST_LOGIC: Final = 1
"""What a request keeps that nobody could read: the same in every version of this code."""

_LIMITS: Final = {
    "state_too_large": "the state would not fit its snapshot; use fewer steps or longer texts",
    "output_too_large": "an event would not fit its record; ask for shorter answers",
}
"""Reasons for which the chassis puts ``Parked`` in place of a record (R8)."""

Result = Decision[CollaborationState]


def decide(state: CollaborationState | None, received: Received) -> Result:
    """What follows from one record of a collaboration's inbox.

    No clock, no randomness, no I/O (R6): the same state and record give the same bytes, for ever.
    Raises UnknownLogicError for a logic over ``KNOWN_LOGIC``, which stops the service.
    Anything else that it raises parks the collaboration (R13).
    """
    if state is None:
        return _without_state(received)
    draft = Draft(state, received)
    if state.status in TERMINAL:
        _after_the_end(draft, received)
    else:
        _dispatch(draft, received)
        funds.follow_up(draft)
    return draft.decision()


def timers(state: CollaborationState) -> tuple[Timer, ...]:
    """What the owner of the state has to wake it up for."""
    return state.timers


def logic_of(received: Received) -> int | None:
    """The version of ``decide`` that a record asks for, if it does."""
    return received.data.logic if isinstance(received.data, CollaborationRequested) else None


def _without_state(received: Received) -> Result:
    data = received.data
    if isinstance(data, CollaborationRequested):
        if data.logic > KNOWN_LOGIC:
            raise UnknownLogicError(logic=data.logic, known=KNOWN_LOGIC)
        draft = Draft(requests.new_state(received, data), received)
        requests.on_first_requested(draft, data)
        funds.follow_up(draft)
        return draft.decision()
    if isinstance(data, Parked):
        return _unreadable_request(received, data)
    if (
        isinstance(data, CancelRequested | DescribeRequested | ResumeRequested)
        and data.reply_to is not None
    ):
        answer = RequestAnswered(
            correlation=data.reply_to.correlation, collaboration=received.subject, outcome="unknown"
        )
        return Decision(state=None, replies=(Reply(to=data.reply_to, data=answer),))
    return Decision(state=None)


def _unreadable_request(received: Received, parked: Parked) -> Result:
    """The very first record raised: there is nothing to keep but the failure."""
    state = CollaborationState(
        tenant=received.tenant,
        collaboration=received.subject,
        project="unknown",
        actor="unknown",
        status="queued",
        logic=_FIRST_LOGIC,
        workflow="",
        workflow_version="",
        body_digest="",
        stream_start=0,
        task=Text(size=0),
        created_ms=received.at_ms,
        now_ms=received.at_ms,
    )
    draft = Draft(state, received)
    ending.fail(draft, _parked_fault(parked))
    return draft.decision()


def _parked_fault(parked: Parked) -> Fault:
    if parked.reason in _LIMITS:
        return Fault(code=parked.reason, message=_LIMITS[parked.reason])
    return Fault(code="internal", message=parked.reason)


def _after_the_end(draft: Draft, received: Received) -> None:
    """After the terminal event there are answers and money, nothing else (R14)."""
    data = received.data
    if isinstance(data, CollaborationRequested):
        requests.on_repeated_request(draft, data)
    elif isinstance(data, CancelRequested):
        requests.on_cancel(draft, data)
    elif isinstance(data, DescribeRequested):
        requests.on_describe(draft, data)
    elif isinstance(data, ResumeRequested):
        funds_policy.on_resume(draft, data)
    elif isinstance(data, CallReported):
        results.on_call_reported(draft, replace(data, output=None))
    elif isinstance(data, AttemptReported):
        results.on_attempt_reported(draft, data)


def _dispatch(draft: Draft, received: Received) -> None:
    data = received.data
    if isinstance(data, CallReported):
        results.on_call_reported(draft, data)
    elif isinstance(data, AttemptReported):
        results.on_attempt_reported(draft, data)
    elif isinstance(data, TimerFired):
        _on_timer(draft, data)
    elif isinstance(data, CollaborationRequested):
        requests.on_repeated_request(draft, data)
    elif isinstance(data, CancelRequested):
        requests.on_cancel(draft, data)
    elif isinstance(data, DescribeRequested):
        requests.on_describe(draft, data)
    elif isinstance(data, FundsAnswered):
        funds.on_answered(draft, data)
    elif isinstance(data, ResumeRequested):
        funds_policy.on_resume(draft, data)
    elif isinstance(data, Parked):
        ending.fail(draft, _parked_fault(data))


def _on_timer(draft: Draft, fired: TimerFired) -> None:
    timer = next((timer for timer in draft.timers if timer.timer_id == fired.timer_id), None)
    if timer is None or timer.due_ms > draft.now_ms:
        return
    draft.timers.remove(timer)
    if timer.name == "deadline":
        ending.begin(draft, Ending(kind="expired"))
    elif timer.name == "ending":
        ending.out_of_patience(draft)
    elif timer.name == "reserve":
        funds.on_silence(draft)
    elif timer.name == "retry" and timer.path is not None:
        recovery.on_retry(draft, timer.path)
    elif timer.name == "attempt_timeout" and timer.path is not None and timer.attempt is not None:
        results.on_attempt_timeout(draft, timer.path, attempt=timer.attempt)
    elif timer.name == "attempt_stop" and timer.path is not None and timer.attempt is not None:
        results.on_stop_unanswered(draft, timer.path, attempt=timer.attempt)
