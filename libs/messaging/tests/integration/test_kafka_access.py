"""Getting in: TLS with SCRAM, wrong credentials, no broker, and coming back when that is over."""

import asyncio
import subprocess
from types import SimpleNamespace

import pytest

from facilitair_messaging.adapters.kafka import KafkaLog, Timing
from facilitair_messaging.errors import LogAccessError, LogUnavailableError
from facilitair_messaging.ports import Message, TopicPartition
from facilitair_messaging.security import SecuritySettings
from facilitair_native.kafka import KafkaServer, running
from facilitair_native.kafka_settings import Tls
from facilitair_native.ports import free_ports
from facilitair_testing.bounded import at_most
from facilitair_testing.topics import topic_spec

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SPEC = topic_spec("secured", partitions=2)
TOPICS = {SPEC.name: SPEC}
PASSWORD = "correct horse"


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=90)


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A broker that proves its name to clients, and asks for theirs."""
    folder = tmp_path_factory.mktemp("tls")
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=broker")
    name = ("-addext", "subjectAltName=IP:127.0.0.1")
    openssl(folder, *new, *name, "-keyout", "key.pem", "-out", "ca.pem")
    openssl(folder, *new, *name, "-keyout", "other-key.pem", "-out", "other-ca.pem")
    store = ("-out", "store.p12", "-passout", "pass:secret-store", "-name", "broker")
    openssl(folder, "pkcs12", "-export", "-inkey", "key.pem", "-in", "ca.pem", *store)
    tls = Tls(
        keystore=folder / "store.p12",
        keystore_password="secret-store",
        users={"alice": PASSWORD},
    )
    server = KafkaServer(
        tmp_path_factory.mktemp("secured"), tls=tls, java_options=["-XX:TieredStopAtLevel=1"]
    )
    with running(server):
        yield SimpleNamespace(server=server, address=server.secure_address, folder=folder)


def alice(secured, **changes):
    given = {
        "protocol": "SASL_SSL",
        "mechanism": "SCRAM-SHA-512",
        "username": "alice",
        "password": PASSWORD,
        "ca_file": secured.folder / "ca.pem",
    }
    return SecuritySettings(**(given | changes))


async def test_every_client_of_a_log_gets_in_with_tls_and_scram(secured):
    async with KafkaLog.open(secured.address, TOPICS, security=alice(secured)) as log:
        await log.admin().ensure_topics([SPEC])
        async with log.producer() as producer:
            await producer.send([Message(SPEC.name, b"k", b"secret")])
        tp = TopicPartition(SPEC.name, log.partition_for(SPEC.name, b"k"))
        async with log.reader() as reader:
            reader.assign({tp: 0})
            (record,) = await reader.poll(max_records=10, wait_s=10)
        async with log.consumer(
            group="g",
            topics=[SPEC.name],
            member="g-0",
            on_assigned=lambda _: None,
            on_revoked=lambda _: None,
        ) as consumer:
            (again,) = await consumer.poll(max_records=10, wait_s=10)
            await consumer.commit({tp: again.offset + 1})
        assert record == again
        assert await log.admin().committed("g") == {tp: 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"password": "wrong"}, "SaslAuthenticationFailed"),
        ({"username": "mallory"}, "SaslAuthenticationFailed"),
        ({"mechanism": "PLAIN"}, "UnsupportedSaslMechanism"),
        ({"ca_file": "other-ca.pem"}, "CERTIFICATE_VERIFY_FAILED"),
    ],
)
async def test_who_is_not_let_in_is_told_why_at_once(secured, changes, reason):
    if "ca_file" in changes:
        changes = {"ca_file": secured.folder / changes["ca_file"]}
    security = alice(secured, **changes)
    # Whoever asked again until the end of this would be stopped by the limit of the test.
    timing = Timing(connect_s=600.0)
    with pytest.raises(LogAccessError, match=reason) as caught:
        async with KafkaLog.open(secured.address, TOPICS, security=security, timing=timing):
            pass
    assert secured.address in str(caught.value)
    assert security.password not in str(caught.value)


async def test_talking_in_the_clear_to_a_secured_listener_ends_in_time(secured):
    with (
        at_most(1 + Timing().stop_s, "giving up"),
        pytest.raises(LogUnavailableError, match="is the address right"),
    ):
        async with KafkaLog.open(secured.address, TOPICS, timing=Timing(connect_s=1.0)):
            pass


def test_a_password_is_not_shown():
    settings = SecuritySettings(protocol="SASL_SSL", username="alice", password=PASSWORD)
    assert PASSWORD not in repr(settings)
    assert PASSWORD not in f"{settings}"


async def test_no_broker_is_told_with_address_and_reason():
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    with (
        at_most(0.5, "giving up"),
        pytest.raises(LogUnavailableError, match="is the cluster running") as caught,
    ):
        async with KafkaLog.open(address, TOPICS, timing=Timing(connect_s=0.5)):
            pass
    assert address in str(caught.value)
    assert "Connect" in str(caught.value)


async def test_a_log_opens_while_its_broker_still_starts(tmp_path):
    server = KafkaServer(tmp_path, java_options=["-XX:TieredStopAtLevel=1"])
    server.start()
    try:
        async with KafkaLog.open(server.address, TOPICS, timing=Timing(connect_s=60.0)) as log:
            await log.admin().ensure_topics([SPEC])
            assert await log.admin().partitions(SPEC.name) == 2
    finally:
        await asyncio.to_thread(server.stop)
