"""The shape of a program family: templates with one slot per kind of fault."""

from string import Template

from msgspec import Struct

from facilitair_llm.simulator.naming import Names, name_parts, number_of


class Slot(Struct, frozen=True):
    """The text of a place in the module: as it should be, and with the fault."""

    clean: str
    faulty: str


class Family(Struct, frozen=True, kw_only=True):
    """A kind of program that tasks with certain words are answered with.

    The module's template has `$verb`, `$subject`, `$class_name`, `$module`, `$limit` and one
    placeholder for each of `slots`, named by the kind of defect; slots may use the names too.
    """

    name: str
    verbs: frozenset[str]
    nouns: frozenset[str]
    fallback_verb: str
    module: str
    tests: str
    slots: dict[str, Slot]
    edge_cases: tuple[str, ...]


class Program(Struct, frozen=True):
    """A module and its tests, with at most one fault."""

    names: Names
    family: Family
    module: str
    tests: str
    fault: str | None

    @property
    def module_file(self) -> str:
        """The file the tests import."""
        return f"{self.names.module}.py"

    @property
    def tests_file(self) -> str:
        """The file of the tests."""
        return f"test_{self.names.module}.py"


def names_for(family: Family, task: str) -> Names:
    """Return how the family's program for the task calls its parts."""
    return name_parts(task, verbs=family.verbs, fallback_verb=family.fallback_verb)


def fault_for(family: Family, task: str) -> str:
    """Return the kind of fault of the first answer to the task."""
    kinds = sorted(family.slots)
    return kinds[number_of(f"fault of {task}") % len(kinds)]


def build_program(family: Family, task: str, *, fault: str | None) -> Program:
    """Return the family's program for the task; the same task gives the same text."""
    names = names_for(family, task)
    values = {
        "verb": names.verb,
        "subject": names.subject,
        "module": names.module,
        "class_name": names.class_name,
        "limit": str(3 + number_of(task) % 4),
    }
    slots = {
        kind: Template(slot.faulty if kind == fault else slot.clean).substitute(values)
        for kind, slot in family.slots.items()
    }
    return Program(
        names=names,
        family=family,
        module=Template(family.module).substitute(values | slots),
        tests=Template(family.tests).substitute(values),
        fault=fault,
    )
