"""Access and its administration over one view of the topic ``tenants``."""

from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from facilitair_events.tenants import KeyIssued, KeyRevoked, TenantClosed, TenantCreated
from facilitair_events.topics import TENANTS
from facilitair_gateway.access import Access, Secrets
from facilitair_gateway.administration import Administration
from facilitair_gateway.directory import AccessRecord, Directory
from facilitair_gateway.guesses import Guesses
from facilitair_gateway.recording import Recorder
from facilitair_messaging.ports import Log, Producer
from facilitair_messaging.view import CompactedView
from facilitair_observability.metrics import Metrics


class Authority(Struct, frozen=True, kw_only=True):
    """Who may do what. Nobody is admitted before ``view`` is ready; it must run."""

    view: CompactedView[AccessRecord]
    access: Access
    administration: Administration


def build_authority(  # noqa: PLR0913 - all that decides who may do what
    log: Log,
    producer: Producer,
    *,
    secrets: Secrets,
    guesses: Guesses,
    environment: str,
    timeout_s: float,
    now_ms: Callable[[], int],
    fresh_id: Callable[[], str],
    metrics: Metrics,
) -> Authority:
    """Everything about tenants and keys, on a log."""

    def on_change(key: str, record: AccessRecord | None) -> None:
        access.on_change(key, record)
        recorder.on_change()

    directory = Directory()
    view = CompactedView[AccessRecord](
        log=log,
        topic=TENANTS,
        types=(TenantCreated, TenantClosed, KeyIssued, KeyRevoked),
        metrics=metrics,
        on_change=on_change,
    )
    recorder = Recorder(
        producer, topic=TENANTS, timeout_s=timeout_s, now_ms=now_ms, fresh_id=fresh_id
    )
    administration = Administration(
        directory, recorder, secrets_known=secrets, environment=environment
    )
    access = Access(
        directory,
        ready=lambda: view.ready,
        secrets=secrets,
        now=lambda: datetime.fromtimestamp(now_ms() / 1000, UTC),
        guesses=guesses,
    )
    return Authority(view=view, access=access, administration=administration)
