"""Services on somebody else's cluster, as docs/how-to/run-your-own-kafka.md has it.

The cluster permits nothing that the page does not name.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from facilitair_client.backoff import Patience
from facilitair_client.client import Facilitair
from facilitair_events.layout import checkout_root, topics_dir
from facilitair_events.registry import Registry
from facilitair_events.topics import COLLABORATION_STATE
from facilitair_messaging.adapters.kafka import KafkaLog
from facilitair_messaging.ports import Message
from facilitair_native.kafka import KafkaServer
from facilitair_native.kafka_settings import Tls
from facilitair_testing.eventually import eventually
from facilitair_testing.fleet import require_kafka
from facilitair_testing.permissions import ALL, CLUSTER, SETTINGS, Authority, Permission

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SERVICES = ("accounts", "agent-worker", "gateway", "orchestrator")
APPLIER = "applier"
PASSWORD = "correct-horse"
READY_S = 90.0
_CODE = re.compile(r"`([a-z-]+)`")


def documented() -> dict[str, list[Permission]]:
    """The permissions of each service, from the table of the page."""
    page = (checkout_root() / "docs" / "how-to" / "run-your-own-kafka.md").read_text()
    found: dict[str, list[Permission]] = {}
    for line in page.splitlines():
        cells = [_CODE.findall(cell) for cell in line.strip("|").split("|")]
        if len(cells) != 4 or len(cells[0]) != 1 or cells[0][0] not in SERVICES:
            continue
        (user,), reads, writes, groups = cells
        found[user] = [
            *(Permission(user=user, operation="READ", resource="topic", name=n) for n in reads),
            *(Permission(user=user, operation="WRITE", resource="topic", name=n) for n in writes),
            *(Permission(user=user, operation="READ", resource="group", name=n) for n in groups),
        ]
    return found


# What the page says in words, below its table.
APPLYING = [
    Permission(user=APPLIER, operation="CREATE", resource="cluster", name=CLUSTER),
    Permission(user=APPLIER, operation="DESCRIBE", resource="topic", name=ALL),
    Permission(user=APPLIER, operation="DESCRIBE_CONFIGS", resource="topic", name=ALL),
]
LISTING = [
    Permission(user="gateway", operation="DESCRIBE", resource="topic", name=ALL),
    Permission(user="gateway", operation="DESCRIBE", resource="group", name=ALL),
]


class Cluster:
    """A broker that is not running yet, and what its clients are told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        key = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=broker")
        self._openssl(*key, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem",
                      "-out", "ca.pem")  # fmt: skip
        self._openssl("pkcs12", "-export", "-inkey", "key.pem", "-in", "ca.pem", "-name", "broker",
                      "-out", "store.p12", "-passout", "pass:secret-store")  # fmt: skip
        self.server = KafkaServer(
            folder / "kafka",
            heap_mb=256,
            java_options=["-XX:TieredStopAtLevel=1"],
            settings=SETTINGS,
            tls=Tls(
                keystore=folder / "store.p12",
                keystore_password="secret-store",
                users=dict.fromkeys((*SERVICES, APPLIER), PASSWORD),
            ),
        )
        self.authority = Authority(self.server.address)

    def environment(self, user: str, **more: str) -> dict[str, str]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("KAFKA_", "FACILITAIR_"))}
        return {
            **kept,
            "FACILITAIR_HOME": str(self.folder / "home"),
            "KAFKA_BOOTSTRAP_SERVERS": self.server.secure_address,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD": PASSWORD,
            "KAFKA_SSL_CA_FILE": str(self.folder / "ca.pem"),
            "KAFKA_SESSION_TIMEOUT_S": "6",
            **more,
        }

    def _openssl(self, *arguments: str) -> None:
        command = ["openssl", *arguments]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=60)


class Service:
    """One process of a service and what it logs."""

    def __init__(self, cluster: Cluster, service: str, **more: str) -> None:
        self.log = cluster.folder / f"{service}-{len(list(cluster.folder.glob('*.log')))}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"facilitair_{service.replace('-', '_')}"],
                env=cluster.environment(service, **more),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def text(self) -> str:
        return self.log.read_text()

    async def says(self, *words: str) -> str:
        """A line of its log with all these words, once there is one."""

        def found() -> str | None:
            lines = self.text.splitlines()
            return next((line for line in lines if all(word in line for word in words)), None)

        line = await eventually(found, timeout_s=READY_S, what=f"{words} in {self.log}")
        return line or ""

    async def ended(self) -> int:
        def code() -> list[int] | None:
            found = self.process.poll()
            return None if found is None else [found]

        (code,) = await eventually(code, timeout_s=READY_S, what="its end") or []
        return code

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


StartService = Callable[..., Service]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    require_kafka()
    made = Cluster(tmp_path_factory.mktemp("own-cluster"))
    yield made
    made.server.stop()


@pytest.fixture
def start(cluster: Cluster) -> Iterator[StartService]:
    services: list[Service] = []

    def starting(service: str, **more: str) -> Service:
        services.append(Service(cluster, service, **more))
        return services[-1]

    yield starting
    for service in reversed(services):
        service.stop()


@pytest.fixture(scope="module")
def simulator(cluster: Cluster) -> Iterator[str]:
    env = cluster.environment("nobody", FACILITAIR_SIMULATOR_PORT="0")
    command = [sys.executable, "-m", "facilitair_llm.simulator"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        yield found[0]
        process.terminate()


def apply_topics(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "facilitair_cli", "topics", "apply"]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


async def test_a_service_waits_for_the_broker_and_the_topics_and_says_what_to_do(
    cluster: Cluster, start: StartService
) -> None:
    waiting = start("orchestrator")
    line = await waiting.says("log unavailable", "is the cluster running")
    assert cluster.server.secure_address in line
    # One line a few seconds, where the client library has twenty in one.
    assert waiting.text.count("Unable connect") <= 4
    cluster.server.start()
    cluster.server.wait_ready()
    refused = apply_topics(cluster.environment(APPLIER))
    assert refused.returncode != 0
    assert "refuses access" in refused.stderr
    await cluster.authority.permit(*APPLYING, *(p for ps in documented().values() for p in ps))
    if waiting.process.poll() is not None:  # what it may not see, it does not wait for
        assert "refuses access" in waiting.text
        waiting = start("orchestrator")
    assert "facilitair topics apply" in await waiting.says("topics missing")
    applied = apply_topics(cluster.environment(APPLIER))
    assert applied.returncode == 0, applied.stderr
    assert applied.stdout.startswith("created ")
    assert {"agent-tasks", "collaboration-inbox"} <= set(re.findall(r"[\w-]+", applied.stdout))
    assert apply_topics(cluster.environment(APPLIER)).stdout == "nothing was missing\n"
    await waiting.says("service started")


@pytest.fixture
async def served(cluster: Cluster) -> Cluster:
    """The cluster once it runs, with what the page permits and all topics."""
    if cluster.server.pid is None:
        cluster.server.start()
        cluster.server.wait_ready()
        await cluster.authority.permit(*APPLYING, *(p for ps in documented().values() for p in ps))
        applied = apply_topics(cluster.environment(APPLIER))
        assert applied.returncode == 0, applied.stderr
        await put_something_to_read(cluster)
    return cluster


async def put_something_to_read(cluster: Cluster) -> None:
    """A topic that is empty is not read, so nobody hears that it may not be."""
    topics = Registry.load(topics_dir()).topics
    async with KafkaLog.open(cluster.server.address, topics) as log, log.producer() as producer:
        await producer.send([Message(COLLABORATION_STATE, b"local:gone", None)])


async def gateway_of(cluster: Cluster, start: StartService, simulator: str) -> str:
    """The address of a gateway that was started."""
    told = cluster.folder / "home" / "run" / "gateway.json"
    told.unlink(missing_ok=True)
    start("gateway", FACILITAIR_GATEWAY_SIMULATOR_URL=simulator, FACILITAIR_GATEWAY_PORT="0")
    await eventually(told.exists, timeout_s=READY_S, what="the gateway's address")
    return str(json.loads(told.read_bytes())["url"])


async def is_ready(cluster: Cluster, service: Service, name: str) -> None:
    """Return once the operator's port of a process says that it is ready."""
    told = cluster.folder / "home" / "run" / f"{name}-0.ops.json"

    async def ready() -> bool:
        if not told.exists():
            return False
        announced = json.loads(told.read_bytes())
        if announced["pid"] != service.process.pid:
            return False
        async with httpx.AsyncClient(timeout=60) as http:
            return (await http.get(f"{announced['url']}/ready")).status_code == 200

    await eventually(ready, timeout_s=READY_S, what=f"{name} to be ready")


async def test_the_documented_permissions_are_enough(
    served: Cluster, start: StartService, simulator: str
) -> None:
    assert set(documented()) == set(SERVICES)
    start("accounts")
    start("orchestrator")
    start("agent-worker", FACILITAIR_AGENT_WORKER_SIMULATOR_URL=simulator)
    url = await gateway_of(served, start, simulator)
    patience = Patience(give_up_after_s=READY_S)
    async with Facilitair(url, patience=patience, request_patience=patience) as client:
        submitted = await client.submit("Say yes", workflow="answer")
        kinds = [event.kind async for event in client.stream(submitted.id)]
        assert kinds[-1] == "collaboration.completed"
        await served.authority.permit(*LISTING)
        rows = {row["name"]: row for row in await client.topics()}
    assert rows["collaboration-inbox"]["records"] > 0


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("service", "operation", "resource", "name"),
    [
        ("orchestrator", "READ", "topic", "collaboration-inbox"),
        ("orchestrator", "READ", "topic", "collaboration-state"),
        ("orchestrator", "READ", "group", "orchestrator"),
        ("agent-worker", "READ", "topic", "llm-calls"),
    ],
)
async def test_a_missing_permission_is_told_by_name_and_can_be_given_later(
    served: Cluster, start: StartService, simulator: str, service, operation, resource, name
) -> None:
    missing = Permission(user=service, operation=operation, resource=resource, name=name)
    assert missing in documented()[service]
    await served.authority.forbid(missing)
    more = {"FACILITAIR_AGENT_WORKER_SIMULATOR_URL": simulator}
    refused = start(service, **(more if service == "agent-worker" else {}))
    check_told(await refused.ended(), refused.text, operation=operation, name=name)
    await served.authority.permit(missing)
    again = start(service, **(more if service == "agent-worker" else {}))
    await is_ready(served, again, service)


@pytest.mark.chaos
async def test_a_topic_that_may_not_be_written_is_told_and_nothing_is_lost(
    served: Cluster, start: StartService, simulator: str
) -> None:
    about = {"user": "orchestrator", "resource": "topic", "name": "collaboration-events"}
    missing = Permission(operation="WRITE", **about)
    await served.authority.permit(Permission(operation="DESCRIBE", **about))
    await served.authority.forbid(missing)
    refused = start("orchestrator")
    url = await gateway_of(served, start, simulator)
    patience = Patience(give_up_after_s=READY_S)
    async with Facilitair(url, patience=patience, request_patience=patience) as client:
        submitted = await client.submit("Say yes", workflow="answer")
        check_told(await refused.ended(), refused.text, operation="WRITE", name=missing.name)
        await served.authority.permit(missing)
        start("orchestrator")
        start("agent-worker", FACILITAIR_AGENT_WORKER_SIMULATOR_URL=simulator)
        kinds = [event.kind async for event in client.stream(submitted.id)]
    assert kinds[-1] == "collaboration.completed"


def check_told(code: int, text: str, *, operation: str, name: str) -> None:
    """The process ended, and the last thing it said is what it may not do to what."""
    assert code == 1
    last = json.loads(text.splitlines()[-1])["exception"].splitlines()[-1]
    assert operation in last
    assert name in last


async def test_a_wrong_password_is_told_and_the_right_one_works(
    served: Cluster, start: StartService
) -> None:
    refused = start("orchestrator", KAFKA_SASL_PASSWORD="wrong-horse")
    assert await refused.ended() == 1
    assert "check the credentials" in refused.text
    assert "wrong-horse" not in refused.text
    assert PASSWORD not in refused.text
    await is_ready(served, start("orchestrator"), "orchestrator")
