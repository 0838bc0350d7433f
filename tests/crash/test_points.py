"""The table of crash points and the code say the same."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from facilitair_events.layout import checkout_root
from facilitair_messaging.crash_points import POINTS

# Where the code of a service lies that may die: its own, and the loop that it stands on.
CODE = {
    "gateway": ("services/gateway/src",),
    "accounts": ("services/accounts/src", "libs/runtime/src"),
    "orchestrator": ("services/orchestrator/src", "libs/runtime/src"),
    "agent-worker": ("services/agent-worker/src", "libs/messaging/src"),
}
CELLS = [(service, point) for point, services in POINTS.items() for service in sorted(services)]


def literals(tree: ast.AST) -> Iterator[str]:
    return (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def points_in(source: str) -> Iterator[str]:
    """The names in ``crash_point(…)``, and those handed on as ``reached=``."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "crash_point":
            yield from literals(node)
        for keyword in node.keywords:
            if keyword.arg == "reached":
                yield from literals(keyword.value)


def called(folder: str) -> set[str]:
    sources = (checkout_root() / folder).rglob("*.py")
    return {point for path in sources for point in points_in(path.read_text(encoding="utf-8"))}


def test_the_reader_of_sources_finds_both_ways_of_naming_a_point():
    source = 'crash_point("a")\nsend(x, reached=("b", "c"))\nother("d", told="e")\n'
    assert list(points_in(source)) == ["a", "b", "c"]


@pytest.mark.parametrize(("service", "point"), CELLS)
def test_every_point_of_the_table_is_reached_in_the_code_of_its_service(service, point):
    assert any(point in called(folder) for folder in CODE[service])


@pytest.mark.parametrize("folder", sorted({f for folders in CODE.values() for f in folders}))
def test_no_code_reaches_a_point_that_the_table_does_not_give_it(folder):
    users = {service for service, folders in CODE.items() if folder in folders}
    for point in called(folder):
        assert POINTS[point] & users, f"{folder} reaches {point}, which is none of {users}"


def test_no_other_code_reaches_a_point():
    known = {checkout_root() / folder for folders in CODE.values() for folder in folders}
    for folder in checkout_root().glob("*/*/src"):
        if folder not in known:
            assert called(str(folder.relative_to(checkout_root()))) == set(), folder


def test_every_service_of_the_table_has_code():
    assert {service for service, _ in CELLS} == set(CODE)
    assert all((checkout_root() / Path(f)).is_dir() for fs in CODE.values() for f in fs)
