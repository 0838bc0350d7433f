"""Which inputs a workflow reads, so that one that nobody reads can be refused."""

from collections.abc import Iterable, Iterator

from facilitair_events.definitions import Definition, Step
from facilitair_workflows import expressions, templates


def input_names(definition: Definition) -> frozenset[str] | None:
    """The inputs that any step's template or expression names.

    None where one of them takes the inputs as a whole: then any name may be read.
    """
    found: set[str] = set()
    for named in _named(definition.steps):
        if named is None:
            return None
        found |= named
    return frozenset(found)


def _named(steps: Iterable[Step]) -> Iterator[frozenset[str] | None]:
    for step in steps:
        if step.input is not None:
            yield templates.inputs(step.input)
        if step.when is not None:
            yield expressions.inputs(step.when)
        if step.repeat is not None:
            yield expressions.inputs(step.repeat.until)
        yield from _named(step.steps)
