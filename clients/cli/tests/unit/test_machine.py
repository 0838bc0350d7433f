import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from facilitair_cli.announcements import Announcement, announced, find, is_alive, started_at
from facilitair_cli.errors import (
    AlreadyUpError,
    NotUpError,
    OptionError,
    StartError,
    StateFolderError,
    StateTooNewError,
)
from facilitair_cli.locating import locate, located
from facilitair_cli.solo import read_endpoints, read_settings
from facilitair_cli.solo_lock import only_solo
from facilitair_cli.state_folder import STATE_VERSION, StateFolder, prepare, state_folder


@pytest.fixture
def folder(tmp_path):
    found = StateFolder(tmp_path / "home")
    prepare(found)
    return found


def write(path, *, pid, started, url="http://127.0.0.1:1"):
    content = {"url": url, "pid": pid, "started_at": started.isoformat()}
    path.write_text(json.dumps(content))


def test_the_folder_is_stamped_once(folder):
    assert folder.stamp.read_text() == f"{STATE_VERSION}\n"
    prepare(folder)


def test_newer_state_is_refused_and_left_alone(folder):
    folder.stamp.write_text(f"{STATE_VERSION + 1}\n")
    with pytest.raises(StateTooNewError, match="newer Facilitair"):
        prepare(folder)
    assert folder.stamp.read_text() == f"{STATE_VERSION + 1}\n"


def test_a_stamp_that_is_none_is_refused(folder):
    folder.stamp.write_text("what?")
    with pytest.raises(StateFolderError, match="what"):
        prepare(folder)


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFolderError, match="FACILITAIR_HOME"):
        prepare(StateFolder(tmp_path / "file" / "home"))


def test_a_folder_that_is_a_file_holds_no_gateway_and_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    folder = StateFolder(tmp_path / "file")
    assert locate({}, folder) is None
    with pytest.raises(StateFolderError, match="FACILITAIR_HOME"):
        prepare(folder)


def test_the_environment_names_the_folder(tmp_path):
    assert state_folder({"FACILITAIR_HOME": str(tmp_path)}).root == tmp_path
    assert state_folder({"FACILITAIR_HOME": " "}).root.name == ".facilitair"


def test_this_process_is_alive():
    now = datetime.now(UTC)
    assert started_at(os.getpid()) <= now.timestamp() + 1
    assert is_alive(Announcement(url="", pid=os.getpid(), started_at=now))


def test_a_pid_that_was_given_out_again_is_not_alive():
    """The process with that pid started long after the announcement was written."""
    long_ago = datetime.now(UTC) - timedelta(days=1)
    assert not is_alive(Announcement(url="", pid=os.getpid(), started_at=long_ago))


def test_a_dead_process_and_a_zombie_are_not_alive():
    process = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE)
    process.stdout.read()
    announcement = Announcement(url="", pid=process.pid, started_at=datetime.now(UTC))
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(announcement)
    process.wait()
    process.stdout.close()
    assert not is_alive(announcement)


def test_a_stale_file_is_ignored_and_removed(folder):
    write(folder.gateway, pid=os.getpid(), started=datetime.now(UTC) - timedelta(days=1))
    assert locate({}, folder) is None
    assert not folder.gateway.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": 1}'])
def test_a_file_that_cannot_be_read_is_ignored(folder, content):
    folder.gateway.write_text(content)
    assert find(folder.gateway) is None


def test_an_announcement_lasts_as_long_as_its_body(folder):
    with announced(folder.solo, url="http://x"):
        assert find(folder.solo).pid == os.getpid()
    assert not folder.solo.exists()


def test_an_announcement_of_a_successor_is_left_alone(folder):
    with announced(folder.solo):
        write(folder.solo, pid=os.getpid(), started=datetime.now(UTC), url="http://later")
    assert folder.solo.exists()


def test_the_environment_wins_over_the_file(folder):
    write(folder.gateway, pid=os.getpid(), started=datetime.now(UTC), url="http://file")
    assert locate({}, folder).url == "http://file"
    environ = {"FACILITAIR_URL": "http://env", "FACILITAIR_API_KEY": "k"}
    place = locate(environ, folder)
    assert (place.url, place.pid, place.api_key) == ("http://env", None, "k")


@pytest.mark.parametrize("url", ["localhost:8080", "nothing", "ftp://x"])
def test_an_address_that_is_none_is_told_at_once(folder, url):
    with pytest.raises(OptionError, match=r"FACILITAIR_URL.*http://"):
        locate({"FACILITAIR_URL": url}, folder)


def test_every_line_of_every_fault_is_indented():
    error = StartError(faults=["first.yaml:1: wrong\nsecond.yaml:2: wrong", "third"])
    assert str(error).splitlines()[1:] == [
        "  first.yaml:1: wrong",
        "  second.yaml:2: wrong",
        "  third",
    ]


def test_without_a_gateway_it_is_said_how_to_get_one(folder):
    with pytest.raises(NotUpError, match="facilitair up"):
        located({}, folder)


def test_r35_a_second_solo_is_refused_with_the_pid_of_the_first(folder):
    with only_solo(folder), pytest.raises(AlreadyUpError) as caught, only_solo(folder):
        pass
    assert caught.value.pid == os.getpid()
    assert str(os.getpid()) in str(caught.value)
    with only_solo(folder):
        pass


def test_all_faults_of_all_settings_are_told_at_once(monkeypatch):
    monkeypatch.setenv("FACILITAIR_GATEWAY_PORT", "many")
    monkeypatch.setenv("FACILITAIR_AGENT_WORKER_CALLS_IN_FLIGHT", "0")
    monkeypatch.setenv("FACILITAIR_GATEWAY_PROT", "8080")
    monkeypatch.setenv("FACILITAIR_SIMULATOR_TTFT_MS", "soon")
    with pytest.raises(StartError) as caught:
        read_settings(port=None)
    told = "\n".join(caught.value.faults)
    for name in ("GATEWAY_PORT", "CALLS_IN_FLIGHT", "GATEWAY_PROT", "SIMULATOR_TTFT_MS"):
        assert name in told
    assert told.count("GATEWAY_PROT ") == 1


def test_the_port_of_the_command_wins(monkeypatch):
    monkeypatch.setenv("FACILITAIR_GATEWAY_PORT", "1234")
    assert read_settings(port=None).gateway.port == 1234
    assert read_settings(port=0).gateway.port == 0


def test_a_provider_that_is_not_set_up_is_told():
    with pytest.raises(StartError, match="OPENAI_API_KEY"):
        read_endpoints({"FACILITAIR_PROVIDER": "openai"}, simulator_url=None)
