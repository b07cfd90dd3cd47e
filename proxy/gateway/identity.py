"""The key of a request, in the words of the upstream's fields, of the access log and of the
usage."""

from __future__ import annotations

from email.utils import formatdate
from typing import Final

from proxy.domain.model import Deny, Key, Permit


class Identity:
    """A permit as text. It is made once for as long as the records of the permit stay the same, for
    records are immutable."""

    __slots__ = ("_expiry", "_permit", "fields", "log")

    def __init__(self, permit: Permit) -> None:
        self._permit = permit
        self.fields = _fields(permit).encode()
        """The field lines for the upstream, each with its CRLF; empty without a principal."""
        self.log = _log(permit).encode()
        """The members for a line of the access log, each after a comma."""
        self._expiry = b""

    def expiry(self, expires: int) -> bytes:
        """The field line that tells the client when its key expires, with its CRLF. Its form is
        that of Sunset (RFC 8594): a date of HTTP, which every client can read. `expires` is in
        milliseconds since the epoch, of the key of the permit."""
        if not self._expiry:
            date = formatdate(expires // 1000, usegmt=True)
            self._expiry = f"Wardgate-Key-Expires: {date}\r\n".encode()
        return self._expiry

    def is_of(self, permit: Permit) -> bool:
        """Whether this is the text of `permit`, which has the same record objects."""
        if self._permit is permit:
            return True
        mine, its = self._permit.principal, permit.principal
        if mine is None or its is None:
            return mine is its
        return (
            mine.key is its.key
            and mine.account is its.account
            and self._permit.environment is permit.environment
            and self._permit.role is permit.role
        )


def _fields(permit: Permit) -> str:
    principal = permit.principal
    if principal is None:
        return ""
    text = f"X-Wardgate-Key: {principal.key.access_key}\r\n"
    if principal.account is not None:
        text += f"X-Wardgate-Account: {principal.account.ref}\r\n"
    if permit.environment is not None:
        text += f"X-Wardgate-Environment: {permit.environment.slug}\r\n"
    if permit.role is not None:
        text += f"X-Wardgate-Role: {permit.role}\r\n"
    return text


def _log(permit: Permit) -> str:
    principal = permit.principal
    if principal is None:
        return ""
    text = _key(principal.key)
    return f'{text},"environment":"{permit.environment.slug}"' if permit.environment else text


def log_of(key: Key | None) -> bytes:
    """The members of a log line that name a key and its account; empty for None."""
    return b"" if key is None else _key(key).encode()


def _key(key: Key) -> str:
    text = f',"key":"{key.ref}"'
    return text if key.account_id is None else f'{text},"account":"1a{key.account_id}"'


def counted_for(permit: Permit | Deny) -> tuple[int, int]:
    """(id of the key, id of the environment) for which a request counts, 0 where there is none.

    The environment is the one in which it acts, or would if its role allowed it; else the one that
    its key belongs to. An environment that the key does not reach is not named: not even that it
    exists.
    """
    if isinstance(permit, Deny):
        key = permit.key
    else:
        key = None if permit.principal is None else permit.principal.key
    if key is None:
        return 0, 0
    environment = permit.environment
    return key.id, (key.environment_id or 0) if environment is None else environment.id


PREFLIGHT: Final = b',"preflight":true'
"""In the log: the request is a preflight, which has no key."""

NOBODY: Final = Identity(Permit())
"""Of a request that is permitted without a key."""
