"""What follows from a request's head, kept for the next request on its connection.

API clients send the same head again and again, or one that differs in the path, or in a field or
two. What its bytes determine is then not worked out anew. Three rules keep that safe: a memo never
leaves its connection; a verdict is used again only while `Decider.holds` says so; and what depends
on the configuration is used only with the same configuration (`generation`).
"""

from __future__ import annotations

from proxy.auth.access_request import AccessRequest, Judged
from proxy.domain.authorization import Verdict
from proxy.domain.histogram import Histogram
from proxy.domain.model import Permit
from proxy.domain.prefix import Prefix
from proxy.gateway.identity import NOBODY, Identity
from proxy.gateway.runtime import Runtime
from proxy.http1.cors import preflight_of
from proxy.http1.forwarding import Forwarding, Peer, forwarding
from proxy.http1.head import Head
from proxy.http1.outbound import REQUEST_HEAD, Origin, after_fields, before_fields, stands_alone
from proxy.http1.redirects import led_back
from proxy.http1.response_head import Response
from proxy.http1.template import BLANK, as_format
from proxy.telemetry.accesslog import quote, requested
from proxy.telemetry.usage import Counter


class Memo:
    """A head, and what follows from it."""

    __slots__ = (
        "_after",
        "_before",
        "_last_counters",
        "_origin",
        "access",
        "agent",
        "alone",
        "counter",
        "forwarding",
        "generation",
        "head",
        "identity",
        "latency",
        "requested",
        "verdict",
    )

    agent: bytes
    """The User-Agent, as in the access log."""
    requested: bytes
    """The client and what it requested, as in the access log."""
    forwarding: Forwarding
    """The client, as the upstream is told."""
    access: AccessRequest
    """The input of the decision."""
    alone: bool
    """Whether the request is the last on its connection to the upstream; known after `outbound`."""
    verdict: Verdict | None
    """The last verdict, to be used again while it holds."""
    identity: Identity
    """The permit of that verdict, as text; before there is one, that of another request."""
    counter: Counter | None
    """Of the last request that was served by that verdict."""
    latency: Histogram | None
    """Of the same request."""
    _last_counters: tuple[Counter | None, Histogram | None]
    """Those of `access.last`."""
    _origin: Origin | None
    _before: bytes
    _after: bytes

    def __init__(self, head: Head, peer: Peer, runtime: Runtime, last: Memo | None = None) -> None:
        """`last` is the memo of the head before it on the connection, of which the parts that still
        hold are taken over."""
        self.head = head
        self.generation = runtime.generation
        fields, request = head.fields, head.request
        same_fields = last is not None and fields.noted is last.head.fields.noted
        same_caller = (
            last is not None
            and fields.authorization is last.head.fields.authorization
            and fields.pairs is last.head.fields.pairs
        )
        if last is not None and same_fields and same_caller and request is last.head.request:
            self.access, self.agent, self.requested = last.access, last.agent, last.requested
            self.forwarding = last.forwarding
            self.verdict, self.identity = last.verdict, last.identity
            self.counter, self.latency = last.counter, last.latency
            self._last_counters = last._last_counters
            self._origin, self._before, self._after = last._origin, last._before, last._after
            self.alone = last.alone
            return
        self.alone = head.alone
        self.verdict = self.counter = self.latency = None
        self._last_counters = None, None
        self.identity = NOBODY if last is None else last.identity  # `is_of` tells whose it is
        self._origin = None
        self._before = self._after = b""
        if last is None or not same_fields:
            self._read(peer, runtime)
        elif request is not last.head.request:
            self.agent, self.forwarding = last.agent, last.forwarding
            self._identify()
        else:
            self.agent, self.requested = last.agent, last.requested
            self.forwarding = last.forwarding
            self.access = self._access()
            self.access.routed = last.access.routed
        if last is not None and same_fields and same_caller:
            self._take_over(last)

    def _take_over(self, last: Memo) -> None:
        """Take over what follows from the fields and the caller, which are the same."""
        access, was = self.access, last.access
        access.credentials, access.read_as = was.credentials, was.read_as
        if was.routed is not None and last.verdict is not None:
            access.last = Judged(was.routed, was.method, was.upgrade, last.verdict)
            self._last_counters = last.counter, last.latency

    def permit(self, verdict: Verdict, permit: Permit) -> None:
        """Note a verdict, which is this permit."""
        self.verdict = verdict
        last = self.access.last
        same = last is not None and verdict is last.verdict
        self.counter, self.latency = self._last_counters if same else (None, None)
        if not self.identity.is_of(permit):
            self.identity = Identity(permit)

    def _read(self, peer: Peer, runtime: Runtime) -> None:
        """Work out everything that the bytes determine."""
        fields = self.head.fields
        self.forwarding = forwarding(fields, peer, runtime.is_trusted)
        self.agent = quote(fields.agent)
        self._identify()

    def _identify(self) -> None:
        request = self.head.request
        self.requested = requested(self.forwarding.client, request.method, request.path)
        self.access = self._access()

    def _access(self) -> AccessRequest:
        request, fields = self.head.request, self.head.fields
        return AccessRequest(
            request.method.decode(),
            request.path,
            characters=request.characters,
            authorization=fields.authorization,
            pairs=fields.pairs,
            preflight=None if fields.origin is None else preflight_of(self.head),
            credentials_required=fields.enforce,
            upgrade=fields.upgrade.decode("latin-1") if fields.upgrade and request.minor else None,
            destination=fields.destination,
            hosts=() if fields.destination is None else self._hosts(),
            address=self.forwarding.client,
        )

    def _hosts(self) -> list[bytes]:
        """The names by which the client may have called the server."""
        return [host for host in (self.forwarding.host, self.head.fields.host) if host]

    def outbound(
        self,
        origin: Origin,
        request_id: bytes,
        identity: bytes,
        upgrade: bytes | None,
        prefix: Prefix | None = None,
    ) -> bytes:
        """The head that the upstream gets (`outbound.REQUEST_HEAD`). `prefix` is that of the
        route, which is the same as long as the memo is."""
        head = self.head
        if origin is not self._origin or upgrade is not None:
            self._before = before_fields(head, origin, prefix)
            self._after = after_fields(head, origin, self.forwarding.lines, upgrade)
            self._origin = origin if upgrade is None else None
            self.alone = stands_alone(head, origin)
        end_to_end = head.fields.end_to_end
        return REQUEST_HEAD % (self._before, end_to_end, self._after, request_id, identity)

    def outbound_format(self, identity: bytes) -> bytes:
        """The head that `outbound` made last, as a format for the values in which the next one may
        differ (`RequestFields.differing`), for the request's id, and for the body behind it."""
        blanked = self.head.fields.blanked
        head = REQUEST_HEAD % (self._before, blanked, self._after, BLANK, identity)
        return as_format(head + BLANK)

    def rewrite(self, response: Response, origin: Origin, prefix: Prefix | None) -> Response:
        """`response`, with redirects to the upstream itself rewritten to the gateway, and what
        names paths of the upstream too where the route has a `prefix`."""
        if origin.redirects is None:
            return response
        lines = response.lines
        if response.fields.located:
            lines = origin.redirects.rewrite(lines, self.forwarding.scheme)
        return response._replace(lines=lines if prefix is None else led_back(lines, prefix))
