"""R9: what ``decide`` made of requests of the past it makes of them for ever, byte for byte."""

from typing import Any

import pytest
from msgspec.structs import replace

from facilitair_events import codec
from facilitair_events.balances import AccountSnapshot, AccountState
from facilitair_events.books import AccountEvent
from facilitair_events.decision import Received
from facilitair_events.types import NAMES, TYPES
from facilitair_money import charges, envelopes, limits, slots, spending, usage
from facilitair_money.decide import KNOWN_LOGIC, decide
from facilitair_testing.golden.accounts import ACCOUNT_SHAPES, account_story
from facilitair_testing.golden.files import ACCOUNTS, differences, folder, read, written
from facilitair_testing.mutation import Mutation, mutation

FILES = [
    path
    for logic in range(1, KNOWN_LOGIC + 1)
    for path in sorted(folder(logic, of=ACCOUNTS).glob("*.jsonl"))
]
MOST_BYTES = 1_500_000


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_r9_a_golden_account_is_answered_byte_for_byte(path) -> None:
    assert list(differences(read(path), by=decide)) == []


def _by_new_owners(state: AccountState | None, received: Received) -> Any:
    if state is None:
        return decide(None, received)
    encoded = codec.encode(AccountSnapshot(applied=0, state=state))
    return decide(codec.decode(NAMES[AccountSnapshot], encoded).state, received)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_r9_also_when_every_request_has_another_owner(path) -> None:
    assert list(differences(read(path), by=_by_new_owners)) == []


def test_r9_every_shape_is_kept_and_tells_what_its_file_holds() -> None:
    kept = {path.stem: path.read_bytes() for path in FILES}
    assert kept.keys() >= ACCOUNT_SHAPES.keys()
    assert sum(map(len, kept.values())) < MOST_BYTES
    for name, shape in ACCOUNT_SHAPES.items():
        assert written(account_story(shape).records, by=decide) == kept[name], name


def test_the_shapes_reach_every_event_of_the_books() -> None:
    reached = {event.type for path in FILES for line in read(path) for event in line.then.events}
    books = {name for name, struct in TYPES.items() if issubclass(struct, AccountEvent)}
    assert books - reached == set()


MUTANTS: dict[str, Mutation] = {
    "a little over a limit is granted": mutation(
        limits, "_refused", ("plus(before, part.usd) > limit.usd", "before > limit.usd")
    ),
    "calls without a price are granted": mutation(
        limits, "_refused", ("if hard and", "if None and")
    ),
    "a repeat is not answered": mutation(
        envelopes, "on_funds_requested", ("answered.n == data.n", "answered.n < 0")
    ),
    "the last is served first": mutation(
        slots, "_line_up", ("(*line, data.collaboration)", "(data.collaboration, *line)")
    ),
    "all slots are for one": mutation(slots, "_seated", ("min(more, _free", "max(more, _free")),
    "what is free stays reserved": mutation(spending, "release", ("min(held, usd)", "held - held")),
    "a late result is counted today": mutation(
        charges, "_earlier", ("since_ms=listed.at_ms", "since_ms=draft.now_ms")
    ),
    "a late result is a call more": mutation(
        usage, "settled", ("unknown=-known", "unknown=known")
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MUTANTS)
def test_r9_a_small_change_inside_decide_is_told(what: str, monkeypatch) -> None:
    MUTANTS[what].apply(monkeypatch)
    assert any(list(differences(read(path), by=decide)) for path in FILES)


def test_r9_a_decide_that_forgets_to_answer_is_told() -> None:
    def mutated(state: AccountState | None, received: Received) -> Any:
        return replace(decide(state, received), commands=())

    assert any(list(differences(read(path), by=mutated)) for path in FILES)
