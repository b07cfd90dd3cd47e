"""A request's head: its request line, its fields, and what follows from both together.

Everything here follows from the bytes of the head alone.

Tested in `tests/proxy/gateway/test_memo.py` and `tests/hostile/test_requests.py`.
"""

from __future__ import annotations

from typing import Final

from proxy.http1.faults import Fault
from proxy.http1.fields import RequestFields
from proxy.http1.grammar import RequestLine

WEBSOCKET: Final = b"websocket"

_BODIES_ARE_READ: Final = frozenset({b"POST", b"PUT", b"PATCH"})
"""The methods of which most servers read the body; see `outbound.stands_alone` for the others."""


class Head:
    """A request line and the fields after it, both accepted by the grammar."""

    __slots__ = ("alone", "fault", "fields", "has_body", "head_only", "keep", "line", "request")

    def __init__(self, line: bytes, request: RequestLine, fields: RequestFields) -> None:
        """`line` is the request line as it was received, without its CRLF; `request` is that line,
        parsed."""
        self.line = line
        self.request = request
        self.fields = fields
        self.head_only = request.method == b"HEAD"
        self.has_body = bool(fields.length) or fields.chunked
        self.alone = self.head_only or (self.has_body and request.method not in _BODIES_ARE_READ)
        """Whether no other request may follow it on its connection to the upstream.

        Some servers, Python's http.server among them, do not read a body to which the method gives
        no meaning (RFC 9110 section 9.3), or of a method that they do not know: they would take it
        for the next request, and respond to that. Some, waitress among them, send a body after a
        response to HEAD, which would be taken for the response to the next request.
        """
        self.keep = not fields.close if request.minor else fields.keep_alive
        """Whether the client's connection is kept after the response. An offer of another protocol
        does not end it: without a 101 the client goes on in HTTP (RFC 9110 section 7.8), and what
        it sends is judged as a request."""
        self.fault = _fault(request, fields)
        """What is wrong with the line and the fields together."""

    def may_upgrade(self) -> bool:
        """Whether the request may become a tunnel in the protocol that it offers. For a WebSocket
        it has to be a GET without a body and with a key (RFC 6455 section 4.1); others may have any
        method and a body, as `docker exec` has."""
        fields = self.fields
        if fields.upgrade != WEBSOCKET:
            return True
        return self.request.method == b"GET" and not self.has_body and fields.websocket_key

    def again(self, line: bytes, fields: RequestFields) -> Head | None:
        """The next head on the connection, where it differs from this one only in fields that mean
        nothing here (`RequestFields.again`). None where it has to be read afresh."""
        if line != self.line or fields.noted is not self.fields.noted:
            return None
        again = Head.__new__(Head)
        again.line, again.request, again.fields = line, self.request, fields
        again.head_only, again.has_body, again.alone = self.head_only, self.has_body, self.alone
        again.keep, again.fault = self.keep, self.fault
        return again


def _fault(request: RequestLine, fields: RequestFields) -> Fault | None:
    if fields.host is None and request.minor:
        return Fault.HOST
    return Fault.TRANSFER_ENCODING if fields.chunked and not request.minor else None
