"""A form counts once, and what was typed into it is not lost with a session."""

from __future__ import annotations

import pytest

from admin.console.open_forms import (
    MAX_OF_ACCOUNT,
    MAX_SESSIONS,
    MAX_SIZE,
    MAX_TOKENS,
    MAX_TYPED,
    Holder,
    OpenForms,
    Typed,
    page_of,
)
from admin.service.errors import Refused
from proxy.domain.model import AccountKind
from proxy.domain.session import IDLE
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Browser, Form, Page, logged_in

TYPED = {"name": 'a <b> & "c"', "description": "first\nsecond é", "lifetime": "30d"}


async def keys(api: AdminApi) -> int:
    """How many keys there are."""
    return len((await api.admin.get("/v2-beta/apikeys")).body["data"])


async def rejoin(api: AdminApi, browser: Browser, asked: Page) -> Page:
    """Log in where a page asks for it."""
    presented = api.admin
    return await browser.send(
        asked.form("/login"), access=presented.key.access_key, secret=presented.secret
    )


# --- sent twice ---


async def test_a_form_that_is_sent_twice_makes_one_key_and_stays_filled(api: AdminApi) -> None:
    """The answer says what happened. Sent once more on purpose, it makes another key."""
    browser = await logged_in(api)
    form = (await browser.get("/keys/new")).form("/keys")
    assert "wgs_" in (await browser.send(form, **TYPED)).source
    again = await browser.send(form, **TYPED)
    assert (again.status, await keys(api)) == (409, 2)
    assert "was sent before" in again.text
    assert "wgs_" not in again.source
    filled = again.form("/keys")
    assert TYPED.items() <= filled.values.items()
    assert (await browser.send(filled)).status == 201
    assert await keys(api) == 3


async def test_a_rotation_that_is_sent_twice_is_one(api: AdminApi) -> None:
    """The second secret would end the first, which somebody has copied."""
    browser = await logged_in(api)
    await browser.send((await browser.get("/keys/new")).form("/keys"))
    form = (await browser.get("/keys/1c2/rotate")).form("/keys/1c2/rotate")
    assert "wgs_" in (await browser.send(form, overlap="1h")).source
    again = await browser.send(form, overlap="1h")
    assert (again.status, "wgs_" in again.source) == (409, False)
    assert [entry["act"] for entry in api.audit()].count("key.rotate") == 1


@pytest.mark.parametrize("token", ["", "x", "of another form", "of another session"])
async def test_a_form_without_its_own_token_is_shown_again(api: AdminApi, token: str) -> None:
    """What was typed stays, and nothing is made."""
    other = await logged_in(api)
    foreign = (await other.get("/keys/new")).form("/keys").values["form"]
    api.client.session.cookie_jar.clear()
    browser = await logged_in(api)
    rotating = (await browser.get("/keys/1c1/rotate")).form("/keys/1c1/rotate").values["form"]
    token = {"of another form": rotating, "of another session": foreign}.get(token, token)
    form = (await browser.get("/keys/new")).form("/keys")
    form.values["form"] = token
    answer = await browser.send(form, **TYPED)
    assert (answer.status, await keys(api)) == (409, 1)
    assert "open for too long" in answer.text
    assert TYPED.items() <= answer.form("/keys").values.items()
    assert (await browser.send(answer.form("/keys"))).status == 201


def test_forms_take_bounded_memory_and_the_oldest_are_forgotten() -> None:
    """Those of other sessions stay."""
    forms, one, another = OpenForms(), Holder(1, b"one"), Holder(1, b"another")
    other = forms.token(another, "/keys")
    first, *rest = [forms.token(one, "/keys") for _ in range(MAX_TOKENS + 1)]
    with pytest.raises(Refused):
        forms.use(one, "/keys", first)
    for token in (*rest[:2], rest[-1]):
        forms.use(one, "/keys", token)
    forms.use(another, "/keys", other)
    for number in range(MAX_OF_ACCOUNT):
        forms.token(Holder(1, b"%d" % number), "/keys")
    with pytest.raises(Refused):
        forms.use(one, "/keys", rest[3])
    urls = [forms.keep(one, Typed("/keys", {"name": "n"})) for _ in range(MAX_TYPED + 1)]
    kept = [forms.kept(one, "/keys/new", url.partition("=")[2]) for url in urls]
    assert [each is None for each in kept] == [True] + [False] * MAX_TYPED


def test_no_account_makes_the_forms_of_another_be_forgotten() -> None:
    """However often it logs in; with more accounts than there is room for, each keeps the session
    that it has used last, as far as it goes."""
    forms, quiet = OpenForms(), Holder(1, b"quiet")
    token = forms.token(quiet, "/keys")
    for account in range(2, 2 + 2 * MAX_SESSIONS // MAX_OF_ACCOUNT):
        for number in range(2 * MAX_OF_ACCOUNT):
            forms.token(Holder(account, b"%d" % number), "/keys")
    forms.use(quiet, "/keys", token)
    for account in range(MAX_SESSIONS + 1):
        token = forms.token(Holder(100 + account, b"x"), "/keys")
        forms.use(Holder(100 + account, b"x"), "/keys", token)
    with pytest.raises(Refused):
        forms.use(quiet, "/keys", token)
    assert sum(map(len, forms._accounts.values())) == len(forms._accounts) == MAX_SESSIONS


# --- an ended session ---

PATHS = {
    "/keys/new": ("/keys", TYPED),
    "/keys/1c1/edit": ("/keys/1c1/edit", {"name": TYPED["name"], "description": "d"}),
    "/keys/1c1/rotate": ("/keys/1c1/rotate", {"overlap": "7d", "finishWhenQuiet": "1h"}),
    "/environments/new": ("/environments", {"name": "n", "slug": "s", "description": "d"}),
    "/accounts/new": ("/accounts", {"name": "n", "kind": "readAdmin", "description": "d"}),
    "/settings": ("/settings/rotation_overlap", {"value": "7d"}),
    "/environments/1a2": ("/environments/1a2/members", {"accountId": "1a1", "role": "readonly"}),
}


@pytest.mark.parametrize("page", PATHS)
@pytest.mark.parametrize("why", ["idle", "another login"])
async def test_what_was_typed_outlives_the_session(api: AdminApi, page: str, why: str) -> None:
    """After the login the form is shown as it was, and nothing is done before it is sent again.
    With a login in another tab the page's token is that of a session before."""
    await api.environment()
    browser = await logged_in(api)
    action, typed = PATHS[page]
    form = (await browser.get(page)).form(action)
    before = len(api.audit())
    if why == "idle":
        api.clock.now += IDLE
        asked = await browser.send(form, **typed)
        assert asked.status == 401
        assert "What you typed is kept" in asked.text
        shown = await rejoin(api, browser, asked)
    else:
        api.client.session.cookie_jar.clear()
        await logged_in(api)
        shown = await browser.send(form, **typed)
    assert (shown.status, shown.path.partition("?")[0]) == (200, page)
    assert "Nothing was done yet" in shown.text
    assert {each["act"] for each in api.audit()[before:]} == {"session.create"}
    filled = shown.form(action)
    assert typed.items() <= filled.values.items()
    assert (await browser.send(filled)).status in {200, 201}
    assert {each["act"] for each in api.audit()[before:]} > {"session.create"}


async def test_wrong_credentials_lose_nothing_that_was_typed(api: AdminApi) -> None:
    """Nor the page that was asked for."""
    browser = await logged_in(api)
    form = (await browser.get("/keys/new")).form("/keys")
    api.clock.now += IDLE
    asked = await browser.send(form, **TYPED)
    asked = await browser.send(asked.form("/login"), access="x", secret="y")
    assert asked.status == 401
    shown = await rejoin(api, browser, asked)
    assert TYPED.items() <= shown.form("/keys").values.items()
    api.clock.now += IDLE
    asked = await browser.get("/keys?search=x")
    asked = await browser.send(asked.form("/login"), access="x", secret="y")
    assert (await rejoin(api, browser, asked)).path == "/keys?search=x"


async def test_what_was_typed_is_shown_to_its_session_alone(api: AdminApi) -> None:
    """And on its own page."""
    browser = await logged_in(api)
    form = (await browser.get("/keys/new")).form("/keys")
    shown = await browser.send(form, csrf="x", **TYPED)
    assert "a &lt;b&gt;" in shown.source
    name = shown.path.partition("?")[2]
    assert "a &lt;b&gt;" not in (await browser.get(f"/environments/new?{name}")).source
    api.client.session.cookie_jar.clear()
    other = await logged_in(api, await api.key(await api.account(AccountKind.ADMIN)))
    assert "a &lt;b&gt;" not in (await other.get(shown.path)).source


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/keys", {"name": "x" * (MAX_SIZE + 1)}),
        ("/keys", {}),
        ("/keys/1c1/deactivate", {"back": "/accounts"}),
        ("/keys/apply", {"key": "1c1"}),
        ("/logout", {"x": "y"}),
        ("/login", {"access": "x", "secret": "y"}),
    ],
)
async def test_nothing_else_is_kept(api: AdminApi, path: str, fields: dict[str, str]) -> None:
    """Neither what is too long, nor what is no form to type into; never a secret."""
    assert Typed.of(path, fields) is None
    browser = Browser(api.client)
    if path != "/login":
        asked = await browser.post(path, fields)
        assert (asked.status, "typed" in asked.form("/login").values) == (401, False)
    form = Form("/login", "post", {"next": "/accounts", "sent_to": path, "typed": "a=b"})
    login = {"access": api.admin.key.access_key, "secret": api.admin.secret}
    answer = await browser.send(form, **login)
    assert answer.path.partition("?")[0] == ("/keys/new" if path == "/keys" else "/accounts")


@pytest.mark.parametrize("path", ["/keys", "/keys/1c1/deactivate"])
async def test_a_form_of_another_site_is_not_kept(api: AdminApi, path: str) -> None:
    """It would be shown to the person who logs in as if that person had typed it."""
    browser = Browser(api.client)
    answer = await browser.post(path, TYPED, Origin="https://evil.example")
    assert (answer.status, answer.forms) == (403, [])
    await logged_in(api)
    answer = await browser.post(path, TYPED, Origin="https://evil.example")
    assert (answer.status, answer.path) == (403, path)


async def test_an_old_page_of_which_nothing_can_be_shown_again_says_what_to_do(
    api: AdminApi,
) -> None:
    """Load the page again: there is a link to it."""
    browser = await logged_in(api)
    answer = await browser.post("/keys/1c1/deactivate", {"csrf": "of before"})
    assert answer.status == 403
    assert "Load the page again, and repeat" in answer.text
    assert 'href="/keys/1c1"' in answer.source


def test_the_page_of_a_form_is_known_by_where_it_is_sent() -> None:
    """Nothing else has a page."""
    assert page_of("/keys/1c5/edit") == "/keys/1c5/edit"
    assert page_of("/environments/1a5/members") == "/environments/1a5"
    assert page_of("/v2-beta/apikeys/1c5/") == "/v2-beta/apikeys/1c5"
    for path in ("/keys/", "/keys//edit", "/keys/new", "/keys\n", "//keys", "/v2-beta//x", ""):
        assert page_of(path) is None
