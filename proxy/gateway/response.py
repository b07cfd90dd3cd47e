"""What a client is told: the upstream's answer or the gateway's own, and the line in the log."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from proxy.gateway.interfaces import Client, Node
from proxy.gateway.upstream import Answer
from proxy.http1.chunked import chunk
from proxy.http1.error_response import CONTINUE, options_star, refusal
from proxy.http1.grammar import METHODS
from proxy.http1.head import Head
from proxy.http1.outbound import client_of, response_head
from proxy.telemetry.accesslog import asked, entry, quote

NEVER_KEPT = frozenset({400, 408, 413, 417})
"""Refusals behind which nobody knows where the next request begins."""


class Reply:
    """The client's half of an exchange."""

    # Defaults of the class cost a request nothing.
    wants_upgrade: bytes | None = None
    reason: str | None = None
    _answer_at: float | None = None
    _who = b""
    """Whose request it is, for the log."""
    _status = 0
    _sent = 0
    _answered = _chunking = _continued = _retried = False

    def __init__(self, node: Node, client: Client, head: Head) -> None:
        self._node = node
        self._client = client
        self._head = head
        self._request = head.request
        self._fields = head.fields
        self._started = monotonic()
        self._moved_at = node.now
        """When either side last got on, as of a tick."""
        self.request_id = head.fields.request_id or node.new_request_id()
        self.head_only = head.head_only
        self.request_sent = not head.has_body
        self.alone = head.alone
        self._keep = head.keep
        self._address = head.address or self._find_address()

    def _find_address(self) -> str:
        """The client's, also where proxies of ours stand in between."""
        peer = self._client.peer
        address = peer.address
        if peer.trusted:
            address = client_of(self._fields, address, self._node.is_trusted)
        self._head.address = address
        return address

    def _connection_line(self) -> bytes:
        """Settle whether the connection is kept behind this answer, and say so."""
        if not self.request_sent or self._node.draining:
            self._keep = False
        if not self._keep:
            return b"Connection: close\r\n"
        return b"" if self._request.minor else b"Connection: keep-alive\r\n"

    # --- the upstream's answer ---

    def interim(self, answer: Answer) -> None:
        """Relay 100 where it is waited for and 103; other interim answers are for this hop."""
        if not self._request.minor:
            return
        if answer.status == 100:
            if self._fields.expect and not self._continued:
                self._client.transport.write(CONTINUE)
            self._continued = True
        elif answer.status == 103:
            head = b"HTTP/1.1%b\r\n%b\r\n" % (answer.status_line, answer.fields.end_to_end)
            self._client.transport.write(head)

    def answer(self, answer: Answer, whole: bytes = b"") -> None:
        """Send the head of the final answer, with a body that is whole: in one write, not two."""
        fields = answer.fields
        self._answered = True
        self._status = answer.status
        self._answer_at = monotonic()
        framing = fields.framing if answer.status != 204 else b""
        if fields.length is None and not answer.bodiless:
            if self._request.minor:
                self._chunking = True
                framing = b"Transfer-Encoding: chunked\r\n"
            else:
                self._keep = False  # to HTTP/1.0 the end of the connection ends the body
        connection = self._connection_line()
        self._sent = len(whole)
        self._client.transport.write(
            response_head(answer.status_line, fields, framing, self.request_id, connection, whole)
        )

    def answer_body(self, data: bytes) -> None:
        """Send a piece of the body."""
        self._sent += len(data)
        self._moved_at = self._node.now
        if self._chunking:
            self._client.transport.writelines(chunk(data))
        else:
            self._client.transport.write(data)

    def _write_switch(self, answer: Answer) -> None:
        """Send the head of a 101: what follows it is no longer HTTP."""
        self._answered = True
        self._status = 101
        self._answer_at = monotonic()
        connection = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % (answer.fields.upgrade or b"")
        self._client.transport.write(
            response_head(answer.status_line, answer.fields, b"", self.request_id, connection)
        )

    # --- the gateway's own ---

    def _write_refusal(self, status: int, reason: str, allow: Sequence[str]) -> None:
        fields = self._fields
        self._status, self.reason = status, reason
        self._keep = self._keep and status not in NEVER_KEPT
        message = refusal(
            status,
            self.request_id,
            self._node.date,
            head_only=self.head_only,
            problem=fields.problem,
            challenge=not fields.no_challenge and fields.upgrade is None,
            allow=allow,
            connection=self._connection_line(),
        )
        self._client.transport.write(message)

    def _write_star(self) -> None:
        """Answer `OPTIONS *`."""
        self._status = 204
        connection = self._connection_line()
        head = options_star(self.request_id, self._node.date, METHODS, connection)
        self._client.transport.write(head)

    # --- the log ---

    def _write_log(self, received: int) -> None:
        """Leave a line; `received` counts the bytes of the body, or those that a tunnel carried."""
        node, head, fields = self._node, self._head, self._fields
        answered = self._answer_at
        node.answered[self._status // 100] += 1
        if self.reason is not None:
            node.refused[self.reason] += 1
        if fields.quoted_agent is None:
            fields.quoted_agent = quote(fields.agent)
        if head.logged is None:
            head.logged = asked(self._address, head.request.method, head.request.path)
        node.log.add(
            entry(
                node.log.now(),
                self.request_id,
                head.logged,
                self._status,
                received,
                self._sent,
                monotonic() - self._started,
                self._who,
                fields.quoted_agent,
                upstream_seconds=answered - self._started if answered else None,
                retried=self._retried,
                reason=self.reason,
            )
        )
