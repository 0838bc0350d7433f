"""Texts that become other texts."""

from facilitair_llm.simulator.programs.program import Family, Slot

_MODULE = '''\
"""Texts and how to $verb $subject in them.

Simulated: the names come from the task, the rule is made up.
"""


def ${verb}_$subject(text: str, separator: str = "-") -> str:
    """Return the words of the text in small letters, joined by the separator."""
    words = text.lower().split()
$missing_return


def positions_in_$subject(text: str, letter: str) -> list[int]:
    """Return where in the text the letter stands; nowhere for an empty letter."""
    $identity_comparison
        return []
    positions = []
    $off_by_one
        if text[position] == letter:
            positions.append(position)
    return positions


def longest_$subject(texts: list[str]) -> str:
    """Return the longest text, the first of several; an empty text for no texts."""
    longest = ""
    for text in texts:
        $wrong_comparison
            longest = text
    return longest


def first_word_of_$subject(text: str) -> str:
    """Return the first word; an empty text where there is none."""
    words = text.split()
$missing_empty_case
    return words[0]


def ${verb}_all_$subject(
    texts: list[str], $mutable_default
    for text in texts:
        known[text] = ${verb}_$subject(text)
    return known


def count_letters_in_$subject(texts: list[str]) -> int:
    """Return how many letters the texts have together."""
$shadowed_builtin
'''

_TESTS = """\
import unittest

from $module import (
    count_letters_in_$subject,
    first_word_of_$subject,
    longest_$subject,
    positions_in_$subject,
    ${verb}_all_$subject,
    ${verb}_$subject,
)


class Test$class_name(unittest.TestCase):
    def test_words_are_joined_in_small_letters(self):
        self.assertEqual(${verb}_$subject("  Two Words "), "two-words")
        self.assertEqual(${verb}_$subject("A b", separator="_"), "a_b")
        self.assertEqual(${verb}_$subject(""), "")

    def test_every_position_is_found_the_last_included(self):
        self.assertEqual(positions_in_$subject("abca", "a"), [0, 3])
        self.assertEqual(positions_in_$subject("abca", ""), [])

    def test_the_longest_text_is_the_first_of_its_length(self):
        self.assertEqual(longest_$subject(["a", "bbb", "ccc"]), "bbb")
        self.assertEqual(longest_$subject([]), "")

    def test_the_first_word_may_be_missing(self):
        self.assertEqual(first_word_of_$subject("one two"), "one")
        self.assertEqual(first_word_of_$subject("  "), "")

    def test_what_is_known_is_kept(self):
        self.assertEqual(${verb}_all_$subject(["A B"], {"x": "y"}), {"x": "y", "A B": "a-b"})
        self.assertEqual(${verb}_all_$subject([]), {})

    def test_letters_are_counted(self):
        self.assertEqual(count_letters_in_$subject(["ab", "", "c"]), 3)


if __name__ == "__main__":
    unittest.main()
"""

TRANSFORM = Family(
    name="transform",
    verbs=frozenset(
        {
            "convert",
            "reverse",
            "format",
            "replace",
            "encode",
            "decode",
            "translate",
            "normalise",
            "normalize",
            "capitalise",
            "capitalize",
            "render",
            "split",
            "join",
            "wrap",
            "shorten",
            "slugify",
        }
    ),
    nouns=frozenset(
        {"string", "text", "word", "sentence", "letter", "character", "name", "title", "slug"}
    ),
    fallback_verb="convert",
    module=_MODULE,
    tests=_TESTS,
    slots={
        "missing_return": Slot(
            clean="    return separator.join(words)",
            faulty="    separator.join(words)",
        ),
        "identity_comparison": Slot(clean='if letter == "":', faulty='if letter is "":'),
        "off_by_one": Slot(
            clean="for position in range(len(text)):",
            faulty="for position in range(len(text) - 1):",
        ),
        "wrong_comparison": Slot(
            clean="if len(text) > len(longest):",
            faulty="if len(text) < len(longest):",
        ),
        "missing_empty_case": Slot(clean='    if not words:\n        return ""', faulty=""),
        "mutable_default": Slot(
            clean='''known: dict[str, str] | None = None
) -> dict[str, str]:
    """Return the result for each text, added to those known, which stay as they are."""
    known = {} if known is None else dict(known)''',
            faulty='''known: dict[str, str] = {}
) -> dict[str, str]:
    """Return the result for each text, added to those known."""''',
        ),
        "shadowed_builtin": Slot(
            clean="    letters = 0\n    for text in texts:\n        letters += len(text)\n"
            "    return letters",
            faulty="    sum = 0\n    for text in texts:\n        sum += len(text)\n    return sum",
        ),
    },
    edge_cases=("a text without words", "a letter at the very end", "no texts at all"),
)
