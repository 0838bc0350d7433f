"""``topics``: what the log holds, how far its readers are, and creating what is missing."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from facilitair_cli.attaching import Attachment
from facilitair_cli.clusters import asked_cluster
from facilitair_cli.errors import GatewayError, RefusedError, StartError
from facilitair_cli.exits import ExitCode
from facilitair_cli.screens import json_text
from facilitair_cli.talking import ask
from facilitair_events.layout import topics_dir
from facilitair_events.registry import Registry
from facilitair_messaging.errors import MessagingError, TopicConfigError, TopicDriftError
from facilitair_messaging.lag import missing_topics
from facilitair_runtime.cluster import ClusterSettings
from facilitair_runtime.errors import SettingsError
from facilitair_runtime.settings import read

_NAME_WIDTH: Final = 30


async def listed(attached: Attachment, *, as_json: bool) -> int:
    """All topics with partitions and records."""
    rows = await ask(attached, lambda client: client.topics())
    if as_json:
        _write(json_text(rows))
        return ExitCode.DONE
    _write(f"{'topic':<{_NAME_WIDTH}} {'partitions':>10} {'records':>10}")
    for row in rows:
        partitions = "missing" if row["partitions"] is None else row["partitions"]
        _write(f"{row['name']:<{_NAME_WIDTH}} {partitions:>10} {row['records']:>10}")
    return ExitCode.DONE


async def lag(attached: Attachment, *, as_json: bool) -> int:
    """How many records each group has before it, by topic."""
    rows = await ask(attached, lambda client: client.topics())
    found = [
        {"group": group, "topic": row["name"], "lag": behind}
        for row in rows
        for group, behind in row["lag"].items()
    ]
    found.sort(key=lambda row: (row["group"], row["topic"]))
    if as_json:
        _write(json_text(found))
        return ExitCode.DONE
    _write(f"{'group':<16} {'topic':<{_NAME_WIDTH}} {'lag':>10}")
    for row in found:
        _write(f"{row['group']:<16} {row['topic']:<{_NAME_WIDTH}} {row['lag']:>10}")
    return ExitCode.DONE


async def apply(attached: Attachment, *, as_json: bool) -> int:
    """Have the gateway create what is missing; exit code 1 where settings differ."""
    return _told(await ask(attached, lambda client: client.apply_topics()), as_json=as_json)


async def apply_directly(*, as_json: bool) -> int:
    """Create what is missing on the cluster of the environment, before any service runs.

    Raises StartError, RefusedError and GatewayError.
    """
    try:
        settings = read(ClusterSettings)
        registry = Registry.load(topics_dir())
        bootstrap = settings.bootstrap_servers or ""
        async with asked_cluster(bootstrap, registry, settings=settings) as log:
            specs, admin = list(registry.topics.values()), log.admin()
            before = await missing_topics(admin, specs)
            await admin.ensure_topics(specs)
            drift = await admin.config_drift(specs)
    except SettingsError as error:
        raise StartError(faults=error.faults) from error
    except (TopicDriftError, TopicConfigError) as error:
        raise RefusedError(detail=str(error)) from error
    except MessagingError as error:
        raise GatewayError(reason=str(error)) from error
    return _told({"created": before, "drift": drift}, as_json=as_json)


def is_direct() -> bool:
    """Whether the environment names a cluster, whose topics we can create ourselves."""
    return bool(os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "").strip())


def _told(applied: Mapping[str, Any], *, as_json: bool) -> int:
    created: Sequence[str] = applied["created"]
    drift: Mapping[str, Sequence[str]] = applied["drift"]
    if as_json:
        _write(json_text(applied))
    else:
        _write(f"created {', '.join(created)}" if created else "nothing was missing")
        for topic, differences in sorted(drift.items()):
            for difference in differences:
                _write(f"differs: {topic}: {difference}")
    return ExitCode.FAILED if drift else ExitCode.DONE


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
