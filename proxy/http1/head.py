"""A request's head, read: what its bytes alone determine, worked out once and kept with them.

An API client sends the same head again and again on a connection: what was made of its bytes is
then used again. It never leaves the connection, and says nothing of who may do what now: that is
asked of the current records for every request.
"""

from __future__ import annotations

from typing import Any, Final

from proxy.http1.fields import RequestFields
from proxy.http1.grammar import RequestLine

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
        "leads",
        "line",
        "logged",
        "outbound",
        "request",
    )

    def __init__(self, line: bytes, request: RequestLine, fields: RequestFields) -> None:
        """`line` is the request line as it came, without its CRLF; `request` is what it says."""
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
        self.leads: Any = None
        """For the judge: the target and the route that the request line leads to."""
        self.decided: Any = None
        """For the judge: what it decided, and from which records."""
        self.outbound: tuple[object, bytes, bytes] | None = None
        """For the outbound head: an upstream's origin, and how what it is sent begins and ends."""
        self.logged: bytes | None = None
        """For the access log: who asks, and what for."""

    def again(self, line: bytes, fields: RequestFields) -> Head | None:
        """The next head on the connection, where nothing in it says another thing here but, it may
        be, whose it is. None where it is to be made afresh."""
        mine = self.fields
        if line != self.line or fields.noted is not mine.noted:
            return None
        again = Head.__new__(Head)
        again.line, again.request, again.fields = line, self.request, fields
        again.head_only, again.has_body, again.alone = self.head_only, self.has_body, self.alone
        again.keep, again.flaw, again.leads = self.keep, self.flaw, self.leads
        again.address, again.logged = self.address, self.logged
        again.decided = again.outbound = None
        if fields.authorization is mine.authorization:
            again.decided, again.outbound = self.decided, self.outbound
        return again


def _flaw(request: RequestLine, fields: RequestFields) -> str | None:
    if fields.host is None and request.minor:
        return "host"
    return "transfer-encoding" if fields.chunked and not request.minor else None
