import importlib.metadata

import pytest

from tools.dependencies import lock_faults, undeclared_imports

HASH = " \\\n    --hash=sha256:00\n"


@pytest.fixture(scope="module")
def providers():
    return importlib.metadata.packages_distributions()


def test_the_lock_is_portable_and_fits_every_member(root):
    assert lock_faults(root) == []


@pytest.mark.parametrize(
    ("added", "fault"),
    [
        ("uv-build @ https://packages.example/u.whl" + HASH, "an address"),
        ("-e ./libs/events" + HASH, "an editable"),
        ("events @ file:libs/events" + HASH, "a path"),
        ("litellm==1.0" + HASH, "litellm"),
        ("colorama==0.4.6\n    # via click\n", "no hash for colorama==0.4.6"),
    ],
)
def test_a_lock_with_something_foreign_is_rejected(copy, added, fault):
    with (copy / "requirements.lock").open("a") as lock:
        lock.write(added)
    faults = lock_faults(copy)
    assert len(faults) == 1
    assert fault in faults[0]


@pytest.mark.parametrize("requirement", ["not-in-the-lock", "msgspec>=99"])
def test_a_member_that_needs_more_than_the_lock_has_is_rejected(copy, requirement):
    project = copy / "libs/events/pyproject.toml"
    project.write_text(project.read_text().replace('"msgspec"', f'"{requirement}"'))
    faults = lock_faults(copy)
    assert len(faults) == 1
    assert f"libs/events needs {requirement}" in faults[0]


def test_a_dev_tool_that_is_not_locked_is_rejected(copy):
    project = copy / "pyproject.toml"
    project.write_text(project.read_text().replace('  "coverage",', '  "nowhere",'))
    assert any("the dev group needs nowhere" in fault for fault in lock_faults(copy))


def test_every_member_declares_what_it_imports(root, providers):
    assert undeclared_imports(root, providers) == []


@pytest.mark.parametrize(
    "statement", ["import aiohttp", "from facilitair_messaging import ports", "import nowhere.x"]
)
def test_an_undeclared_import_is_rejected(copy, providers, statement):
    module = copy / "libs/observability/src/facilitair_observability/probe.py"
    module.write_text(f"def late():\n    {statement}\n")
    faults = undeclared_imports(copy, providers)
    assert [fault for fault in faults if "facilitair_observability/probe.py imports" in fault]


def test_the_standard_library_and_the_member_itself_need_no_declaration(copy, providers):
    module = copy / "libs/observability/src/facilitair_observability/probe.py"
    before = undeclared_imports(copy, providers)
    module.write_text("import json\nimport facilitair_observability\nimport structlog\n")
    assert undeclared_imports(copy, providers) == before
