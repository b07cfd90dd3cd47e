"""Logging in to the console: where that leads, what is refused, and the cookie that comes of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin.service.sessions import MAX_LOGINS
from proxy.domain.limits import parse_limits
from proxy.domain.model import Role, State
from proxy.domain.session import IDLE
from tests.admin.admin_api import AdminApi, ask
from tests.admin.console.browser import NAMED, Browser, logged_in

MINUTE = 60_000


async def test_a_page_that_needs_a_login_leads_there_and_back(api: AdminApi) -> None:
    """The page that was asked for is shown after the login, with its query."""
    browser = Browser(api.client)
    asked = await browser.get("/keys?search=x")
    assert (asked.status, asked.form("/login").values["next"]) == (401, "/keys?search=x")
    assert "WWW-Authenticate" not in asked.headers  # the browser would open a dialogue of its own
    assert (await browser.log_in(api.admin, "/keys?search=x")).path == "/keys?search=x"


async def test_the_audit_log_has_the_id_of_the_request_that_was_answered(api: AdminApi) -> None:
    """With it, people find the entry of what they have just done: of a login too."""
    form = {"access": api.admin.key.access_key, "secret": api.admin.secret}
    answer = await ask(api.client, "POST", "/login", form, headers=NAMED, allow_redirects=False)
    assert api.audit()[-1]["act"] == "session.create"
    assert api.audit()[-1]["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "/\t/evil.example",
        "/keys\r\nSet-Cookie: a=b",
        "/keys/\x00",
        "/keys/\u2028",
        "/" + "x" * 5000,
        "/login?next=/login",
        "/logout",
        "javascript:alert(1)",
        "",
    ],
)
async def test_a_login_never_leads_to_another_host(api: AdminApi, wanted: str) -> None:
    """Whatever a link to the login page says: only a plain path of a page is followed."""
    browser = Browser(api.client)
    form = (await browser.get("/login")).form("/login")
    assert form.values["next"] == "/"
    values = {"access": api.admin.key.access_key, "secret": api.admin.secret, "next": wanted}
    assert (await browser.send(form, **values)).path == "/keys"


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/keys/1c1/deactivate", "/keys/1c1"),
        ("/keys/apply", "/keys"),
        ("/environments/1a1/members/1m1", "/environments/1a1/members"),
        ("/settings/access_control", "/settings"),
        ("/webhooks/test", "/webhooks"),
        ("/webhooks/1wm1/retry", "/webhooks/1wm1"),
        ("/sessions/end", "/sessions"),
        ("/environment", "/"),
        ("/logout", "/"),
        ("/keys/%0d%0a/deactivate", None),
    ],
)
async def test_where_only_forms_are_sent_the_page_above_is_shown(
    api: AdminApi, path: str, page: str | None
) -> None:
    """Such as after a login in place of an answer to a form, or when a page is loaded again."""
    await logged_in(api)
    async with api.client.get(path, headers=NAMED, allow_redirects=False) as answer:
        assert answer.status == (404 if page is None else 303)
        assert answer.headers.get("Location") == page


async def test_wrong_credentials_say_no_more_than_that_and_keep_the_access_key(
    api: AdminApi,
) -> None:
    """The secret key is not sent back."""
    browser = Browser(api.client)
    form = (await browser.get("/login")).form("/login")
    known = await browser.send(form, access=api.admin.key.access_key, secret="wgs_wrong")
    unknown = await browser.send(form, access="0" * 20, secret="wgs_wrong")
    assert known.status == unknown.status == 401
    assert "do not belong together" in known.text
    assert known.source.replace(api.admin.key.access_key, "") == unknown.source.replace(
        "0" * 20, ""
    )
    assert "wgs_wrong" not in known.source


async def test_who_is_logged_in_already_goes_on_from_the_login_page(api: AdminApi) -> None:
    """To the page that the login would lead to."""
    browser = await logged_in(api)
    assert (await browser.get("/login?next=/accounts")).path == "/accounts"
    api.clock.now += IDLE
    assert (await browser.get("/login?next=/accounts")).form("/login")


@pytest.mark.parametrize("public_url", [None, "https://admin.example"])
async def test_the_login_page_says_so_where_the_browser_keeps_no_cookie(
    api: AdminApi, public_url: str | None
) -> None:
    """It would otherwise ask for the key again and again."""
    form = {"access": api.admin.key.access_key, "secret": api.admin.secret, "next": "/accounts"}
    headers = NAMED | ({"Host": "admin.example"} if public_url else {})
    async with api.client.post(
        "/login", data=form, allow_redirects=False, headers=headers
    ) as answer:
        following = answer.headers["Location"]
    api.client.session.cookie_jar.clear()
    page = await Browser(api.client).get(following, **headers)
    assert page.status == 401
    assert "did not keep the cookie" in page.text
    assert ("open elsewhere than at https://admin.example" in page.text) == bool(public_url)
    assert page.form("/login").values["next"] == "/accounts"


@pytest.mark.parametrize("public_url", ["https://admin.example"])
async def test_a_login_over_plain_http_works_where_no_tls_is_expected(api: AdminApi) -> None:
    """At another address than that of the public URL, such as the loopback."""
    browser = await logged_in(api)
    assert (await browser.get("/keys")).status == 200
    (cookie,) = api.client.session.cookie_jar
    assert (cookie.key, cookie["secure"]) == ("wardgate", "")


@pytest.mark.parametrize(
    ("public_url", "origin", "text"),
    [
        ("https://admin.example", "http://admin.example", "open https://admin.example instead"),
        (None, "https://admin.example", "set admin.public_url to https://admin.example"),
        (None, "https://evil.example", "a web page of another origin"),
    ],
)
async def test_a_login_from_an_unknown_origin_says_what_to_do(
    api: AdminApi, origin: str, text: str
) -> None:
    """Such as over http where the public URL has https."""
    form = {"access": api.admin.key.access_key, "secret": api.admin.secret}
    headers = {"Host": "admin.example", "Origin": origin}
    answer = await Browser(api.client).post("/login", form, **headers)
    assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)
    assert text in answer.text
    assert answer.form("/login")


@pytest.mark.parametrize(
    ("path", "headers", "leads_on"),
    [
        ("/keys?search=x", {"Sec-Fetch-Site": "cross-site"}, True),
        ("/keys?search=x", {"Referer": "http://wiki.example/"}, True),
        ("/keys?search=x", {"Sec-Fetch-Site": "same-origin", "Referer": "http://x/"}, False),
        ("/keys?search=x", {"Sec-Fetch-Site": "none"}, False),
        ("/keys?search=x", {"Referer": "OWN/keys"}, False),
        ("/keys?search=x", {}, False),
        ("/login?next=/keys", {"Sec-Fetch-Site": "cross-site"}, False),
    ],
)
async def test_a_link_of_another_site_leads_to_the_page_without_a_login(
    api: AdminApi, path: str, headers: dict[str, str], leads_on: bool
) -> None:
    """The browser leaves out the cookie, which is SameSite=Strict, until a page of this site leads
    on: so the login page does."""
    own = str(api.client.make_url("/")).rstrip("/")
    headers = {name: value.replace("OWN", own) for name, value in headers.items()}
    page = await Browser(api.client).get(path, **headers)
    refresh = "0;url=/login?next=%2Fkeys%3Fsearch%3Dx" if leads_on else None
    assert page.headers.get("Refresh") == refresh
    if refresh is not None:
        browser = await logged_in(api)
        assert (await browser.get(refresh.partition("=")[2])).path == path


async def test_an_environment_key_does_not_log_in(api: AdminApi) -> None:
    """It is told which keys do."""
    key = await api.key(await api.environment(), Role.MEMBER)
    answer = await Browser(api.client).log_in(key)
    assert answer.status == 403
    assert "log in with an account key" in answer.text


async def test_logins_are_under_the_limits_of_guesses(api: AdminApi) -> None:
    """They are limited as guesses at the gateway are."""
    browser = Browser(api.client)
    form = (await browser.get("/login")).form("/login")
    statuses = [
        (await browser.send(form, access="0" * 20, secret=f"wgs_{number}")).status
        for number in range(60)
    ]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    page = await browser.send(form, access="0" * 20, secret="wgs_x")
    assert "one try each second" in page.text
    assert page.headers["Retry-After"] == "1"
    assert page.form("/login").values["access"] == "0" * 20
    assert (await browser.log_in(api.admin)).status == 200  # guesses lock nobody out


async def test_a_key_logs_in_only_so_often(api: AdminApi) -> None:
    """Each login is kept in the audit log. Other keys are not concerned."""
    user = await api.account()
    key, other = await api.key(user, Role.READONLY), await api.key(user)
    form = {"access": key.key.access_key, "secret": key.secret, "next": "/"}
    statuses = []
    for _ in range(MAX_LOGINS + 5):
        async with api.client.post("/login", data=form, allow_redirects=False) as answer:
            statuses.append(answer.status)
    assert statuses[:MAX_LOGINS] == [303] * MAX_LOGINS
    assert statuses[-1] == 429
    api.client.session.cookie_jar.clear()
    refused = await Browser(api.client).log_in(key)
    assert "too many logins" in refused.text
    assert (await Browser(api.client).log_in(other)).status == 200


async def test_a_login_that_cannot_be_checked_now_keeps_what_was_typed(
    api: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says when to try again."""
    key = (await api.key(await api.account())).key
    await api.put(replace(key, sealed=False))
    monkeypatch.setattr("proxy.auth.authenticator.MAX_WAITING_UNSEALED", 0)
    browser = Browser(api.client)
    form = (await browser.get("/login?next=/accounts")).form("/login")
    page = await browser.send(form, access=key.access_key, secret="guess")
    assert (page.status, page.headers["Retry-After"]) == (503, "1")
    assert "retry in 1 s" in page.text
    values = page.form("/login").values
    assert (values["access"], values["next"]) == (key.access_key, "/accounts")


async def test_the_cookie_is_for_this_host_alone_and_no_script_reads_it(api: AdminApi) -> None:
    """SameSite keeps other sites from sending it."""
    form = {"access": api.admin.key.access_key, "secret": api.admin.secret, "next": "/"}
    async with api.client.post("/login", data=form, allow_redirects=False, headers=NAMED) as answer:
        (cookie,) = answer.headers.getall("Set-Cookie")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


@pytest.mark.parametrize("public_url", ["https://admin.example"])
async def test_the_cookie_is_bound_to_tls_where_there_is_tls(api: AdminApi) -> None:
    """Browsers take a cookie named `__Host-` only so."""
    form = {"access": api.admin.key.access_key, "secret": api.admin.secret, "next": "/"}
    headers = NAMED | {"Host": "admin.example"}
    async with api.client.post(
        "/login", data=form, allow_redirects=False, headers=headers
    ) as answer:
        (cookie,) = answer.headers.getall("Set-Cookie")
    assert cookie.startswith("__Host-wardgate=")
    assert "Secure" in cookie.split("; ")


async def test_two_cookies_of_a_session_are_none(api: AdminApi) -> None:
    """Another page of the same host name may have set one, to have people act for somebody else.
    Cookies of other names make no difference."""
    await logged_in(api)
    (cookie,) = api.client.session.cookie_jar
    api.client.session.cookie_jar.clear()
    own = f"wardgate={cookie.value}"
    for sent, status in (
        (f"a=b; {own};c=d", 200),
        (f"{own}; wardgate=x", 401),
        (f"wardgate=x;{own}", 401),
        (f"__Host-wardgate=x; {own}", 200),
        (f"a=b {own}", 401),
        ("wardgate=\udcff", 401),
    ):
        answer = await ask(api.client, "GET", "/v2-beta/apikeys", headers={"Cookie": sent})
        assert answer.status == status, sent


@pytest.mark.parametrize("space", ["\xa0", "\x85", "\u2003", "\u3000"])
async def test_a_name_with_other_space_around_it_is_not_the_cookie_s(
    api: AdminApi, space: str
) -> None:
    """An upstream could set such a cookie through the gateway, and a browser takes one for
    `__Host-` plus that name from any host of the domain: people would act for somebody else."""
    await logged_in(api)
    (cookie,) = api.client.session.cookie_jar
    api.client.session.cookie_jar.clear()
    for name in (f"{space}wardgate", f"wardgate{space}"):
        sent = f"{name}={cookie.value}"
        answer = await ask(api.client, "GET", "/v2-beta/apikeys", headers={"Cookie": sent})
        assert answer.status == 401, sent


async def test_the_store_holds_no_token(api: AdminApi) -> None:
    """Who reads it cannot act for anybody."""
    await logged_in(api)
    (cookie,) = api.client.session.cookie_jar
    with closing(sqlite3.connect(api.file)) as db, db:
        rows = db.execute("SELECT * FROM sessions").fetchall()
    assert len(rows) == 1
    assert cookie.value not in repr(rows)


async def test_logins_and_logouts_are_audited(api: AdminApi) -> None:
    """With the key, and the browser's name."""
    browser = await logged_in(api)
    await browser.send((await browser.get("/keys")).form("/logout"))
    entries = [(each["act"], each["subject"], each["key"]) for each in api.audit()]
    assert entries[-2:] == [("session.create", "1c1", "1c1"), ("session.end", "1c1", "1c1")]


async def test_an_inactive_key_does_not_log_in(api: AdminApi) -> None:
    """Nor does an expired one."""
    user = await api.account()
    inactive = await api.key(user, state=State.INACTIVE)
    assert (await Browser(api.client).log_in(inactive)).status == 401


@pytest.mark.parametrize("limits", [{"networks": ["192.0.2.1"]}, {"window": "closed"}])
async def test_a_session_whose_key_may_not_be_used_now_can_be_left(
    api: AdminApi, limits: dict[str, Any]
) -> None:
    """Outside the networks or hours of its key, no page leads back to the page that refused it:
    the login form takes another key, and one can log out."""
    if "window" in limits:
        limits = {"window": f"{datetime.now(UTC) + timedelta(days=3):%a} 00:00-24:00"}
    key = await api.key(await api.account())
    browser = await logged_in(api, key)
    csrf = (await browser.get("/keys")).form("/logout").values["csrf"]
    await api.put(replace(key.key, limits=parse_limits(limits)))
    page = await browser.get("/keys")
    assert (page.status, page.links) == (403, ["/login"])
    page = await browser.get("/login")
    assert (page.path, [form.action for form in page.forms]) == ("/login", ["/login"])
    assert (await browser.post("/logout", {"csrf": "wrong"})).status == 403
    assert api.audit()[-1]["act"] == "session.create"
    assert (await browser.post("/logout", {"csrf": csrf})).path == "/login"
    assert api.audit()[-1]["act"] == "session.end"
