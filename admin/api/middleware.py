"""What happens to every request before and after its handler.

Before: its Host, the web site that sent it, and its key are checked. After: an error becomes an
answer, and every answer gets the same fields.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler

from admin.api.body import OF_FORM
from admin.api.clients import CLIENT, SCHEME, note_client
from admin.api.connection import Connection
from admin.api.expectation import EXPECTED, require_known
from admin.api.form import form_of, is_form
from admin.api.hosts import Hosts, is_trustworthy
from admin.api.login import ORIGIN, Login, token_of
from admin.api.paths import OF_API, VERSION
from admin.api.representations import DEFAULT_VERSION, Links
from admin.api.responses import (
    LINKS,
    JsonAnswer,
    allowed_methods,
    refusal_of,
    response_of,
    wants_page,
)
from admin.api.schemas import REF
from admin.service import Caller
from admin.service.errors import Refused
from admin.service.limit_rules import require_admitted
from admin.service.sessions import SessionService
from proxy.domain.clock import now_ms
from proxy.domain.errors import WardgateError
from proxy.domain.methods import READ_METHODS
from proxy.domain.model import Deny, Principal, Reason
from proxy.domain.session import csrf_token, is_csrf_token
from proxy.http1.fields import REQUEST_ID

CALLER: Final = web.RequestKey("caller", Caller)
LOGIN: Final = web.RequestKey("login", Login)
"""Of requests that come with the console's cookie in place of a key."""

_ID: Final = web.RequestKey("request_id", str)

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""For health checks, which have no key and may send an unknown Host."""
MONITORED: Final = frozenset({"/metrics", "/readyz"})
"""What shows that the node has no lease any more, and so cannot wait for it."""
PUBLIC_PATHS: Final = re.compile(r"/login(?:/oidc(?:/callback)?)?|/static/[a-z.-]+")
"""What the console shows to who has not logged in."""
LOGOUT: Final = "/logout"

_WITH_KEY: Final = re.compile(rf"{OF_API}|/metrics|/readyz", re.DOTALL)
"""The paths at which programs present a key."""

_SCOPED: Final = re.compile(rf"/({VERSION})(?:/(?ai:projects?)/({REF.pattern}))?(?:/.*)?")

log = logging.getLogger(__name__)


class CredentialChecker(Protocol):
    """Finds the owner of the key that a request presents."""

    async def check(self, authorization: bytes | None, source: str) -> Principal | Deny:
        """Check the value of the Authorization field. `source` is the client's address.

        Raises `StoreUnavailable`, `Busy`.
        """
        ...

    @property
    def leased(self) -> bool:
        """Whether what was decided may be gone by: else a key may have been revoked long ago."""
        ...

    async def await_lease(self) -> None:
        """Wait a little until that is so. Raises `StoreUnavailable` where it is not."""
        ...


class Pages(Protocol):
    """Makes what a browser gets in place of JSON."""

    async def refused(self, request: web.Request, refused: Refused) -> web.Response:
        """The page for an error."""
        ...

    async def answered(self, request: web.Request, answer: JsonAnswer) -> web.Response:
        """The page for an answer of the API."""
        ...

    async def body(self, request: web.Request) -> dict[str, Any] | None:
        """The body that the API reads from a request with a form of the console's; None where the
        request is not for the API, or has no form. Raises `Refused`."""
        ...


@dataclass(frozen=True, slots=True)
class Middleware:
    """Goes around every handler."""

    checker: CredentialChecker
    hosts: Callable[[], Hosts]
    sessions: SessionService
    pages: Pages
    is_trusted: Callable[[str], bool]
    """Whether a peer with an address is a trusted proxy, whose forwarding fields count."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @web.middleware
    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request. Never raises an `Exception`."""
        request_id = request_id_of(request)
        try:
            note_client(request, self.is_trusted)
            response = await self._answer(request, handler, request_id)
        except Exception as error:
            refused = refusal_of(error, request.method, known=CALLER in request)
            if refused.code == "InternalError":
                log.error("request %s failed", request_id, exc_info=error)
            response = await self._refusal(request, refused)
        if CALLER not in request:
            if isinstance(request.protocol, Connection):
                request.protocol.authenticated = bool(request.protocol.authenticated)
            await self._wait_for_turn()
        _complete(request, response, request_id)
        if request.method == "CONNECT" or EXPECTED in request:
            # What follows may be the bytes of a tunnel, or a body that was not asked for.
            response.force_close()
        return response

    async def _wait_for_turn(self) -> None:
        """Have no more than one answer to a request without a key in each iteration of the event
        loop. Otherwise hundreds of connections on which such requests are pipelined would have
        hundreds, for which requests with a key would have to wait."""
        async with self._turn:
            await asyncio.sleep(0)

    async def _refusal(self, request: web.Request, refused: Refused) -> web.Response:
        if wants_page(request) and LINKS in request:
            return await self.pages.refused(request, refused)
        return response_of(
            refused,
            problem="application/problem+json" in request.headers.get("Accept", "").lower(),
            challenge=request.headers.get("X-API-No-Challenge", "").lower() != "true",
        )

    async def _answer(
        self, request: web.Request, handler: Handler, request_id: str
    ) -> web.StreamResponse:
        if request.path not in OPEN_PATHS:
            request[ORIGIN] = origin = self._origin(request)
            request[LINKS] = links = _links(request, self.hosts().origin_of_links(origin))
            if request.method not in READ_METHODS:
                _require_same_origin(request, {origin, links.origin})
            if not PUBLIC_PATHS.fullmatch(request.path):
                await self._authenticate(request, request_id)
        elif request.path == "/readyz" and "Authorization" in request.headers:
            with suppress(WardgateError):  # the answer has less in it then
                await self._authenticate(request, request_id)
        require_known(request)
        if LOGIN in request and request.method not in READ_METHODS:
            body = await self.pages.body(request)
            if body is not None:
                request[OF_FORM] = body
        try:
            response = await handler(request)
            if isinstance(response, JsonAnswer) and wants_page(request):
                return await self.pages.answered(request, response)
            return response
        except web.HTTPMethodNotAllowed as error:
            if request.method != "OPTIONS":
                raise
            return web.Response(status=204, headers={"Allow": ", ".join(allowed_methods(error))})

    def _origin(self, request: web.Request) -> str:
        """The origin to which a request was sent, by its Host. Raises `Refused`."""
        transport = request.transport
        own = transport.get_extra_info("sockname") if transport is not None else None
        address = own[0] if isinstance(own, tuple) else None
        return self.hosts().origin(request.headers.getall("Host", []), request[SCHEME], address)

    async def _authenticate(self, request: web.Request, request_id: str) -> None:
        """Set the caller, and mark the connection. Raises `Refused`, and as the checker does."""
        connection = request.protocol
        try:
            caller = await self._caller(request, request_id)
            while not (self.checker.leased or request.path in MONITORED):
                await self.checker.await_lease()
                caller = await self._caller(request, request_id)
            request[CALLER] = caller
        except Refused:
            if isinstance(connection, Connection):
                connection.authenticated = False
            raise
        if isinstance(connection, Connection):
            connection.authenticated = True

    async def _caller(self, request: web.Request, request_id: str) -> Caller:
        """The owner of the key that the request presents, or of its session. Raises as
        `_authenticate`.

        A browser goes on sending credentials that it was once asked for. So on pages, those of the
        API too, the session counts where there are both; else in the API, what was presented.
        """
        values = request.headers.getall("Authorization", [])
        if len(values) > 1:
            raise Refused("Unauthorized")
        if not values or wants_page(request) or not _WITH_KEY.fullmatch(request.path):
            token = token_of(request)
            if token is not None:
                return await self._resumed(request, token, request_id)
        authorization = values[0].encode("utf-8", "surrogateescape") if values else None
        return await authenticated(self.checker, authorization, request, request_id)

    async def _resumed(self, request: web.Request, token: str, request_id: str) -> Caller:
        """The caller of a session. A change needs the token that the session's pages hold (OWASP:
        synchronizer token), besides coming from the same origin. Raises `Refused`."""
        resumed = await self.sessions.resume(token, request[CLIENT], request_id)
        if resumed is None:
            raise Refused("Unauthorized")
        session, caller = resumed
        if request.path != LOGOUT:  # a session can be ended whatever its key may do now
            require_admitted(caller, now_ms())
        request[LOGIN] = Login(session, csrf_token(token))
        if request.method not in READ_METHODS:
            given = request.headers.get("X-CSRF-Token", "")
            if not given and is_form(request):
                given = (await form_of(request)).get("csrf", "")
            if not is_csrf_token(given, token):
                raise Refused(
                    "InvalidCSRFToken", "load the page again, and repeat the change there"
                )
        return caller


async def authenticated(
    checker: CredentialChecker, authorization: bytes | None, request: web.Request, request_id: str
) -> Caller:
    """The owner of the key in the value of an Authorization field. Raises `Refused`,
    `StoreUnavailable`, `Busy`."""
    address = request[CLIENT]
    principal = await checker.check(authorization, address)
    if isinstance(principal, Deny):
        spent = principal.reason is Reason.TOO_MANY_FAILURES
        raise Refused("TooManyRequests" if spent else "Unauthorized")
    key, owner = principal.key, principal.account or principal.environment
    secret_hash = key.previous_hash if principal.previous else key.secret_hash
    assert owner is not None
    assert secret_hash is not None
    caller = Caller(key, owner, secret_hash, address, request_id)
    require_admitted(caller, now_ms())
    return caller


def _links(request: web.Request, origin: str) -> Links:
    """The links for a request, from its path."""
    scoped = _SCOPED.fullmatch(request.path)
    version, scope = (scoped[1], scoped[2]) if scoped else (DEFAULT_VERSION, None)
    return Links(origin, version, scope)


def _require_same_origin(request: web.Request, own: Collection[str]) -> None:
    """Refuse a change that a page of another site makes a browser send. Raises `Refused`.

    `own` are the admin server's origins: the one that the request was sent to, and the public one.

    A browser adds the Basic credentials that it remembers, and a body counts as JSON whatever its
    type. So without this check any web page could send changes with an administrator's key.
    """
    for origin in request.headers.getall("Origin", []):
        if origin.lower() not in own:
            raise Refused("CrossSite", _why_not_own(origin, own))
    for site in request.headers.getall("Sec-Fetch-Site", []):
        if site.lower() not in {"same-origin", "none"}:
            raise Refused("CrossSite")


def _why_not_own(origin: str, own: Collection[str]) -> str | None:
    """What to do about a page of another origin that seems to be a page of this server."""
    host = origin.lower().partition("://")[2]
    for each in own:
        if each.partition("://")[2] == host:
            if each.startswith("https://"):
                return f"open {each} instead: the admin server is used over TLS"
            return f"set admin.public_url to {origin[:200]}, if people open the admin server there"
    return None


def request_id_of(request: web.Request) -> str:
    """The client's X-Request-Id where it is well formed, else a new one, which the request keeps:
    the answer and all audit entries have the same."""
    if _ID not in request:
        values = request.headers.getall("X-Request-Id", [])
        known = len(values) == 1 and REQUEST_ID(values[0].encode("utf-8", "surrogateescape"))
        request[_ID] = values[0] if known else uuid4().hex
    return request[_ID]


def _complete(request: web.Request, response: web.StreamResponse, request_id: str) -> None:
    """Add the fields of every answer. No cache may keep it, no other page may read or frame it."""
    headers = response.headers
    headers["X-Request-Id"] = request_id
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    if is_trustworthy(request.get(ORIGIN, "")):
        # A page of another site that opens one of ours has no handle on its window.
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
    links = request.get(LINKS)
    if links is None:
        return
    headers["X-API-Schemas"] = links.schemas
    headers["X-Api-Client-Ip"] = request[CLIENT]
    caller = request.get(CALLER)
    if caller is None:
        return
    headers["X-Api-Account-Id"] = links.scope or caller.owner.ref
    headers["X-Api-User-Id"] = caller.owner.ref
    if caller.revisions:
        headers["Wardgate-Revision"] = str(caller.revisions[-1])
