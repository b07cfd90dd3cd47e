"""Sessions: how long they go on, what ends them, and which requests count as theirs."""

from __future__ import annotations

from typing import Any, cast

import pytest

from proxy.domain.model import AccountKind, Role
from proxy.domain.session import IDLE, LIFETIME, MOST
from tests.admin.admin_api import AdminApi, Presented, ask
from tests.admin.console.browser import Browser, Form, logged_in

MINUTE = 60_000


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


async def test_pages_are_shown_while_the_store_cannot_be_written(api: AdminApi) -> None:
    """As on a full disk, when people look what is wrong. A session ends an hour after its last
    note."""
    browser, store = await logged_in(api), cast(Any, api.store)
    await store._writer.db.execute("PRAGMA query_only = ON")
    try:
        api.clock.now += IDLE - MINUTE
        assert (await browser.get("/overview")).status == 200
        assert (await browser.get("/keys/new")).status == 200
    finally:
        await store._writer.db.execute("PRAGMA query_only = OFF")
    assert (await browser.get("/keys")).status == 200
    api.clock.now += 2 * MINUTE
    assert (await browser.get("/keys")).status == 200


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


async def test_a_session_is_listed_by_the_name_of_its_key(api: AdminApi) -> None:
    """An id tells nobody which key it is."""
    made = await api.admin.post("/v2-beta/apikeys", {"name": "Ada's laptop"})
    browser = await logged_in(api, api.with_secret(made))
    page = await browser.get("/sessions")
    assert f'<a href="/keys/{made.body["id"]}" title="{made.body["id"]}">Ada&#39;s' in page.source


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
        page = await browser.get(path)
        assert page.headers["Referrer-Policy"] == policy
        assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
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
