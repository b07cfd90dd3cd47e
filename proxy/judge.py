"""The gate's decision on one request: route, then credentials, then rights.

One decision in one place, made from memory; where memory cannot tell, `judge_fully` loads what is
missing and decides again by the same function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from proxy.authenticator import Authenticator, Busy, Credentials
from proxy.fields import RequestFields
from proxy.http1 import Limits, Malformed, RequestLine, request_line
from proxy.model import AccountKind, Deny, Environment, Key, Membership, Permit, Principal, Reason
from proxy.policy import Access, Route, Routes, Target, authorize, choose, methods_of
from proxy.records import NotLoaded, Records


class Verdict(NamedTuple):
    """What is to become of a request. A permit has a route; an `allow` belongs to a 405."""

    route: Route | None
    permit: Permit | Deny
    allow: Sequence[str] = ()


class Judge:
    """Decides from a route table, the current records, and the authenticator."""

    def __init__(
        self,
        routes: Routes,
        records: Records,
        authenticator: Authenticator,
        line_size: int = Limits().line_size,
    ) -> None:
        """`line_size` is how long a request line may be."""
        self._line_size = line_size
        self._routes = routes
        self._records = records
        self._authenticator = authenticator

    @property
    def revision(self) -> int:
        """Of the last change: until the next one, the same request is decided alike, but for what
        the clock ends."""
        return self._records.revision

    def judge(self, request: RequestLine, fields: RequestFields, address: str) -> Verdict | None:
        """Decide from memory, or None where that takes `judge_fully`; `address` is the client's.

        Raises `Malformed` where the path is ambiguous.
        """
        target = self._routes.find(request.path, request.opted)
        route = self._route(target, request)
        if isinstance(route, Verdict):
            return route
        credentials = self._credentials(fields)
        if isinstance(credentials, Deny):
            return self._decide(credentials, target, route, request, fields)
        try:
            principal = self._authenticator.recall(credentials, address)
            if principal is None:
                return None
            return self._decide(principal, target, route, request, fields)
        except NotLoaded:
            return None

    async def judge_fully(
        self, request: RequestLine, fields: RequestFields, address: str
    ) -> Verdict:
        """Decide as `judge` does, loading and verifying what it takes.

        Raises `StoreUnavailable`, and `Busy` where credentials are asked for.
        """
        target = self._routes.find(request.path, request.opted)
        route = self._route(target, request)
        if isinstance(route, Verdict):
            return route
        credentials = self._credentials(fields)
        while True:
            principal = await self._principal(credentials, fields, address)
            try:
                return self._decide(principal, target, route, request, fields)
            except NotLoaded as missing:
                await missing.load()

    async def _principal(
        self, credentials: Credentials | Deny, fields: RequestFields, address: str
    ) -> Principal | Deny:
        """Who asks. Raises `StoreUnavailable`, `Busy`."""
        if isinstance(credentials, Deny):
            return credentials
        try:
            return await self._authenticator.authenticate(credentials, address)
        except Busy:  # where nobody is asked, to guess much shuts nobody out
            if self._asked(fields):
                raise
            return Deny(Reason.TOO_MANY_FAILURES)

    def _asked(self, fields: RequestFields) -> bool:
        """Whether a request has to say whose it is."""
        return self._records.access_control or fields.enforce

    async def explain(self, key: Key, method: str, target: str) -> Verdict:
        """What would become of a request with `key` and nothing unusual in its fields.

        Raises `Malformed`, `StoreUnavailable`.
        """
        line = f"{method} {target} HTTP/1.1".encode()
        if len(line) > self._line_size:
            raise Malformed(414, "line-size")
        request = request_line(line)
        found = self._routes.find(request.path, request.opted)
        route = self._route(found, request)
        if isinstance(route, Verdict):
            return route
        while True:
            try:
                principal = self._authenticator.principal(key)
                return self._decide(principal, found, route, request, RequestFields(b"\r\n"))
            except NotLoaded as missing:
                await missing.load()

    def _route(self, target: Target | None, request: RequestLine) -> Route | Verdict | None:
        """The route, or what is decided without a look at the credentials."""
        if target is None:
            return None
        route = choose(target, request.method.decode())
        if isinstance(route, Deny):
            return Verdict(None, route, methods_of(target))
        return Verdict(route, Permit()) if route.access is Access.PUBLIC else route

    def _credentials(self, fields: RequestFields) -> Credentials | Deny:
        credentials = fields.credentials
        if credentials is None:
            credentials = self._authenticator.parse(fields.authorization)
            fields.credentials = credentials
        assert isinstance(credentials, Credentials | Deny)
        return credentials

    def _decide(
        self,
        principal: Principal | Deny,
        target: Target | None,
        route: Route | None,
        request: RequestLine,
        fields: RequestFields,
    ) -> Verdict:
        """Everything behind authentication. Raises `NotLoaded`."""
        asked = self._asked(fields)
        if isinstance(principal, Deny):
            if asked:
                return Verdict(route, principal)
            return Verdict(route, Permit() if route else Deny(Reason.NO_ROUTE))
        if route is None or target is None:
            return Verdict(None, Deny(Reason.NO_ROUTE, principal.key))
        environment, membership = self._place(principal, target.slug)
        upgrade = fields.upgrade
        tunnel = upgrade is not None and upgrade.decode("latin-1") in route.upgrades
        permit = authorize(
            principal, route, request.method.decode(), environment, membership, tunnel=tunnel
        )
        if isinstance(permit, Deny):
            # Where nobody is asked, identity is still told.
            refused = Deny(permit.reason, principal.key)
            return Verdict(route, refused if asked else Permit(principal, environment))
        return Verdict(route, permit)

    def _place(
        self, principal: Principal, slug: str | None
    ) -> tuple[Environment | None, Membership | None]:
        """The environment that the path names and the principal's membership in it, as of now."""
        if slug is None:
            return None, None
        records = self._records
        environment_id = records.slugs.present.get(slug) or records.slugs.get(slug)
        if environment_id is None:
            return None, None
        environments = records.environments
        environment = environments.present.get(environment_id) or environments.get(environment_id)
        account = principal.account
        if account is None or account.kind is not AccountKind.USER:
            return environment, None
        return environment, records.memberships.get((account.id, environment_id))
