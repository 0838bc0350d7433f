"""Credentials at rest: sealed by a master key from the environment (AES-256-GCM).

A sealed credential opens only for the tenant and the provider that it was sealed for.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from facilitair_llm.errors import SealError
from facilitair_llm.secret import Secret, read_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MASTER_KEY: Final = "FACILITAIR_MASTER_KEY"
NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_ID_CHARS: Final = 16
_ADVICE: Final = "make one with: openssl rand -base64 32"


class Sealed(Struct, frozen=True, kw_only=True):
    """A credential that nobody can read without the master key `master_key_id`.

    `nonce` and `ciphertext` are base64; the ciphertext ends with its tag.
    """

    master_key_id: str
    nonce: str
    ciphertext: str


class MasterKeys:
    """The master keys of this installation: the first one seals, all of them open."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        self._keys: Final = {master_key_id(key): key for key in keys}

    @property
    def ids(self) -> tuple[str, ...]:
        """What the keys are known by; an id tells nothing of its key."""
        return tuple(self._keys)

    def seal(self, secret: Secret, *, tenant: str, provider: str, nonce: bytes) -> Sealed:
        """Return the secret, sealed for one tenant and one provider.

        `nonce` is 12 random bytes that were never used before. Raises SealError without a key.
        """
        if not self._keys:
            raise SealError(problem=f"{MASTER_KEY} is not set; {_ADVICE}")
        ident, key = next(iter(self._keys.items()))
        sealed = _cipher(key).encrypt(nonce, secret.reveal().encode(), _bound(tenant, provider))
        return Sealed(
            master_key_id=ident,
            nonce=b64encode(nonce).decode(),
            ciphertext=b64encode(sealed).decode(),
        )

    def unseal(self, sealed: Sealed, *, tenant: str, provider: str) -> Secret:
        """Return what was sealed for this tenant and this provider. Raises SealError."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

        key = self._keys.get(sealed.master_key_id)
        if key is None:
            have = f"it has {', '.join(self._keys)}" if self._keys else "it is not set"
            problem = (
                f"master key {sealed.master_key_id} sealed it, {MASTER_KEY} lacks that: {have}"
            )
            raise SealError(problem=problem)
        try:
            nonce = b64decode(sealed.nonce, validate=True)
            ciphertext = b64decode(sealed.ciphertext, validate=True)
            plain = _cipher(key).decrypt(nonce, ciphertext, _bound(tenant, provider))
        except (InvalidTag, Base64Error, ValueError) as error:
            problem = "it was changed, or sealed for another tenant or provider"
            raise SealError(problem=problem) from error
        return Secret(plain.decode())

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(self._keys)})"


def read_master_keys(env: Mapping[str, str], *, faults: list[str]) -> MasterKeys:
    """Return the keys in `FACILITAIR_MASTER_KEY`, or in the file that `…_FILE` names.

    Several are separated by commas: the first seals, the others still open what they sealed.
    What is wrong is added to `faults`, which quote no key. Without any the result is empty.
    """
    text = read_key(env, MASTER_KEY, faults=faults)
    if text is None:
        return MasterKeys()
    keys = [_decoded(part) for part in text.reveal().split(",")]
    if None in keys:
        what = f"{_KEY_BYTES} bytes as base64 or as {_KEY_BYTES * 2} hex digits"
        faults.append(f"{MASTER_KEY}: each key must be {what}; {_ADVICE}")
    return MasterKeys(key for key in keys if key is not None)


def master_key_id(key: bytes) -> str:
    """Return what a master key is known by in records and messages."""
    return sha256(b"facilitair master key id\0" + key).hexdigest()[:_ID_CHARS]


def _decoded(text: str) -> bytes | None:
    try:
        key = bytes.fromhex(text) if len(text) == _KEY_BYTES * 2 else b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return None
    return key if len(key) == _KEY_BYTES else None


def _bound(tenant: str, provider: str) -> bytes:
    """Return what ties a sealed credential to its place; neither part can hold a NUL."""
    return b"\0".join((b"facilitair credential v1", tenant.encode(), provider.encode()))


def _cipher(key: bytes) -> "AESGCM":
    # 11 MB that a worker without sealed keys does without.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(key)
