"""Credentials, as a client presents them: by default as HTTP Basic (RFC 7617).

A route may read the same pair from elsewhere too (`domain.presentation`). Everything behind this
file sees a pair, however it was presented.

The rule that lives here: credentials that could be read in two ways are refused, and caches know a
pair by a keyed digest, never by the secret itself."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.domain.model import Deny, Reason
from proxy.domain.names import ACCESS_KEY
from proxy.domain.presentation import BASIC, BASIC_SCHEME, Presentation


@dataclass(slots=True)
class Credentials:
    """An access key and a secret key."""

    access_key: str
    secret: bytes = field(repr=False)
    sealed: bool | None = None
    """Whether the seal of the secret is valid; None until it has been checked."""
    digest: bytes | None = field(default=None, repr=False)
    """A keyed hash of the pair (`digest_of`); None until it is needed."""


def parse(
    values: Sequence[bytes] | None,
    pairs: Mapping[bytes, Sequence[bytes]] | None = None,
    accepted: Presentation = BASIC,
) -> Credentials | Deny:
    """Read the credentials of a request: `values` of Authorization, None or empty where it has
    none, and `pairs`, the values of fields that hold a pair. Of these only what is `accepted` is
    looked at, and more than one of that is refused, as a client may present only one (RFC 6750
    section 2 says so of Bearer).
    """
    named = pairs.get(accepted.field, ()) if pairs and accepted.field else ()
    values = values if values and accepted.schemes else ()
    if not values and not named:
        return Deny(Reason.NO_CREDENTIALS)
    if len(values) + len(named) != 1:
        return Deny(Reason.MALFORMED_CREDENTIALS)
    pair = named[0].strip(b" \t") if named else _pair_of(values[0], accepted.schemes)
    return Deny(Reason.MALFORMED_CREDENTIALS) if pair is None else _read(pair)


def _pair_of(value: bytes, schemes: frozenset[bytes]) -> bytes | None:
    """The pair in an Authorization field; None where it is malformed or of another scheme.

    The scheme is case-insensitive, with one or more spaces after it (RFC 9110 section 11.4). The
    pair is in UTF-8 (RFC 7617 section 2.1): in Latin-1, a password with an umlaut would be other
    bytes than those that were hashed.
    """
    scheme, _, token = value.strip(b" ").partition(b" ")
    scheme = scheme.lower()
    if scheme not in schemes:
        return None
    token = token.lstrip(b" ")
    if scheme != BASIC_SCHEME:
        return token  # of Bearer it is the pair as it stands
    try:
        pair = binascii.a2b_base64(token, strict_mode=True)
    except binascii.Error:
        return None
    canonical = binascii.b2a_base64(pair, newline=False) == token
    return pair if canonical else None


def _read(pair: bytes) -> Credentials | Deny:
    user, _, secret = pair.partition(b":")
    try:
        pair.decode()
    except UnicodeDecodeError:
        return Deny(Reason.MALFORMED_CREDENTIALS)
    name = user.decode()
    if not secret or b"\0" in pair:
        return Deny(Reason.MALFORMED_CREDENTIALS)
    if not ACCESS_KEY.fullmatch(name):
        return Deny(Reason.MALFORMED_CREDENTIALS)
    return Credentials(name, secret)


def digest_of(credentials: Credentials, key: bytes) -> bytes:
    """A hash of the pair under `key`, of 32 bytes."""
    # An access key holds no colon, so no other pair gives the same bytes.
    pair = credentials.access_key.encode() + b":" + credentials.secret
    return hashlib.blake2b(pair, digest_size=32, key=key).digest()
