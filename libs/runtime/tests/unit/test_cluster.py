import asyncio

import pytest

from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.errors import TopicDriftError, UnknownTopicError
from facilitair_runtime.cluster import ClusterSettings
from facilitair_runtime.errors import SettingsError
from facilitair_runtime.service_log import open_service_log, wait_for_topics
from facilitair_runtime.settings import read


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch):
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)


def test_an_empty_address_is_none(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "")
    assert read(ClusterSettings).bootstrap_servers is None


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("kafka-1:9092", "kafka-1:9092"),
        ("kafka-1:9092, kafka_2.example:9093", "kafka-1:9092,kafka_2.example:9093"),
        ("[::1]:9092", "[::1]:9092"),
        ("  ", None),
    ],
)
def test_brokers_are_named_by_host_and_port(monkeypatch, given, taken):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", given)
    assert read(ClusterSettings).bootstrap_servers == taken


@pytest.mark.parametrize(
    "given",
    ["kafka-1", "kafka-1:abc", "127.0.0.1:99999", "127.0.0.1:0", ",", "kafka-1:9092,",
     "http://kafka-1:9092", ":9092", "::1:9092"],
)  # fmt: skip
def test_what_is_no_address_of_brokers_is_refused_with_its_variable(monkeypatch, given):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", given)
    with pytest.raises(SettingsError, match=r"KAFKA_BOOTSTRAP_SERVERS.*must be host:port"):
        read(ClusterSettings)


def test_security_is_passed_through(monkeypatch, tmp_path):
    authority = tmp_path / "ca.pem"
    authority.write_text("")
    for name, value in {
        "SECURITY_PROTOCOL": "SASL_SSL",
        "SASL_MECHANISM": "SCRAM-SHA-256",
        "SASL_USERNAME": "orchestrator",
        "SASL_PASSWORD": "hidden",
        "SSL_CA_FILE": str(authority),
        "SSL_CHECK_HOSTNAME": "false",
    }.items():
        monkeypatch.setenv(f"KAFKA_{name}", value)
    settings = read(ClusterSettings)
    security = settings.security()
    assert (security.protocol, security.mechanism) == ("SASL_SSL", "SCRAM-SHA-256")
    assert (security.username, security.password) == ("orchestrator", "hidden")
    assert security.ca_file == authority
    assert not security.check_hostname
    assert "hidden" not in repr(settings)


def test_all_that_security_lacks_is_told_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("KAFKA_SSL_CA_FILE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(SettingsError) as caught:
        read(ClusterSettings).security()
    assert [fault.split(":")[0].split(" ")[0] for fault in caught.value.faults] == [
        "KAFKA_SASL_USERNAME",
        "KAFKA_SASL_PASSWORD",
        "KAFKA_SSL_CA_FILE",
    ]


def test_an_unknown_protocol_names_its_variable(monkeypatch):
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "TLS")
    with pytest.raises(SettingsError, match="KAFKA_SECURITY_PROTOCOL"):
        read(ClusterSettings)


async def test_without_a_cluster_the_log_is_embedded(tmp_path):
    registry, stop = Registry.load(topics_dir()), asyncio.Event()
    opening = open_service_log(
        tmp_path, registry, service="orchestrator", member="orchestrator-0", stop=stop
    )
    async with opening as log:
        assert log is not None
        assert await log.admin().partitions("collaboration-inbox") == 12
    assert (tmp_path / "log" / "log.db").exists()


async def test_a_service_that_waits_for_its_cluster_stops_when_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    registry, stop = Registry.load(topics_dir()), asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, stop.set)
    opening = open_service_log(
        tmp_path, registry, service="orchestrator", member="orchestrator-0", stop=stop
    )
    async with asyncio.timeout(90), opening as log:
        assert log is None


class Topics:
    """An admin that knows some topics, and one more each time it was asked for a missing one."""

    def __init__(self, known, appearing=()):
        self.known = dict(known)
        self.appearing = list(appearing)

    async def partitions(self, topic):
        if topic in self.known:
            return self.known[topic]
        if self.appearing:
            name, count = self.appearing.pop()
            self.known[name] = count
        raise UnknownTopicError(topic=topic)


async def test_missing_topics_are_waited_for():
    spec = Registry.load(topics_dir()).spec("agent-tasks")
    admin = Topics({}, appearing=[("agent-tasks", 12)])
    async with asyncio.timeout(90):
        await wait_for_topics(admin, [spec])


async def test_r03_another_partition_count_is_refused():
    spec = Registry.load(topics_dir()).spec("agent-tasks")
    with pytest.raises(TopicDriftError):
        await wait_for_topics(Topics({"agent-tasks": 3}), [spec])
