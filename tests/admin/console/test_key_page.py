"""A key's own page: what it reaches, its usage, and its last changes."""

from __future__ import annotations

import re

from proxy.domain.model import AccountKind, Environment, Role
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import Page, logged_in
from tests.admin.console.usage import count


def fact(page: Page, name: str) -> str:
    """A fact of the page, without markup."""
    (found,) = re.findall(rf"<dt>{name}</dt><dd>(.*?)</dd>", page.source, re.DOTALL)
    return " ".join(re.sub("<[^>]+>", " ", found).split())


async def test_a_key_shows_where_it_acts_and_in_which_role(api: AdminApi) -> None:
    """Its own role bounds that of each membership."""
    user = await api.account(AccountKind.USER)
    environments = [await api.environment({user: role}) for role in (Role.OWNER, Role.READONLY)]
    browser = await logged_in(api)

    async def place(owner: object, role: Role = Role.OWNER) -> str:
        ref = (await api.key(owner, role)).key.ref  # type: ignore[arg-type]
        return fact(await browser.get(f"/keys/{ref}"), "Acts in")

    assert await place(user, Role.MEMBER) == "e as member, e as readonly"
    assert await place(environments[0]) == "this environment alone"
    assert await place(await api.account(AccountKind.USER)) == (
        "no environment: its account is a member of none"
    )
    assert await place(await api.account(AccountKind.ADMIN)) == "every environment"
    reader = await api.account(AccountKind.READ_ADMIN)
    assert await place(reader) == "every environment, for reading only"


async def test_a_key_shows_its_own_usage(api: AdminApi) -> None:
    """Nobody else's; and the pages of its account and of the environment have it too."""
    user = await api.account(AccountKind.USER)
    environment = await api.environment({user: Role.MEMBER})
    one, other = await api.key(user), await api.key(user)
    await count(api, 1234, key=one.key.id, environment=environment.id)
    await count(api, 1, key=other.key.id)
    browser = await logged_in(api)
    assert "Requests 1,234 Refused" in (await browser.get(f"/keys/{one.key.ref}")).text
    assert "Requests 1,235 Refused" in (await browser.get(f"/accounts/{user.ref}")).text
    page = await browser.get(f"/environments/{environment.ref}")
    assert "Requests 1,234 Refused" in page.text
    assert f'href="/environments/{environment.ref}?range=7d"' in page.source


async def test_a_key_that_was_not_used_shows_how_to_use_it(api: AdminApi) -> None:
    """With its own access key; not while the gateway refuses it."""
    environment = await api.environment()
    ref = (made := (await api.key(environment)).key).ref
    browser = await logged_in(api)
    line = f"curl -u {made.access_key} http://gateway/v1/projects/{environment.slug}"
    page = await browser.get(f"/keys/{ref}")
    assert line in page.text
    page = await browser.send(page.form(f"/keys/{ref}/deactivate"))
    assert "No requests in the last 24 hours." in page.text
    assert line not in page.text


async def test_administrators_see_the_last_changes_of_a_key(api: AdminApi) -> None:
    """Ten of them, the latest first, with a link to the others."""
    await api.admin.post("/v2-beta/apikeys", {"name": "n"})
    for number in range(10):
        await api.admin.put("/v2-beta/apikeys/1c2", {"name": f"n{number}", "description": None})
    await api.admin.post("/v2-beta/apikeys/1c2/?action=deactivate")
    page = await (await logged_in(api)).get("/keys/1c2")
    entries = re.findall("<b>(API key [a-z]+)</b>", page.source)
    assert entries == ["API key deactivated", *["API key edited"] * 9]
    assert "<del>n8</del>" in page.source
    assert 'href="/audit?what=1c2"' in page.source
    user = await api.key(await api.account(AccountKind.USER))
    page = await (await logged_in(api, user)).get(f"/keys/{user.key.ref}")
    assert "Latest changes" not in page.text


async def test_the_owner_of_a_key_is_named(api: AdminApi) -> None:
    """An environment or an account, with a link to it."""
    environment: Environment = await api.environment()
    page = await (await logged_in(api)).get(f"/keys/{(await api.key(environment)).key.ref}")
    assert fact(page, "Belongs to") == "the environment e"
    assert f'href="/environments/{environment.ref}"' in page.source
