import re

import httpx
from msgspec.structs import replace

from facilitair_events.collaboration import StepSkipped
from facilitair_events.envelope import instant
from facilitair_testing.eventually import eventually

DAY = 24 * 3600 * 1000


async def finished(submit, http, orchestrator, stage) -> str:
    """A collaboration that was cancelled at once, with some tokens between its events."""
    ident = (await submit())["id"]
    await stage.write(*(stage.token(ident, i) for i in range(5)))
    await http.post(f"/v1/collaborations/{ident}/control", json={"action": "cancel"})
    for step in list(orchestrator.states[ident].steps.values()):
        if step.open:
            await stage.report(ident, step.path, "stopped")

    async def ended() -> bool:
        page = (await http.get(f"/v1/collaborations/{ident}/events")).json()
        return page["data"][-1]["kind"] == "collaboration.cancelled"

    await eventually(ended, what="the collaboration to end")
    return ident


async def test_events_are_the_public_record_without_tokens(
    submit, http, orchestrator, stage
) -> None:
    ident = await finished(submit, http, orchestrator, stage)
    page = (await http.get(f"/v1/collaborations/{ident}/events")).json()
    kinds = [event["kind"] for event in page["data"]]
    assert kinds[0] == "collaboration.accepted"
    assert kinds[-1] == "collaboration.cancelled"
    assert "token" not in kinds
    assert [event["data"]["seq"] for event in page["data"]] == list(range(1, len(kinds) + 1))
    assert (page["has_more"], page["next_cursor"]) == (False, None)


async def test_pages_of_any_size_give_the_same_events(submit, http, orchestrator, stage) -> None:
    ident = await finished(submit, http, orchestrator, stage)
    path = f"/v1/collaborations/{ident}/events"
    whole = (await http.get(path)).json()["data"]
    for limit in (1, 2, len(whole) - 1, len(whole)):
        found, params = [], {"limit": str(limit)}
        while True:
            page = (await http.get(path, params=params)).json()
            assert len(page["data"]) <= limit
            found += page["data"]
            assert page["has_more"] == (page["next_cursor"] is not None)
            if not page["has_more"]:
                break
            params["cursor"] = page["next_cursor"]
        assert found == whole


async def test_an_id_of_an_event_is_a_cursor_of_the_stream(
    submit, http, orchestrator, stage
) -> None:
    ident = await finished(submit, http, orchestrator, stage)
    first, *_, last = (await http.get(f"/v1/collaborations/{ident}/events")).json()["data"]
    path = f"/v1/collaborations/{ident}"
    stream = await http.get(f"{path}/stream", params={"cursor": first["id"]})
    assert f"id: {last['id']}\nevent: collaboration.cancelled\n" in stream.text
    page = (await http.get(f"{path}/events", params={"cursor": last["id"]})).json()
    assert page == {"data": [], "has_more": False, "next_cursor": None}


async def test_a_running_collaboration_shows_what_happened_so_far(submit, http) -> None:
    ident = (await submit())["id"]
    page = (await http.get(f"/v1/collaborations/{ident}/events")).json()
    assert [event["kind"] for event in page["data"]][:2] == [
        "collaboration.accepted",
        "step.scheduled",
    ]
    assert page["has_more"] is False


async def test_the_same_on_a_gateway_that_has_nothing_in_its_ring(
    submit, http, orchestrator, stage, start, tmp_path
) -> None:
    ident = await finished(submit, http, orchestrator, stage)
    path = f"/v1/collaborations/{ident}/events"
    async with (
        start(tmp_path / "other") as other,
        httpx.AsyncClient(base_url=other.url, timeout=60) as elsewhere,
    ):
        assert (await elsewhere.get(path)).json() == (await http.get(path)).json()


async def test_events_and_streams_are_410_once_they_have_expired(
    submit, http, orchestrator, stage, log, clock, gateway
) -> None:
    ident = await finished(submit, http, orchestrator, stage)
    path = f"/v1/collaborations/{ident}"
    ids = [event["id"] for event in (await http.get(f"{path}/events")).json()["data"]]
    clock.ahead_ms = 8 * DAY
    await stage.write(stage.token(ident, 99))
    await log.clean()
    await gateway.hub.expire()
    for url in (f"{path}/events", f"{path}/stream", f"{path}/events?cursor={ids[0]}"):
        response = await http.get(url)
        assert response.status_code == 410, url
        assert response.json()["code"] == "cursor_expired"
    assert (await http.get(path)).json()["status"] == "cancelled"


async def test_r12_events_that_are_missing_end_a_page_and_the_next_one_says_where_it_goes_on(
    submit, http, stage, orchestrator
) -> None:
    """One record that is not fit to be sent does not hide the others for ever."""
    ident = (await submit())["id"]
    path = f"/v1/collaborations/{ident}/events"
    before = (await http.get(path)).json()["data"]
    spoilt = stage.event(
        ident,
        StepSkipped(
            collaboration=ident, seq=len(before) + 1, at=instant(0), step="x", reason="when"
        ),
    )
    headers = tuple(pair for pair in spoilt.headers if pair[0] != "seq")
    await stage.write(replace(spoilt, value=b"{\n}", headers=headers))
    await http.post(f"/v1/collaborations/{ident}/control", json={"action": "cancel"})

    async def cut_short():
        found = (await http.get(path)).json()
        return found if found["has_more"] else None

    page = await eventually(cut_short, what="a page that ends before what is missing")
    assert page["data"] == before
    refused = await http.get(path, params={"cursor": page["next_cursor"]})
    assert (refused.status_code, refused.json()["code"]) == (410, "events_missing")
    found = re.search(r"cursor=(\S+)", refused.json()["detail"])
    assert found
    for step in list(orchestrator.states[ident].steps.values()):
        if step.open:
            await stage.report(ident, step.path, "stopped")

    async def rest():
        told = await http.get(path, params={"cursor": found[1]})
        assert told.status_code == 200
        return [event["data"]["seq"] for event in told.json()["data"]]

    seqs = await eventually(rest, what="what lies behind it")
    assert seqs[0] == len(before) + 1
