import json
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from facilitair_events.ids import NAMESPACE, call_id, collaboration_id, derive

PARTS = st.lists(st.text(st.characters(), max_size=5), max_size=4)


def test_ids_are_the_same_for_ever():
    assert derive("a", "b") == "8f54c1bb-bd87-5adb-bdbc-d9643f888f9a"
    assert call_id("local", "c1", "review.2.coder", 1, 0) == "0f171b2c-1ab8-5b8a-91e6-7caa71a7b337"
    assert collaboration_id("local", "key-1") == "a36c2e62-3e34-5156-b8bc-87a37ff34789"


@given(one=PARTS, two=PARTS)
def test_other_parts_give_another_id(one, two):
    assert (derive(*one) == derive(*two)) == (one == two)


@given(st.lists(st.text(alphabet='",\\[]: \ud800', max_size=4), max_size=4))
def test_any_text_gives_a_uuid_of_version_5(parts):
    assert UUID(derive(*parts)).version == 5


@given(PARTS)
def test_it_is_the_uuid5_of_the_parts_as_json(parts):
    assert derive(*parts) == str(uuid5(NAMESPACE, json.dumps(parts, separators=(",", ":"))))


def test_r17_each_part_of_a_call_tells_calls_apart():
    base = ("t", "c", "p", 1, 0)
    ids = {call_id(*base)}
    for position, other in enumerate(("u", "d", "q", 2, 1)):
        changed = [*base]
        changed[position] = other
        ids.add(call_id(*changed))
    assert len(ids) == 6


def test_a_call_and_a_collaboration_never_share_an_id():
    assert collaboration_id("t", "k") != derive("t", "k")
    assert call_id("t", "c", "p", 1, 0) != derive("t", "c", "p", "1", "0")
