"""API keys as text: made, taken apart, and compared with the digest that the log has. Pure.

A key is ``fac_<environment>_<id>_<secret><checksum>``: the prefix and the checksum let scanners
find one that leaked, and refuse a mistyped one without looking it up.
The secret is 32 random bytes in lower-case hex; nothing here puts it into a message.
"""

import hashlib
import hmac
import re
import zlib
from typing import Final, Literal

from msgspec import Struct

from facilitair_events.tenants import KeyIssued

Algorithm = Literal["sha256", "hmac-sha256"]

ENVIRONMENT: Final = re.compile(r"[a-z0-9]{1,16}", re.ASCII)
ID_BYTES: Final = 8
SECRET_BYTES: Final = 32

_KEY: Final = re.compile(
    r"(fac_([a-z0-9]{1,16})_([0-9a-f]{16})_([0-9a-f]{64}))([0-9a-f]{8})", re.ASCII
)
_LOOKS_LIKE_ONE: Final = re.compile(r"fac_[a-z0-9]{1,16}_[0-9a-f]{16}_[0-9a-f]+", re.IGNORECASE)
_NO_DIGEST: Final = "0" * 64
"""What an unknown key is compared with, so that it takes as long as a known one."""


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key taken apart."""

    key_id: str
    secret: str

    def __repr__(self) -> str:
        return f"ApiKey(key_id={self.key_id!r})"


def mint(environment: str, *, entropy: bytes) -> tuple[ApiKey, str]:
    """A new key and its text. ``entropy`` is ``ID_BYTES + SECRET_BYTES`` of the system's best."""
    key_id, secret = entropy[:ID_BYTES].hex(), entropy[ID_BYTES:].hex()
    body = f"fac_{environment}_{key_id}_{secret}"
    return ApiKey(key_id=key_id, secret=secret), body + _checksum(body)


def parse(text: str) -> ApiKey | None:
    """The parts of a key; None for a text that cannot be one."""
    found = _KEY.fullmatch(text)
    if found is None or _checksum(found[1]) != found[5]:
        return None
    return ApiKey(key_id=found[3], secret=found[4])


def digest(secret: str, *, pepper: str | None) -> tuple[Algorithm, str]:
    """What the log keeps of a secret, and how that is made.

    A secret of 256 random bits needs no slow hash: nobody can try them all.
    A pepper, which the log never sees, also keeps who can write the log from making keys.
    """
    if pepper is None:
        return "sha256", hashlib.sha256(secret.encode()).hexdigest()
    return "hmac-sha256", _keyed(secret, pepper)


def matches(issued: KeyIssued | None, secret: str, *, pepper: str | None) -> bool:
    """Whether a secret is that of a key, in the same time whatever differs.

    A key that was issued with a pepper needs that one; one issued without works with any.
    """
    plain, keyed = hashlib.sha256(secret.encode()).hexdigest(), _keyed(secret, pepper or "")
    if issued is None:
        issued_digest, made, usable = _NO_DIGEST, plain, False
    elif issued.algorithm == "sha256":
        issued_digest, made, usable = issued.digest, plain, True
    else:
        issued_digest, made, usable = issued.digest, keyed, pepper is not None
    return hmac.compare_digest(made.encode(), issued_digest.encode()) and usable


def same_secret(given: str, wanted: str) -> bool:
    """Whether two texts are equal, in a time that tells neither content nor length."""
    return hmac.compare_digest(_plain(given), _plain(wanted))


def redacted(text: str) -> str:
    """A text without what looks like a key in it."""
    return _LOOKS_LIKE_ONE.sub("fac_(not shown)", text)


def _keyed(secret: str, pepper: str) -> str:
    return hmac.new(pepper.encode(), secret.encode(), hashlib.sha256).hexdigest()


def _plain(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
