"""What follows from a request's head, kept for the next request with the same head.

API clients send the same head again and again, or one that differs in a field or two. What its
bytes determine is then not worked out anew. Three rules keep that safe: a memo never leaves its
connection; a verdict is used again only while `Decider.holds` says so; and what depends on the
configuration is used only with the same configuration (`generation`).
"""

from __future__ import annotations

from proxy.auth.decision import AccessRequest
from proxy.domain.authorization import Verdict
from proxy.gateway.identity import NOBODY, Identity
from proxy.gateway.runtime import Runtime
from proxy.http1.head import Head
from proxy.http1.outbound import (
    REQUEST_HEAD,
    Origin,
    Peer,
    after_fields,
    before_fields,
    client_of,
    scheme_of,
    stands_alone,
)
from proxy.http1.response_head import Response
from proxy.telemetry.accesslog import quote, requested


class Memo:
    """A head, and what follows from it."""

    __slots__ = (
        "_after",
        "_before",
        "_origin",
        "access",
        "agent",
        "alone",
        "generation",
        "head",
        "identity",
        "peer",
        "requested",
        "verdict",
    )

    agent: bytes
    """The User-Agent, as in the access log."""
    requested: bytes
    """The client and what it requested, as in the access log."""
    access: AccessRequest
    """The input of the decision."""
    alone: bool
    """Whether the request is the last on its connection to the upstream; known after `outbound`."""
    verdict: Verdict | None
    """The last verdict, to be used again while it holds."""
    identity: Identity
    """The permit of that verdict, as text."""
    _origin: Origin | None
    _before: bytes
    _after: bytes

    def __init__(self, head: Head, peer: Peer, runtime: Runtime, last: Memo | None = None) -> None:
        """`last` is the memo of the head before it on the connection, of which the parts that still
        hold are taken over."""
        self.head = head
        self.peer = peer
        self.generation = runtime.generation
        fields, request = head.fields, head.request
        same_fields = last is not None and fields.noted is last.head.fields.noted
        same_caller = last is not None and fields.authorization is last.head.fields.authorization
        if last is not None and same_fields and same_caller and request is last.head.request:
            self.access, self.agent, self.requested = last.access, last.agent, last.requested
            self.verdict, self.identity = last.verdict, last.identity
            self._origin, self._before, self._after = last._origin, last._before, last._after
            self.alone = last.alone
            return
        self.alone = head.alone
        self.verdict = None
        self.identity = NOBODY
        self._origin = None
        self._before = self._after = b""
        if last is None or not same_fields:
            self._read(runtime)
        elif request is not last.head.request:
            self.agent = last.agent
            self._identify(last.access.address)
        else:
            self.agent, self.requested = last.agent, last.requested
            self.access = self._access(last.access.address)
            self.access.routed = last.access.routed
        if last is not None and same_fields and same_caller:
            self.access.credentials = last.access.credentials

    def _read(self, runtime: Runtime) -> None:
        """Work out everything that the bytes determine."""
        fields, peer = self.head.fields, self.peer
        address = peer.address
        if peer.trusted:
            address = client_of(fields, address, runtime.is_trusted)
        self.agent = quote(fields.agent)
        self._identify(address)

    def _identify(self, address: str) -> None:
        request = self.head.request
        self.requested = requested(address, request.method, request.path)
        self.access = self._access(address)

    def _access(self, address: str) -> AccessRequest:
        request, fields = self.head.request, self.head.fields
        return AccessRequest(
            request.method.decode(),
            request.path,
            characters=request.characters,
            authorization=fields.authorization,
            credentials_required=fields.enforce,
            upgrade=fields.upgrade.decode("latin-1") if fields.upgrade and request.minor else None,
            destination=fields.destination,
            hosts=() if fields.destination is None else self._hosts(),
            address=address,
        )

    def _hosts(self) -> list[bytes]:
        """The names by which the client may have called the server."""
        fields = self.head.fields
        forwarded = fields.values(b"x-forwarded-host") if self.peer.trusted else []
        return [*forwarded, fields.host] if fields.host else forwarded

    def outbound(
        self, origin: Origin, request_id: bytes, identity: bytes, upgrade: bytes | None
    ) -> bytes:
        """The head that the upstream gets (`outbound.REQUEST_HEAD`)."""
        head = self.head
        if origin is not self._origin or upgrade is not None:
            self._before = before_fields(head, origin)
            self._after = after_fields(head, origin, self.peer, upgrade)
            self._origin = origin if upgrade is None else None
            self.alone = stands_alone(head, origin)
        end_to_end = head.fields.end_to_end
        return REQUEST_HEAD % (self._before, end_to_end, self._after, request_id, identity)

    def lead(self, response: Response, origin: Origin) -> Response:
        """`response`, with redirects to the upstream itself led to the gateway."""
        if origin.redirects is None:
            return response
        scheme = scheme_of(self.head.fields, self.peer)
        return response._replace(lines=origin.redirects.lead(response.lines, scheme))
