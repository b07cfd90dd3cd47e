"""Login with OpenID Connect: who gets in, as what, and until when."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from admin.service.errors import Refused
from admin.service.sessions import MAX_LOGINS, SessionService
from proxy.domain.model import AccountKind, State
from proxy.domain.session import Identity
from tests.admin.admin_api import ask
from tests.admin.console.browser import logged_in
from tests.admin.console.openid import CALLBACK, START, Setup, refreshed
from tests.support.openid import oidc_settings


async def test_a_person_logs_in_and_acts_in_the_account(setup: Setup) -> None:
    """From the login page, with a link; the page that was asked for follows."""
    asked = await setup.browser.get("/keys?search=x")
    assert "Log in with OpenID Connect" in asked.text
    (link,) = [each for each in asked.links if START in each]
    path = f"{START}?next=/keys%3Fsearch%3Dx"
    assert link == str(setup.api.client.make_url("")) + path
    came_back = await setup.browser.get(path)
    assert (came_back.status, came_back.path.partition("?")[0]) == (200, CALLBACK)
    page = await setup.browser.get(refreshed(came_back))
    assert (page.status, page.path) == (200, "/keys?search=x")
    assert "Logged in with the role owner as ada" in page.text


async def test_what_a_person_does_is_audited_by_account_and_name(setup: Setup) -> None:
    """There is no key; the login says how the name is known, and the chain covers it."""
    await setup.log_in()
    page = await setup.browser.get("/keys/new")
    await setup.browser.send(page.form("/keys"), name="mine")
    await setup.browser.send((await setup.browser.get("/keys")).form("/logout"))
    entries = [each for each in setup.api.audit() if each["identity"]]
    who = setup.account.ref
    assert [(each["act"], each["account"], each["key"]) for each in entries] == [
        (act, who, None) for act in ("session.create", "key.create", "session.end")
    ]
    assert {each["identity"] for each in entries} == {"ada"}
    assert entries[0]["after"]["issuer"] == setup.fake.issuer
    assert entries[0]["after"]["claim"] == "sub"
    shown = (await setup.api.admin.get(f"/v2-beta/auditlogs/{entries[1]['sequence']}")).body
    assert (shown["identity"], shown["keyId"]) == ("ada", None)


async def test_a_person_may_do_what_the_account_and_the_role_allow(setup: Setup) -> None:
    """Keys that a person makes are no stronger."""
    setup.use(accounts={"ada": setup.account.ref}, role="readonly")
    await setup.log_in()
    page = await setup.browser.get("/keys")
    assert "with the role readonly as ada" in page.text
    named = {"X-CSRF-Token": page.form("/logout").values["csrf"]}
    made = await ask(setup.api.client, "POST", "/v2-beta/apikeys", b"{}", headers=named)
    assert made.status == 403
    setup.use(accounts={"ada": setup.account.ref}, role="member")  # from the next request on
    made = await ask(setup.api.client, "POST", "/v2-beta/apikeys", b"{}", headers=named)
    assert (made.status, made.body["role"]) == (201, "member")
    body = b'{"role": "owner"}'
    made = await ask(setup.api.client, "POST", "/v2-beta/apikeys", body, headers=named)
    assert made.code == "403 Forbidden role"
    assert (await ask(setup.api.client, "GET", "/v2-beta/accounts/1a1")).status == 404


async def test_nobody_gets_an_account_by_logging_in(setup: Setup) -> None:
    """Who has none is told who they are, for the administrator."""
    setup.use(accounts={"eve": "1a1"})
    page = await setup.log_in()
    assert page.status == 403
    assert "“ada” has no account here" in page.text
    assert "admin.oidc.accounts" in page.text
    assert (await setup.browser.get("/keys")).status == 401


async def test_a_login_ends_the_session_that_the_browser_had(setup: Setup) -> None:
    """Whoever began it: the browser forgets its cookie, so that nobody could end it there."""
    before = await logged_in(setup.api, await setup.api.key(setup.account))
    assert len(await setup.api.store.list_sessions(account=setup.account.id)) == 1
    await setup.log_in()
    (now,) = await setup.api.store.list_sessions(account=setup.account.id)
    assert now.identity is not None
    assert [each["act"] for each in setup.api.audit()][-2:] == ["session.create", "session.end"]
    await setup.log_in()
    assert len(await setup.api.store.list_sessions(account=setup.account.id)) == 1
    assert (await before.get("/keys")).status == 200


async def test_a_person_logs_in_only_so_often(setup: Setup) -> None:
    """Others who act in the same account are not concerned."""
    api = setup.api
    setup.use(accounts={"ada": setup.account.ref, "bea": setup.account.ref})
    sessions = SessionService(api.store, api.clock, lambda: api.oidc)

    async def log_in(name: str) -> None:
        identity = Identity(setup.fake.issuer, "sub", name)
        await sessions.login(await sessions.person(identity, "192.0.2.1", "r"), "a browser")

    for _ in range(MAX_LOGINS):
        await log_in("ada")
    with pytest.raises(Refused, match="too many logins"):
        await log_in("ada")
    await log_in("bea")


async def test_a_name_that_is_markup_is_shown_as_text(setup: Setup) -> None:
    """In the page that refuses, and in those of a session."""
    name = "<img src=x onerror=alert(1)>"
    setup.fake.claims = {"sub": name}
    assert name in (page := await setup.log_in()).text
    assert "<img src=x" not in page.source
    setup.use(accounts={name: setup.account.ref})
    await setup.log_in()
    for path in ("/keys", "/sessions"):
        page = await setup.browser.get(path)
        assert name in page.text
        assert "<img src=x" not in page.source


async def test_an_account_may_be_found_by_its_name(setup: Setup) -> None:
    """Only where the setting says so, and where one account has it; case counts."""
    account = replace(setup.account, name="ada")
    await setup.api.put(account)
    setup.use()
    assert (await setup.log_in()).status == 403
    setup.use(account_names=True)
    assert (await setup.log_in()).status == 200
    assert (await setup.browser.get("/keys")).status == 200
    setup.fake.claims = {"sub": "Ada"}
    assert (await setup.log_in()).status == 403
    setup.fake.claims = {}
    other = replace(await setup.api.account(AccountKind.ADMIN), name="ada")
    await setup.api.put(other)
    assert (await setup.browser.get("/keys")).status == 401
    assert (await setup.log_in()).status == 403


async def test_an_account_that_is_not_active_lets_nobody_in(setup: Setup) -> None:
    """The page says so."""
    for state in (State.INACTIVE, State.REMOVED):
        await setup.api.put(replace(setup.account, state=state))
        page = await setup.log_in()
        assert page.status == 403
        assert "The account of “ada” is not active" in page.text
    setup.use(accounts={"ada": "1a999"})
    assert (await setup.log_in()).status == 403


async def withdraw(setup: Setup) -> None:
    setup.use(accounts={})


async def move(setup: Setup) -> None:
    setup.use(accounts={"ada": "1a1"})


async def rename_claim(setup: Setup) -> None:
    setup.use(accounts={"ada": setup.account.ref}, claim="preferred_username")


async def switch_off(setup: Setup) -> None:
    setup.api.oidc = None


async def replace_provider(setup: Setup) -> None:
    setup.api.oidc = oidc_settings(
        "https://other.example", setup.folder, accounts={"ada": setup.account.ref}
    )


async def deactivate(setup: Setup) -> None:
    await setup.api.put(replace(setup.account, state=State.INACTIVE))


@pytest.mark.parametrize(
    "change", [withdraw, move, rename_claim, switch_off, replace_provider, deactivate]
)
async def test_a_session_ends_with_what_gave_the_account_to_the_person(
    setup: Setup, change: Callable[[Setup], Any]
) -> None:
    """At the next request; and it stays ended."""
    await setup.log_in()
    assert (await setup.browser.get("/keys")).status == 200
    await change(setup)
    assert (await setup.browser.get("/keys")).status == 401
    await setup.api.put(setup.account)
    setup.use(accounts={"ada": setup.account.ref})
    assert (await setup.browser.get("/keys")).status == 401


async def test_a_session_of_a_person_ends_as_others_do(setup: Setup) -> None:
    """By its list, and after an hour without a request."""
    await setup.log_in()
    (cookie,) = [each for each in setup.api.client.session.cookie_jar if each.key == "wardgate"]
    setup.forget()
    key = await setup.api.key(setup.account)
    other = await logged_in(setup.api, key)
    shown = await other.get("/sessions")
    assert "ada" in shown.text
    (end,) = [each for each in shown.forms if each.values.get("session", "").isdigit()]
    await other.send(end)
    setup.forget()
    kept = {"Cookie": f"{cookie.key}={cookie.value}"}
    assert (await ask(setup.api.client, "GET", "/v2-beta/apikeys", headers=kept)).status == 401
    await setup.log_in()
    assert (await setup.browser.get("/keys")).status == 200
    setup.api.clock.now += 3_600_000
    assert (await setup.browser.get("/keys")).status == 401


async def test_a_person_sees_and_ends_own_sessions(setup: Setup) -> None:
    """Those of others in the account only with the right to deactivate the account's keys."""
    people = dict.fromkeys(("ada", "eve"), setup.account.ref)
    await logged_in(setup.api, await setup.api.key(setup.account))
    setup.use(accounts=people, role="readonly")
    for name in ("eve", "ada", "ada"):
        setup.forget()
        setup.fake.claims = {"sub": name}
        await setup.log_in()
    shown = await setup.browser.get("/sessions")
    assert "eve" not in shown.text
    numbers = [form.values["session"] for form in shown.forms if form.action == "/sessions/end"]
    assert len(numbers) == 2  # one, and all others
    csrf = shown.form("/logout").values["csrf"]
    held = await setup.api.store.list_sessions(account=setup.account.id)
    for each in held:
        if each.identity is None or each.identity.value != "ada":
            values = {"csrf": csrf, "session": str(each.id)}
            assert (await setup.browser.post("/sessions/end", values)).status == 404
    await setup.browser.post("/sessions/end", {"csrf": csrf, "session": "others"})
    assert len(await setup.api.store.list_sessions(account=setup.account.id)) == 3
    setup.use(accounts=people)
    await setup.browser.post("/sessions/end", {"csrf": csrf, "session": "others"})
    assert len(await setup.api.store.list_sessions(account=setup.account.id)) == 1


async def test_the_store_holds_who_the_person_is_and_no_token(setup: Setup) -> None:
    """Neither that of the session nor those of the provider."""
    await setup.log_in()
    (cookie,) = [each for each in setup.api.client.session.cookie_jar if each.key == "wardgate"]
    with closing(sqlite3.connect(setup.api.file)) as db, db:
        rows = db.execute("SELECT issuer, claim, claimed FROM sessions").fetchall()
        everything = repr(db.execute("SELECT * FROM sessions").fetchall())
    assert rows == [(setup.fake.issuer, "sub", "ada")]
    assert cookie.value not in everything
    assert "acce55" not in everything


async def test_every_page_opens_for_a_person(setup: Setup) -> None:
    """Though there is no key that it could name."""
    setup.use(accounts={"ada": "1a1"})
    environment = await setup.api.environment()
    await setup.log_in()
    paths = ["/overview", "/keys", "/keys/new", "/keys/1c1", "/keys/1c1/edit", "/environments"]
    paths += [f"/environments/{environment.ref}", "/accounts", "/accounts/1a1", "/audit"]
    paths += ["/upstreams", "/webhooks", "/settings", "/sessions"]
    paths += ["/v2-beta", "/v2-beta/apikeys/1c1", "/v2-beta/auditlogs"]
    for path in paths:
        page = await setup.browser.get(path)
        assert (page.status, "as ada" in page.text) == (200, True), path


async def test_an_admin_may_log_in_without_a_key(setup: Setup) -> None:
    """And do all that an admin may. Some key has to be left, for when the provider is away."""
    setup.use(accounts={"ada": "1a1"})
    await setup.log_in()
    csrf = (await setup.browser.get("/accounts")).form("/logout").values["csrf"]
    named = {"X-CSRF-Token": csrf}
    only = setup.api.admin.key.ref
    path = f"/v2-beta/apikeys/{only}/?action=deactivate"
    answer = await ask(setup.api.client, "POST", path, headers=named)
    assert answer.code == "409 LastAdminKey"
