"""A real Kafka broker: one node, in a folder of its own."""

import base64
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from facilitair_events.layout import checkout_root
from facilitair_native.cache import cache_folder
from facilitair_native.errors import ServerStartError, ServerStateError
from facilitair_native.kafka_probe import answers
from facilitair_native.kafka_settings import Tls, server_properties
from facilitair_native.maven import fetch_jars
from facilitair_native.ports import HOST, free_ports, is_taken
from facilitair_native.processes import ServerProcess, tail
from facilitair_native.programs import find_java

READY_S: Final = 120.0
STOP_S: Final = 15.0

_FORMAT_S: Final = 60.0
_PROBE_S: Final = 1.0
_PAUSE_S: Final = 0.05
_NAME: Final = "Kafka"


class KafkaServer:
    """A ``Server``; the ports are chosen once, here, unless they are given.

    ``heap_mb`` bounds the Java heap, ``java_options`` go to Java as they are.
    ``settings`` are broker settings that win over ours.
    ``tls`` adds a second listener at ``secure_address``.
    ``advertised_port`` is that of a proxy on this machine: clients are sent there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        advertised_port: int | None = None,
        tls: Tls | None = None,
        heap_mb: int = 512,
        java_options: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        chosen, self._controller_port, self._secure_port = free_ports(3)
        self._port = chosen if port is None else port
        self._advertised_port = advertised_port
        self._folder = folder.absolute()
        self._tls = tls
        self._heap_mb = heap_mb
        self._java_options = tuple(java_options)
        self._settings = dict(settings or {})
        self._environ = dict(environ)
        self._process: ServerProcess | None = None
        self._log_start = 0

    @property
    def name(self) -> str:
        return _NAME

    @property
    def address(self) -> str:
        return f"{HOST}:{self._port}"

    @property
    def secure_address(self) -> str:
        """Where clients with TLS and a password connect. Raises ServerStateError without TLS."""
        if self._tls is None:
            raise ServerStateError(server=_NAME, reason="has no secure listener")
        return f"{HOST}:{self._secure_port}"

    @property
    def pid(self) -> int | None:
        running = self._process
        return running.pid if running is not None and running.exit_code is None else None

    @property
    def log_file(self) -> Path:
        return self._folder / "logs" / "kafka.log"

    def start(self) -> None:
        if self.pid is not None:
            raise ServerStateError(server=_NAME, reason=f"runs already, pid {self.pid}")
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        if is_taken(self._port):
            reason = f"somebody else listens on {self.address}"
            raise self._failed(reason)
        search = self._environ.get("PATH")
        java = find_java(needed_for=_NAME, path=search)
        pom = checkout_root() / "deploy" / "native" / "kafka" / "pom.xml"
        jars = fetch_jars(pom, name="kafka", cache=cache_folder(self._environ), path=search)
        self._write_settings()
        program = [str(java), *self._java_options, "-cp", f"{jars}/*"]
        if not (self._data / "meta.properties").exists():
            self._format(program)
        self._process = ServerProcess(
            [
                *(*program, "-Xms64m", f"-Xmx{self._heap_mb}m", "-XX:+UseSerialGC"),
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
                *("kafka.Kafka", str(self._properties)),
            ],
            folder=self._folder,
            log_file=self.log_file,
            environ=self._environ,
        )

    def wait_ready(self, *, timeout_s: float = READY_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not answers(self._port, timeout_s=_PROBE_S):
            fault = self._fault(deadline, timeout_s=timeout_s)
            if fault is not None:
                raise self._failed(fault)
            time.sleep(_PAUSE_S)

    def stop(self, *, timeout_s: float = STOP_S) -> None:
        if self._process is not None:
            self._process.end(timeout_s=timeout_s)
            self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    def pause(self) -> None:
        self._running().freeze()

    def resume(self) -> None:
        self._running().signal_group(signal.SIGCONT)

    def restart(self, *, timeout_s: float = READY_S) -> None:
        self.kill()
        self.start()
        self.wait_ready(timeout_s=timeout_s)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    def _running(self) -> ServerProcess:
        if self._process is None or self._process.exit_code is not None:
            raise ServerStateError(server=_NAME, reason="does not run")
        return self._process

    def _fault(self, deadline: float, *, timeout_s: float) -> str | None:
        """Why waiting for it is over, or None."""
        if self._process is None:
            return "it was not started"
        if self._process.exit_code is not None:
            return f"it ended with {self._process.exit_code}"
        return f"it was not ready within {timeout_s:g} s" if time.monotonic() > deadline else None

    def _write_settings(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        text = server_properties(
            data=self._data,
            port=self._port,
            controller_port=self._controller_port,
            secure_port=self._secure_port,
            tls=self._tls,
            overrides=self._settings,
            advertised_port=self._advertised_port,
        )
        self._properties.touch(mode=0o600)
        self._properties.write_text(text, encoding="utf-8")

    def _format(self, program: list[str]) -> None:
        """Give the data folder its cluster id, and the users of the secure listener."""
        users = {} if self._tls is None else self._tls.users
        scram = [
            part
            for name, password in users.items()
            for part in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
        ]
        command = [*program, "kafka.tools.StorageTool", "format"]
        command += ["--cluster-id", cluster_id(), "--config", str(self._properties), *scram]
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            result = subprocess.run(
                command,
                cwd=self._folder,
                env=self._environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=_FORMAT_S,
            )
        if result.returncode != 0:
            reason = f"formatting its folder ended with {result.returncode}"
            raise self._failed(reason)

    def _failed(self, reason: str) -> ServerStartError:
        return ServerStartError(
            server=_NAME,
            reason=reason,
            log_file=self.log_file,
            tail=tail(self.log_file, start=self._log_start),
        )


def cluster_id() -> str:
    """A fresh id as Kafka spells it, in URL-safe base64; it does not look like an option."""
    while True:
        text = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not text.startswith("-"):
            return text


@contextmanager
def running(server: KafkaServer) -> Iterator[KafkaServer]:
    """Start the server, wait until it is ready, and stop it when the context is left."""
    try:
        server.start()
        server.wait_ready()
        yield server
    finally:
        server.stop()
