import re

import pytest

SECTIONS = ["Status", "Context", "Decision", "Consequences", "Rejected alternatives"]


def decision_faults(folder):
    records = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    index = (folder / "README.md").read_text()
    faults = []
    for number, path in enumerate(records, start=1):
        text = path.read_text()
        if not re.fullmatch(rf"{number:04}-[a-z0-9-]+\.md", path.name):
            faults.append(f"{path.name}: expected number {number:04}")
        if re.findall(r"^## (.*)$", text, re.MULTILINE) != SECTIONS:
            faults.append(f"{path.name}: sections must be {SECTIONS}")
        if f"]({path.name})" not in index:
            faults.append(f"{path.name}: is not in the list of README.md")
    return faults


def test_every_record_is_numbered_listed_and_complete(root):
    assert decision_faults(root / "docs" / "decisions") == []


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("0002-x.md", "## Status", "expected number 0001"),
        ("0001-x.md", "## Status\n## Decision\n", "sections must be"),
        ("0001-x.md", "\n".join(f"## {section}" for section in SECTIONS), "not in the list"),
    ],
)
def test_an_incomplete_record_is_rejected(tmp_path, name, text, fault):
    (tmp_path / "README.md").write_text("")
    (tmp_path / name).write_text(text)
    assert any(fault in found for found in decision_faults(tmp_path))
