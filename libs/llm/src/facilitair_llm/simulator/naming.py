"""Identifiers made of a task's words."""

import builtins
import keyword
import re
import sys
import unicodedata
from hashlib import sha256

from msgspec import Struct

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_PREDICATE = re.compile(
    r"\b(?:whether|if)\b[^.]{0,80}?\b(?:is|are)\s+(?:an?\s+|the\s+)?([A-Za-z][A-Za-z0-9]*)"
)
_FILLER_WORDS = """
a an the and or of to in on for from with without by as at is are be being was were that
this these those it its their them which what whose who when where while if whether then
than into out up down not no all any each every some please write create make build
implement develop design add give get return returns returning function functions method
program script module code python class tests test unit using use uses used small simple
good new given can could should must will would i we you me my our your one two also include
including do does has have there so such about how takes take tested need needs want fully
short tiny
"""
_FILLERS = frozenset(_FILLER_WORDS.split())
_E_VERB_WORDS = """
parse encode decode validate calculate compute average translate normalise normalize reverse
replace remove merge store manage cache compare write escape slice divide measure analyse
analyze capitalise capitalize generate schedule queue
"""
_E_VERBS = frozenset(_E_VERB_WORDS.split())
_MAX_SUBJECT_CHARACTERS = 30
_RESERVED = frozenset(dir(builtins)) | frozenset(keyword.kwlist) | frozenset(keyword.softkwlist)


class Names(Struct, frozen=True):
    """What a program made for a task calls its parts.

    `subject` is a noun such as `roman_numeral`; `verb` is what the task does to it.
    """

    verb: str
    subject: str
    module: str
    class_name: str


def words_of(task: str) -> list[str]:
    """Return the words of the task in ASCII and small letters, without fillers."""
    plain = unicodedata.normalize("NFKD", task).encode("ascii", "ignore").decode()
    return [word for word in map(str.lower, _WORD.findall(plain)) if word not in _FILLERS]


def name_parts(task: str, *, verbs: frozenset[str], fallback_verb: str) -> Names:
    """Return the names for the task; the first of its words that is in `verbs` is its verb."""
    words = words_of(task)
    verb = next((stem(word) for word in words if stem(word) in verbs), fallback_verb)
    nouns = [word for word in words if stem(word) not in verbs]
    predicate = _PREDICATE.search(task)
    if predicate is not None and words_of(predicate[1]):
        nouns = words_of(predicate[1])
    subject = _fit("_".join(nouns[:2])) or f"task_{number_of(task) % 1000}"
    if subject in _RESERVED or subject in sys.stdlib_module_names:
        subject = f"{subject}_value"
    module = f"{subject}_{verb}" if subject.startswith("test") else subject
    return Names(
        verb=verb,
        subject=subject,
        module=f"{module}_tools",
        class_name="".join(part.capitalize() for part in subject.split("_")),
    )


def stem(word: str) -> str:
    """Return the word without the endings that English verbs take, roughly."""
    for ending, length in (("ing", 6), ("es", 5), ("ed", 5), ("s", 4)):
        if word.endswith(ending) and len(word) >= length:
            cut = word.removesuffix(ending)
            return f"{cut}e" if f"{cut}e" in _E_VERBS else cut
    return word


def number_of(text: str) -> int:
    """Return a number that only the text decides."""
    return int.from_bytes(sha256(text.encode()).digest()[:8])


def _fit(name: str) -> str:
    return name[:_MAX_SUBJECT_CHARACTERS].strip("_")
