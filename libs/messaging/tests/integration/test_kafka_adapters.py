"""Both adapters of the log are held to the same suite, and only who uses Kafka pays for it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parents[2]
SUITES = (
    TESTS / "unit" / "test_embedded_conformance.py",
    TESTS / "integration" / "test_kafka_conformance.py",
)
PROGRAM = """
import sys
import facilitair_messaging.adapters.embedded, facilitair_messaging.loop
import facilitair_messaging.security
raise SystemExit(any(name.split(".")[0] == "aiokafka" for name in sys.modules))
"""


def collected():
    """The ids of all suites."""
    listing = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *map(str, SUITES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return listing.stdout


def test_the_collected_ids_of_both_adapters_are_equal():
    listing = collected()
    embedded, kafka = (
        set(re.findall(rf"::Test{adapter}(\S+)$", listing, re.MULTILINE))
        for adapter in ("Embedded", "Kafka")
    )
    assert embedded == kafka
    assert len(kafka) > 50


def test_solo_does_not_import_the_client_library():
    assert subprocess.run([sys.executable, "-c", PROGRAM], check=False).returncode == 0
