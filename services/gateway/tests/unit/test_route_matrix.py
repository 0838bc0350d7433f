"""X01: every route of the app against every kind of credential, on own and on foreign ids.

A route without a row here fails.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, cast

import httpx
import pytest

from facilitair_gateway.routes.api import STREAM, build_rest
from facilitair_gateway.routes.callers import Parts
from facilitair_gateway.routes.guard import PUBLIC
from facilitair_workflows.decide import KNOWN_LOGIC

COLLABORATION = "/v1/collaborations/{collaboration}"


class Row(NamedTuple):
    """What a route needs, and what it answers to who may ask."""

    scope: str
    status: int
    body: Any = None


ROWS = {
    ("GET", "/openapi.json"): Row("public", 200),
    ("GET", "/asyncapi.json"): Row("public", 200),
    ("GET", "/docs"): Row("public", 200),
    ("GET", "/v1/me"): Row("read", 200),
    ("GET", "/v1/workflows"): Row("read", 200),
    ("GET", "/v1/agents"): Row("read", 200),
    ("GET", "/v1/models"): Row("read", 200),
    ("GET", "/v1/models/{model:path}"): Row("read", 200),
    ("POST", "/v1/collaborations"): Row("write", 422, {}),
    ("GET", COLLABORATION): Row("read", 200),
    ("GET", f"{COLLABORATION}/cost"): Row("read", 200),
    ("GET", f"{COLLABORATION}/events"): Row("read", 200),
    STREAM: Row("read", 200),
    ("POST", f"{COLLABORATION}/control"): Row("write", 202, {"action": "cancel"}),
    ("GET", "/v1/providers"): Row("admin", 200),
    ("GET", "/v1/providers/{provider}/key"): Row("admin", 404),
    ("PUT", "/v1/providers/{provider}/key"): Row("admin", 422, {}),
    ("DELETE", "/v1/providers/{provider}/key"): Row("admin", 404),
    ("GET", "/v1/budget"): Row("read", 200),
    ("PUT", "/v1/budget"): Row("admin", 422, {"slots": {"batch": 0}}),
    ("POST", "/v1/budget/reconciliations"): Row("admin", 422, {}),
    ("GET", "/v1/usage"): Row("read", 200),
    ("GET", "/v1/usage/entries"): Row("read", 200),
    ("POST", "/v1/estimates"): Row("write", 422, {}),
    ("GET", "/v1/admin/tenants/{tenant}/budget"): Row("admin", 404),
    ("PUT", "/v1/admin/tenants/{tenant}/budget"): Row("admin", 404, {}),
    ("POST", "/v1/admin/tenants/{tenant}/reconciliations"): Row("admin", 404, {}),
    ("POST", "/v1/admin/tenants"): Row("admin", 422, {}),
    ("GET", "/v1/admin/tenants"): Row("admin", 200),
    ("DELETE", "/v1/admin/tenants/{tenant}"): Row("admin", 404),
    ("POST", "/v1/admin/keys"): Row("admin", 422, {"tenant": "nobody"}),
    ("GET", "/v1/admin/keys"): Row("admin", 200),
    ("DELETE", "/v1/admin/keys/{key}"): Row("admin", 404),
    ("GET", "/v1/admin/logic"): Row("admin", 200),
    ("PUT", "/v1/admin/logic"): Row("admin", 200, {"version": KNOWN_LOGIC}),
    ("GET", "/v1/admin/topics"): Row("admin", 200),
    ("POST", "/v1/admin/topics"): Row("admin", 200),
    ("GET", "/v1/admin/dlq"): Row("admin", 200),
    ("GET", "/v1/admin/dlq/{letter}"): Row("admin", 404),
    ("POST", "/v1/admin/dlq/{letter}/replay"): Row("admin", 404, {}),
    ("POST", "/v1/admin/dlq/{letter}/edit"): Row("admin", 404, {"value": {}}),
    ("POST", "/v1/admin/dlq/{letter}/discard"): Row("admin", 404, {"reason": "r"}),
}
ALLOWED = {
    "reader": {"public", "read"},
    "writer": {"public", "read", "write"},
    "admin": {"public", "read", "write", "admin"},
}
WORDS = ("status", "code", "title", "detail", "error", "errors", "type")


def flat(routes: Iterable[Any]) -> Iterator[Any]:
    """Routes, and those of the routers that were included."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from flat(included.routes)


def routes_of_the_app() -> set[tuple[str, str]]:
    found = {
        (method, route.path)
        for route in flat(build_rest(cast("Parts", None)).routes)
        for method in getattr(route, "methods", None) or {"WEBSOCKET"}
    }
    return {(method, path) for method, path in found if method != "HEAD"} | {STREAM}


def test_x01_every_route_has_a_row() -> None:
    assert routes_of_the_app() == set(ROWS)
    assert {path for (_, path), row in ROWS.items() if row.scope == "public"} == PUBLIC


def url(path: str, ident: str) -> str:
    return path.replace(":path", "").format(
        collaboration=ident,
        tenant="nobody",
        key="0" * 16,
        letter="nothing",
        provider="simulator",
        model="simulator/simulated",
    )


async def ask(
    http: httpx.AsyncClient, route: tuple[str, str], ident: str, key: str | None
) -> tuple[int, dict[str, Any], httpx.Headers]:
    """The status of a request, and of a problem its body."""
    method, path = route
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    async with http.stream(
        method, url(path, ident), headers=headers, json=ROWS[route].body
    ) as response:
        problem = {}
        if response.headers.get("content-type") == "application/problem+json":
            await response.aread()
            problem = response.json()
        return response.status_code, problem, response.headers


@pytest.fixture
async def mine(submit, accountant) -> str:
    """A collaboration of tenant local."""
    ident: str = (await submit())["id"]
    return ident


async def test_x01_who_is_unknown_gets_nowhere(http, keyring, mine) -> None:
    await keyring.begin()
    good = await keyring.issue()
    gone = await keyring.issue()
    await keyring.revoke(gone)
    closed = await keyring.tenant("closed")
    await keyring.close("closed")
    bad = {
        "wrong": good[:-72] + gone[-72:],
        "truncated": good[:-1],
        "upper case": good.upper(),
        "nonsense": "sk-123",
        "revoked": gone,
        "of a closed tenant": closed,
        "expired": await keyring.expired(),
    }
    wrong = []
    words: set[str] = set()
    for route, row in ROWS.items():
        for what, key in {"none": None, **bad}.items():
            status, problem, headers = await ask(http, route, mine, key)
            expected = row.status if row.scope == "public" else 401
            if status != expected or (status == 401) != ("www-authenticate" in headers):
                wrong.append((route, what, status))
            if status == 401:
                assert headers["www-authenticate"] == "Bearer"
                assert key is None or key not in str(problem)
                if key is not None:
                    words.add(str([problem[name] for name in WORDS]))
    assert wrong == []
    assert len(words) == 1  # which of these a key is, is nobody's business


async def test_x01_who_is_known_may_do_what_the_key_says(http, keyring, mine) -> None:
    await keyring.begin()
    keys = {
        "reader": await keyring.issue(scopes=["read"]),
        "writer": await keyring.issue(),
        "admin": keyring.admin,
    }
    wrong = []
    for route, row in ROWS.items():
        for who, key in keys.items():
            status, problem, _ = await ask(http, route, mine, key)
            # Whoever comes second cancels what was cancelled already.
            expected = {row.status, 409} if row.status == 202 else {row.status}
            if row.scope not in ALLOWED[who]:
                expected = {403}
                assert problem["code"] == "scope_missing"
            if status not in expected:
                wrong.append((route, who, status))
    assert wrong == []


async def test_x01_what_is_anothers_is_not_there(http, keyring, mine) -> None:
    await keyring.begin()
    theirs = await keyring.tenant("acme", scopes=["admin"])
    wrong = []
    for route in ROWS:
        if "{collaboration}" in route[1]:
            status, problem, _ = await ask(http, route, mine, theirs)
            if status != 404 or problem["code"] != "not_found":
                wrong.append((route, status))
    assert wrong == []


async def test_x01_a_cursor_of_anothers_stream_opens_nothing(http, keyring, submit) -> None:
    mine = await submit()
    await keyring.begin()
    theirs = await keyring.tenant("acme")
    for path in ("stream", "events"):
        answer = await http.get(
            f"/v1/collaborations/{mine['id']}/{path}",
            params={"cursor": mine["cursor"]},
            headers={"authorization": f"Bearer {theirs}"},
        )
        assert answer.status_code == 404


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/", "/v1/admin", "/v1/admin/", "//v1/admin/keys", "/V1/me"]
)
async def test_what_is_not_there_is_not_told_to_strangers(http, keyring, path: str) -> None:
    await keyring.begin()
    assert (await http.get(path)).status_code == 401
    reader = await keyring.issue(scopes=["read"])
    answer = await http.get(path, headers={"authorization": f"Bearer {reader}"})
    assert answer.status_code in {403, 404}
