"""Forward-auth: other proxies ask whether they may forward a request, and get the decision.

The rule that lives here: the decision is the gateway's own, with its limits, its refusals, its log
and its usage. A proxy is told 200 and who asks, or what the gateway would answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from proxy.domain.authorization import Verdict
from proxy.domain.limiting import Metered
from proxy.domain.model import Deny
from proxy.domain.reasons import BaseReason
from proxy.gateway.downstream import Downstream
from proxy.gateway.exchange import Exchange
from proxy.gateway.head_reader import HeadReader
from proxy.gateway.identity import PREFLIGHT, log_of
from proxy.gateway.original import OriginalReader, settings_of
from proxy.http1.faults import Fault

MARK: Final = b',"forward_auth":true'
"""In the log: the request was asked about by a proxy."""
_IDENTITY: Final = (
    b"X-Wardgate-Key",
    b"X-Wardgate-Account",
    b"X-Wardgate-Environment",
    b"X-Wardgate-Role",
)


class ForwardAuthExchange(Exchange):
    """A question of a proxy and its answer: an exchange that ends with the decision."""

    course = None  # the answer is made anew each time

    def begin(self) -> None:
        """Decide on the original request. Its body stays with the proxy, and is not asked about."""
        if self._head.has_body:
            self.refuse(Fault.BODY_SIZE)
        else:
            super().begin()

    def _act(self, verdict: Verdict, metered: Sequence[Metered] | None = None) -> None:
        permit, route, memo, shared = verdict.permit, verdict.route, self._memo, self._shared
        self._permit = permit
        if isinstance(permit, Deny):
            self._identity = log_of(permit.key)
            self.refuse(permit.reason, allow=verdict.allow)
            return
        assert route is not None
        if verdict is not memo.verdict:
            memo.permit(verdict, permit)
        self._identity = PREFLIGHT if verdict.preflight else memo.identity.log
        offered = memo.access.upgrade
        if offered and offered not in route.upgrades:
            self.refuse(Fault.OFFER)
            return
        if not self._head.may_upgrade():
            self.refuse(Fault.UPGRADE)
            return
        if verdict.metered and not self._take(verdict, metered):
            return
        if verdict.would_refuse is not None:
            self._note(verdict.would_refuse)
        if permit.principal is not None:
            key, previous = permit.principal.key, permit.principal.previous
            shared.usage.note(key, shared.wall, memo.access.address, previous)
        self._response.permit(self._identity_lines())
        self._finish()

    def _identity_lines(self) -> bytes:
        """The fields that tell an upstream who asks, as the gateway sends them. Envoy is told to
        remove those that are not among them, which its client may have sent."""
        lines = self._memo.identity.fields
        if settings_of(self._runtime).convention.target is not None:
            return lines
        absent = [name for name in _IDENTITY if name not in lines]
        return lines + b"X-Envoy-Auth-Headers-To-Remove: %b\r\n" % b", ".join(absent) * bool(absent)

    @property
    def _upstream_name(self) -> str:
        return ""  # the proxy has upstreams of its own

    def _record(self, received: int) -> None:
        self._identity += MARK
        self._shared.telemetry.by_forward_auth[self._response.status // 100] += 1
        super()._record(received)


class ForwardAuthConnection(Downstream):
    """One connection from a proxy that asks."""

    __slots__ = ()
    exchange_of: ClassVar[type[Exchange]] = ForwardAuthExchange
    reader_of: ClassVar[type[HeadReader]] = OriginalReader
    mark: ClassVar[bytes] = MARK

    def _trusts(self, address: str) -> bool:
        return settings_of(self._server.runtime).is_peer(address)

    def _refuse(self, reason: BaseReason) -> None:
        self._server.telemetry.by_forward_auth[reason.status // 100] += 1
        super()._refuse(reason)
