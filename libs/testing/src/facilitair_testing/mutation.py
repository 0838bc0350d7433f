"""Breaking one line of the product on purpose, so that a test is known to see it."""

import inspect
import textwrap
from typing import Any

import pytest
from msgspec import Struct


class MutationError(AssertionError):
    """The line to break is not there, or it is there more than once."""

    def __init__(self, *, function: str, line: str, found: int) -> None:
        super().__init__(f"{function} holds {line!r} {found} times; the mutation needs it once")


class Mutation(Struct, frozen=True):
    """A function whose source text is changed: ``edits`` are pairs of old and new text.

    ``owner`` is the class or module that holds the function. Whoever imported a module's function
    by name keeps the sound one: name that importer as the owner then.
    """

    owner: Any
    name: str
    edits: tuple[tuple[str, str], ...]
    names: dict[str, Any] = {}
    """What the new text uses and the function's module does not know."""

    def apply(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Break it until the test is over. Raises MutationError."""
        kept = inspect.getattr_static(self.owner, self.name)
        function = kept.__func__ if isinstance(kept, classmethod | staticmethod) else kept
        broken = self._broken(function)
        if isinstance(kept, classmethod | staticmethod):
            broken = type(kept)(broken)
        monkeypatch.setattr(self.owner, self.name, broken)

    def _broken(self, function: Any) -> Any:
        source = inspect.getsource(function)
        for old, new in self.edits:
            found = source.count(old)
            if found != 1:
                raise MutationError(function=function.__qualname__, line=old, found=found)
            source = source.replace(old, new)
        defined: dict[str, Any] = {}
        code = compile(textwrap.dedent(source), f"<mutated {function.__qualname__}>", "exec")
        exec(code, function.__globals__ | self.names, defined)  # noqa: S102 - our own source text
        return defined[function.__name__]


def mutation(owner: Any, name: str, *edits: tuple[str, str], **names: Any) -> Mutation:
    """As ``Mutation``, in the order in which one says it."""
    return Mutation(owner, name, edits, names)
