"""Secrets: how they are made and sealed.

A secret key is `wgs_`, 29 random base58 characters (170 bits) and an 11-character seal: a truncated
HMAC over the access key and the random part under the store's server key. One HMAC shows that a
pair whose seal does not match was not made here. By the `wgs_`, scanners for leaked secrets
recognize a secret key.
"""

from __future__ import annotations

import hmac
import secrets
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
PREFIX: Final = b"wgs_"
RANDOM_LENGTH: Final = 29
SEAL_LENGTH: Final = 11
SECRET_LENGTH: Final = len(PREFIX) + RANDOM_LENGTH + SEAL_LENGTH
MAX_PASSWORD: Final = 72
"""Bytes that bcrypt reads. Only a password that was imported may be longer."""
_BLOCK: Final = 64
"""Bytes that SHA-256 takes in at a time."""

_TO_BASE58: Final = bytes(ord(ALPHABET[byte % 58]) for byte in range(256))
# At most 5 of 256 byte values give the same character: a guessed seal matches with 2^-62.


def new_access_key() -> str:
    """20 upper-case hexadecimal characters."""
    return secrets.token_hex(10).upper()


def generate(access_key: str, seal_key: bytes) -> str:
    """A new secret key for `access_key`, sealed under `seal_key`."""
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH)).encode()
    return (body + _seal(access_key.encode(), body, seal_key)).decode()


def seal_fits(access_key: bytes, secret: bytes, seal_key: bytes) -> bool:
    """Whether `secret` was made here for `access_key`. One HMAC, whatever the answer."""
    body, seal = secret[:-SEAL_LENGTH], secret[-SEAL_LENGTH:]
    fits = hmac.compare_digest(_seal(access_key, body, seal_key), seal)
    return fits and len(secret) == SECRET_LENGTH


def _seal(access_key: bytes, body: bytes, seal_key: bytes) -> bytes:
    inner, outer = _keyed(seal_key)
    inner, outer = inner.copy(), outer.copy()
    # No access key holds a NUL, so no other access key and body give the same bytes.
    inner.update(access_key + b"\0" + body)
    outer.update(inner.digest())
    return outer.digest()[:SEAL_LENGTH].translate(_TO_BASE58)


@lru_cache(maxsize=1)
def _keyed(seal_key: bytes) -> tuple[Hash, Hash]:
    """The inner and the outer SHA-256 of an HMAC, with the key taken in, to be copied for each
    message (RFC 2104 section 4): a flood of forged secrets costs one HMAC each, and the module hmac
    takes twice as long."""
    key = sha256(seal_key).digest() if len(seal_key) > _BLOCK else seal_key
    block = key.ljust(_BLOCK, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in block) for pad in (0x36, 0x5C))
    return sha256(inner), sha256(outer)
