"""Login with OpenID Connect: what comes back from the provider, and what people are told."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from admin.console.oidc_pages import MAX_TYPED, OIDC
from tests.admin.console.browser import NAMED
from tests.admin.console.openid import CALLBACK, START, Setup, refreshed
from tests.support.openid import CLIENT_SECRET, new_key, signed


async def begun(setup: Setup) -> str:
    """Begin a login without following the provider's redirect. Returns the way back."""
    async with setup.api.client.get(START, allow_redirects=False, headers=NAMED) as answer:
        assert answer.status == 303
        url = answer.headers["Location"]
    async with setup.api.client.session.get(url, allow_redirects=False) as answer:
        back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


async def test_a_link_of_somebody_else_logs_nobody_in(setup: Setup) -> None:
    """It comes back to a browser in which no login was begun, or another one."""
    link = await begun(setup)
    setup.forget()
    page = await setup.browser.get(link)
    assert page.status == 400
    assert "was not begun in this browser" in page.text
    await begun(setup)
    assert (await setup.browser.get(link)).status == 400
    assert "/token" not in setup.fake.paths
    assert (await setup.browser.get("/keys")).status == 401


async def test_a_login_comes_back_once_and_in_time(setup: Setup) -> None:
    """The way back is of no use to who finds it later."""
    link = await begun(setup)
    kept = {each.key: each.value for each in setup.api.client.session.cookie_jar}
    assert (await setup.browser.get(link)).status == 200
    cookie = "; ".join(f"{name}={value}" for name, value in kept.items())
    setup.forget()
    assert (await setup.browser.get(link, Cookie=cookie)).status == 400
    link = await begun(setup)
    setup.api.clock.now += 600_000
    assert (await setup.browser.get(link)).status == 400


async def test_what_was_typed_outlives_the_session(setup: Setup) -> None:
    """It is kept while its person logs in, and shown to that person alone."""
    await setup.log_in()
    form = (await setup.browser.get("/keys/new")).form("/keys")
    async with setup.api.store.write() as tx:
        await tx.end_sessions(account=setup.account.id)
    asked = await setup.browser.send(form, name="a <b>", description="typed")
    assert asked.status == 401
    going = await setup.browser.send(asked.form(START))
    assert going.status == 200
    came_back = await setup.browser.follow(refreshed(going))
    shown = await setup.browser.get(refreshed(came_back))
    assert shown.form("/keys").values["description"] == "typed"
    assert await setup.api.store.get_key(2) is None


async def test_what_is_typed_while_nobody_logs_in_is_bounded(setup: Setup) -> None:
    """Strangers make the forms of others be forgotten at worst."""
    values = {"sent_to": "/keys", "typed": "name=x"}
    for _ in range(MAX_TYPED + 5):
        assert (await setup.browser.post(START, values)).status == 200
    assert len(setup.api.client.app[OIDC]._typed) == MAX_TYPED


async def test_a_login_that_failed_can_be_tried_again(setup: Setup) -> None:
    """The page leads back to the login."""
    setup.fake.answer = {"code": None, "error": "access_denied"}
    page = await setup.log_in()
    assert page.status == 403
    assert "refused or cancelled" in page.text
    assert "/login" in page.links
    setup.fake.answer = {}
    assert (await setup.log_in()).status == 200


@pytest.mark.parametrize("public_url", ["https://admin.example"])
async def test_the_cookie_of_a_login_comes_along_when_the_provider_leads_back(
    setup: Setup,
) -> None:
    """So it is Lax where that of a session is Strict; and both are bound to TLS."""
    headers = NAMED | {"Host": "admin.example"}
    async with setup.api.client.get(START, allow_redirects=False, headers=headers) as answer:
        (cookie,) = answer.headers.getall("Set-Cookie")
        query = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert cookie.startswith("__Host-wardgate-oidc=")
    parts = set(cookie.split("; "))
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=600"} <= parts
    assert "Domain" not in cookie
    assert query["redirect_uri"] == ["https://admin.example/login/oidc/callback"]
    setup.fake.nonce = query["nonce"][0]
    value = cookie.partition(";")[0]
    link = f"{CALLBACK}?code=c0de&state={query['state'][0]}"
    async with setup.api.client.get(link, headers=headers | {"Cookie": value}) as answer:
        first, second = answer.headers.getall("Set-Cookie")
    assert first.startswith("__Host-wardgate=")
    assert "SameSite=Strict" in first
    assert second.startswith('__Host-wardgate-oidc=""; ')
    assert "Max-Age=0" in second


def by_another_key(claims: dict[str, Any]) -> str:
    return signed(claims, new_key(), "ES256", kid="k1")


WRONG: dict[str, tuple[int, dict[str, Any]]] = {
    "metadata of another": (502, {"metadata": {"issuer": "https://evil.example"}}),
    "an endpoint without TLS": (502, {"metadata": {"token_endpoint": "http://evil.example"}}),
    "an answer of another": (502, {"answer": {"iss": "https://evil.example"}}),
    "a wrong state": (400, {"answer": {"state": "x"}}),
    "no state": (400, {"answer": {"state": None}}),
    "no code": (502, {"answer": {"code": None}}),
    "a token for another": (502, {"claims": {"aud": "another"}}),
    "a token of another login": (502, {"claims": {"nonce": "another"}}),
    "a token of another": (502, {"claims": {"iss": "https://evil.example"}}),
    "an old token": (502, {"claims": {"exp": 1}}),
    "a token by another key": (502, {"make_token": by_another_key}),
    "a token without a signature": (502, {"make_token": lambda _: "eyJhbGciOiJub25lIn0.e30."}),
    "no keys": (502, {"published": []}),
    "nothing": (503, {"issuer": "http://127.0.0.1:1"}),
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_provider_that_answers_wrongly_lets_nobody_in(
    setup: Setup, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A page says what to do, the log has the cause, and neither has a secret, code or token."""
    status, wrong = WRONG[what]
    for name, value in wrong.items():
        setattr(setup.fake, name, value)
    setup.use(accounts={"ada": setup.account.ref})
    page = await setup.log_in()
    assert (page.status, "Not logged in" in page.text) == (status, True)
    (line,) = [each.getMessage() for each in caplog.records if "OpenID" in each.getMessage()]
    assert line.startswith("login with OpenID Connect failed: ")
    for secret in ("c0de", "acce55", CLIENT_SECRET, setup.fake.nonce or "-none-", "eyJ"):
        assert secret not in line + page.source
    assert (await setup.browser.get("/keys")).status == 401
    assert await setup.api.store.list_sessions(account=setup.account.id) == []


async def test_without_the_setting_there_is_no_such_login(setup: Setup) -> None:
    """Neither on the login page nor at its address."""
    setup.api.oidc = None
    assert not [link for link in (await setup.browser.get("/login")).links if START in link]
    for path in (START, CALLBACK):
        assert (await setup.browser.get(path)).status == 404


async def test_a_login_never_leads_to_another_host(setup: Setup) -> None:
    """Whatever the link says that begins it."""
    for path in ("//evil.example", "https://evil.example/", "/\\evil.example"):
        page = await setup.browser.get(f"{START}?next={path}")
        assert refreshed(page) == "/login?after-login=&next=%2F"


async def test_logins_do_not_count_as_guesses(setup: Setup) -> None:
    """However many fail."""
    for _ in range(60):
        assert (await setup.browser.get(f"{CALLBACK}?code=x&state=y")).status == 400
    assert (await setup.browser.log_in(setup.api.admin)).status == 200
