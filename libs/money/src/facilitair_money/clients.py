"""Who sets, reconciles or asks: repeats are told apart, and everybody gets an answer."""

from typing import Literal

from facilitair_events.accounts import AccountAnswered
from facilitair_events.decision import Reply
from facilitair_events.requests import Fault, ReplyTo
from facilitair_money.bounds import CLIENTS
from facilitair_money.draft import Draft
from facilitair_money.view import view_of

Outcome = Literal["accepted", "duplicate", "refused", "described"]


def is_repeat(draft: Draft, client_id: str) -> bool:
    """Whether this very request was carried out before."""
    return client_id in draft.clients


def remember(draft: Draft, client_id: str) -> None:
    """It was carried out."""
    draft.clients = (*draft.clients, client_id)
    draft.listed(client_id)
    if len(draft.clients) > CLIENTS:
        draft.unlisted(draft.clients[0])
        draft.clients = draft.clients[1:]


def answer(
    draft: Draft,
    to: ReplyTo | None,
    *,
    outcome: Outcome,
    faults: tuple[Fault, ...] = (),
    usage: bool = False,
) -> None:
    """Say how the account stands after the request, if somebody waits for it."""
    if to is None:
        return
    view = view_of(draft.state(), now_ms=draft.now_ms, usage=usage)
    data = AccountAnswered(correlation=to.correlation, outcome=outcome, faults=faults, view=view)
    draft.reply(Reply(to=to, data=data))
