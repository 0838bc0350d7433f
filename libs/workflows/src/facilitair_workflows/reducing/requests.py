"""Requests, steering and questions, and their answers (R15)."""

from typing import Final

import msgspec

from facilitair_events.collaboration import CollaborationAccepted, CollaborationRefused
from facilitair_events.decision import Received
from facilitair_events.definitions import Step
from facilitair_events.requests import (
    CancelRequested,
    CollaborationRequested,
    DescribeRequested,
    Fault,
)
from facilitair_events.state import CollaborationState, Ending
from facilitair_events.text import Text, for_state, personal_json
from facilitair_workflows.reducing import ending, funds, progress
from facilitair_workflows.reducing.draft import REMEMBERED_CLIENT_IDS, TERMINAL, Draft
from facilitair_workflows.reducing.view import view_of

DEFINITION_LIMIT_BYTES: Final = 256 * 1024
"""A larger definition leaves too little room in the state, which holds at most 512 KiB."""


def new_state(received: Received, request: CollaborationRequested) -> CollaborationState:
    """The state before anything was decided about a request."""
    definition = request.definition
    return CollaborationState(
        tenant=received.tenant,
        collaboration=request.collaboration,
        project=request.project,
        actor=request.actor,
        status="queued",
        logic=request.logic,
        workflow=definition.workflow if definition else "",
        workflow_version=definition.version if definition else "",
        body_digest=request.body_digest,
        stream_start=request.stream_start,
        task=for_state(request.task),
        created_ms=received.at_ms,
        now_ms=received.at_ms,
        definition=definition,
        inputs=request.inputs,
        priority=request.priority,
        funds=funds.of_request(request),
    )


def on_first_requested(draft: Draft, request: CollaborationRequested) -> None:
    """Accept or refuse; the first request of a key wins."""
    faults = _faults(request)
    if faults or request.definition is None:
        _refuse(draft, request, faults=faults)
        return
    definition = request.definition
    draft.set(status="accepted")
    draft.emit(
        CollaborationAccepted,
        workflow=definition.workflow,
        workflow_version=definition.version,
        definition_digest=definition.digest,
        project=request.project,
        actor=request.actor,
        task=request.task,
        steps=tuple(_ids(definition.steps)),
        inputs=personal_json(request.inputs) if request.inputs else None,
    )
    if draft.state.funds is None:
        draft.set(status="running")
    draft.reply(request.reply_to, "accepted")
    if draft.state.funds is None:
        draft.arm_deadline()
    progress.open_level(draft, definition.steps)
    progress.advance(draft)


def _refuse(draft: Draft, request: CollaborationRequested, *, faults: tuple[Fault, ...]) -> None:
    draft.emit(CollaborationRefused, faults=faults)
    draft.set(status="refused", definition=None, inputs={}, task=Text(size=request.task.size))
    draft.reply(request.reply_to, "refused", faults=faults)


def _faults(request: CollaborationRequested) -> tuple[Fault, ...]:
    """Everything that keeps a request from running; the gateway has checked the same and more."""
    faults = []
    if request.task.size == 0:
        faults.append(
            Fault(
                code="task_empty",
                message="the task is empty; say what should be done",
                field="task",
            )
        )
    definition = request.definition
    if definition is None:
        faults.append(
            Fault(
                code="definition_missing",
                message="the request carries no workflow",
                field="workflow",
            )
        )
    elif len(msgspec.json.encode(definition)) > DEFINITION_LIMIT_BYTES:
        message = f"the resolved workflow is over {DEFINITION_LIMIT_BYTES} bytes; shorten it"
        faults.append(Fault(code="definition_too_large", message=message, field="workflow"))
    elif not definition.steps:
        faults.append(
            Fault(code="workflow_empty", message="the workflow has no steps", field="workflow")
        )
    return tuple(faults)


def _ids(steps: tuple[Step, ...]) -> list[str]:
    found = []
    for step in steps:
        found.append(step.id)
        found.extend(_ids(step.steps))
    return found


def on_repeated_request(draft: Draft, request: CollaborationRequested) -> None:
    """The same body again is a duplicate, another one a conflict; neither changes anything."""
    same = request.body_digest == draft.state.body_digest
    draft.reply(request.reply_to, "duplicate" if same else "conflict")


def on_cancel(draft: Draft, request: CancelRequested) -> None:
    """Begin to end; a client id that was seen before is a duplicate."""
    if request.client_id in draft.state.clients:
        draft.reply(request.reply_to, "duplicate")
        return
    if not draft.running:
        word = "has ended" if draft.state.status in TERMINAL else "is already ending"
        fault = Fault(
            code="already_ending", message=f"the collaboration {word} ({draft.state.status})"
        )
        draft.reply(request.reply_to, "refused", faults=(fault,))
        return
    draft.set(clients=(*draft.state.clients, request.client_id)[-REMEMBERED_CLIENT_IDS:])
    ending.begin(draft, Ending(kind="cancelled", actor=request.actor, reason=request.reason))
    draft.reply(request.reply_to, "accepted")


def on_describe(draft: Draft, request: DescribeRequested) -> None:
    """Answer with a view; nothing changes."""
    draft.reply(
        request.reply_to,
        "described",
        view=view_of(
            draft.state, changed_ms=draft.changed_ms, steps=draft.steps, calls=draft.calls
        ),
    )
