"""Records that are kept by name."""

from facilitair_llm.simulator.programs.program import Family, Slot

_MODULE = '''\
"""Keeps $subject records by name.

Simulated: the names come from the task, the rules are made up.
"""

import json
from pathlib import Path


class ${class_name}Store:
    """Amounts by name; an amount is at least 1."""

    def __init__(self, $mutable_default

    def ${verb}_$subject(self, name: str, amount: int) -> int:
        """Add an amount of at least 1 to the record and return what it comes to."""
        $identity_comparison
            raise ValueError("a record needs a name")
        $wrong_comparison
            raise ValueError("an amount is at least 1")
        self.records[name] = self.records.get(name, 0) + amount
$missing_return

    def remove_$subject(self, name: str) -> int:
        """Take the record out and return its amount; raises LookupError if there is none."""
        amount = 0
        try:
            amount = self.records.pop(name)
        except KeyError as missing:
            $swallowed_exception
        return amount

    def first_$subject(self) -> str | None:
        """Return the first name of the alphabet; None without records."""
        names = sorted(self.records)
$missing_empty_case
        return names[0]

    def save_$subject(self, path: Path) -> None:
        """Write all records to the file."""
$unclosed_file
'''

_TESTS = """\
import json
import tempfile
import unittest
from pathlib import Path

from $module import ${class_name}Store


class Test$class_name(unittest.TestCase):
    def test_amounts_of_a_name_are_added(self):
        store = ${class_name}Store()
        self.assertEqual(store.${verb}_$subject("a", 1), 1)
        self.assertEqual(store.${verb}_$subject("a", 2), 3)

    def test_bad_records_are_refused(self):
        for name, amount in (("", 1), ("a", 0)):
            with self.assertRaises(ValueError):
                ${class_name}Store().${verb}_$subject(name, amount)

    def test_stores_share_nothing(self):
        ${class_name}Store().${verb}_$subject("a", 1)
        self.assertEqual(${class_name}Store().records, {})

    def test_a_record_can_be_removed_once(self):
        store = ${class_name}Store({"a": 2})
        self.assertEqual(store.remove_$subject("a"), 2)
        with self.assertRaises(LookupError):
            store.remove_$subject("a")

    def test_the_first_name_may_be_missing(self):
        self.assertEqual(${class_name}Store({"b": 1, "a": 1}).first_$subject(), "a")
        self.assertIsNone(${class_name}Store().first_$subject())

    def test_all_records_are_saved(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "records.json"
            ${class_name}Store({"a": 2}).save_$subject(path)
            self.assertEqual(json.loads(path.read_text()), {"a": 2})


if __name__ == "__main__":
    unittest.main()
"""

STORE = Family(
    name="store",
    verbs=frozenset(
        {
            "store",
            "manage",
            "keep",
            "track",
            "cache",
            "record",
            "book",
            "register",
            "schedule",
            "organise",
            "organize",
            "collect",
        }
    ),
    nouns=frozenset(
        {
            "inventory",
            "queue",
            "stack",
            "account",
            "library",
            "todo",
            "database",
            "api",
            "user",
            "order",
            "registry",
            "server",
            "service",
        }
    ),
    fallback_verb="store",
    module=_MODULE,
    tests=_TESTS,
    slots={
        "mutable_default": Slot(
            clean="records: dict[str, int] | None = None) -> None:\n"
            "        self.records = {} if records is None else dict(records)",
            faulty="records: dict[str, int] = {}) -> None:\n        self.records = records",
        ),
        "identity_comparison": Slot(clean='if name == "":', faulty='if name is "":'),
        "wrong_comparison": Slot(clean="if amount < 1:", faulty="if amount <= 1:"),
        "missing_return": Slot(clean="        return self.records[name]", faulty=""),
        "swallowed_exception": Slot(
            clean='raise LookupError(f"there is no record {name!r}") from missing',
            faulty="pass",
        ),
        "missing_empty_case": Slot(
            clean="        if not names:\n            return None", faulty=""
        ),
        "unclosed_file": Slot(
            clean='        with open(path, "w", encoding="utf-8") as target:\n'
            "            json.dump(self.records, target)",
            faulty='        target = open(path, "w", encoding="utf-8")\n'
            "        json.dump(self.records, target)",
        ),
    },
    edge_cases=("a record without a name", "amounts below 1", "removing what is not there"),
)
