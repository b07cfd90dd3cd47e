"""The gateway's decision on one request: route, then credentials, then rights.

One decision in one place, made from memory; where memory cannot tell, `judge_fully` loads what is
missing and decides again by the same function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from proxy.auth.authenticator import Authenticator, Busy, Credentials
from proxy.auth.records import CachedRecords, NotLoaded
from proxy.domain.model import (
    AccountKind,
    Deny,
    Environment,
    Key,
    Membership,
    Permit,
    Principal,
    Reason,
)
from proxy.domain.policy import Access, Route, Routes, Target, authorize, choose, methods_of
from proxy.http1.fields import RequestFields
from proxy.http1.grammar import Limits, Malformed, RequestLine, request_line
from proxy.http1.head import Head


class Verdict(NamedTuple):
    """What is to become of a request. A permit has a route; an `allow` belongs to a 405."""

    route: Route | None
    permit: Permit | Deny
    allow: Sequence[str] = ()


class Decided(NamedTuple):
    """A permit, and all that was read for it: (table, what was asked for, what it said)."""

    verdict: Verdict
    read: Sequence[tuple[Mapping[Any, object], object, object]]
    key: Key


class Judge:
    """Decides from a route table, the current records, and the authenticator."""

    def __init__(
        self,
        routes: Routes,
        records: CachedRecords,
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

    def judge(self, head: Head, address: str) -> Verdict | None:
        """Decide from memory, or None where that takes `judge_fully`; `address` is the client's.

        The current records are read for every request. Where they are the very ones that the same
        head was permitted by, which do not change, it is permitted again without a second look.

        Raises `Malformed` where the path is ambiguous, `Busy` as `judge_fully` does.
        """
        decided: Decided | None = head.decided
        if decided is not None:
            for table, name, said in decided.read:
                if table.get(name) is not said:
                    break
            else:
                if decided.key.expires is None or not self._authenticator.is_over(decided.key):
                    return decided.verdict
            head.decided = None
        return self._judge(head, address)

    def _judge(self, head: Head, address: str) -> Verdict | None:
        target, route = self._lead(head)
        if isinstance(route, Verdict):
            return route
        credentials = self._credentials(head.fields)
        if isinstance(credentials, Deny):
            return self._decide(credentials, target, route, head)
        try:
            principal = self._authenticator.recall(credentials, address)
        except NotLoaded:
            return None
        except Busy:
            if self._asked(head.fields):
                raise
            principal = Deny(Reason.TOO_MANY_FAILURES)
        if principal is None:
            return None
        try:
            return self._decide(principal, target, route, head)
        except NotLoaded:
            return None

    async def judge_fully(self, head: Head, address: str) -> Verdict:
        """Decide as `judge` does, loading and verifying what it takes.

        Raises `StoreUnavailable`, and `Busy` where credentials are asked for.
        """
        target, route = self._lead(head)
        if isinstance(route, Verdict):
            return route
        credentials = self._credentials(head.fields)
        while True:
            principal = await self._principal(credentials, head.fields, address)
            try:
                return self._decide(principal, target, route, head)
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
        head = Head(line, request_line(line), RequestFields(b"\r\n"))
        found, route = self._lead(head)
        if isinstance(route, Verdict):
            return route
        while True:
            try:
                principal = self._authenticator.principal(key)
                return self._decide(principal, found, route, head)
            except NotLoaded as missing:
                await missing.load()

    def _lead(self, head: Head) -> tuple[Target | None, Route | Verdict | None]:
        """Where the request line leads, and what `_route` says of it. Raises `Malformed`."""
        leads: tuple[Target | None, Route | Verdict | None] | None = head.leads
        if leads is None:
            target = self._routes.find(head.request.path, head.request.opted)
            leads = head.leads = (target, self._route(target, head.request))
        return leads

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
        head: Head,
    ) -> Verdict:
        """Everything behind authentication. Raises `NotLoaded`."""
        asked = self._asked(head.fields)
        if isinstance(principal, Deny):
            if asked:
                return Verdict(route, principal)
            return Verdict(route, Permit() if route else Deny(Reason.NO_ROUTE))
        if route is None or target is None:
            return Verdict(None, Deny(Reason.NO_ROUTE, principal.key))
        environment, membership = self._place(principal, target.slug)
        upgrade = head.fields.upgrade
        tunnel = upgrade is not None and upgrade.decode("latin-1") in route.upgrades
        permit = authorize(
            principal, route, head.request.method.decode(), environment, membership, tunnel=tunnel
        )
        if isinstance(permit, Deny):
            # Where nobody is asked, identity is still told.
            refused = Deny(permit.reason, principal.key)
            return Verdict(route, refused if asked else Permit(principal, environment))
        verdict = Verdict(route, permit)
        head.decided = self._decided(verdict, permit, principal, head, target.slug, membership)
        return verdict

    def _decided(
        self,
        verdict: Verdict,
        permit: Permit,
        principal: Principal,
        head: Head,
        slug: str | None,
        membership: Membership | None,
    ) -> Decided | None:
        """What a permit rests on; None where it rests on something that is not there yet, or where
        only the clock tells whether it still holds."""
        records, key, account = self._records, principal.key, principal.account
        read = self._authenticator.read_for(head.fields.credentials, key)
        if read is None or (slug is not None and permit.environment is None):
            return None
        if account is not None:
            read.append((records.accounts.present, account.id, account))
        for environment in (principal.environment, permit.environment):
            if environment is not None:  # its record holds its slug
                read.append((records.environments.present, environment.id, environment))
        if membership is not None:
            pair = membership.account_id, membership.environment_id
            read.append((records.memberships.present, pair, membership))
        return Decided(verdict, read, key)

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
