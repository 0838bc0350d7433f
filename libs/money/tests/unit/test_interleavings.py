"""Random lives of an account: what holds after every record, whatever came before it."""

from decimal import Decimal

import pytest
from hypothesis import given, settings

from facilitair_events.books import CallReconciled, CallSettled, FundsReserved
from facilitair_testing.accounting import replayed
from libs.money.tests.world import LIFE, Op, World, within

FEW = settings(max_examples=150)


@FEW
@given(life=LIFE)
def test_r25_r26_r27_sums_agree_with_envelopes_and_all_comes_back_at_the_end(
    life: list[Op],
) -> None:
    """``World.step`` checks after every record; here is what holds at the end."""
    world = World()
    for op in life:
        world.step(op)
    world.finish()
    account = world.account
    if account.state is None:
        return
    entries = [*account.of(CallSettled), *account.of(CallReconciled)]
    total = sum((e.charged_usd - (e.was_usd or 0) for e in entries), Decimal(0))
    assert account.look().view.spent_usd == total == world.total
    cells = account.look(usage=True).view.usage
    assert sum((cell.charged_usd for cell in cells), Decimal(0)) == total
    calls = {e.call_id for e in account.of(CallSettled)}
    assert sum(cell.calls for cell in cells) == len(calls)
    assert replayed(account.records) == account.state


@FEW
@given(life=LIFE)
def test_r26_no_grant_takes_a_hard_limit_above_itself(life: list[Op]) -> None:
    world = World()
    for op in life:
        read = len(world.account.events)
        world.step(op)
        grants = [e for e in world.account.events[read:] if isinstance(e, FundsReserved)]
        if len(grants) != 1 or grants[0] is not world.account.events[-1]:
            continue  # several grants of one record: the next op looks at what they left
        state, grant = world.account.held, grants[0]
        for part in grant.parts:
            if not part.usd:
                continue
            names = {
                "tenant": "*", "project": grant.project, "key": "7", "agent": part.agent,
                "collaboration": grant.collaboration,
            }  # fmt: skip
            for one in state.budget.limits:
                name = names[one.scope]
                if one.kind == "hard" and one.name in {"*", name}:
                    assert within(state, one, name=name, collaboration=grant.collaboration)


@FEW
@given(life=LIFE)
def test_r26_nobody_starves_in_a_line(life: list[Op]) -> None:
    world = World()
    for op in life:
        world.step(op)
    world.serve()
    assert not world.account.held.waiting


@FEW
@given(life=LIFE)
def test_r25_what_comes_again_reserves_takes_and_counts_nothing(life: list[Op]) -> None:
    world = World()
    for op in life:
        world.step(op)
    account = world.account
    before = account.state
    for record in [r for r in account.records if hasattr(r.data, "n")]:
        account.feed(record.data)
        assert not account.decisions[-1].events
    if before is not None:
        now = account.held
        assert (now.reserved, now.taken, now.waiting, now.counters, now.seq) == (
            before.reserved, before.taken, before.waiting, before.counters, before.seq,
        )  # fmt: skip


@FEW
@given(life=LIFE)
def test_r25_also_when_nearly_all_closed_ones_are_forgotten(life: list[Op]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facilitair_money.envelopes.CLOSED_ENVELOPES", 1)
        world = World()
        for op in life:
            world.step(op)
        world.finish()
        for record in [r for r in world.account.records if hasattr(r.data, "n")]:
            world.feed(record.data)
            state = world.account.state
            assert state is None or (state.reserved, state.open) == ({}, 0), "a repeat reserved"
