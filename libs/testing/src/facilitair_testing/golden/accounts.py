"""Shapes of accounts whose answers are kept: what the money of a tenant can live through."""
# ruff: noqa: D103 - what a shape is called says what it is

from collections.abc import Callable
from decimal import Decimal
from random import Random  # noqa: TID251 - seeded: a shape is the same for ever
from typing import Final

from msgspec import Struct

from facilitair_events import codec
from facilitair_events.accounts import Part
from facilitair_events.balances import AccountState
from facilitair_events.decision import Decision
from facilitair_events.requests import Parked, TimerFired, Usage
from facilitair_money.decide import timers
from facilitair_money.zones import resolve_offsets
from facilitair_testing.accounting import Account, asked, limit, slots

_DAY_MS: Final = 86_400_000
_SEEDS: Final = 8
_LIFE: Final = 60


class AccountStory(Account):
    """An account whose records have been on their way through the log."""

    def feed(self, data: Struct, *, after_ms: int = 1) -> Decision[AccountState]:
        read = codec.decode(codec.type_name(data), codec.encode(data))
        return super().feed(read, after_ms=after_ms)


AccountShape = Callable[[AccountStory], None]


def reserved_used_and_closed(story: AccountStory) -> None:
    parts = (Part(agent="writer", usd=Decimal("0.5")), Part(agent="critic", usd=Decimal(1)))
    story.feed(asked("c1", parts=parts, slots=2, asked_ms=story.now_ms))
    usage = Usage(input_tokens=12, output_tokens=7, cached_input_tokens=3)
    story.charge("c1", "0.25", n=2, reserved_usd="0.5", usage=usage, price_version="2026-01")
    story.charge("c1", "0", n=3, agent="critic", reserved_usd="1", outcome="failed")
    story.ask("c1", "0.75", n=4, slots=0)
    story.give_back("c1", n=5)
    story.look(usage=True)


def asked_charged_and_closed_again(story: AccountStory) -> None:
    for _ in range(2):
        story.ask("c1", "1", asked_ms=7)
    for _ in range(2):
        story.charge("c1", "1", n=2, reserved_usd="1")
    for _ in range(2):
        story.give_back("c1", n=3)
    story.ask("c1", "1", asked_ms=7)
    story.ask("c1", "1", n=4)
    story.charge("c1", "0.5", n=5)


def limits_of_every_scope(story: AccountStory) -> None:
    story.set(
        limit("5"), limit("2", window="day"), limit("4", window="month"), limit("3", "project"),
        limit("1.5", "key", name="7", window="day"), limit("2", "collaboration"),
        limit("1", "agent", name="critic"), limit("1", kind="warning"),
        limit("1", "collaboration", kind="warning"),
    )  # fmt: skip
    for number in range(1, 6):
        story.ask(f"c{number}", "0.5", "0.4", agent="critic" if number % 2 else "writer")
        story.charge(f"c{number}", "0.45", n=2, reserved_usd="0.5")
        story.ask(f"c{number}", "2", n=3, slots=0, actor="key-8", project="app")
    story.look()


def calls_without_a_price(story: AccountStory) -> None:
    story.ask("c1", None, "1", None)
    story.charge("c1", "0", n=2, priced=False, cost_usd=None, model=None)
    story.set(limit("1"))
    story.ask("c2", None)
    story.ask("c2", "0.5", None, n=2)
    story.set(limit("1"), unpriced="allow")
    story.ask("c2", None, n=3)
    story.look(usage=True)


def windows_turn(story: AccountStory) -> None:
    offsets = resolve_offsets("UTC", from_ms=story.now_ms, years=1)
    story.set(limit("1", window="day"), limit("1", window="day", kind="warning"), offsets=offsets)
    for day in range(3):
        name = f"c{day}"
        story.ask(name, "1")
        story.charge(name, "1", n=2, reserved_usd="1")
        story.ask(name, "0.1", n=3)
        story.now_ms += _DAY_MS
    story.set(limit("1", window="month"), timezone="Etc/GMT+11", offsets=offsets)
    story.ask("c9", "0.5")
    story.look(usage=True)


def lines_for_slots(story: AccountStory) -> None:
    story.set(limit("6"), slots=slots(2, 1))
    for number in range(5):
        story.ask(f"c{number}", "1", slots=2, priority="batch" if number == 3 else "interactive")
    story.ask("c4", "3", n=2)
    story.ask("c2", "1", n=1, slots=2)
    story.charge("c0", "3", n=2, reserved_usd="1")
    story.give_back("c0", n=3, close=False)
    story.give_back("c2", n=2)
    story.ask("c0", "1", n=4, slots=1, priority="batch")
    story.set(slots=slots(1, 1))
    story.give_back("c3", n=2)
    story.give_back("c1", n=2)
    story.look()


def unknown_and_reconciled(story: AccountStory) -> None:
    story.ask("c1", *["1"] * 4)
    for n in range(2, 6):
        story.charge("c1", "1", n=n, outcome="unknown", reserved_usd="1", cost_usd=None)
    story.reconcile(("c1-2", "0.25"), ("c1-3", "0"), client_id="x")
    story.reconcile(("c1-2", "0.25"), client_id="x")
    story.reconcile(("c1-2", "0.25"), ("nobody", "1"))
    story.charge("c1", "0.3", n=6, call_id="c1-2", was_usd="1")
    story.now_ms += _DAY_MS
    story.charge("c1", "0.4", n=7, call_id="c1-4", was_usd="1")
    story.give_back("c1", n=8)
    story.charge("c1", "0.6", n=9, call_id="c1-5", was_usd="1")
    story.look(usage=True)


def budgets_that_cannot_be(story: AccountStory) -> None:
    story.set(limit("1"), limit("2"))
    story.set(limit("1", "collaboration", window="day"), client_id="a")
    story.set(limit("3"), client_id="a")
    story.set(limit("3"), client_id="a")
    story.look()


def nobody_knows_them(story: AccountStory) -> None:
    story.look(usage=True)
    story.feed(Parked(offset=1, reason="unreadable record at offset 1"))
    story.charge("c1", "1", n=7)
    story.give_back("c2", n=3)
    story.give_back("c3", n=3, close=False)
    story.feed(Parked(offset=3, reason="KeyError on the record at offset 3"))
    story.feed(Parked(offset=4, reason="state_too_large"))
    story.feed(TimerFired(timer_id="t", name="slots"))


def mixed_life(seed: int) -> AccountShape:
    """A life in which anything follows anything."""

    def life(story: AccountStory) -> None:
        chance = Random(seed)  # noqa: S311 - no secret
        n: dict[str, int] = {}
        story.set(limit("9"), limit("3", window="day"), slots=slots(2, 1))
        for _ in range(_LIFE):
            _happens(story, chance, n=n)
            for timer in timers(story.held):
                story.feed(TimerFired(timer_id=timer.timer_id, name=timer.name))

    return life


def _happens(story: AccountStory, chance: Random, *, n: dict[str, int]) -> None:
    name = f"c{chance.randrange(6)}"
    usd = chance.choice(["0.1", "0.5", "1", "2"])
    n[name] = n.get(name, 0) + 1
    what = chance.randrange(10)
    if what < 4:
        story.ask(name, usd, "0.5", n=n[name], slots=chance.randrange(3), agent=f"a{what}")
    elif what < 7:
        outcome = chance.choice(["completed", "unknown"])
        story.charge(name, usd, n=n[name], reserved_usd=usd, outcome=outcome, agent=f"a{what - 4}")
    elif what == 7:
        story.give_back(name, n=n[name], close=chance.random() < 0.6)
    elif what == 8:
        n[name] -= 1
        story.feed(chance.choice(story.records).data)
    else:
        n[name] -= 1
        story.now_ms += chance.randrange(30) * 3_600_000
        if listed := sorted(story.held.unknown):
            story.reconcile((chance.choice(listed), "0.2"))


_NAMED: Final[tuple[AccountShape, ...]] = (
    reserved_used_and_closed,
    asked_charged_and_closed_again,
    limits_of_every_scope,
    calls_without_a_price,
    windows_turn,
    lines_for_slots,
    unknown_and_reconciled,
    budgets_that_cannot_be,
    nobody_knows_them,
)

ACCOUNT_SHAPES: Final[dict[str, AccountShape]] = {
    **{shape.__name__.replace("_", "-"): shape for shape in _NAMED},
    **{f"mixed-{seed}": mixed_life(seed) for seed in range(_SEEDS)},
}
"""Of the first version; there is no other yet."""


def account_story(shape: AccountShape) -> AccountStory:
    """The story of a shape, with the answers of the ``decide`` of now."""
    story = AccountStory()
    shape(story)
    return story
