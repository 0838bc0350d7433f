"""An attempt on its way through a process, and what running it needs."""

from collections.abc import Callable, MutableMapping

from msgspec import Struct, field

from facilitair_agent_worker.admission import Admission
from facilitair_agent_worker.claims import Claims
from facilitair_agent_worker.estimates import Estimates
from facilitair_agent_worker.ledger import AttemptKey, Ledger
from facilitair_agent_worker.reports import Reports
from facilitair_agent_worker.silence import Silence
from facilitair_agent_worker.slots import BATCH_SHARE
from facilitair_agent_worker.stops import Stops
from facilitair_agent_worker.tokens import AttemptStream, TokenWriter
from facilitair_events.envelope import Envelope
from facilitair_events.keys import collaboration_key
from facilitair_events.work import RunAttempt
from facilitair_llm.providers import ChatModel
from facilitair_observability.metrics import Metrics
from facilitair_observability.timestamps import now_ms
from facilitair_runtime.artifacts import ArtifactStore


class Limits(Struct, frozen=True, kw_only=True):
    """What bounds a worker. A claim older than ``use_s`` is not used any more (R19).

    ``batch_share`` is the part of the calls that is for batch ones while others wait too.
    """

    calls_in_flight: int
    max_output_bytes: int
    use_s: float
    batch_share: float = BATCH_SHARE


class Tools(Struct, frozen=True, kw_only=True):
    """What running an attempt needs, each with one job.

    ``clock_s`` is suspend-aware; ``wall_ms`` decides nothing but whether prices are too old.
    """

    ledger: Ledger
    claims: Claims
    admission: Admission
    stops: Stops
    tokens: TokenWriter
    reports: Reports
    silence: Silence
    metrics: Metrics
    artifacts: ArtifactStore
    models: MutableMapping[str, ChatModel]
    clock_s: Callable[[], float]
    wall_ms: Callable[[], int] = now_ms
    estimates: Estimates = field(default_factory=Estimates)


class Job(Struct, frozen=True, kw_only=True):
    """An attempt on its way through this process."""

    key: AttemptKey
    task: RunAttempt
    cause: Envelope

    @property
    def stream(self) -> AttemptStream:
        """A stream for what the attempt writes."""
        return AttemptStream(
            key=collaboration_key(self.cause.tenant, self.task.collaboration).encode(),
            step=self.task.path,
            attempt=self.task.attempt,
            agent=self.task.agent.name,
        )
