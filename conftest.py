"""Rules for every test of the repository: skips are loud, and failures where CI=true."""

import logging
import os
import ssl
from collections.abc import Generator, Iterator

import certifi
import pytest
import structlog
from hypothesis import HealthCheck, settings

pytest_plugins = [
    "facilitair_testing.again",
    "facilitair_testing.brokers",
    "facilitair_testing.crash_report",
    "facilitair_testing.leash",
    "facilitair_testing.scheduling",
]

# Two shared cores: how long one example takes says nothing; pytest-timeout bounds the test.
# The examples are the same in every run, so that nobody fails by the bad luck of another;
# `make chaos` searches for new ones.
settings.register_profile(
    "facilitair",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("facilitair")
settings.register_profile("search", derandomize=False, max_examples=1000)


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give clients of HTTP one authority to read: all of the web's take each 40 ms of a core."""
    first = ssl.DER_cert_to_PEM_cert(
        ssl.create_default_context(cafile=certifi.where()).get_ca_certs(binary_form=True)[0]
    )
    only = tmp_path_factory.mktemp("authority") / "ca.pem"
    only.write_text(first, encoding="ascii")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certifi, "where", lambda: str(only))
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_java() -> Iterator[None]:
    """Let every Java that tests start compile once: half the start of what lives for minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
        yield


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Give each test the logging it found: one that was set up writes to what is closed by then."""
    root, kept = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**kept)
    root.handlers[:] = handlers
    root.setLevel(level)


def skips_are_failures() -> bool:
    """Whether a test that cannot run counts as failed, as on CI."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return what the test or module gave as its reason."""
    longrepr = report.longrepr
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where CI=true; an expected failure is not a skip."""
    if report.skipped and not hasattr(report, "wasxfail") and skips_are_failures():
        reason = skip_reason(report)
        report.outcome = "failed"
        report.longrepr = f"did not run, which CI=true does not allow: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Apply the rule to tests."""
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Apply the rule to modules that skip themselves while they are collected."""
    report = yield
    refuse_skip(report)
    return report


class FailuresAtOnce:
    """Names each failed test when it fails: the summary comes minutes later."""

    def __init__(self, reporter: pytest.TerminalReporter) -> None:
        self._reporter = reporter

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say which one it was."""
        if report.failed:
            self._reporter.write_line(f"\nfailed ({report.when}): {report.nodeid}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Tell of failures where a terminal does; processes of tests have none."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if isinstance(reporter, pytest.TerminalReporter):
        config.pluginmanager.register(FailuresAtOnce(reporter))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what did not run and why."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if not hasattr(report, "wasxfail")
    ]
    if not skipped:
        return
    terminalreporter.section(f"{len(skipped)} DID NOT RUN", sep="!", red=True, bold=True)
    for report in skipped:
        terminalreporter.line(f"{report.nodeid}: {skip_reason(report)}")
