"""What an administrator sees of topics."""

from facilitair_events.topics import CATALOG, COLLABORATION_INBOX


async def test_every_declared_topic_is_told_with_its_records(http, submit):
    await submit()
    answer = await http.get("/v1/admin/topics", params={"limit": "500"})
    assert answer.status_code == 200
    rows = {row["name"]: row for row in answer.json()["data"]}
    assert rows[COLLABORATION_INBOX]["partitions"] == 12
    assert rows[COLLABORATION_INBOX]["records"] >= 1
    assert rows[CATALOG]["records"] > 0
    assert list(rows) == sorted(rows)


async def test_topics_come_in_pages(http):
    first = (await http.get("/v1/admin/topics", params={"limit": "2"})).json()
    assert (len(first["data"]), first["has_more"]) == (2, True)
    following = {"limit": "2", "cursor": first["next_cursor"]}
    second = (await http.get("/v1/admin/topics", params=following)).json()
    assert second["data"][0]["name"] > first["data"][1]["name"]


async def test_applying_topics_that_are_there_changes_nothing(http):
    answer = await http.post("/v1/admin/topics")
    assert (answer.status_code, answer.json()) == (200, {"created": [], "drift": {}})


async def test_topics_are_an_administrators(http):
    async def issue(scope: str, headers: dict[str, str]) -> dict[str, str]:
        answer = await http.post("/v1/admin/keys", json={"scopes": [scope]}, headers=headers)
        assert answer.status_code == 201, answer.text
        return {"authorization": f"Bearer {answer.json()['key']}"}

    admin = await issue("admin", {})
    writer = await issue("write", admin)
    for ask in (http.get, http.post):
        assert (await ask("/v1/admin/topics", headers=writer)).status_code == 403
        assert (await ask("/v1/admin/topics", headers=admin)).status_code == 200
