import pytest

from facilitair_native.errors import FetchError, MissingProgramError
from facilitair_native.maven import fetch_jars
from facilitair_native.programs import find_java, find_maven


@pytest.fixture
def program(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(name, script):
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return str(folder)

    return make


@pytest.mark.parametrize(
    ("find", "remedy"),
    [(find_java, "apt-get install openjdk-17"), (find_maven, "apt-get install maven")],
)
def test_a_missing_program_is_named_with_what_to_install(tmp_path, find, remedy):
    with pytest.raises(MissingProgramError, match="Kafka needs") as caught:
        find(needed_for="Kafka", path=str(tmp_path))
    assert "not on PATH" in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("""echo 'openjdk version "11.0.2" 2019-01-15' >&2""", "version 11"),
        ("""echo 'java version "1.8.0_292"' >&2""", "version 1"),
        ("echo hello", "an unknown version"),
        ("exit 1", "does not run"),
    ],
)
def test_an_old_or_broken_java_is_refused(program, script, found):
    with pytest.raises(MissingProgramError, match=found):
        find_java(needed_for="Kafka", path=program("java", script))


@pytest.mark.parametrize("version", ["17", "21.0.1", "25-ea"])
def test_a_newer_java_is_taken(program, version):
    folder = program("java", f"""echo 'openjdk version "{version}" 2025-01-01' >&2""")
    assert find_java(needed_for="Kafka", path=folder).name == "java"


@pytest.fixture
def pom(tmp_path):
    file = tmp_path / "pom.xml"
    file.write_text("<project/>")
    return file


COPY = 'for a in "$@"; do case $a in -DoutputDirectory=*) echo x > "${a#*=}/k.jar";; esac; done'


def test_maven_runs_once_per_pom(program, pom, tmp_path):
    path = program("mvn", f"echo run >> {tmp_path}/runs; {COPY}")
    first = fetch_jars(pom, name="kafka", cache=tmp_path, path=path)
    assert fetch_jars(pom, name="kafka", cache=tmp_path, path=path) == first
    assert (first / "k.jar").exists()
    pom.write_text("<project>2</project>")
    assert fetch_jars(pom, name="kafka", cache=tmp_path, path=path) != first
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def test_fetched_jars_need_no_maven(program, pom, tmp_path):
    first = fetch_jars(pom, name="kafka", cache=tmp_path, path=program("mvn", COPY))
    nowhere = str(tmp_path / "empty")
    assert fetch_jars(pom, name="kafka", cache=tmp_path, path=nowhere) == first


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo no such artifact; exit 3", "(?s)ended with 3.*no such artifact"),
        ("exit 0", "no jars"),
    ],
)
def test_what_maven_says_is_passed_on(program, pom, tmp_path, script, told):
    with pytest.raises(FetchError, match=told):
        fetch_jars(pom, name="kafka", cache=tmp_path, path=program("mvn", script))
