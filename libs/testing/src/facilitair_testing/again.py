"""A pytest plugin: ``--again`` runs what failed once more, and tells of it loudly.

Only tests that start processes: on a machine with other work they may come too late.
What judges histories is never asked twice: one violation is a violation.
"""

from typing import Final

import pytest
from _pytest.runner import runtestprotocol

OPTION: Final = "--again"
_PROPERTY: Final = "failed_first"
_ONCE: Final = ("tests/crash/", "tests/chaos/", "tests/poison/", "tests/e2e/test_histories.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Nobody is asked twice who did not ask for it."""
    parser.addoption(
        OPTION, action="store_true", help="run a test of processes that failed once more"
    )


def may_run_again(item: pytest.Item) -> bool:
    """Whether a failure may be one of the machine."""
    return item.get_closest_marker("integration") is not None and not item.nodeid.startswith(_ONCE)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test, and once more where that may help; only the last run counts."""
    if not item.config.getoption(OPTION) or not may_run_again(item):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    failed = [report for report in reports if report.failed]
    if failed and isinstance(item, pytest.Function):
        item._initrequest()  # noqa: SLF001 - fixtures are made anew, as other plugins have them
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        reports[-1].user_properties.append((_PROPERTY, failed[0].longreprtext))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name those that failed first, and how: each is a fault of a test or of the product."""
    again = {
        report.nodeid: text
        for found in terminalreporter.stats.values()
        for report in found
        for name, text in getattr(report, "user_properties", ())
        if name == _PROPERTY
    }
    if not again:
        return
    terminalreporter.section(f"{len(again)} RAN AGAIN", sep="!", yellow=True, bold=True)
    for nodeid, text in again.items():
        terminalreporter.line(f"{nodeid} failed at first:", yellow=True)
        terminalreporter.line(text)
