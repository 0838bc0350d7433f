"""A pytest plugin: ``--again`` runs what failed once more, and tells of it loudly.

Only tests that start processes: on a machine with other work they may come too late.
Everything they shared is ended first and started anew, since it may be what failed.
A broken promise is never asked twice: one violation is a violation (``promises``).
Nor is any test once many have failed: so many are not late by chance.
"""

from typing import Final

import pytest
import pytest_timeout
from _pytest.runner import runtestprotocol

from facilitair_testing.promises import BrokenPromiseError

OPTION: Final = "--again"
MOST: Final = 8
"""How many tests one process of tests runs twice."""

_PROPERTY: Final = "failed_first"
_VERDICT: Final = pytest.StashKey[bool]()
_TWICE: Final = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Nobody is asked twice who did not ask for it."""
    parser.addoption(
        OPTION, action="store_true", help="run a test of processes that failed once more"
    )


def is_verdict(error: BaseException | None) -> bool:
    """Whether a promise was broken, here or in a task that a group waited for."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_verdict(one) for one in error.exceptions)
    return isinstance(error, BrokenPromiseError)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Remember what a test failed of; its reports hold texts alone."""
    if call.excinfo is not None and is_verdict(call.excinfo.value):
        item.stash[_VERDICT] = True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test, and once more where that may help; only the last run counts."""
    if not item.config.getoption(OPTION) or item.get_closest_marker("integration") is None:
        return None
    kept = list(item.user_properties)
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    failed = [report for report in reports if report.failed]
    if failed and isinstance(item, pytest.Function) and _may_run_again(item):
        told = failed[0].longreprtext + _end_what_is_shared(item)
        item.user_properties[:] = kept
        item._initrequest()  # noqa: SLF001 - fixtures are made anew, as other plugins have them
        _begin_its_timeout(item)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        reports[-1].user_properties.append((_PROPERTY, told))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _may_run_again(item: pytest.Item) -> bool:
    """Count it, unless it has a verdict or too many were late."""
    stash = item.session.stash
    if item.stash.get(_VERDICT, False) or stash.get(_TWICE, 0) >= MOST:
        return False
    stash[_TWICE] = stash.get(_TWICE, 0) + 1
    return True


def _end_what_is_shared(item: pytest.Item) -> str:
    """Tear down the fixtures of all scopes; returns what one of them did not like.

    What has failed may not end well either: that is told and does not count, for all is new then.
    """
    setup = item.session._setupstate  # noqa: SLF001 - as pytest does behind the last test
    ended = pytest.CallInfo.from_call(lambda: setup.teardown_exact(None), when="teardown")
    return "" if ended.excinfo is None else f"\nIts fixtures did not end well: {ended.excinfo}"


def _begin_its_timeout(item: pytest.Item) -> None:
    """The first failure took the timer away, and without one a test may hang for ever."""
    settings = pytest_timeout._get_item_settings(item)  # noqa: SLF001 - it offers nothing else
    if settings.timeout and not settings.func_only:
        item.ihook.pytest_timeout_cancel_timer(item=item)
        item.ihook.pytest_timeout_set_timer(item=item, settings=settings)


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
