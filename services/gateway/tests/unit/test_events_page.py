import httpx

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
        httpx.AsyncClient(base_url=other.url) as elsewhere,
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
