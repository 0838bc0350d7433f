from pathlib import Path

from facilitair_native.kafka import cluster_id
from facilitair_native.kafka_settings import Tls, server_properties


def parsed(**changes):
    given = {
        "data": Path("/data"),
        "port": 1111,
        "controller_port": 2222,
        "secure_port": 3333,
        "tls": None,
        "overrides": {},
    }
    text = server_properties(**(given | changes))
    return dict(line.split("=", 1) for line in text.splitlines())


def test_it_listens_on_this_machine_only():
    listeners = parsed()["listeners"].split(",")
    assert listeners == ["PLAINTEXT://127.0.0.1:1111", "CONTROLLER://127.0.0.1:2222"]
    assert parsed()["advertised.listeners"] == "PLAINTEXT://127.0.0.1:1111"


def test_the_rules_of_the_log_are_set():
    settings = parsed()
    assert settings["auto.create.topics.enable"] == "false"
    assert settings["log.message.timestamp.type"] == "LogAppendTime"
    assert settings["group.coordinator.append.linger.ms"] == "0"
    assert settings["group.initial.rebalance.delay.ms"] == "0"


def test_a_secure_listener_is_beside_the_plain_one():
    tls = Tls(keystore=Path("/k.p12"), keystore_password="p\\w", users={})
    settings = parsed(tls=tls)
    assert "SECURE://127.0.0.1:3333" in settings["listeners"]
    assert "SECURE:SASL_SSL" in settings["listener.security.protocol.map"]
    assert settings["ssl.keystore.password"] == "p\\\\w"
    assert "SECURE" not in parsed()["listeners"]


def test_overrides_win():
    assert parsed(overrides={"log.dirs": "/other", "new": "1"})["log.dirs"] == "/other"


def test_cluster_ids_are_fresh_and_no_options():
    ids = {cluster_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(len(one) == 22 and not one.startswith("-") for one in ids)


def test_clients_are_sent_to_the_advertised_port_and_we_listen_on_our_own():
    tls = Tls(keystore=Path("/k.p12"), keystore_password="p", users={})
    settings = parsed(advertised_port=4444, tls=tls)
    assert settings["listeners"].startswith("PLAINTEXT://127.0.0.1:1111,")
    advertised = "PLAINTEXT://127.0.0.1:4444,SECURE://127.0.0.1:3333"
    assert settings["advertised.listeners"] == advertised
