"""A request's head, read: what its bytes alone determine, worked out once and kept with them.

An API client sends the same head again and again on a connection: what was made of its bytes is
then used again. It never leaves the connection, and says nothing of who may do what now: that is
asked of the current records for every request.
"""

from __future__ import annotations

from typing import Any, Final

from proxy.fields import RequestFields
from proxy.http1 import RequestLine

_BODY_MEANS_NOTHING: Final = frozenset({b"GET", b"DELETE", b"OPTIONS"})


class Head:
    """A request line and the fields behind it, both accepted by the grammar."""

    __slots__ = (
        "address",
        "alone",
        "decided",
        "fields",
        "flaw",
        "has_body",
        "head_only",
        "keep",
        "line",
        "logged",
        "outbound",
        "request",
    )

    def __init__(
        self, line: bytes, request: RequestLine, fields: RequestFields, before: Head | None = None
    ) -> None:
        """`line` is the request line as it came, without its CRLF; `request` is what it says.
        `before` is the head before on the connection."""
        self.line = line
        self.request = request
        self.fields = fields
        self.head_only = request.method == b"HEAD"
        self.has_body = bool(fields.length) or fields.chunked
        self.alone = self.head_only or (self.has_body and request.method in _BODY_MEANS_NOTHING)
        """Whether nothing may follow it on its connection to the upstream.

        Some servers, Python's http.server among them, do not read a body that its method gives no
        meaning (RFC 9110 section 9.3): they would take it for the next request, and answer that.
        Some, waitress among them, send a body behind their answer to HEAD, which would answer the
        next one.
        """
        self.keep = (
            not fields.close if request.minor else fields.keep_alive
        ) and fields.upgrade is None
        """Whether the client's connection goes on behind its answer. One that offered another
        protocol may go on in that: it ends."""
        self.flaw = _flaw(request, fields)
        """What is wrong with line and fields together: a word for the log."""
        self.address: str | None = None
        """The client's, which the connection and the fields determine."""
        self.decided: Any = None
        """For the judge: what it decided, and from which records."""
        self.outbound: tuple[object, bytes] | None = None
        """For the outbound head: an upstream's origin, and how what it is sent begins."""
        self.logged: bytes | None = None
        """For the access log: who asks, and what for."""
        if before is not None and before.line == line:
            self._take_over(before)

    def _take_over(self, before: Head) -> None:
        """Use again what was kept with a head of the same line, where its fields say the same."""
        mine, its = self.fields, before.fields
        same_credentials = mine.credentials is its.credentials is not None
        if same_credentials and mine.upgrade is its.upgrade is None and mine.enforce == its.enforce:
            self.decided = before.decided
        if mine.hops == its.hops:
            self.address, self.logged = before.address, before.logged


def _flaw(request: RequestLine, fields: RequestFields) -> str | None:
    if fields.host is None and request.minor:
        return "host"
    return "transfer-encoding" if fields.chunked and not request.minor else None
