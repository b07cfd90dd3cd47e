"""HTTP Basic credentials, as a client presents them (RFC 7617).

The rule that lives here: credentials that could be read in two ways are refused, and caches know a
pair by a keyed digest, never by the secret itself."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.domain.model import ACCESS_KEY, Deny, Reason
from proxy.domain.secret import MAX_PASSWORD


@dataclass(slots=True)
class Credentials:
    """An access key and a secret key. `digest` is a keyed hash of the pair."""

    access_key: str
    secret: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    sealed: bool | None = None
    """Whether the seal of the secret is valid; None until it has been checked."""


def parse(values: Sequence[bytes] | None, digest_key: bytes) -> Credentials | Deny:
    """Read the Authorization fields of a request, None or empty where it has none.

    The scheme is case-insensitive, with one or more spaces after it (RFC 9110 section 11.4).
    """
    if not values:
        return Deny(Reason.NO_CREDENTIALS)
    scheme, _, token = values[0].strip(b" ").partition(b" ")
    if len(values) != 1 or scheme.lower() != b"basic":
        return Deny(Reason.MALFORMED_CREDENTIALS)
    token = token.lstrip(b" ")
    try:
        pair = binascii.a2b_base64(token, strict_mode=True)
        pair.decode()
    except (binascii.Error, UnicodeDecodeError):
        return Deny(Reason.MALFORMED_CREDENTIALS)
    user, colon, secret = pair.partition(b":")
    name = user.decode()
    canonical = binascii.b2a_base64(pair, newline=False) == token
    if not canonical or not colon or b"\0" in pair or len(secret) > MAX_PASSWORD:
        return Deny(Reason.MALFORMED_CREDENTIALS)
    if not ACCESS_KEY.fullmatch(name):
        return Deny(Reason.MALFORMED_CREDENTIALS)
    # An access key holds no colon, so no other pair gives the same bytes.
    digest = hashlib.blake2b(pair, digest_size=32, key=digest_key).digest()
    return Credentials(name, secret, digest)
