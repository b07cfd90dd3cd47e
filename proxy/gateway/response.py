"""Writes the response to a client: the upstream's, or the gateway's own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic

from proxy.auth.access_request import Routed
from proxy.domain.header_rules import HeaderRules
from proxy.gateway.interfaces import Shared
from proxy.http1.chunked import LAST_CHUNK, chunk
from proxy.http1.cors import in_place_of_the_upstreams, response_lines
from proxy.http1.error_response import CONTINUE, challenge_of, no_content, permitted, refusal
from proxy.http1.head import WEBSOCKET, Head
from proxy.http1.header_rules import ruled
from proxy.http1.outbound import DATE, RESPONSE_HEAD
from proxy.http1.response_head import Response

NEVER_KEPT = frozenset({400, 408, 413, 417})
"""Statuses after which it is unknown where the next request begins."""


class ResponseWriter:
    """Writes the response to one request, and keeps what the access log needs of it."""

    # Defaults of the class cost a request nothing.
    status = 0
    """Of the final response; 0 until its head is written."""
    sent = 0
    """Bytes of the body so far."""
    at_once = 0
    """Bytes of the body that were sent with the head."""
    began_at: float | None = None
    """When the head of the upstream's response was written, in monotonic seconds."""
    chunking = False
    """Whether its body is sent in chunks, which `end` ends."""
    _continued = False
    cors: bytes | None = None
    """The field lines that take the place of what the upstream says about other origins; None: its
    own are passed on."""
    rules: HeaderRules | None = None
    """Which fields of the upstream's are set or left out."""
    added: bytes = b""
    """Field lines of the gateway that a response of the upstream gets besides."""
    later: bytes | None = None
    """The field lines that say when to try again after a refusal; None: those of its status."""

    def __init__(
        self, shared: Shared, transport: asyncio.Transport, head: Head, request_id: bytes
    ) -> None:
        self._shared = shared
        self._transport = transport
        self._head = head
        self.request_id = request_id
        self.keep = head.keep
        """Whether the connection is kept after this response."""

    def again(self, request_id: bytes) -> ResponseWriter:
        """A writer for the response to the same request once more."""
        again = ResponseWriter(self._shared, self._transport, self._head, request_id)
        again.rules, again.cors, again.added = self.rules, self.cors, self.added
        return again

    def _connection_line(self, body_ends: bool) -> bytes:
        """Decide whether the connection is kept after this response. Returns the Connection
        line."""
        if not body_ends or self._shared.draining:
            self.keep = False
        if not self.keep:
            return b"Connection: close\r\n"
        return b"" if self._head.request.minor else b"Connection: keep-alive\r\n"

    # --- the upstream's ---

    def interim(self, response: Response) -> None:
        """Relay 103, and 100 if the client waits for it. Other interim responses are for this hop
        only."""
        if not self._head.request.minor:
            return
        if response.status == 100:
            self.let_continue()
        elif response.status == 103:
            head = b"HTTP/1.1%b\r\n%b\r\n" % (response.status_line, response.fields.end_to_end)
            self._transport.write(head)

    def let_continue(self) -> None:
        """Send 100 (Continue) to a client that waits for it (RFC 9110 section 10.1.1)."""
        if self._head.fields.expect and not self._continued and self._head.request.minor:
            self._transport.write(CONTINUE)
        self._continued = True

    def client_sends(self) -> None:
        """Note that the client sends its body, and so does not wait for 100 (Continue)."""
        self._continued = True

    @property
    def withholds_continue(self) -> bool:
        """Whether the client still waits for 100 (Continue), which a final response ends too."""
        return self._head.fields.expect and not (self._continued or self.status)

    def begin(self, response: Response, whole: bytes, body_ends: bool) -> None:
        """Send the head of the final response. `whole` is all of its body, or empty: one write for
        both."""
        self.status = response.status
        self.began_at = monotonic()
        self.sent = self.at_once = len(whole)
        self._transport.write(self.message(response, whole, body_ends))

    def message(self, response: Response, whole: bytes, body_ends: bool) -> bytes:
        """The head of the final response, and `whole`."""
        fields = response.fields
        lines = response.lines if self.rules is None else ruled(self.rules, response.lines)
        if self.cors is not None:
            lines = in_place_of_the_upstreams(self.cors, lines)
        added = self.added if fields.dated else DATE % self._shared.date + self.added
        if fields.length is None and not response.bodiless:
            if self._head.request.minor:
                self.chunking = True
                added += b"Transfer-Encoding: chunked\r\n"
            else:
                self.keep = False  # in HTTP/1.0 the end of the connection ends the body
        connection = b""
        if not (self.keep and body_ends and self._head.request.minor) or self._shared.draining:
            connection = self._connection_line(body_ends)
        return RESPONSE_HEAD % (
            response.status_line,
            lines,
            added,
            self.request_id,
            connection,
            whole,
        )

    def body(self, data: bytes) -> None:
        """Send a piece of the body."""
        self.sent += len(data)
        if self.chunking:
            self._transport.writelines(chunk(data))
        else:
            self._transport.write(data)

    def end(self) -> None:
        """End a body that is sent in chunks."""
        self._transport.write(LAST_CHUNK)

    def switch(self, response: Response) -> None:
        """Send the head of a 101. What follows it is not HTTP."""
        self.status = 101
        self.began_at = monotonic()
        fields, lines = response.fields, response.fields.end_to_end
        if self.rules is not None:
            lines = ruled(self.rules, lines)
        connection = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % (fields.upgrade or b"")
        self._transport.write(
            RESPONSE_HEAD
            % (
                response.status_line,
                lines,
                self.added if fields.dated else DATE % self._shared.date + self.added,
                self.request_id,
                connection,
                b"",
            )
        )

    # --- the gateway's own ---

    def refuse(
        self, status: int, body_ends: bool, routed: Routed, allow: Sequence[str] = ()
    ) -> None:
        """Send a refusal, which is a whole response."""
        self._transport.write(self.refusal(status, body_ends, routed, allow))

    def refusal(
        self, status: int, body_ends: bool, routed: Routed, allow: Sequence[str] = ()
    ) -> bytes:
        """The same, to be sent. A 401 has a challenge, unless the client wants none or a WebSocket:
        a browser would show its dialogue for the WebSocket of a script."""
        head, cors = self._head, routed.cors
        fields = head.fields
        self.status = status
        self.keep = self.keep and status not in NEVER_KEPT
        unchallenged = status != 401 or fields.no_challenge or fields.upgrade == WEBSOCKET
        return refusal(
            status,
            self.request_id,
            self._shared.date,
            head_only=head.head_only,
            problem=fields.problem,
            challenge="" if unchallenged else challenge_of(routed.accepted),
            allow=allow,
            cors=b"" if cors is None else response_lines(cors, fields.origin),
            later=self.later,
            connection=self._connection_line(body_ends),
        )

    def no_content(self, lines: bytes, body_ends: bool) -> None:
        """Answer an OPTIONS by these field lines."""
        self.status = 204
        connection = self._connection_line(body_ends)
        self._transport.write(no_content(self.request_id, self._shared.date, lines, connection))

    def permit(self, lines: bytes) -> None:
        """Tell a proxy that it may forward the request, and who makes it."""
        self.status = 200
        lines += self.added + self._connection_line(body_ends=True)
        self._transport.write(permitted(self.request_id, self._shared.date, lines))
