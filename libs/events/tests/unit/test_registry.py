from pathlib import Path

import pytest

from facilitair_events import topics
from facilitair_events.errors import RegistryError, UnregisteredTopicError
from facilitair_events.layout import checkout_root, topics_dir
from facilitair_events.registry import Registry, dead_letter_topic
from facilitair_events.topic_files import TOPIC_NAME, read_topic
from facilitair_events.types import LETTER_ACTIONS

DAY_MS = 24 * 3600 * 1000

VALID = """\
description: Stops.
key: tenant:collaboration
partitions: 1
cleanup: [delete]
retention: 7d
max_record_bytes: 1048576
types:
  - facilitair.attempts.stop.v1
producers: [orchestrator]
consumers:
  - agent-worker
"""


@pytest.fixture(scope="module")
def registry():
    return Registry.load(topics_dir())


@pytest.fixture
def folder(tmp_path):
    for path in topics_dir().glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def faults_of(folder: Path) -> list[str]:
    with pytest.raises(RegistryError) as caught:
        Registry.load(folder)
    return caught.value.faults


def fault_in(folder: Path, text: str) -> str:
    (folder / "worker-control.yaml").write_text(text)
    faults = faults_of(folder)
    assert len(faults) == 1
    return faults[0]


def test_the_registry_holds_every_topic_and_the_dead_letters(registry):
    letters = {
        "collaboration-inbox-dlq",
        "agent-tasks-dlq",
        "agent-tasks-batch-dlq",
        "account-requests-dlq",
    }
    assert set(registry) == {*topics.TOPICS, *letters} == set(registry.names)
    assert len(registry) == len(registry.topics) == len(topics.TOPICS) + 4
    assert "llm-calls" in registry
    assert "llm_calls" not in registry


def test_the_registry_cannot_be_changed(registry):
    with pytest.raises(TypeError):
        registry.topics["new"] = registry.spec("catalog")


def test_every_topic_name_is_kebab_case(registry):
    assert all(TOPIC_NAME.fullmatch(name) for name in registry)
    for bad in ("a.b", "a_b", "A", "a--b", "-a", "a-", "1a", "a\n", ""):
        assert TOPIC_NAME.fullmatch(bad) is None


def test_topics_lists_every_constant_of_its_module():
    constants = {value for value in vars(topics).values() if isinstance(value, str)}
    named = {v for k, v in vars(topics).items() if k.isupper() and isinstance(v, str)}
    assert set(topics.TOPICS) == named <= constants
    assert len(set(topics.TOPICS)) == len(topics.TOPICS)


def test_services_are_the_folders_under_services():
    services = (checkout_root() / "services").glob("*/pyproject.toml")
    assert {path.parent.name for path in services} == topics.SERVICES


def test_r3_keyed_topics_have_12_partitions_and_the_others_one(registry):
    single = {"catalog", "credentials", "tenants", "worker-control", "query-replies"}
    for spec in registry.topics.values():
        assert spec.partitions == (1 if spec.name in single or spec.name.endswith("-dlq") else 12)


def test_r8_state_is_compacted_and_keeps_stale_snapshots_for_seven_days(registry):
    spec = registry.spec("collaboration-state")
    assert spec.cleanup == ("compact",)
    assert spec.min_compaction_lag_ms == 7 * DAY_MS
    assert spec.retention_ms is None


def test_r18_the_ledger_is_partitioned_by_the_task_and_outlives_it(registry):
    spec = registry.spec("llm-calls")
    assert spec.partition_by == "prefix"
    assert spec.key.split("|")[0] == registry.spec("agent-tasks").key
    assert set(spec.cleanup) == {"compact", "delete"}
    assert spec.retention_ms == 37 * DAY_MS
    assert spec.min_compaction_lag_ms == 2 * DAY_MS
    assert spec.partitions == registry.spec("agent-tasks").partitions
    assert [s.name for s in registry.topics.values() if s.partition_by == "prefix"] == ["llm-calls"]


def test_r37_topics_with_text_expire_within_thirty_days(registry):
    kept = {s.name: s.retention_ms for s in registry.topics.values() if "delete" in s.cleanup}
    assert kept["collaboration-inbox"] == 29 * DAY_MS
    assert registry.spec("collaboration-inbox").segment_ms == DAY_MS
    assert {kept[n] for n in ("collaboration-stream", "agent-tasks")} == {7 * DAY_MS}
    assert kept["worker-control"] == 9 * DAY_MS
    assert kept["query-replies"] == 3600 * 1000
    for name, retention_ms in kept.items():
        assert name == "llm-calls" or retention_ms + registry.spec(name).segment_ms <= 30 * DAY_MS
    assert registry.spec("collaboration-events").cleanup == ()


def test_dead_letters_have_room_for_the_reason_beside_the_largest_record(registry):
    spec = registry.spec("collaboration-inbox")
    letters = registry.spec("collaboration-inbox-dlq")
    assert letters == dead_letter_topic(spec)
    assert letters.max_record_bytes > spec.max_record_bytes
    assert (letters.retention_ms, letters.cleanup) == (29 * DAY_MS, ("delete",))
    assert letters.producers == (*spec.consumers, "gateway")
    assert letters.consumers == ("gateway",)
    assert letters.types == (*spec.types, *LETTER_ACTIONS)
    assert not letters.dead_letters


def test_an_unknown_topic_names_near_misses(registry):
    with pytest.raises(UnregisteredTopicError, match=r"'agent-task' .*did you mean agent-tasks"):
        registry.spec("agent-task")
    with pytest.raises(RegistryError) as caught:
        registry.spec("zzz")
    assert "did you mean" not in str(caught.value)


def test_all_faults_of_all_files_are_told_with_their_lines(folder):
    (folder / "worker-control.yaml").write_text(
        VALID.replace("retention: 7d", "retention: a week")
        .replace("partitions: 1", "partitions: many")
        .replace("agent-worker", "agent-wroker")
        .replace("key:", "keys:")
    )
    (folder / "catalog.yaml").write_text("partitions: [1\n")
    near = "a service, did you mean agent-worker?"
    assert faults_of(folder) == [
        "catalog.yaml:2: did not find expected ',' or ']'",
        "worker-control.yaml:2: unknown field 'keys', did you mean key?",
        "worker-control.yaml:3: partitions: 'many' is not a whole number from 1",
        "worker-control.yaml:5: retention: 'a week' is not a duration like 29d, 12h, 30m or 10s",
        f"worker-control.yaml:11: consumers: 'agent-wroker' is not {near}",
        "worker-control.yaml:1: field 'key' is missing",
    ]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("key: tenant:collaboration", "key: Tenant", "2: key: 'Tenant' is not a key"),
        ("partitions: 1", "partitions: 0", "3: partitions: 0 is not a whole number"),
        ("partitions: 1", "partitions: true", "3: partitions: True is not a whole number"),
        ("[delete]", "[remove]", "4: cleanup: 'remove' is not a cleanup policy"),
        ("[delete]", "delete", "4: cleanup: 'delete' is not a list"),
        ("[delete]", "[delete, delete]", "4: cleanup: 'delete' is not new"),
        ("[delete]", "[[delete]]", "4: cleanup: ['delete'] is not a cleanup policy"),
        ("retention: 7d", "retention: 7", "5: retention: 7 is not a duration"),
        ("retention: 7d", "retention: 0d", "5: retention: '0d' is not a duration"),
        ("retention: 7d", "retention: 7w", "5: retention: '7w' is not a duration"),
        ("attempts.stop.v1", "attempt.stop.v1", "8: types: 'facilitair.attempt.stop.v1' is not"),
        ("[orchestrator]", "[archive]", "9: producers: 'archive' is not a service"),
        ("description: Stops.", "description: ''", "1: description: '' is not a text"),
        ("partitions: 1\n", "partitions: 1\npartitions: 2\n", "4: 'partitions' stands twice"),
        ("retention: 7d\n", "", "1: retention: goes with cleanup delete"),
        ("[delete]", "[compact]", "5: retention: goes with cleanup delete"),
        ("retention: 7d", "retention: 7d\nmin_compaction_lag: 1d", "6: min_compaction_lag: needs"),
        ("retention: 7d", "retention: 7d\nsegment: 8d", "6: segment: is longer than"),
        ("retention: 7d", "retention: 7d\npartition_by: prefix", "6: partition_by: prefix needs"),
        ("retention: 7d", "retention: 7d\npartition_by: half", "6: partition_by: 'half' is not"),
        ("retention: 7d", "retention: 7d\ndead_letters: 1", "6: dead_letters: 1 is not true or"),
        ("consumers:\n  - agent-worker", "consumers: []\ndead_letters: true", "11: dead_letters:"),
        ("retention: 7d", "retention: !!python/name:os.system 7d", "5: could not determine"),
        ("description: Stops.", "- Stops.", "2: "),
    ],
)
def test_a_bad_field_is_refused_where_it_stands(folder, old, new, fault):
    assert old in VALID
    told = fault_in(folder, VALID.replace(old, new))
    assert told.startswith(f"worker-control.yaml:{fault}")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "must be a mapping"),
        ("[]", "must be a mapping"),
        ("key: &a x\ndescription: *a\n", "aliases are not allowed"),
        ("a: 1\n---\nb: 2\n", "but found another document"),
        ("1: 2\n", "a key must be text"),
        ("yes: 2\n", "a key must be text"),
    ],
)
def test_what_is_no_plain_mapping_is_refused(folder, text, fault):
    assert fault in fault_in(folder, text)


def test_a_file_that_is_no_text_is_refused(folder):
    (folder / "catalog.yaml").write_bytes(b"\xff\xfe")
    assert faults_of(folder) == ["catalog.yaml:1: is not UTF-8"]


def test_code_and_files_must_name_the_same_topics(folder):
    (folder / "catalog.yaml").rename(folder / "catalogue.yaml")
    first, second = faults_of(folder)
    assert first.startswith("catalogue.yaml:1: topic 'catalogue' is not in")
    assert first.endswith("did you mean catalog?")
    assert second.startswith("catalog.yaml:1: is missing in")


def test_a_file_whose_name_is_no_topic_name_is_refused(tmp_path):
    path = tmp_path / "Worker_control.yaml"
    path.write_text(VALID)
    _, faults = read_topic(path)
    assert [str(f) for f in faults] == ["Worker_control.yaml:1: 'Worker_control' is not kebab-case"]


def test_defaults_of_optional_fields(folder):
    (folder / "worker-control.yaml").write_text(VALID)
    spec = Registry.load(folder).spec("worker-control")
    assert spec.partition_by == "key"
    assert spec.segment_ms is None
    assert spec.min_compaction_lag_ms is None
    assert not spec.dead_letters
    assert spec.consumers == ("agent-worker",)
