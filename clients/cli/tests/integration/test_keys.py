"""Keys on a real solo: the first one closes the door, also for the next start."""

import json

import pytest

from facilitair_testing.eventually import eventually

pytestmark = pytest.mark.integration


def keyed(key):
    return {"FACILITAIR_API_KEY": key}


async def access(machine, env=None):
    """What ``status`` says of access, asked again while the gateway does not tell it in time."""

    def told():
        return json.loads(machine.run("status", "--json", env=env).stdout)["access"]

    return await eventually(told, timeout_s=120, what="a gateway that tells")


async def shows(machine, text):
    """In words it leaves out what it was not told in time."""
    await eventually(
        lambda: text in machine.run("status").stdout, timeout_s=120, what=f"status to say {text!r}"
    )


async def test_the_first_key_is_needed_from_then_on(machine):
    refused = machine.run("keys", "create")
    assert refused.returncode == 3
    assert "admin" in refused.stderr
    created = machine.run("keys", "create", "--scope", "admin", "--label", "mine")
    assert created.returncode == 0, created.stderr
    admin = created.stdout.strip()
    assert admin.startswith("fac_local_")

    # The gateway of that command is gone; the log is not.
    assert machine.run("up", "--detach").returncode == 0
    for key in ({}, keyed(admin)):
        assert await access(machine, key) == "keys"
    await shows(machine, "every request needs an API key")
    for key in ({}, keyed(admin[:-1]), keyed("sk-something")):
        done = machine.run("run", "--workflow", "answer", "What is a log?", env=key)
        assert (done.returncode, done.stdout) == (3, "")
        assert "FACILITAIR_API_KEY" in done.stderr
    assert machine.run("tenants", "create", "acme", env=keyed(admin)).returncode == 0
    issued = machine.run("keys", "create", "--tenant", "acme", "--json", env=keyed(admin))
    acme = json.loads(issued.stdout)
    done = machine.run(
        "run", "--json", "--workflow", "answer", "What is a log?", env=keyed(acme["key"])
    )
    assert done.returncode == 0, done.stderr
    ident = json.loads(done.stdout.splitlines()[0])["data"]["id"]
    assert machine.run("show", ident, env=keyed(acme["key"])).returncode == 0
    foreign = machine.run("show", ident, env=keyed(admin))
    assert (foreign.returncode, foreign.stdout) == (1, "")

    assert machine.run("keys", "revoke", acme["id"], env=keyed(admin)).returncode == 0
    assert machine.run("show", ident, env=keyed(acme["key"])).returncode == 3
    rows = json.loads(machine.run("keys", "ls", "--json", env=keyed(admin)).stdout)
    assert {(row["tenant"], row["status"]) for row in rows} == {
        ("local", "active"),
        ("acme", "revoked"),
    }
    assert machine.run("down").returncode == 0

    # A solo that a command starts for itself is given the key too.
    done = machine.run("run", "--workflow", "answer", "What is a log?", env=keyed(admin))
    assert done.returncode == 0, done.stderr
    canary = admin[-72:-8]
    for path in machine.home.rglob("*"):
        if path.is_file():
            assert canary.encode() not in path.read_bytes(), path
    assert machine.pids() == {}


async def test_status_says_that_access_is_open_while_no_key_exists(machine):
    assert machine.run("up", "--detach").returncode == 0
    assert await access(machine) == "open"
    await shows(machine, "no API key exists")
    assert machine.run("down").returncode == 0
