import pytest

from tools.install import members
from tools.members import member_folders, membership_faults, read_toml, topic_faults

PROJECT = """[project]
name = "facilitair-{name}"
version = "0.1.0"
dependencies = []
"""


def add_member(root, folder, name):
    source = root / folder / "src" / f"facilitair_{name.replace('-', '_')}"
    source.mkdir(parents=True)
    (source / "__init__.py").write_text('"""New."""\n')
    (source / "py.typed").write_text("")
    (root / folder / "pyproject.toml").write_text(PROJECT.format(name=name))


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_every_member_is_listed_everywhere(root):
    assert membership_faults(root) == []


def test_every_service_reads_or_writes_a_topic(root):
    assert topic_faults(root) == []


def test_set_up_workspace_and_rules_know_the_same_members(root):
    patterns = read_toml(root / "pyproject.toml")["tool"]["uv"]["workspace"]["members"]
    by_workspace = {
        project.parent for pattern in patterns for project in root.glob(f"{pattern}/pyproject.toml")
    }
    assert by_workspace == set(members(root)) == set(member_folders(root))


@pytest.mark.parametrize(
    "where",
    ["[tool.uv.sources]", "[tool.coverage.run]", "root_packages", "workspace contract"],
)
def test_an_unlisted_new_library_is_rejected(copy, where):
    add_member(copy, "libs/unlisted", "unlisted")
    assert any(f.startswith("libs/unlisted: ") and where in f for f in membership_faults(copy))


def test_an_unlisted_new_service_is_rejected(copy):
    add_member(copy, "services/semantic-cache", "semantic-cache")
    faults = membership_faults(copy)
    assert any("semantic-cache" in f and "inside-a-service" in f for f in faults)
    assert len(faults) == 5
    assert [f for f in topic_faults(copy) if "services/semantic-cache" in f]


def test_code_without_a_project_file_is_rejected(copy):
    (copy / "libs" / "loose").mkdir()
    (copy / "libs" / "loose" / "module.py").write_text("")
    assert any("libs/loose: has Python files and no" in f for f in membership_faults(copy))


def test_a_name_that_is_not_the_folders_is_rejected(copy):
    edit(copy / "libs/events/pyproject.toml", "facilitair-events", "facilitair-evt")
    assert membership_faults(copy) == [
        "libs/events: is named facilitair-evt, expected facilitair-events"
    ]


def test_an_untyped_or_second_package_is_rejected(copy):
    (copy / "libs/events/src/facilitair_events/py.typed").unlink()
    (copy / "libs/events/src/extra").mkdir()
    assert membership_faults(copy) == [
        "libs/events: src/facilitair_events/py.typed is missing",
        "libs/events: src/ also holds extra",
    ]


@pytest.mark.parametrize("package", ["facilitair_gateway", "facilitair_events"])
def test_a_member_dropped_from_the_contracts_is_rejected(copy, package):
    edit(copy / ".importlinter", package, "facilitair_other")
    assert any("root_packages" in fault for fault in membership_faults(copy))
