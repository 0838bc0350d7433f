"""Hypothesis strategies for any Struct, built from its types."""

from collections.abc import Callable
from datetime import UTC
from functools import cache
from typing import Any

import pytest
from hypothesis import strategies as st
from msgspec import Struct, inspect

Values = Callable[[type[Struct]], st.SearchStrategy[Any]]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)

LEAVES: tuple[tuple[type[inspect.Type], st.SearchStrategy[Any]], ...] = (
    (inspect.AnyType, JSON),
    (inspect.NoneType, st.none()),
    (inspect.BoolType, st.booleans()),
    (inspect.StrType, st.text(max_size=12)),
    (inspect.DecimalType, st.decimals(min_value=0, max_value=10**11, places=6)),
    (inspect.DateTimeType, st.datetimes(timezones=st.just(UTC))),
)


@cache
def values_of(struct: type[Struct], inside: tuple[type[Struct], ...] = ()) -> st.SearchStrategy:
    """Values of a Struct; an optional field is set or left to its default."""
    inside = (*inside, struct)
    fields = inspect.type_info(struct).fields
    each = {field.name: _strategy(field.type, inside) for field in fields}
    needed = {field.name for field in fields if field.required}
    return st.fixed_dictionaries(
        {name: each[name] for name in each if name in needed},
        optional={name: each[name] for name in each if name not in needed},
    ).map(lambda given: struct(**given))


def _strategy(kind: inspect.Type, inside: tuple[type[Struct], ...]) -> st.SearchStrategy:
    match kind:
        case inspect.Metadata(type=inner):
            return _strategy(inner, inside)
        case inspect.UnionType(types=types):
            return st.one_of([_strategy(member, inside) for member in types])
        case inspect.StructType(cls=cls):
            return values_of(cls, inside)
        case inspect.VarTupleType(item_type=item) if getattr(item, "cls", None) in inside:
            return st.just(())
        case inspect.VarTupleType(item_type=item):
            return st.lists(_strategy(item, inside), max_size=2).map(tuple)
        case inspect.DictType(value_type=item):
            return st.dictionaries(st.text(max_size=6), _strategy(item, inside), max_size=2)
    return _leaf(kind)


def _leaf(kind: inspect.Type) -> st.SearchStrategy:
    match kind:
        case inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case inspect.IntType(ge=low, le=high):
            return st.integers(low, high)
        case inspect.FloatType(ge=low, le=high):
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
    return next(strategy for known, strategy in LEAVES if isinstance(kind, known))


@pytest.fixture(scope="session")
def values() -> Values:
    return values_of
