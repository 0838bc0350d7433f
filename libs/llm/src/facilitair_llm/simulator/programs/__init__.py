"""The program families and which of them answers a task."""

from facilitair_llm.simulator.naming import number_of, stem, words_of
from facilitair_llm.simulator.programs.aggregate import AGGREGATE
from facilitair_llm.simulator.programs.parse import PARSE
from facilitair_llm.simulator.programs.predicate import PREDICATE
from facilitair_llm.simulator.programs.program import Family
from facilitair_llm.simulator.programs.store import STORE
from facilitair_llm.simulator.programs.transform import TRANSFORM

FAMILIES = (PREDICATE, TRANSFORM, AGGREGATE, PARSE, STORE)


def family_for(task: str) -> Family:
    """Return the family of the first telling word of the task, verbs before nouns.

    A task without such a word gets the family that its text hashes to.
    """
    words = [stem(word) for word in words_of(task)]
    for word in words:
        for family in FAMILIES:
            if word in family.verbs:
                return family
    for word in words:
        for family in FAMILIES:
            if word in family.nouns:
                return family
    return FAMILIES[number_of(task) % len(FAMILIES)]
