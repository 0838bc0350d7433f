"""A pytest plugin: which tests run in one process, and which of them begin first.

Tests of a file stay together, and so do files that share a server.
Whatever takes longest begins first, so that all processes end at about the same time.
How long each took is kept in ``tests/weights.json``, which ``pytest --weigh`` writes.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

OPTION: Final = "--weigh"
WEIGHTS: Final = Path("tests") / "weights.json"
WORTH_KEEPING_S: Final = 3.0
"""Whatever is quicker fills the gaps at the end, in any order."""

UNKNOWN_S: Final = 15.0
"""For what starts processes and was never weighed: rather too early than as the last."""

_SHARING: Final = (
    ("fleet", ("tests/e2e/",)),
    ("broker", ("libs/messaging/tests/integration/test_kafka_",)),
    ("clone", ("tests/deploy/", "tests/docs/")),
)
"""Files that share what lives as long as a process of tests: each process would start its own."""

_ALONE: Final = (
    "test_both_systems",
    "test_canaries",
    "test_histories",
    "test_own_cluster",
    "test_providers",
    "test_refused_records",
)
"""Files of such a folder that have a server of their own, or none."""

_SOLO: Final = "[solo"
"""So begin the parameters of a test that needs no fleet."""


def scope_of(nodeid: str) -> str:
    """The tests that stay together: a file, or all files that share a server."""
    file, _, test = nodeid.partition("::")
    if _SOLO in test:
        return file + _SOLO
    if Path(file).stem in _ALONE:
        return file
    return next((name for name, files in _SHARING if file.startswith(files)), file)


def weight_of(scope: str, weights: Mapping[str, float]) -> float:
    """Seconds that a scope may take."""
    if scope in weights:
        return weights[scope]
    return UNKNOWN_S if "/integration/" in scope or scope.startswith("tests/") else 0.0


def read_weights(root: Path) -> dict[str, float]:
    """What was kept; nothing in a folder where nothing was."""
    path = root / WEIGHTS
    found: dict[str, float] = json.loads(path.read_bytes()) if path.exists() else {}
    return found


def weighed(reports: Iterable[Any]) -> dict[str, float]:
    """Seconds by scope, with set-up and tear-down; the longest first, the short ones left out."""
    seconds: Counter[str] = Counter()
    for report in reports:
        seconds[scope_of(report.nodeid)] += report.duration
    return {name: round(s, 1) for name, s in seconds.most_common() if s >= WORTH_KEEPING_S}


class LongestFirst(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Gives a process that is free the scope that takes longest of those that are left."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        self._weights = read_weights(config.rootpath)

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        longest = max(self.workqueue, key=lambda scope: weight_of(scope, self._weights))
        self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Where tests run in several processes, this says which of them run together."""
    return LongestFirst(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """To keep what this run took."""
    parser.addoption(OPTION, action="store_true", help=f"keep how long tests took in {WEIGHTS}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Keep the weights, or name what is not weighed yet and long enough to hold up the end."""
    config = terminalreporter.config
    reports = [
        report
        for found in terminalreporter.stats.values()
        for report in found
        if isinstance(report, pytest.TestReport)
    ]
    now, kept = weighed(reports), read_weights(config.rootpath)
    if config.getoption(OPTION):
        text = json.dumps(now, indent=2) + "\n"
        (config.rootpath / WEIGHTS).write_text(text, encoding="utf-8")
        return
    for scope, seconds in now.items():
        if seconds > 2 * weight_of(scope, kept) + UNKNOWN_S:
            line = f"{scope} took {seconds:g} s, which {WEIGHTS} does not know"
            terminalreporter.line(f"{line}: make test WEIGH={OPTION}", yellow=True)
