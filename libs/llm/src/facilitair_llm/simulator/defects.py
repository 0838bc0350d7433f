"""The faults that the coder puts into its first answer and the reviewer looks for."""

import re

from msgspec import Struct


class Defect(Struct, frozen=True):
    """A kind of fault; `named_by` finds it in a reviewer's words."""

    phrase: str
    fix: str
    named_by: str


DEFECTS: dict[str, Defect] = {
    "off_by_one": Defect(
        phrase="off by one",
        fix="Let the loop reach the last element and not go past it.",
        named_by=r"off[-_ ]by[-_ ]one",
    ),
    "missing_empty_case": Defect(
        phrase="missing empty case",
        fix="Say what happens when there is no element before using one.",
        named_by=r"missing[-_ ]empty[-_ ]case",
    ),
    "mutable_default": Defect(
        phrase="mutable default",
        fix="Use None as the default and make a fresh object inside the function.",
        named_by=r"mutable[-_ ]default",
    ),
    "swallowed_exception": Defect(
        phrase="swallowed exception",
        fix="Report the error or let it pass on; do not drop it.",
        named_by=r"swallow(?:s|ed|ing)?[-_ ](?:the |an )?(?:exception|error)",
    ),
    "wrong_comparison": Defect(
        phrase="wrong comparison",
        fix="Compare the way the name and the docstring of the function promise.",
        named_by=r"wrong[-_ ]comparison",
    ),
    "integer_division": Defect(
        phrase="integer division",
        fix="Divide with / so that the fraction is kept.",
        named_by=r"(?:integer|floor)[-_ ]division",
    ),
    "shadowed_builtin": Defect(
        phrase="shadowed builtin",
        fix="Choose a name that is not taken by a builtin.",
        named_by=r"shadow(?:s|ed|ing)?[-_ ](?:the |a )?built-?in",
    ),
    "unclosed_file": Defect(
        phrase="unclosed file",
        fix="Open the file in a with statement.",
        named_by=r"unclosed[-_ ]file",
    ),
    "identity_comparison": Defect(
        phrase="identity comparison",
        fix="Compare values with == or !=.",
        named_by=r"identity[-_ ]comparison",
    ),
    "missing_return": Defect(
        phrase="missing return",
        fix="Return a value on every path.",
        named_by=r"missing[-_ ]return",
    ),
    "undefined_name": Defect(
        phrase="undefined name",
        fix="Define or import the name before it is used.",
        named_by=r"undefined[-_ ]name",
    ),
    "too_long": Defect(
        phrase="too long",
        fix="Split the file.",
        named_by=r"file is too long",
    ),
    "does_not_parse": Defect(
        phrase="does not parse",
        fix="Correct the syntax.",
        named_by=r"does[-_ ]not[-_ ]parse",
    ),
}


class Finding(Struct, frozen=True):
    """A defect at a line of a file; `detail` says what is wrong there."""

    kind: str
    line: int
    detail: str


def named_defects(text: str) -> frozenset[str]:
    """Return the kinds of defect that the text names."""
    return frozenset(
        kind
        for kind, defect in DEFECTS.items()
        if re.search(defect.named_by, text, re.IGNORECASE) is not None
    )
