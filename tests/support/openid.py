"""An OpenID provider on loopback that answers whatever a test wants, right or wrong."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, Key
from joserfc.jws import JWSRegistry
from joserfc.registry import HeaderParameter

from proxy.config.oidc import Oidc

CLIENT_ID = "wardgate"
CLIENT_SECRET = "s3cret/of the+client"

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def signed(claims: dict[str, Any], key: Key, alg: str, **header: Any) -> str:
    """A token, signed in any way, also in ways that must be refused."""
    known = {name: HeaderParameter(name, lambda _: None) for name in header}
    registry = JWSRegistry(known, list(JWSRegistry.algorithms), strict_check_header=False)
    return jwt.encode({"alg": alg, **header}, claims, key, registry=registry)


def new_key(kid: str = "k1") -> ECKey:
    """A key with which a provider signs."""
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


@dataclass
class FakeProvider:
    """What it answers can be changed: by its fields, or as a whole by `instead`."""

    issuer: str = ""
    """What it is called, which is where it listens."""
    key: ECKey = field(default_factory=new_key)
    published: list[dict[str, Any]] | None = None
    """The keys that it shows; None: the one with which it signs."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """What its metadata has in place of what it should have; None leaves a member out."""
    answer: dict[str, str | None] = field(default_factory=dict)
    """The same of the answer that a browser brings back."""
    claims: dict[str, Any] = field(default_factory=dict)
    """The same of the claims in ID tokens."""
    userinfo: dict[str, Any] = field(default_factory=lambda: {"sub": "ada"})
    make_token: Callable[[dict[str, Any]], str] | None = None
    """Makes an ID token of claims, in place of `signed`."""
    instead: dict[str, Answer] = field(default_factory=dict)
    """Path → what is answered there instead."""
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    """(path, header fields, form) of each request."""
    nonce: str = ""

    @property
    def paths(self) -> list[str]:
        """Where it was asked."""
        return [path for path, _, _ in self.asked]

    def form(self, path: str) -> dict[str, str]:
        """The form of the last request to `path`."""
        return [form for asked, _, form in self.asked if asked == path][-1]

    def fields(self, path: str) -> dict[str, str]:
        """The header fields of the last request to `path`."""
        return [fields for asked, fields, _ in self.asked if asked == path][-1]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append((request.path, dict(request.headers), form))
        usual = {
            "/.well-known/openid-configuration": self._metadata,
            "/authorize": self._authorize,
            "/token": self._token,
            "/keys": self._keys,
            "/userinfo": self._userinfo,
        }
        return await (self.instead.get(request.path) or usual[request.path])(request)

    async def _metadata(self, _: web.Request) -> web.Response:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
        }
        return web.json_response(_changed(document, self.metadata))

    async def _authorize(self, request: web.Request) -> web.Response:
        self.nonce = request.query["nonce"]
        query = _changed({"code": "c0de", "state": request.query["state"]}, self.answer)
        url = f"{request.query['redirect_uri']}?{urlencode(query)}"
        return web.Response(status=302, headers={"Location": url})

    async def _token(self, _: web.Request) -> web.Response:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "ada",
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": self.nonce,
        }
        claims = _changed(claims, self.claims)
        make = self.make_token or (lambda claims: signed(claims, self.key, "ES256", kid="k1"))
        return web.json_response(
            {"token_type": "Bearer", "access_token": "acce55", "id_token": make(claims)}
        )

    async def _keys(self, _: web.Request) -> web.Response:
        keys = [self.key.as_dict(private=False)] if self.published is None else self.published
        return web.json_response({"keys": keys})

    async def _userinfo(self, _: web.Request) -> web.Response:
        return web.json_response(self.userinfo)


def _changed(usual: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (usual | changes).items() if value is not None}


@asynccontextmanager
async def fake_provider(tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeProvider]:
    """A provider that listens until the context ends, with `tls` under the name localhost."""
    provider = FakeProvider()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", provider.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    port = runner.addresses[0][1]
    provider.issuer = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    try:
        yield provider
    finally:
        await runner.cleanup()


def oidc_settings(issuer: str, folder: Path, **more: Any) -> Oidc:
    """The settings for a provider, with the client's secret in a file."""
    file = folder / "client-secret"
    file.write_text(CLIENT_SECRET + "\n")
    file.chmod(0o600)
    return Oidc.model_validate(
        {"issuer": issuer, "client_id": CLIENT_ID, "client_secret_file": file} | more
    )
