"""Who reads a topic, and how: from that follows what becomes of a record that cannot be read."""

from typing import Final, Literal

from facilitair_events.registry import DLQ_SUFFIX, TopicSpec
from facilitair_events.topics import (
    ACCOUNT_EVENTS,
    ACCOUNT_STATE,
    COLLABORATION_STATE,
    COLLABORATION_STREAM,
    QUERY_REPLIES,
)

How = Literal["group", "view", "fan-out", "bytes", "addressed", "takeover", "request"]

OTHERWISE: Final[dict[tuple[str, str], How]] = {
    (COLLABORATION_STREAM, "gateway"): "fan-out",
    (COLLABORATION_STREAM, "agent-worker"): "bytes",
    (COLLABORATION_STATE, "orchestrator"): "takeover",
    (QUERY_REPLIES, "gateway"): "addressed",
    (ACCOUNT_STATE, "accounts"): "takeover",
    (ACCOUNT_EVENTS, "gateway"): "request",
}


def how(spec: TopicSpec, service: str) -> How:
    """How a declared consumer reads a topic.

    Where nothing else is said: a topic with dead letters is read by groups, any other by views, and
    dead letters are read when somebody asks for them.
    """
    if (spec.name, service) in OTHERWISE:
        return OTHERWISE[spec.name, service]
    if spec.name.endswith(DLQ_SUFFIX):
        return "request"
    return "group" if spec.dead_letters else "view"
