"""Breaking a line: it is broken for the test, alone, and never silently not."""

import pytest

from facilitair_testing.mutation import MutationError, mutation


class Counter:
    def __init__(self):
        self.count = 0

    def add(self, amount):
        self.count += amount
        return self.count

    @staticmethod
    def twice(amount):
        return amount * 2

    async def later(self):
        return helper()


def helper():
    return "sound"


def test_the_line_is_broken_until_the_test_is_over():
    with pytest.MonkeyPatch.context() as patch:
        mutation(Counter, "add", ("+= amount", "-= amount")).apply(patch)
        assert Counter().add(3) == -3
    assert Counter().add(3) == 3


def test_several_lines_are_broken_in_turn(monkeypatch):
    mutation(Counter, "add", ("self.count += amount\n", "\n"), ("self.count", "amount")).apply(
        monkeypatch
    )
    assert Counter().add(3) == 3


def test_a_static_function_stays_static(monkeypatch):
    mutation(Counter, "twice", ("* 2", "* 3")).apply(monkeypatch)
    assert Counter.twice(2) == 6
    assert Counter().twice(2) == 6


async def test_an_async_function_sees_its_module_and_what_it_is_given(monkeypatch):
    mutation(Counter, "later", ("helper()", "helper() + more"), more="!").apply(monkeypatch)
    assert await Counter().later() == "sound!"


@pytest.mark.parametrize(("line", "found"), [("is gone", 0), ("amount", 2)])
def test_a_line_that_is_not_there_once_is_refused(monkeypatch, line, found):
    with pytest.raises(MutationError, match=f"{line}.* {found} times"):
        mutation(Counter, "add", (line, "")).apply(monkeypatch)
