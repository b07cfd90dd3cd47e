"""Logging in to the console, staying logged in, and how a session ends."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from admin.service.sessions import MAX_LOGINS
from proxy.domain.model import AccountKind, Role, State
from proxy.domain.session import IDLE, LIFETIME, MOST
from tests.admin.admin_api import AdminApi, Presented, ask
from tests.admin.console.browser import NAMED, Browser, Form, logged_in

MINUTE = 60_000


async def test_a_page_that_needs_a_login_leads_there_and_back(api: AdminApi) -> None:
    """The page that was asked for is shown after the login, with its query."""
    browser = Browser(api.client)
    asked = await browser.get("/keys?search=x")
    assert (asked.status, asked.form("/login").values["next"]) == (401, "/keys?search=x")
    assert "WWW-Authenticate" not in asked.headers  # the browser would open a dialogue of its own
    assert (await browser.log_in(api.admin, "/keys?search=x")).path == "/keys?search=x"


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
    assert "too many logins with this key" in refused.text
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


async def test_the_store_holds_no_token(api: AdminApi) -> None:
    """Who reads it cannot act for anybody."""
    await logged_in(api)
    (cookie,) = api.client.session.cookie_jar
    with sqlite3.connect(api.file) as db:
        rows = db.execute("SELECT * FROM sessions").fetchall()
    assert len(rows) == 1
    assert cookie.value not in repr(rows)


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ([IDLE - MINUTE] * 3, 200),
        ([IDLE], 401),
        ([IDLE - MINUTE] * 12 + [LIFETIME - 12 * (IDLE - MINUTE)], 401),
    ],
)
async def test_a_session_ends_when_it_is_idle_and_when_it_is_old(
    api: AdminApi, steps: list[int], status: int
) -> None:
    """A request in between keeps it for another hour, but not beyond twelve."""
    browser = await logged_in(api)
    for step in steps:
        api.clock.now += step
        answer = await browser.get("/keys")
    assert answer.status == status


async def test_a_logout_ends_the_session_on_the_server(api: AdminApi) -> None:
    """Who kept the cookie gets nothing with it."""
    browser = await logged_in(api)
    (cookie,) = api.client.session.cookie_jar
    kept = {"Cookie": f"{cookie.key}={cookie.value}"}
    page = await browser.get("/keys")
    assert (await browser.send(page.form("/logout"))).path == "/login"
    assert (await ask(api.client, "GET", "/v2-beta/apikeys", headers=kept)).status == 401


@pytest.mark.parametrize("change", ["deactivate", "remove", "expire", "rotate"])
async def test_a_session_ends_with_its_key(api: AdminApi, change: str) -> None:
    """At once: when it is deactivated, removed or expires, or gets another secret."""
    key = await api.key(await api.account(), expires=api.clock.now + 30 * MINUTE)
    browser = await logged_in(api, key)
    path = f"/v2-beta/apikeys/{key.key.ref}"
    if change == "expire":
        api.clock.now += 30 * MINUTE
    else:
        if change == "remove":
            await api.admin.post(f"{path}/?action=deactivate")
        body = {"overlap": "0"} if change == "rotate" else None
        assert (await api.admin.post(f"{path}/?action={change}", body)).status == 202
    assert (await browser.get("/keys")).status == 401
    assert (await browser.get("/v2-beta/apikeys")).status == 401


@pytest.mark.parametrize("what", ["apikeys", "accounts"])
async def test_an_ended_session_does_not_begin_again_with_its_key(api: AdminApi, what: str) -> None:
    """Nobody used it between the deactivation of the key or the account and its activation."""
    user = await api.account()
    key = await api.key(user)
    browser = await logged_in(api, key)
    path = f"/v2-beta/{what}/{key.key.ref if what == 'apikeys' else user.ref}"
    for action in ("deactivate", "activate"):
        assert (await api.admin.post(f"{path}/?action={action}")).status == 202
    assert (await browser.get("/keys")).status == 401
    assert (await browser.log_in(key)).status == 200


async def test_a_login_ends_the_session_that_the_browser_had(api: AdminApi) -> None:
    """The browser forgets its cookie. Wrong credentials end nothing."""
    browser, cookie = await as_another(api, api.admin)
    form = Form("/login", "post", {"access": api.admin.key.access_key, "secret": "wrong"})
    assert (await browser.send(form)).status == 401
    assert (await browser.get("/keys")).status == 200
    assert (await browser.send(form, secret=api.admin.secret)).status == 200
    assert (await browser.get("/keys")).status == 200
    assert not await goes_on(api, cookie)


async def test_a_session_ends_with_the_secret_that_began_it(api: AdminApi) -> None:
    """Of the two secrets of a key that is rotated, the old one begins sessions only until the
    overlap is over, and those sessions end then."""
    old = await api.key(await api.account())
    rotated = await api.admin.post(
        f"/v2-beta/apikeys/{old.key.ref}/?action=rotate", {"overlap": "30m"}
    )
    new = api.with_secret(rotated)
    kept = {}
    for name, presented in (("old", old), ("new", new)):
        api.client.session.cookie_jar.clear()
        await logged_in(api, presented)
        (cookie,) = api.client.session.cookie_jar
        kept[name] = {"Cookie": f"{cookie.key}={cookie.value}"}
    api.client.session.cookie_jar.clear()

    async def statuses() -> list[int]:
        path = "/v2-beta/apikeys"
        return [(await ask(api.client, "GET", path, headers=each)).status for each in kept.values()]

    api.clock.now += 29 * MINUTE
    assert await statuses() == [200, 200]
    api.clock.now += MINUTE
    assert await statuses() == [401, 200]
    assert (await Browser(api.client).log_in(old)).status == 401


async def test_a_session_ends_with_its_account(api: AdminApi) -> None:
    """At once."""
    user = await api.account(AccountKind.USER)
    browser = await logged_in(api, await api.key(user))
    await api.admin.post(f"/v2-beta/accounts/{user.ref}/?action=deactivate")
    assert (await browser.get("/keys")).status == 401


async def test_a_session_has_the_rights_that_its_key_has_now(api: AdminApi) -> None:
    """Not those that it had at the login."""
    key = await api.key(await api.account())
    browser = await logged_in(api, key)
    form = (await browser.get("/keys/new")).form("/keys")
    path = f"/v2-beta/apikeys/{key.key.ref}"
    assert (await api.admin.put(path, {"role": "readonly"})).status == 200
    assert (await browser.send(form, name="n")).status == 403
    assert "/keys/new" not in (await browser.get("/keys")).source


async def as_another(api: AdminApi, presented: Presented) -> tuple[Browser, dict[str, str]]:
    """One more login, and the cookie with which its requests can be sent."""
    api.client.session.cookie_jar.clear()
    browser = await logged_in(api, presented)
    (cookie,) = api.client.session.cookie_jar
    return browser, {"Cookie": f"{cookie.key}={cookie.value}"}


async def goes_on(api: AdminApi, cookie: dict[str, str]) -> bool:
    """Whether a session goes on."""
    api.client.session.cookie_jar.clear()
    return (await ask(api.client, "GET", "/v2-beta/apikeys", headers=cookie)).status == 200


@pytest.mark.parametrize(
    ("kind", "role", "other_key"),
    [
        (AccountKind.USER, Role.OWNER, True),
        (AccountKind.USER, Role.MEMBER, True),
        (AccountKind.USER, Role.RESTRICTED, False),
        (AccountKind.USER, Role.READONLY, False),
        (AccountKind.READ_ADMIN, Role.OWNER, False),
    ],
)
async def test_one_ends_the_sessions_of_ones_key_and_with_the_right_those_of_ones_account(
    api: AdminApi, kind: AccountKind, role: Role, other_key: bool
) -> None:
    """The right is that to deactivate the account's keys. Sessions out of reach are not shown, and
    to end one of them is to end one that does not exist. Those of other accounts always are."""
    account = await api.account(kind)
    key, other = await api.key(account, role), await api.key(account)
    stranger = await api.key(await api.account())
    kept = [(await as_another(api, each))[1] for each in (key, other, stranger)]
    browser, own = await as_another(api, key)
    shown = await browser.get("/sessions")
    ends = [each for each in shown.forms if each.action == "/sessions/end"]
    reached = ["1", "2"] if other_key else ["1"]
    assert sorted(each.values["session"] for each in ends) == [*reached, "others"]
    csrf = shown.form("/logout").values["csrf"]
    for number in ("1", "2", "3"):
        answer = await browser.post("/sessions/end", {"csrf": csrf, "session": number})
        assert answer.status == (200 if number in reached else 404)
    assert [await goes_on(api, each) for each in kept] == [False, not other_key, True]
    assert await goes_on(api, own)


async def test_all_other_sessions_are_ended_at_once(api: AdminApi) -> None:
    """Also those that the page does not show, because there are too many. The audit log has one
    entry for it."""
    user = await api.account()
    keys = [await api.key(user) for _ in range(3)]
    kept = [(await as_another(api, key))[1] for key in keys]
    stranger = (await as_another(api, await api.key(await api.account())))[1]
    browser, own = await as_another(api, keys[0])
    shown = await browser.get("/sessions")
    (others,) = [form for form in shown.forms if form.values.get("session") == "others"]
    assert (await browser.send(others)).path == "/sessions"
    assert [await goes_on(api, each) for each in kept] == [False] * 3
    assert [await goes_on(api, each) for each in (own, stranger)] == [True, True]
    ended = api.audit()[-1]
    assert (ended["act"], ended["after"]) == ("session.end", {"sessions": 3})


async def test_a_key_has_so_many_sessions_and_the_oldest_ends(api: AdminApi) -> None:
    """So that all of them can be shown. Other keys keep theirs."""
    user = await api.account()
    key, other = await api.key(user), await api.key(user)
    first = (await as_another(api, other))[1]
    kept = []
    for _ in range(MOST + 2):
        kept.append((await as_another(api, key))[1])
        api.clock.now += 1000
    going_on = [await goes_on(api, each) for each in kept]
    assert going_on == [False, False] + [True] * MOST
    assert await goes_on(api, first)


async def test_a_change_needs_the_token_of_the_page(api: AdminApi) -> None:
    """A cookie alone is not enough, in forms and in the API."""
    browser = await logged_in(api)
    page = await browser.get("/keys/new")
    values = page.form("/keys").values | {"name": "n"}
    for token in ("", "0" * 64):
        await browser.post("/keys", values | {"csrf": token})
        back = {"back": "/keys"}
        assert (await browser.post("/environment", back | {"csrf": token})).status == 403
    assert len((await api.admin.get("/v2-beta/apikeys")).body["data"]) == 1
    assert (await ask(api.client, "POST", "/v2-beta/apikeys", b"{}")).status == 403
    named = {"X-CSRF-Token": values["csrf"]}
    made = await ask(api.client, "POST", "/v2-beta/apikeys", b"{}", headers=named)
    assert made.status == 201


async def test_each_page_has_a_token_of_its_own_and_all_of_a_session_count(api: AdminApi) -> None:
    """The sizes of compressed pages would tell one that is always the same (BREACH). That of
    another session does not count."""
    other = (await (await logged_in(api)).get("/keys")).form("/logout").values["csrf"]
    api.client.session.cookie_jar.clear()
    browser = await logged_in(api)
    pages = [await browser.get("/keys") for _ in range(3)]
    tokens = [page.form("/logout").values["csrf"] for page in pages]
    assert len(set(tokens)) == 3
    for token, status in (*((each, 200) for each in tokens), (other, 403), (tokens[0][32:], 403)):
        answer = await browser.post("/environment", {"csrf": token, "back": "/keys"})
        assert answer.status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "OWN"}, 200),
        ({"Origin": "OWN", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "OWN", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example"}, 403),
    ],
)
async def test_a_form_of_another_site_is_refused(
    api: AdminApi, headers: dict[str, str], status: int
) -> None:
    """With the token too. A browser sends Sec-Fetch-Site over TLS and to the loopback alone."""
    browser = await logged_in(api)
    own = str(api.client.make_url("/")).rstrip("/")
    headers = {name: value.replace("OWN", own) for name, value in headers.items()}
    form = (await browser.get("/keys/new")).form("/keys")
    answer = await browser.post("/environment", form.values | {"back": "/keys"}, **headers)
    assert answer.status == status


async def test_a_page_has_its_forms_sent_with_its_origin_and_tells_other_sites_nothing(
    api: AdminApi,
) -> None:
    """A browser sends forms with `Origin: null` from a page with `no-referrer`, as answers of the
    API have it."""
    browser = await logged_in(api)
    for path, policy in (("/login", "same-origin"), ("/v2-beta", "same-origin")):
        assert (await browser.get(path)).headers["Referrer-Policy"] == policy
    assert (await api.admin.get("/v2-beta")).headers["Referrer-Policy"] == "no-referrer"


async def test_pages_belong_to_the_session_whatever_key_the_browser_remembers(
    api: AdminApi,
) -> None:
    """A browser sends a key that it was once asked for with every request. In the API it counts;
    without a session it opens no page."""
    user = await api.key(await api.account())
    remembered = {"Authorization": user.authorization}
    alone = await Browser(api.client).get("/keys", **remembered)
    assert (alone.status, bool(alone.form("/login"))) == (401, True)
    browser = await logged_in(api)
    for path in ("/keys", "/accounts"):
        page = await browser.get(path, **remembered)
        assert (page.status, page.headers["X-Api-Account-Id"]) == (200, "1a1")
    answer = await user.get("/v2-beta/apikeys")
    assert answer.headers["X-Api-Account-Id"] == "1a2"
    wrong = await browser.get("/keys", Authorization="Basic eDp5")
    assert wrong.headers["X-Api-Account-Id"] == "1a1"


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
