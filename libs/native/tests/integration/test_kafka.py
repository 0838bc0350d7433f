"""A real broker: started, restarted on its data, several at once, and why one does not start."""

import asyncio
import os
import shutil

import pytest

from facilitair_native.errors import MissingProgramError, ServerStartError, ServerStateError
from facilitair_native.kafka import KafkaServer, running
from facilitair_native.kafka_probe import answers
from facilitair_native.servers import Server
from facilitair_testing.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

QUICK = ("-XX:TieredStopAtLevel=1",)


def port_of(server):
    return int(server.address.split(":")[1])


def test_a_broker_is_a_server_and_keeps_address_data_and_logs(own_kafka):
    server: Server = own_kafka
    address, pid = server.address, server.pid
    cluster = (own_kafka.log_file.parents[1] / "data" / "meta.properties").read_text()
    size = server.log_file.stat().st_size
    server.restart()
    assert server.address == address
    assert server.pid not in {None, pid}
    assert (own_kafka.log_file.parents[1] / "data" / "meta.properties").read_text() == cluster
    assert server.log_file.stat().st_size > size


def test_a_server_that_runs_is_not_started_twice(own_kafka):
    with pytest.raises(ServerStateError, match="runs already"):
        own_kafka.start()


async def test_a_frozen_broker_does_not_answer_and_goes_on_afterwards(own_kafka):
    own_kafka.pause()
    assert not answers(port_of(own_kafka), timeout_s=0.5)
    own_kafka.resume()
    await eventually(lambda: answers(port_of(own_kafka), timeout_s=1))


def test_two_brokers_run_side_by_side(own_kafka, tmp_path):
    with running(KafkaServer(tmp_path, heap_mb=160, java_options=QUICK)) as second:
        assert second.address != own_kafka.address
        assert answers(port_of(own_kafka), timeout_s=5)
        assert answers(port_of(second), timeout_s=5)
        pid = second.pid
    assert second.pid is None
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)


async def test_a_setting_it_does_not_take_is_told_with_its_log(tmp_path):
    server = KafkaServer(tmp_path, settings={"num.io.threads": "none"}, java_options=QUICK)
    with pytest.raises(ServerStartError, match=r"num\.io\.threads") as caught:
        await asyncio.to_thread(server.start)
    assert str(server.log_file) in str(caught.value)
    assert server.pid is None


def test_a_port_that_is_taken_is_told(own_kafka, tmp_path):
    server = KafkaServer(tmp_path, port=port_of(own_kafka), java_options=QUICK)
    with pytest.raises(ServerStartError, match="somebody else listens"), running(server):
        pass
    own_kafka.pause()
    with pytest.raises(ServerStartError, match="somebody else listens"):
        server.start()
    assert server.pid is None


def test_without_java_it_says_what_is_missing(tmp_path):
    server = KafkaServer(tmp_path, environ={"PATH": str(tmp_path)})
    with pytest.raises(MissingProgramError, match="Kafka needs java"):
        server.start()


def test_without_maven_and_jars_it_says_what_is_missing(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "java").symlink_to(shutil.which("java"))
    environ = {"PATH": str(folder), "FACILITAIR_CACHE": str(tmp_path / "cache")}
    with pytest.raises(MissingProgramError, match="needs mvn"):
        KafkaServer(tmp_path, environ=environ).start()


@pytest.mark.parametrize("act", [KafkaServer.pause, KafkaServer.resume])
def test_what_does_not_run_cannot_be_frozen(tmp_path, act):
    with pytest.raises(ServerStateError, match="does not run"):
        act(KafkaServer(tmp_path))


def test_stopping_what_does_not_run_does_nothing(tmp_path):
    KafkaServer(tmp_path).stop()
    KafkaServer(tmp_path).kill()
