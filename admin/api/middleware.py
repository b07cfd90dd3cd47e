"""What happens to every request around its handler, and what every answer carries."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler

from admin.api.connection import Connection
from admin.api.hosts import Hosts
from admin.api.representations import DEFAULT_VERSION, Links
from admin.api.responses import LINKS, allowed, refusal_of, response_of
from admin.api.schemas import REF
from admin.service import Caller
from admin.service.errors import Refused
from proxy.domain.model import READ_METHODS, Deny, Principal, Reason
from proxy.http1.fields import REQUEST_ID

CALLER: Final = web.RequestKey("caller", Caller)

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""Asked by machines that have neither a key nor always a Host."""

_SCOPED: Final = re.compile(rf"/(v1|v2-beta)(?:/(?i:projects?)/({REF.pattern}))?(?:/.*)?")

log = logging.getLogger(__name__)


class CredentialChecker(Protocol):
    """Tells whose key a request presents."""

    async def check(self, authorization: bytes | None, source: str) -> Principal | Deny:
        """Judge the value of the Authorization field; `source` is the client's address.

        Raises `StoreUnavailable`, `Busy`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Front:
    """Stands before the handlers: who asks, from where, and what goes back."""

    checker: CredentialChecker
    hosts: Hosts

    @web.middleware
    async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, whatever comes of it."""
        request_id = _request_id(request)
        try:
            response = await self._answer(request, handler, request_id)
        except Exception as error:
            refused = refusal_of(error, request.method)
            if refused.code == "InternalError":
                log.error("request %s failed", request_id, exc_info=error)
            response = response_of(
                refused,
                problem="application/problem+json" in request.headers.get("Accept", "").lower(),
                challenge=request.headers.get("X-API-No-Challenge", "").lower() != "true",
            )
        _complete(request, response, request_id)
        return response

    async def _answer(
        self, request: web.Request, handler: Handler, request_id: str
    ) -> web.StreamResponse:
        if request.path not in OPEN_PATHS:
            request[LINKS] = self._links(request)
            if request.method not in READ_METHODS:
                _require_same_origin(request)
            await self._authenticate(request, request_id)
        try:
            return await handler(request)
        except web.HTTPMethodNotAllowed as error:
            if request.method != "OPTIONS":
                raise
            return web.Response(status=204, headers={"Allow": ", ".join(allowed(error))})

    def _links(self, request: web.Request) -> Links:
        """Where the request was sent to. Raises `Refused`."""
        transport = request.transport
        own = transport.get_extra_info("sockname") if transport is not None else None
        address = own[0] if isinstance(own, tuple) else None
        origin = self.hosts.origin(request.headers.getall("Host", []), request.scheme, address)
        scoped = _SCOPED.fullmatch(request.path)
        version, scope = (scoped[1], scoped[2]) if scoped else (DEFAULT_VERSION, None)
        return Links(origin, version, scope)

    async def _authenticate(self, request: web.Request, request_id: str) -> None:
        """Find out whose key is presented. Raises `Refused`, and what the checker raises."""
        connection = request.protocol
        try:
            request[CALLER] = await self._caller(request, request_id)
        except Refused:
            if isinstance(connection, Connection):
                connection.authenticated = False
            raise
        if isinstance(connection, Connection):
            connection.authenticated = True

    async def _caller(self, request: web.Request, request_id: str) -> Caller:
        values = request.headers.getall("Authorization", [])
        if len(values) > 1:
            raise Refused("Unauthorized")
        authorization = values[0].encode("utf-8", "surrogateescape") if values else None
        address = request.remote or "unix"
        principal = await self.checker.check(authorization, address)
        if isinstance(principal, Deny):
            spent = principal.reason is Reason.TOO_MANY_FAILURES
            raise Refused("TooManyRequests" if spent else "Unauthorized")
        owner = principal.account or principal.environment
        assert owner is not None
        return Caller(principal.key, owner, address, request_id)


def _require_same_origin(request: web.Request) -> None:
    """Refuse a change that another site's page makes a browser send. Raises `Refused`.

    Browsers remember Basic credentials, and bodies count as JSON whatever their type, so nothing
    else would stop it.
    """
    origins = request.headers.getall("Origin", [])
    sites = request.headers.getall("Sec-Fetch-Site", [])
    if any(origin.lower() != request[LINKS].origin for origin in origins) or any(
        site.lower() not in {"same-origin", "none"} for site in sites
    ):
        raise Refused("CrossSite")


def _request_id(request: web.Request) -> str:
    """The client's own, where it is well formed, else a new one."""
    values = request.headers.getall("X-Request-Id", [])
    known = len(values) == 1 and REQUEST_ID(values[0].encode("utf-8", "surrogateescape"))
    return values[0] if known else uuid4().hex


def _complete(request: web.Request, response: web.StreamResponse, request_id: str) -> None:
    """Add what every answer carries. None of them is for a cache or for another page to know."""
    headers = response.headers
    headers["X-Request-Id"] = request_id
    headers["Cache-Control"] = "no-store"
    headers["Referrer-Policy"] = "no-referrer"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    links = request.get(LINKS)
    if links is None:
        return
    headers["X-API-Schemas"] = links.schemas
    headers["X-Api-Client-Ip"] = request.remote or "unix"
    caller = request.get(CALLER)
    if caller is None:
        return
    headers["X-Api-Account-Id"] = links.scope or caller.owner.ref
    headers["X-Api-User-Id"] = caller.owner.ref
