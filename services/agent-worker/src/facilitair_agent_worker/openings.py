"""What announces an attempt on the stream."""

from facilitair_events.definitions import Model
from facilitair_events.envelope import Envelope
from facilitair_events.ids import derive
from facilitair_events.keys import collaboration_key
from facilitair_events.stream import AttemptReset, AttemptStarted
from facilitair_events.topics import COLLABORATION_STREAM
from facilitair_events.work import RunAttempt
from facilitair_messaging.messages import caused_by, message
from facilitair_messaging.ports import Message


def opening(task: RunAttempt, model: Model, *, cause: Envelope) -> Message:
    """``attempt.started`` for a first attempt, ``attempt.reset`` for a later one.

    Its headers name step and attempt too, so that the gateway need not decode it.
    """
    kind = AttemptStarted if task.attempt == 1 else AttemptReset
    data = kind(
        collaboration=task.collaboration,
        step=task.path,
        attempt=task.attempt,
        agent=task.agent.name,
        model=model.name,
        simulated=model.simulated,
    )
    envelope = caused_by(
        cause,
        id=derive("opening", cause.id),
        data=data,
        source="agent-worker",
        time=cause.time,
        subject=cause.subject,
    )
    key = collaboration_key(cause.tenant, task.collaboration)
    built = message(topic=COLLABORATION_STREAM, key=key, data=data, envelope=envelope)
    where = (("step", task.path.encode()), ("attempt", str(task.attempt).encode()))
    return Message(built.topic, built.key, built.value, (*built.headers, *where))
