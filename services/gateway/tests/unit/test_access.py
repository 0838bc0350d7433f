"""Who is admitted, as what, and until when; on a directory and a clock of its own."""

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from facilitair_events.tenants import KeyIssued, KeyRevoked, TenantClosed, TenantCreated
from facilitair_gateway import api_keys
from facilitair_gateway.access import OPERATOR, Access, Credential, Secrets, require
from facilitair_gateway.directory import AccessRecord, Directory, record_key
from facilitair_gateway.errors import (
    KeyInvalidError,
    KeyMissingError,
    NotLocalError,
    NotReadyError,
    ScopeMissingError,
    UnauthenticatedError,
)
from facilitair_gateway.guesses import Guesses
from facilitair_gateway.principal import granted

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY, TEXT = api_keys.mint("test", entropy=b"k" * 40)
ADMIN_KEY = "an operator's key of enough length"


class World:
    """An access, what it is told, and its clock."""

    def __init__(self, **secrets: str) -> None:
        self.now = NOW
        self.ready = True
        self.directory = Directory()
        self.access = Access(
            self.directory,
            ready=lambda: self.ready,
            secrets=Secrets(**secrets),
            now=lambda: self.now,
            guesses=Guesses(burst=100, per_s=1.0, clock=lambda: 0.0),
        )

    def tell(self, *records: AccessRecord) -> None:
        for record in records:
            self.access.on_change(record_key(record), record)

    def admit(self, *authorizations: str, scope: str = "read", local: bool = True):
        return self.access.admit(Credential(authorizations=authorizations, local=local), scope)


def issued(*, expires_at: datetime | None = None, scopes=("write",), **more) -> KeyIssued:
    algorithm, digest = api_keys.digest(KEY.secret, pepper=None)
    return KeyIssued(
        **(
            {"tenant": "acme", "key_id": KEY.key_id, "algorithm": algorithm, "digest": digest,
             "scopes": scopes, "label": "ci", "created_by": "local", "created_at": NOW,
             "expires_at": expires_at} | more
        )
    )  # fmt: skip


def revoked() -> KeyRevoked:
    return KeyRevoked(
        tenant="acme", key_id=KEY.key_id, scopes=("write",), label="", revoked_by="local",
        revoked_at=NOW,
    )  # fmt: skip


ACME = TenantCreated(tenant="acme", created_by="local", created_at=NOW)
CLOSED = TenantClosed(tenant="acme", closed_by="local", closed_at=NOW)


@pytest.fixture
def world():
    return World()


def test_while_no_key_exists_this_machine_is_tenant_local_with_all_rights(world) -> None:
    principal = world.admit(scope="admin")
    assert (principal.tenant, principal.actor, principal.key_id) == ("local", "local", None)
    assert principal.scopes == {"read", "write", "admin"}
    # Clients of other servers always send some key.
    assert world.admit("Bearer anything").tenant == "local"


def test_other_machines_are_never_served_without_a_key(world) -> None:
    with pytest.raises(NotLocalError, match="facilitair keys create"):
        world.admit(local=False)


def test_nobody_is_served_before_the_keys_are_known(world) -> None:
    world.ready = False
    with pytest.raises(NotReadyError):
        world.admit()


def test_as_soon_as_one_key_exists_it_is_needed(world) -> None:
    world.tell(ACME, issued())
    with pytest.raises(KeyMissingError):
        world.admit()
    principal = world.admit(f"Bearer {TEXT}")
    assert (principal.tenant, principal.actor) == ("acme", f"key-{KEY.key_id}")
    assert principal.key_id == KEY.key_id


def test_a_key_that_was_revoked_still_keeps_the_door_closed(world) -> None:
    world.tell(ACME, issued(), revoked())
    with pytest.raises(KeyMissingError):
        world.admit()


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer", "Bearer ", f"Basic {TEXT}", TEXT, f"Bearer {TEXT[:-1]}", f"Bearer {TEXT}0",
        f"Bearer {TEXT.upper()}", f"Bearer {api_keys.mint('test', entropy=b'x' * 40)[1]}",
        # The right id with another secret, and with a checksum that is right for that.
        f"Bearer {api_keys.mint('test', entropy=b'k' * 8 + b'x' * 32)[1]}",
        "Bearer \udcff", "",
    ],
)  # fmt: skip
def test_wrong_keys_are_told_in_one_form_of_words(world, authorization: str) -> None:
    world.tell(ACME, issued())
    with pytest.raises(KeyInvalidError) as wrong:
        world.admit(authorization)
    assert str(wrong.value) == str(KeyInvalidError())
    assert KEY.secret not in str(wrong.value)


def test_two_keys_at_once_are_none(world) -> None:
    world.tell(ACME, issued())
    with pytest.raises(KeyInvalidError):
        world.admit(f"Bearer {TEXT}", f"Bearer {TEXT}")


def test_the_scheme_is_read_in_any_case(world) -> None:
    world.tell(ACME, issued())
    assert world.admit(f"bearer  {TEXT} ").tenant == "acme"


@pytest.mark.parametrize("after", [(revoked(),), (CLOSED,), (issued(digest="0" * 64),)])
def test_a_key_ends_with_what_comes_after_it(world, after: tuple[AccessRecord, ...]) -> None:
    world.tell(ACME, issued())
    principal = world.admit(f"Bearer {TEXT}")
    assert world.access.is_valid(principal)
    world.tell(*after)
    with pytest.raises(KeyInvalidError):
        world.admit(f"Bearer {TEXT}")


def test_a_key_of_no_tenant_is_none(world) -> None:
    world.tell(issued())
    with pytest.raises(UnauthenticatedError):
        world.admit(f"Bearer {TEXT}")


def test_a_key_expires_on_the_millisecond(world) -> None:
    world.tell(ACME, issued(expires_at=NOW + timedelta(milliseconds=1)))
    principal = world.admit(f"Bearer {TEXT}")
    world.now = NOW + timedelta(milliseconds=1)
    assert not world.access.is_valid(principal)
    with pytest.raises(KeyInvalidError):
        world.admit(f"Bearer {TEXT}")


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (("read",), {"read"}),
        (("write",), {"read", "write"}),
        (("admin",), {"read", "write", "admin"}),
        (("read", "admin"), {"read", "write", "admin"}),
        (("root",), set()),
        ((), set()),
    ],
)
def test_a_scope_includes_the_lesser_ones_and_an_unknown_one_allows_nothing(
    world, scopes: tuple[str, ...], allowed: set[str]
) -> None:
    assert granted(scopes) == allowed
    world.tell(ACME, issued(scopes=scopes))
    for scope in ("read", "write", "admin"):
        if scope in allowed:
            require(world.admit(f"Bearer {TEXT}", scope=scope), scope)
        else:
            with pytest.raises(ScopeMissingError, match=scope):
                world.admit(f"Bearer {TEXT}", scope=scope)


def test_what_a_key_files_under_goes_with_it(world) -> None:
    world.tell(ACME, issued(project="ci"))
    assert world.admit(f"Bearer {TEXT}").project == "ci"
    world.tell(issued())
    assert world.admit(f"Bearer {TEXT}").project == "default"


def test_the_operators_key_of_the_settings_closes_the_door_and_opens_it() -> None:
    world = World(admin_key=ADMIN_KEY)
    with pytest.raises(KeyMissingError):
        world.admit()
    with pytest.raises(KeyInvalidError):
        world.admit(f"Bearer {ADMIN_KEY}!")
    principal = world.admit(f"Bearer {ADMIN_KEY}", scope="admin", local=False)
    assert (principal.tenant, principal.actor) == ("local", OPERATOR)
    assert world.access.is_valid(principal)


def test_secrets_do_not_show_themselves() -> None:
    assert ADMIN_KEY not in repr(Secrets(admin_key=ADMIN_KEY, pepper=ADMIN_KEY))


def test_who_watches_is_told_when_the_key_ends_and_others_are_not(world) -> None:
    world.tell(ACME, issued())
    told: list[str] = []
    one, two = (lambda: told.append("one")), (lambda: told.append("two"))
    principal = world.admit(f"Bearer {TEXT}")
    world.access.watch(principal, one)
    world.access.watch(principal, two)
    world.access.sweep()
    world.access.unwatch(principal, two)
    world.access.unwatch(principal, two)
    assert told == []
    world.tell(revoked())
    assert told == ["one"]


def test_who_watches_is_told_by_the_sweep_when_the_key_expires(world) -> None:
    world.tell(ACME, issued(expires_at=NOW + timedelta(seconds=5)))
    told: list[str] = []
    world.access.watch(world.admit(f"Bearer {TEXT}"), lambda: told.append("expired"))
    world.now += timedelta(seconds=5)
    world.access.sweep()
    assert told == ["expired"]


def test_who_watches_without_a_key_is_told_when_the_first_one_exists(world) -> None:
    told: list[str] = []
    world.access.watch(world.admit(), lambda: told.append("closed"))
    world.tell(ACME)
    assert told == []
    world.tell(issued())
    assert told == ["closed"]


def test_open_access_is_said_once_and_so_is_its_end(world) -> None:
    with capture_logs() as logs:
        world.access.announce()
        world.admit()
        world.admit()
        world.tell(ACME, issued())
        world.tell(issued(label="again"))
    assert [entry["event"] for entry in logs] == ["access is open", "access is closed"]
    with capture_logs() as logs:
        world.access.announce()
    assert [entry["event"] for entry in logs] == ["access needs a key"]


def test_a_record_under_another_key_than_its_own_is_left_out(world) -> None:
    world.access.on_change("evil:key:0000000000000000", issued())
    world.access.on_change("acme", ACME)
    assert world.access.open
    assert world.directory.all_tenants() == []


def test_what_is_tombstoned_is_forgotten(world) -> None:
    world.tell(ACME, issued())
    world.access.on_change(f"acme:key:{KEY.key_id}", None)
    world.access.on_change("acme:tenant:acme", None)
    assert world.access.open
    assert not world.directory.is_active("acme")
