"""How a provider is asked: bounded, without redirects, and only when it is needed."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from admin.oidc.attempts import Attempt, Attempts
from admin.oidc.errors import LoginFailed
from admin.oidc.http import MAX_ANSWER
from admin.oidc.provider import FAILED, KEPT, KEYS_AGAIN, Provider
from proxy.domain.clock import now_ms
from proxy.domain.session import Identity
from tests.admin.admin_api import Clock
from tests.support.openid import (
    CLIENT_ID,
    CLIENT_SECRET,
    Answer,
    FakeProvider,
    fake_provider,
    new_key,
    oidc_settings,
    signed,
)

METADATA = "/.well-known/openid-configuration"
BACK = "https://w.example/login/oidc/callback"


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    """A provider that answers what it should."""
    async with fake_provider() as provider:
        yield provider


@pytest.fixture
def clock() -> Clock:
    """Milliseconds since the epoch."""
    return Clock(now_ms())


@pytest.fixture
def provider(fake: FakeProvider, clock: Clock, tmp_path: Path) -> Provider:
    """The same, as it is asked."""
    return Provider(oidc_settings(fake.issuer, tmp_path), clock)


def attempt_of(fake: FakeProvider) -> Attempt:
    """A login under way, of which the provider knows the nonce."""
    attempt = Attempts(Clock(0)).begin("/")
    fake.nonce = attempt.nonce
    return attempt


async def log_in(provider: Provider, fake: FakeProvider) -> Identity:
    """Come back from the provider with a code."""
    return await provider.identity(attempt_of(fake), {"code": "c0de"}, BACK)


def answering(**answer: Any) -> Answer:
    """What is answered in place of the usual."""

    async def answered(_: web.Request) -> web.Response:
        return web.Response(**answer)

    return answered


async def test_the_code_is_exchanged_with_the_secret_and_the_verifier(
    provider: Provider, fake: FakeProvider
) -> None:
    """The secret goes in the Authorization field, each half encoded as RFC 6749 says."""
    attempt = attempt_of(fake)
    identity = await provider.identity(attempt, {"code": "c0de"}, BACK)
    assert identity == Identity(fake.issuer, "sub", "ada")
    assert fake.form("/token") == {
        "grant_type": "authorization_code",
        "code": "c0de",
        "redirect_uri": BACK,
        "code_verifier": attempt.verifier,
    }
    scheme, _, pair = fake.fields("/token")["Authorization"].partition(" ")
    assert (scheme, b64decode(pair).decode()) == ("Basic", "wardgate:s3cret%2Fof+the%2Bclient")


async def test_the_secret_goes_in_the_body_where_basic_is_not_taken(
    provider: Provider, fake: FakeProvider
) -> None:
    """And nowhere else."""
    fake.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    await log_in(provider, fake)
    form = fake.form("/token")
    assert (form["client_id"], form["client_secret"]) == (CLIENT_ID, CLIENT_SECRET)
    assert "Authorization" not in fake.fields("/token")


async def test_the_provider_is_asked_once_an_hour_what_it_is(
    provider: Provider, fake: FakeProvider, clock: Clock
) -> None:
    """And for its keys. People who log in at the same time wait for the same answer."""
    attempt = attempt_of(fake)
    await asyncio.gather(*(provider.authorization_url(attempt, BACK) for _ in range(9)))
    await log_in(provider, fake)
    await log_in(provider, fake)
    assert [fake.paths.count(path) for path in (METADATA, "/keys", "/token")] == [1, 1, 2]
    clock.now += KEPT
    await provider.authorization_url(attempt, BACK)
    assert fake.paths.count(METADATA) == 2


async def test_a_provider_that_failed_is_left_in_peace_for_a_while(
    provider: Provider, fake: FakeProvider, clock: Clock
) -> None:
    """So strangers who begin logins do not have it asked each time, and do not wait."""
    fake.instead[METADATA] = answering(status=503)
    attempt = attempt_of(fake)
    for _ in range(3):
        with pytest.raises(LoginFailed, match="does not answer") as caught:
            await provider.authorization_url(attempt, BACK)
        assert (caught.value.status, caught.value.cause) == (503, "metadata: status 503")
    assert fake.paths == [METADATA]
    fake.instead.clear()
    clock.now += FAILED
    await provider.authorization_url(attempt, BACK)


async def test_a_new_key_of_the_provider_is_found(
    provider: Provider, fake: FakeProvider, clock: Clock
) -> None:
    """At a token that it has signed, but not more often than once a minute."""
    await log_in(provider, fake)
    fake.key = new_key("k2")
    fake.make_token = lambda claims: signed(claims, fake.key, "ES256", kid="k2")
    with pytest.raises(LoginFailed, match="cannot be used") as caught:
        await log_in(provider, fake)
    assert caught.value.cause == (
        "the ID token is signed with a key that the provider does not have"
    )
    assert fake.paths.count("/keys") == 1
    clock.now += KEYS_AGAIN
    assert (await log_in(provider, fake)).value == "ada"
    assert fake.paths.count("/keys") == 2


@pytest.mark.parametrize("path", [METADATA, "/token", "/keys", "/userinfo"])
@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ({"status": 302, "headers": {"Location": "/elsewhere"}}, "status 302, no error code"),
        ({"status": 404}, "status 404, no error code"),
        ({"status": 500}, "status 500"),
        ({"text": "[]"}, "the answer is no JSON object"),
        ({"text": "<html>"}, "the answer is no JSON object"),
        ({"body": b"\xff"}, "the answer is no JSON object"),
        ({"text": "[" * 100_000}, "the answer is no JSON object"),
        ({"text": " " * (MAX_ANSWER + 1)}, "the answer is too large"),
        (
            {"body": gzip.compress(b"{}"), "headers": {"Content-Encoding": "gzip"}},
            "the answer is no JSON object",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_answer_that_is_none_ends_the_login(
    fake: FakeProvider,
    clock: Clock,
    tmp_path: Path,
    path: str,
    answer: dict[str, Any],
    cause: str,
) -> None:
    """No redirect is followed. The log says what was asked."""
    provider = Provider(oidc_settings(fake.issuer, tmp_path, claim="name"), clock)
    fake.instead[path] = answering(**answer)
    with pytest.raises(LoginFailed) as caught:
        await log_in(provider, fake)
    what = {METADATA: "metadata", "/userinfo": "UserInfo endpoint", "/token": "token endpoint"}
    assert caught.value.cause == f"{what.get(path, 'keys')}: {cause}"
    assert "/elsewhere" not in fake.paths


async def test_a_provider_that_is_away_is_a_503(
    provider: Provider, fake: FakeProvider, clock: Clock, tmp_path: Path
) -> None:
    """Nobody listens, or the connection breaks off."""

    async def broken(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    fake.instead[METADATA] = broken
    away = Provider(oidc_settings("http://127.0.0.1:1", tmp_path), clock)
    for each in (provider, away):
        with pytest.raises(LoginFailed, match="does not answer") as caught:
            await each.authorization_url(attempt_of(fake), BACK)
        assert caught.value.status == 503
        assert caught.value.cause.startswith("metadata: ")


async def test_a_provider_that_does_not_end_its_answer_is_given_up(
    provider: Provider, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ten seconds in all, of which the test does not wait for so many."""

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{")
        await asyncio.sleep(3600)
        return response

    monkeypatch.setattr("admin.oidc.http.TIMEOUT", 0.2)
    fake.instead[METADATA] = silent
    with pytest.raises(LoginFailed, match="does not answer") as caught:
        await provider.authorization_url(attempt_of(fake), BACK)
    assert caught.value.cause == "metadata: TimeoutError"


async def test_a_provider_has_to_prove_by_its_certificate_that_it_is_the_one(
    clock: Clock, tmp_path: Path
) -> None:
    """It is verified by `ca_file`, where there is one, else by the system's authorities."""
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    found = []
    async with fake_provider(context) as fake:
        for name, trusted in (("own", authority), ("another", other), ("system", None)):
            more = {}
            if trusted is not None:
                trusted.cert_pem.write_to_path(tmp_path / name)
                more["ca_file"] = tmp_path / name
            provider = Provider(oidc_settings(fake.issuer, tmp_path, **more), clock)
            try:
                found.append((await log_in(provider, fake)).value)
            except LoginFailed as failed:
                found.append(failed.cause)
    refused = "metadata: ClientConnectorCertificateError"
    assert found == ["ada", refused, refused]


async def test_no_proxy_is_taken_from_the_environment(
    provider: Provider, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would see the client's secret, where the provider is on this machine."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await log_in(provider, fake)).value == "ada"


@pytest.mark.parametrize(
    ("error", "status", "cause"),
    [
        ("invalid_grant", 400, "invalid_grant"),
        ("invalid_client", 502, "invalid_client"),
        ("c0de", 502, "no error code"),
        (5, 502, "no error code"),
    ],
)
async def test_a_code_that_is_refused_ends_the_login(
    provider: Provider, fake: FakeProvider, error: object, status: int, cause: str
) -> None:
    """The log has the known name of the error, and nothing else of the answer."""
    fake.instead["/token"] = answering(
        status=400, text=web.json_response({"error": error, "error_description": "c0de"}).text
    )
    with pytest.raises(LoginFailed) as caught:
        await log_in(provider, fake)
    assert (caught.value.status, caught.value.cause) == (
        status,
        f"token endpoint: status 400, {cause}",
    )


@pytest.mark.parametrize("token", [None, 5, "", "a.b.c"])
async def test_an_answer_without_an_id_token_ends_the_login(
    provider: Provider, fake: FakeProvider, token: object
) -> None:
    """An access token proves nothing about who has logged in."""
    fake.instead["/token"] = answering(
        text=web.json_response({"access_token": "a", "id_token": token}).text
    )
    with pytest.raises(LoginFailed, match="cannot be used"):
        await log_in(provider, fake)


async def test_a_claim_that_the_id_token_lacks_comes_from_userinfo(
    fake: FakeProvider, clock: Clock, tmp_path: Path
) -> None:
    """There it has to be about the same subject. It is asked only where a claim is missing."""
    provider = Provider(oidc_settings(fake.issuer, tmp_path, claim="email"), clock)
    fake.userinfo = {"sub": "ada", "email": "ada@example.com", "email_verified": True}
    assert (await log_in(provider, fake)).value == "ada@example.com"
    assert fake.fields("/userinfo")["Authorization"] == "Bearer acce55"
    fake.userinfo["sub"] = "eve"
    with pytest.raises(LoginFailed) as caught:
        await log_in(provider, fake)
    assert caught.value.cause == "the UserInfo endpoint tells about somebody else"
    fake.claims = {"email": "eve@example.com", "email_verified": True}
    assert (await log_in(provider, fake)).value == "eve@example.com"
    assert fake.paths.count("/userinfo") == 2


@pytest.mark.parametrize("verified", [None, False, "true", 1])
async def test_an_address_that_the_provider_has_not_verified_does_not_count(
    fake: FakeProvider, clock: Clock, tmp_path: Path, verified: object
) -> None:
    """Else people could say that they are somebody else."""
    provider = Provider(oidc_settings(fake.issuer, tmp_path, claim="email"), clock)
    fake.claims = {"email": "ada@example.com", "email_verified": verified}
    fake.userinfo["email"] = "ada@example.com"
    with pytest.raises(LoginFailed, match="not verified your email address"):
        await log_in(provider, fake)


async def test_what_verifies_an_address_comes_from_where_the_address_does(
    fake: FakeProvider, clock: Clock, tmp_path: Path
) -> None:
    """What the UserInfo endpoint has verified is the address there."""
    provider = Provider(oidc_settings(fake.issuer, tmp_path, claim="email"), clock)
    fake.claims = {"email": "eve@example.com"}
    fake.userinfo = {"sub": "ada", "email_verified": True}
    with pytest.raises(LoginFailed, match="does not say your email"):
        await log_in(provider, fake)
    fake.userinfo["email"] = "ada@example.com"
    assert (await log_in(provider, fake)).value == "ada@example.com"


@pytest.mark.parametrize("value", [None, "", 5, ["ada"], {}, "a" * 256, "ada\n", "ada\u202e"])
async def test_a_claim_that_is_no_name_does_not_count(
    fake: FakeProvider, clock: Clock, tmp_path: Path, value: object
) -> None:
    """It is shown in pages and kept in the audit log."""
    provider = Provider(oidc_settings(fake.issuer, tmp_path, claim="name"), clock)
    fake.claims = {"name": value}
    with pytest.raises(LoginFailed, match="does not say your name") as caught:
        await log_in(provider, fake)
    assert caught.value.status == 403
