import subprocess
import sys
from pathlib import Path

import pytest

from tools.install import (
    INSTALLING,
    InstallError,
    cache_folder,
    child_environment,
    ensure,
    exclusive,
    is_healthy,
    members,
    pip_network_settings,
    plan,
    read_stamp,
    run_step,
    wanted_digest,
    wipe,
    write_stamp,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path):
    for name in ("requirements.lock", "tools/uv.lock.txt", "libs/events/pyproject.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    return tmp_path


@pytest.mark.parametrize(
    ("stamp", "exists", "healthy", "expected"),
    [
        ("d1", True, True, "ready"),
        ("d0", True, True, "update"),
        (None, True, True, "update"),
        (None, False, False, "create"),
        (INSTALLING, True, True, "create"),
        ("d1", True, False, "create"),
    ],
)
def test_plan(stamp, exists, healthy, expected):
    assert plan(stamp=stamp, digest="d1", exists=exists, healthy=healthy) == expected


@pytest.mark.parametrize(
    "name", ["requirements.lock", "tools/uv.lock.txt", "libs/events/pyproject.toml"]
)
def test_the_digest_changes_with_each_file_it_depends_on(checkout, name):
    before = wanted_digest(checkout)
    assert wanted_digest(checkout) == before
    (checkout / name).write_text("other")
    assert wanted_digest(checkout) != before


def test_the_digest_changes_with_a_new_member(checkout):
    before = wanted_digest(checkout)
    project = checkout / "services" / "router" / "pyproject.toml"
    project.parent.mkdir(parents=True)
    project.write_text("")
    assert wanted_digest(checkout) != before
    assert project.parent in members(checkout)


def test_a_stamp_is_read_back_and_survives_wiping(tmp_path):
    assert read_stamp(tmp_path) is None
    write_stamp(tmp_path, INSTALLING)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "module.py").write_text("")
    (tmp_path / "link").symlink_to(ROOT)
    wipe(tmp_path)
    assert [child.name for child in tmp_path.iterdir()] == ["facilitair.stamp"]
    assert read_stamp(tmp_path) == INSTALLING
    assert ROOT.exists()


def test_an_environment_that_does_not_start_is_not_healthy(tmp_path):
    assert not is_healthy(tmp_path)
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to("/nowhere/python")
    assert not is_healthy(tmp_path)
    python.unlink()
    python.symlink_to(sys.executable)  # starts, but was made for another folder
    assert not is_healthy(tmp_path)


def test_a_ready_environment_is_left_alone(checkout):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").write_text("")
    write_stamp(checkout / ".venv", wanted_digest(checkout))
    assert not ensure(checkout, {})


@pytest.mark.integration
def test_a_failed_set_up_is_not_taken_for_a_finished_one(checkout, tmp_path, capsys):
    (checkout / "tools" / "uv.lock.txt").write_text("not a requirement\n")
    with pytest.raises(InstallError, match="installing uv"):
        ensure(checkout, {"PATH": "/usr/bin:/bin", "FACILITAIR_CACHE": str(tmp_path / "cache")})
    assert read_stamp(checkout / ".venv") == INSTALLING
    assert "creating .venv" in capsys.readouterr().out


def test_a_failing_step_shows_what_the_installer_said(tmp_path):
    program = "import sys; print('no route to host'); sys.exit(7)"
    with pytest.raises(InstallError, match="resolving: no route to host"):
        run_step("resolving", [sys.executable, "-c", program], cwd=tmp_path, env={})


@pytest.mark.integration
def test_one_set_up_at_a_time(tmp_path):
    program = (
        "import sys; from pathlib import Path; from tools.install import exclusive\n"
        "with exclusive(Path(sys.argv[1])): print('inside', flush=True)"
    )
    with exclusive(tmp_path):
        other = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert "waiting" in other.stdout.readline()
        assert other.poll() is None
    assert other.communicate(timeout=60)[0] == "inside\n"


def test_what_pip_knows_of_the_network_holds_for_uv():
    config = (
        "global.index-url='https://packages.example/simple'\n"
        "global.extra-index-url='\\nhttps://a.example\\nhttps://b.example'\n"
        "global.cert='/etc/ca.pem'\n"
        "global.timeout='60'\n"
        ":env:.index-url='https://other.example/simple'\n"
    )
    assert pip_network_settings(config, {"SSL_CERT_FILE": "/mine.pem"}) == {
        "UV_INDEX_URL": "https://other.example/simple",
        "UV_EXTRA_INDEX_URL": "https://a.example https://b.example",
    }
    assert pip_network_settings("", {}) == {}


def test_the_cache_is_where_the_user_says():
    assert cache_folder({"FACILITAIR_CACHE": "/somewhere"}) == Path("/somewhere")
    assert cache_folder({"FACILITAIR_CACHE": ""}) == Path.home() / ".cache" / "facilitair"


def test_installers_get_the_shared_cache_and_no_foreign_python(tmp_path):
    given = {"FACILITAIR_CACHE": str(tmp_path / "c"), "PYTHONPATH": "/x", "VIRTUAL_ENV": "/y"}
    env = child_environment(tmp_path, given)
    assert env["UV_CACHE_DIR"] == str(tmp_path / "c" / "uv")
    assert env["PIP_CACHE_DIR"] == str(tmp_path / "c" / "pip")
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & env.keys()


def test_a_cache_that_cannot_be_made_names_the_setting(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InstallError, match="set FACILITAIR_CACHE"):
        child_environment(tmp_path, {"FACILITAIR_CACHE": str(tmp_path / "file" / "c")})
