"""The collector's settings are of a process, so each test has one of its own."""

import subprocess
import sys

import pytest

CYCLE = """
import gc, weakref
from facilitair_runtime.heap import settle_heap, YOUNG_OBJECTS

class Node:
    pass

def cycle():
    one = Node()
    one.itself = one
    return weakref.ref(one)

"""


def said(script):
    command = [sys.executable, "-c", CYCLE + script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("settle_heap(); print(gc.get_freeze_count() > 1000)", ["True"]),
        ("settle_heap(); print(gc.get_threshold()[0] == YOUNG_OBJECTS)", ["True"]),
        ("settle_heap(); kept = cycle(); gc.collect(); print(kept() is None)", ["True"]),
        ("gc.disable(); left = cycle(); settle_heap(); print(left() is None)", ["True"]),
    ],
    ids=["loaded things are out of sight", "it looks less often", "garbage is still collected",
         "garbage of the start is not kept"],
)  # fmt: skip
def test_a_settled_heap(script, expected):
    assert said(script) == expected
