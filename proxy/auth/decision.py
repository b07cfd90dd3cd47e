"""The decision on one request: route, then credentials, then rights.

There is one decision, in one place, with one input: the gateway and `explain` both build an
`AccessRequest`, as anything else must that needs a decision. It is made from memory; where a record
is not in memory, `decide_loading` loads it and decides again by the same function.

A decision follows from the request, the records and the clock alone, so a verdict can be used again
until one of these changes (`Decider.holds`). What a limit counts has to be checked for each
request: a verdict only says which limits these are (`Verdict.metered`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from proxy.auth.access_request import AccessRequest, Judged, Routed
from proxy.auth.authenticator import Authenticator
from proxy.auth.credentials import Credentials, parse
from proxy.auth.public import public_verdict
from proxy.auth.records import CachedRecords, NotLoaded, loaded
from proxy.auth.upstream_choice import divided
from proxy.domain.authorization import Verdict, authorize
from proxy.domain.cors import Cors, Preflight
from proxy.domain.errors import Busy
from proxy.domain.limiting import UNLIMITED, limited
from proxy.domain.methods import STANDARD
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
from proxy.domain.presentation import BASIC, Presentation
from proxy.domain.routes import Access, Routes, Target, choose, methods_of
from proxy.http1.destination import destination
from proxy.http1.faults import Malformed

_TOO_BUSY: Final = Deny(Reason.TOO_MANY_FAILURES)
"""Where no credentials are required, a flood of guesses must not keep out requests that pass
anonymously."""


class Decider:
    """Decides from a table of routes, the current records, and the authenticator."""

    def __init__(
        self,
        routes: Routes,
        records: CachedRecords,
        authenticator: Authenticator,
        accepted: Presentation = BASIC,
    ) -> None:
        """`accepted`: how credentials are presented where no route says that."""
        self._routes = routes
        self._accepted = accepted
        self._records = records
        self._authenticator = authenticator

    @property
    def version(self) -> int:
        """The version of the records: a verdict of another version may be out of date."""
        return self._records.version

    def holds(self, verdict: Verdict) -> bool:
        """Whether the same request would get the same verdict now: no record has changed since, and
        neither its key nor its secret has expired."""
        records = self._records
        return (
            verdict.version == records.version
            and (records.lease is None or records.lease.holds())
            and (verdict.until is None or self._authenticator.clock() < verdict.until)
        )

    @property
    def leased(self) -> bool:
        """Whether the records may be gone by: else no request is permitted by them."""
        return self._records.leased

    def decide(self, request: AccessRequest) -> Verdict | None:
        """Decide from memory; None where that needs `decide_loading`.

        Raises `Busy` where credentials are required and too many wait to be verified.
        """
        try:
            return self._decide(request)
        except NotLoaded:
            return None

    async def decide_loading(self, request: AccessRequest) -> Verdict:
        """Decide as `decide` does, after loading records and verifying credentials as needed.

        Raises `StoreUnavailable`, and `Busy` as `decide` does.
        """
        while True:
            verdict = await loaded(lambda: self._decide(request))
            if verdict is not None:
                return verdict
            # A principal from here is not used, since its records may have changed by now.
            denied = await self._authenticate(request)
            if isinstance(denied, Deny):
                began = self._authenticator.clock()
                return await loaded(
                    partial(self._authorize, request, self._route(request), denied, began)
                )

    def routed(self, request: AccessRequest) -> Routed:
        """What the method and the path of a request match."""
        return request.routed or self._route(request)

    async def decide_for(self, key: Key, request: AccessRequest) -> Verdict:
        """The verdict on `request` with `key`, without a check of any secret.

        Raises `StoreUnavailable`.
        """
        routed = self._route(request)
        if routed.verdict is not None:
            return routed.verdict
        began = self._authenticator.clock()
        return await loaded(
            lambda: self._authorize(request, routed, self._authenticator.principal(key), began)
        )

    # --- the steps ---

    def _decide(self, request: AccessRequest) -> Verdict | None:
        """The decision, or None where credentials have to be verified first. Raises `NotLoaded`,
        `Busy`."""
        routed = request.routed or self._route(request)
        if routed.verdict is not None:
            return routed.verdict
        last = request.last
        if last is not None and self._is_like(request, routed, last):
            return last.verdict
        began = self._authenticator.clock()
        principal = self._recall(request)
        return None if principal is None else self._authorize(request, routed, principal, began)

    def _is_like(self, request: AccessRequest, routed: Routed, last: Judged) -> bool:
        """Whether the verdict on the request before, which had the same fields, is that on this
        one: it was made of the same, and still holds."""
        return (
            last.routed.route is routed.route
            and last.routed.slug == routed.slug
            and last.method == request.method
            and last.upgrade == request.upgrade
            and not last.verdict.by_path
            and self.holds(last.verdict)
        )

    def _route(self, request: AccessRequest) -> Routed:
        target = self._routes.find(request.path, request.characters)
        if request.destination is not None and request.method not in STANDARD:
            target = self._with_destination(target, request.destination, request.hosts)
        routed = None
        if request.preflight is not None and isinstance(target, Target):
            routed = self._preflighted(target, request.preflight, request.address)
        if routed is None:
            routed = self._routed(target, request)
        request.routed = routed
        return routed

    def _with_destination(
        self, target: Target | Deny | None, values: Sequence[bytes], hosts: Collection[bytes]
    ) -> Target | Deny | None:
        """The target of a request that names a second path, as COPY and MOVE do: both paths have to
        match the same route and name the same environment. A route that changes paths takes no
        second one: the upstream would get it unchanged, and read another path than was judged."""
        if isinstance(target, Target) and any(route.prefix for route in target.routes):
            return Deny(Reason.DESTINATION)
        try:
            second = self._routes.find(*destination(values, hosts))
        except Malformed:
            return Deny(Reason.DESTINATION)
        return target if isinstance(target, Deny) or second == target else Deny(Reason.DESTINATION)

    def _routed(self, target: Target | Deny | None, request: AccessRequest) -> Routed:
        if target is None:
            return Routed(None, self._accepted)  # 401 or 403: that depends on the credentials
        if isinstance(target, Deny):
            return Routed(None, self._accepted, verdict=Verdict(None, target))
        route = choose(target, request.method)
        if isinstance(route, Deny):
            verdict = Verdict(None, route, methods_of(target))
            return Routed(None, self._accepted, verdict=verdict, cors=_any_cors(target))
        public = public_verdict(route, request.address) if route.access is Access.PUBLIC else None
        return Routed(route, route.credentials, target.slug, public, route.cors)

    def _preflighted(self, target: Target, preflight: Preflight, address: str) -> Routed | None:
        """What a preflight matches: the route for the method that it asks for. None where that has
        nothing to do with other origins: then it is a request like any other. One that reaches the
        upstream uses up the rate of a public route."""
        route = choose(target, preflight.method)
        if isinstance(route, Deny):
            if _any_cors(target) is None:
                return None
            denied = Verdict(None, Deny(Reason.PREFLIGHT_METHOD))
            return Routed(None, self._accepted, verdict=denied)
        if route.cors is None and not route.upstream_cors:
            return None
        reason = route.cors.refusal(preflight) if route.cors else None
        permit = Permit() if reason is None else Deny(reason)
        verdict = Verdict(route, permit, preflight=reason is None)
        if route.upstream_cors and route.access is Access.PUBLIC:
            verdict = public_verdict(route, address)._replace(preflight=True)
        verdict = divided(verdict, address)
        return Routed(route, route.credentials, target.slug, verdict, route.cors)

    def _recall(self, request: AccessRequest) -> Principal | Deny | None:
        """The principal, from memory. None: the secret is not verified yet. Raises `NotLoaded`,
        `Busy`."""
        credentials = self._credentials(request)
        if isinstance(credentials, Deny):
            return credentials
        try:
            return self._authenticator.recall(credentials, request.address)
        except Busy:
            if self._required(request):
                raise
            return _TOO_BUSY

    async def _authenticate(self, request: AccessRequest) -> Principal | Deny:
        """The principal, by the store and bcrypt where needed. Raises `StoreUnavailable`,
        `Busy`."""
        credentials = self._credentials(request)
        if isinstance(credentials, Deny):
            return credentials
        try:
            return await self._authenticator.authenticate(credentials, request.address)
        except Busy:
            if self._required(request):
                raise
            return _TOO_BUSY

    def _credentials(self, request: AccessRequest) -> Credentials | Deny:
        accepted = (request.routed or self._route(request)).accepted
        if request.credentials is None or request.read_as is not accepted:
            given = request.authorization, request.pairs, accepted
            request.credentials = parse(*given)
            request.read_as = accepted
        return request.credentials

    def _required(self, request: AccessRequest) -> bool:
        """Whether the request needs valid credentials."""
        return self._records.access_control or request.credentials_required

    def _authorize(
        self, request: AccessRequest, routed: Routed, principal: Principal | Deny, began: int
    ) -> Verdict:
        """The decision after authentication, which `began` no later than this, in milliseconds
        since the epoch. Nothing is permitted without the lease; a refusal does not need it. Raises
        `NotLoaded`."""
        if isinstance(principal, Deny) and self._required(request):
            return Verdict(routed.route, principal)
        self._records.require_lease()
        return divided(self._judge(request, routed, principal, began), request.address)

    def _judge(
        self, request: AccessRequest, routed: Routed, principal: Principal | Deny, began: int
    ) -> Verdict:
        route, required = routed.route, self._required(request)
        if isinstance(principal, Deny):  # and credentials are not required
            return Verdict(route, Permit() if route else Deny(Reason.NO_ROUTE))
        if route is None:
            return Verdict(None, Deny(Reason.NO_ROUTE, principal.key))
        environment, membership = self._environment(principal, routed.slug)
        permit = authorize(
            principal,
            route,
            request.method,
            environment,
            membership,
            tunnel=request.upgrade in route.upgrades,
        )
        if isinstance(permit, Deny):
            # Without access control the request passes, and the upstream still learns the key.
            refused = Deny(permit.reason, principal.key, permit.environment)
            return Verdict(route, refused if required else Permit(principal, environment))
        found = UNLIMITED
        if required:
            found = limited(
                permit,
                request.method,
                _paths(request),
                request.address,
                self._authenticator.clock(),
                enforced=route.enforce_limits,
            )
        if found.refused is not None:
            return Verdict(route, Deny(found.refused, principal.key, permit.environment))
        end = _end(principal.key, found.until, began)
        return Verdict(
            route,
            permit,
            version=self._records.version,
            until=end,
            metered=found.metered,
            would_refuse=found.would_refuse,
            by_path=found.by_path,
        )

    def _environment(
        self, principal: Principal, slug: str | None
    ) -> tuple[Environment | None, Membership | None]:
        """The environment that the path names, and the principal's membership in it."""
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


def _end(key: Key, until: int | None, began: int) -> int | None:
    """When the key or its previous secret expires next, or what limits say ends at `until`; None:
    never. What has ended since the decision `began` counts: it may have been looked at before."""
    moments = (key.expires, key.previous_until, until)
    return min((each for each in moments if each is not None and each > began), default=None)


def _paths(request: AccessRequest) -> list[bytes]:
    """The path of a request that has been routed, and the one that it names besides."""
    if request.destination is None or request.method in STANDARD:
        return [request.path]
    return [request.path, destination(request.destination, request.hosts)[0]]


def _any_cors(target: Target) -> Cors | None:
    """The rules of the first route of `target` that has some, for a method that none of them
    takes."""
    return next((route.cors for route in target.routes if route.cors is not None), None)
