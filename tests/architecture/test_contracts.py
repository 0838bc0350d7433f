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


def lint(root, contract=None):
    sources = [str(path) for path in sorted(root.glob("*/*/src"))]
    return subprocess.run(
        [
            Path(sys.executable).with_name("lint-imports"),
            *("--no-cache", "--config", ".importlinter"),
            *(("--contract", contract) if contract else ()),
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


def test_the_contracts_hold(copy):
    result = lint(copy)
    assert result.returncode == 0, result.stdout
    assert f"Contracts: {len(contracts())} kept, 0 broken." in result.stdout


@pytest.mark.parametrize(("package", "statement", "contract"), VIOLATIONS)
def test_a_violation_is_rejected(copy, package, statement, contract):
    (copy / package / "probe.py").write_text(statement + "\n")
    result = lint(copy, contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "probe" in result.stdout


@pytest.mark.parametrize(
    ("lower", "upper"),
    [("domain", "adapters"), ("ports", "app"), ("errors", "domain"), ("settings", "app")],
)
def test_an_arrow_that_points_up_inside_a_service_is_rejected(copy, lower, upper):
    packages = {
        service: f"facilitair_{service.replace('-', '_')}"
        for service in ("gateway", "orchestrator", "agent-worker")
    }
    for service, package in packages.items():
        source = copy / "services" / service / "src" / package
        append(source, module=upper, line="")
        append(source, module=lower, line=f"import {package}.{upper}")
    result = lint(copy, "inside-a-service")
    assert result.returncode == 1
    told = " ".join(result.stdout.split())
    for package in packages.values():
        assert f"{package}.{lower} is not allowed to import {package}.{upper}" in told


def test_a_domain_that_does_io_is_rejected_though_no_contract_names_it(copy):
    libraries = ("asyncio", "aiokafka", "sqlite3", "random", "fastapi")
    source = copy / "services/gateway/src/facilitair_gateway"
    append(source, module="domain", line="\n".join(f"import {name}" for name in libraries))
    result = lint(copy, "pure-domain")
    assert result.returncode == 1
    told = " ".join(result.stdout.split())
    for name in libraries:
        assert f"is not allowed to import {name}" in told


def test_every_contract_has_a_violation_that_breaks_it():
    tested = {contract for _, _, contract in VIOLATIONS} | {"inside-a-service"}
    assert tested == set(contracts())
