"""Which dialects there are: the built-in ones, and those that installed packages bring.

A package brings one by an entry point of the group `facilitair.dialects`: its name is the
dialect's, and it leads to a `Dialect`.
"""

from importlib.metadata import entry_points
from typing import Final

from facilitair_llm.anthropic_wire import ANTHROPIC_MESSAGES
from facilitair_llm.dialects import Dialect
from facilitair_llm.errors import DialectError
from facilitair_llm.ollama_wire import OLLAMA_CHAT
from facilitair_llm.openai_wire import OPENAI_CHAT

GROUP: Final = "facilitair.dialects"
BUILT_IN: Final = {each.name: each for each in (OPENAI_CHAT, ANTHROPIC_MESSAGES, OLLAMA_CHAT)}


def dialect_names() -> tuple[str, ...]:
    """Return the names of all dialects, the built-in ones first; loads none."""
    found = (point.name for point in entry_points(group=GROUP))
    return (*BUILT_IN, *sorted(set(found) - set(BUILT_IN)))


def load_dialect(name: str) -> Dialect:
    """Return the dialect; a package cannot replace a built-in one.

    Raises DialectError where there is none of this name, or where its package is broken.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    points = sorted(entry_points(group=GROUP, name=name), key=lambda point: point.value)
    if not points:
        known = ", ".join(dialect_names())
        raise DialectError(name=name, problem=f"no package brings it; there are {known}")
    if len(points) > 1:
        places = " and ".join(point.value for point in points)
        raise DialectError(name=name, problem=f"several packages bring it: {places}")
    try:
        found = points[0].load()
    except (ImportError, AttributeError) as error:
        problem = f"its package cannot be loaded: {type(error).__name__}: {error}"
        raise DialectError(name=name, problem=problem) from error
    if not isinstance(found, Dialect) or found.name != name:
        problem = f"{points[0].value} is not a Dialect with this name"
        raise DialectError(name=name, problem=problem)
    return found
