"""The import contracts hold, and each of them rejects something."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

# One violation per contract: where it is written, what is written, which contract must break.
VIOLATIONS = [
    ("libs/events/src/facilitair_events", "import facilitair_messaging", "workspace"),
    ("services/gateway/src/facilitair_gateway", "import facilitair_orchestrator", "workspace"),
    ("services/gateway/src/facilitair_gateway", "import facilitair_testing", "workspace"),
    ("libs/llm/src/facilitair_llm", "import facilitair_runtime", "workspace"),
    ("clients/python/src/facilitair_client", "import facilitair_events", "client-stands-alone"),
    ("clients/cli/src/facilitair_cli", "import facilitair_testing", "tests-only"),
    ("libs/events/src/facilitair_events", "import asyncio", "pure-contract"),
    ("libs/workflows/src/facilitair_workflows", "import time", "pure-domain"),
    ("libs/workflows/src/facilitair_workflows/reducing", "import jinja2", "pinned-reducer"),
]


def lint(root, contract):
    sources = [str(path) for path in sorted(root.glob("*/*/src"))]
    return subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            *("--no-cache", "--config", ".importlinter", "--contract", contract),
        ],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sources)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def append(source, *, module, line):
    """Add a line to a module of a service, which is a file or, once it has grown, a folder."""
    folder = source / module
    file = folder / "probe.py" if folder.is_dir() else source / f"{module}.py"
    with file.open("a") as opened:
        opened.write(f"\n{line}\n")


def contracts():
    text = (Path(__file__).resolve().parents[2] / ".importlinter").read_text()
    return [line[len("[importlinter:contract:") : -1] for line in text.splitlines() if ":c" in line]


@pytest.mark.parametrize("contract", contracts())
def test_the_contract_holds(copy, contract):
    result = lint(copy, contract)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("package", "statement", "contract"), VIOLATIONS)
def test_a_violation_is_rejected(copy, package, statement, contract):
    (copy / package / "probe.py").write_text(statement + "\n")
    result = lint(copy, contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "probe" in result.stdout


@pytest.mark.parametrize("service", ["gateway", "orchestrator", "agent-worker"])
@pytest.mark.parametrize(
    ("lower", "upper"),
    [("domain", "adapters"), ("ports", "app"), ("errors", "domain"), ("settings", "app")],
)
def test_an_arrow_that_points_up_inside_a_service_is_rejected(copy, service, lower, upper):
    package = f"facilitair_{service.replace('-', '_')}"
    source = copy / "services" / service / "src" / package
    append(source, module=upper, line="")
    append(source, module=lower, line=f"import {package}.{upper}")
    assert lint(copy, "inside-a-service").returncode == 1


@pytest.mark.parametrize("library", ["asyncio", "aiokafka", "sqlite3", "random", "fastapi"])
def test_a_domain_that_does_io_is_rejected_though_no_contract_names_it(copy, library):
    source = copy / "services/gateway/src/facilitair_gateway"
    append(source, module="domain", line=f"import {library}")
    assert lint(copy, "pure-domain").returncode == 1


def test_every_contract_has_a_violation_that_breaks_it():
    tested = {contract for _, _, contract in VIOLATIONS} | {"inside-a-service"}
    assert tested == set(contracts())
