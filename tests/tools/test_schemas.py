"""The gate of schemas/: it refuses what it should, with history and without."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tools import schemas
from tools.examples import write as write_examples
from tools.git_files import GitError, at_ref, has_ref

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "schemas/events/stream/token.v1.schema.json"
GOLDEN = "schemas/examples/facilitair.token.v1/valid/full.json"


@pytest.fixture
def checkout(tmp_path):
    """A copy of schemas/ without any history."""
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    schemas.write(tmp_path)
    return tmp_path


@pytest.fixture
def repository(checkout):
    """The same as a commit."""
    git(checkout, "init", "--quiet", "--initial-branch=main")
    commit(checkout)
    return checkout


def git(root, *arguments):
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    subprocess.run(["git", "-C", root, *identity, *arguments], check=True, capture_output=True)


def commit(root):
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "change")


def edit(root, file, change):
    schema = json.loads((root / file).read_text())
    change(schema["$defs"]["Token"])
    (root / file).write_text(json.dumps(schema))


def an_older_token(root):
    """Pretend that an earlier version had a field that the Struct does not have now."""
    edit(root, TOKEN, lambda token: token["properties"].update(voice={"type": "string"}))


def refused(root, capsys, *arguments):
    assert schemas.main(["--check", *arguments], root=root) == 1
    return capsys.readouterr().err


def test_the_checkout_passes():
    assert schemas.stale(schemas.generated(), schemas.on_disk(ROOT, schemas.EVENTS)) == []
    assert schemas.check(ROOT, ()) == []


def test_a_fresh_copy_without_history_passes(checkout, capsys):
    assert schemas.main(["--check"], root=checkout) == 0
    assert "no git history here" in capsys.readouterr().out


def test_stale_missing_and_orphan_files_name_the_command(checkout, capsys):
    edit(checkout, TOKEN, lambda token: token.update(description="Other words."))
    (checkout / "schemas/events/stream/attempt-reset.v1.schema.json").unlink()
    orphan = checkout / "schemas/events/stream/nothing.v1.schema.json"
    orphan.write_text('{"$id": "urn:facilitair:event:facilitair.nothing.v1"}')
    told = refused(checkout, capsys)
    assert f"{TOKEN}: is stale: run `make schemas`" in told
    assert "attempt-reset.v1.schema.json: is missing: run `make schemas`" in told
    assert "nothing.v1.schema.json: is no schema of any event type: run `make schemas`" in told
    assert "facilitair.nothing.v1: the type was removed" in told


def test_write_repairs_what_check_refuses(checkout, capsys):
    edit(checkout, TOKEN, lambda token: token.update(description="Other words."))
    orphan = checkout / "schemas/events/stream/nothing.v1.schema.json"
    orphan.write_text("{}")
    assert schemas.main([], root=checkout) == 0
    assert capsys.readouterr().out.split() == [orphan.relative_to(checkout).as_posix(), TOKEN]
    assert not orphan.exists()
    assert schemas.main(["--check"], root=checkout) == 0
    assert schemas.write(checkout) == []


def test_without_history_a_breaking_change_is_told_against_the_folder(checkout, capsys):
    an_older_token(checkout)
    told = refused(checkout, capsys)
    assert "facilitair.token.v1: $.voice: the field was removed" in told
    assert "A change that breaks is a new type" in told


def test_with_history_regenerating_does_not_hide_a_breaking_change(repository, capsys):
    an_older_token(repository)
    commit(repository)
    schemas.write(repository)
    told = refused(repository, capsys)
    assert "facilitair.token.v1: $.voice: the field was removed" in told
    assert "(since HEAD)" in told
    commit(repository)
    assert schemas.main(["--check"], root=repository) == 0
    assert "(since HEAD~1)" in refused(repository, capsys, "--against", "HEAD~1")


def test_what_others_have_counts_too(repository, capsys):
    an_older_token(repository)
    commit(repository)
    git(repository, "update-ref", "refs/remotes/origin/main", "HEAD")
    schemas.write(repository)
    commit(repository)
    told = refused(repository, capsys)
    assert "(since origin/main)" in told
    assert "(since HEAD)" not in told


@pytest.mark.parametrize("deed", ["changed", "removed"])
def test_golden_bytes_are_append_only(repository, capsys, deed):
    golden = repository / GOLDEN
    if deed == "changed":
        golden.write_bytes(golden.read_bytes().replace(b"coder", b"tester"))
    else:
        golden.unlink()
    assert f"{GOLDEN}: a golden example was {deed}" in refused(repository, capsys)


def test_golden_bytes_may_come(repository):
    (repository / GOLDEN).with_name("full-2.json").write_bytes(b"{}")
    assert schemas.main(["--check"], root=repository) == 0


def test_a_topic_that_moves_its_records_is_refused(repository, capsys):
    topic = repository / "schemas/topics/agent-tasks.yaml"
    topic.write_text(topic.read_text().replace("partitions: 12", "partitions: 6"))
    assert "agent-tasks: partitions changed from 12 to 6" in refused(repository, capsys)
    topic.unlink()
    assert "agent-tasks: the topic was removed" in refused(repository, capsys)


def test_a_ref_that_is_unknown_is_wrong_usage(repository, checkout, capsys):
    assert schemas.main(["--check", "--against", "nowhere"], root=repository) == 2
    assert "nowhere" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        schemas.main(["--against", "HEAD"], root=repository)
    with pytest.raises(GitError):
        at_ref(repository, "nowhere", "schemas")


def test_a_committed_file_that_is_no_schema_is_named(repository, capsys):
    (repository / TOKEN).write_text("[]")
    commit(repository)
    schemas.write(repository)
    assert schemas.main(["--check"], root=repository) == 2
    assert f"{TOKEN} cannot be read" in capsys.readouterr().err


def test_files_of_a_commit_are_read_byte_for_byte(repository):
    odd = repository / "schemas" / "examples" / "ö.bin"
    odd.write_bytes(b"\n\x00\xff\n")
    commit(repository)
    assert at_ref(repository, "HEAD", "schemas") == schemas.on_disk(repository, "schemas")
    assert at_ref(repository, "HEAD", "nothing-here") == {}


def test_a_folder_inside_another_repository_has_no_history_of_its_own(repository):
    inner = repository / "inner"
    inner.mkdir()
    assert has_ref(repository, "HEAD")
    assert not has_ref(repository, "origin/main")
    assert not has_ref(inner, "HEAD")


def test_examples_are_proposed_only_for_types_without_any(checkout):
    token = checkout / "schemas/examples/facilitair.token.v1"
    before = schemas.on_disk(checkout, schemas.EXAMPLES)
    assert write_examples(checkout) == []
    shutil.rmtree(token)
    assert len(write_examples(checkout)) == 4
    assert schemas.on_disk(checkout, schemas.EXAMPLES) == before
