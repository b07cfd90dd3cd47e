"""Environments over HTTP, called projects there."""

from __future__ import annotations

import pytest

from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi

PROJECTS = "/v2-beta/projects"


async def test_create(api: AdminApi) -> None:
    """A new environment is told in the shape that Rancher's clients know, with its endpoint."""
    answer = await api.admin.post(PROJECTS, {"name": "Shop", "slug": "shop", "description": "d"})
    url = str(api.client.make_url(f"{PROJECTS}/1a2"))
    body = dict(answer.body)
    assert answer.status == 201
    assert body.pop("uuid")
    assert body.pop("created")
    assert body == {
        "id": "1a2",
        "type": "project",
        "baseType": "account",
        "links": {
            "self": url,
            "apiKeys": f"{url}/apikeys",
            "projectMembers": f"{url}/projectmembers",
        },
        "actions": {
            "update": f"{url}/?action=update",
            "deactivate": f"{url}/?action=deactivate",
        },
        "name": "Shop",
        "slug": "shop",
        "description": "d",
        "state": "active",
        "createdTS": api.clock(),
        "removed": None,
        "removedTS": None,
        "transitioning": "no",
        "transitioningMessage": None,
        "transitioningProgress": None,
        "endpoint": "http://gateway/v1/projects/shop",
    }
    assert (await api.admin.get(f"{PROJECTS}/1a2")).body == answer.body


async def test_life(api: AdminApi) -> None:
    """An environment is edited, deactivated, activated and, once inactive, removed."""
    path = f"{PROJECTS}/{(await api.environment()).ref}"
    edited = await api.admin.put(path, {"name": "new", "slug": "other"})
    assert (edited.body["name"], edited.body["slug"]) == ("new", "env2")
    by_action = await api.admin.post(f"{path}/?action=update", {"description": "d"})
    assert (by_action.status, by_action.body["description"]) == (202, "d")
    assert (await api.admin.delete(path)).code == "405 MethodNotAllowed"
    assert (await api.admin.post(f"{path}?action=deactivate")).body["state"] == "inactive"
    assert (await api.admin.post(f"{path}?action=activate")).body["state"] == "active"
    await api.admin.post(f"{path}?action=deactivate")
    assert (await api.admin.delete(path)).body["state"] == "removed"
    assert (await api.admin.get(path)).body["state"] == "removed"
    assert (await api.admin.get(PROJECTS)).body["data"] == []


async def test_slug_by_default(api: AdminApi) -> None:
    """Without a slug an environment is known in paths by its id."""
    for body in ({"name": "n"}, {"name": "n", "slug": None}):
        made = (await api.admin.post(PROJECTS, body)).body
        assert made["slug"] == made["id"]


@pytest.mark.parametrize(
    ("slug", "code"),
    [
        ("", "InvalidCharacters"),
        ("-a", "InvalidCharacters"),
        ("a.b", "InvalidCharacters"),
        ("a/b", "InvalidCharacters"),
        ("a%2Fb", "InvalidCharacters"),
        ("ä", "InvalidCharacters"),
        ("..", "InvalidCharacters"),
        ("a\n", "InvalidCharacters"),
        ("x" * 64, "MaxLengthExceeded"),
        ("1a0", "InvalidFormat"),
        ("1a05", "InvalidFormat"),
        ("1A5", "InvalidFormat"),
        ("1a1234567890123", "InvalidFormat"),
        (5, "InvalidType"),
    ],
)
async def test_bad_slugs(api: AdminApi, slug: object, code: str) -> None:
    """A slug is a plain segment of a path, and where it looks like an id it is one."""
    answer = await api.admin.post(PROJECTS, {"name": "n", "slug": slug})
    assert answer.code == f"422 {code} slug"


@pytest.mark.parametrize("slug", ["x" * 63, "a", "0", "1a", "1a5b", "11a5", "A_b-C"])
async def test_good_slugs(api: AdminApi, slug: str) -> None:
    """A slug keeps its case, and says nothing of the id unless it has the form of one."""
    made = (await api.admin.post(PROJECTS, {"name": "n", "slug": slug})).body
    assert (made["slug"], made["id"]) == (slug, "1a2")


async def test_slugs_are_unique(api: AdminApi) -> None:
    """Two slugs that differ by case alone are one too many, until the first is removed."""
    await api.admin.post(PROJECTS, {"name": "n", "slug": "Shop"})
    again = {"name": "n", "slug": "sHOP"}
    assert (await api.admin.post(PROJECTS, again)).code == "422 NotUnique slug"
    await api.admin.post(f"{PROJECTS}/1a2?action=deactivate")
    assert (await api.admin.post(PROJECTS, again)).code == "422 NotUnique slug"
    await api.admin.delete(f"{PROJECTS}/1a2")
    assert (await api.admin.post(PROJECTS, again)).status == 201


async def test_who_chooses_slugs(api: AdminApi) -> None:
    """A user would become owner of whatever the upstream has under a name, so it gets none."""
    user = await api.key(await api.account())
    answer = await user.post(PROJECTS, {"name": "n", "slug": "payroll"})
    assert answer.code == "403 Forbidden slug"
    made = await user.post(PROJECTS, {"name": "n"})
    assert (made.status, made.body["slug"]) == (201, made.body["id"])


async def test_a_slug_that_is_an_id(api: AdminApi) -> None:
    """A slug in the form of an id becomes the id, if nobody has had it, and later ids go on."""
    made = await api.admin.post(PROJECTS, {"name": "n", "slug": "1a8"})
    assert (made.status, made.body["id"], made.body["slug"]) == (201, "1a8", "1a8")
    assert (await api.admin.post(PROJECTS, {"name": "n"})).body["id"] == "1a9"
    for taken in ("1a1", "1a8", "1a9"):
        answer = await api.admin.post(PROJECTS, {"name": "n", "slug": taken})
        assert answer.code == "422 NotUnique slug"
    await api.admin.post(f"{PROJECTS}/1a8?action=deactivate")
    await api.admin.delete(f"{PROJECTS}/1a8")
    answer = await api.admin.post(PROJECTS, {"name": "n", "slug": "1a8"})
    assert answer.code == "422 NotUnique slug"


async def test_creators_become_owners(api: AdminApi) -> None:
    """Who makes an environment owns it: a user can do everything to it and its keys."""
    user = await api.key(await api.account())
    made = await user.post(PROJECTS, {"name": "mine"})
    assert (made.status, list(made.body["actions"])) == (201, ["update", "deactivate"])
    path = f"{PROJECTS}/{made.body['id']}"
    assert [one["id"] for one in (await user.get(PROJECTS)).body["data"]] == [made.body["id"]]
    assert (await user.post(f"{path}/apikeys", {"role": "owner"})).status == 201
    assert (await user.post(f"{path}?action=deactivate")).status == 202
    assert (await user.delete(path)).status == 200
    assert [(entry["act"], entry["after"]) for entry in api.audit()][1] == (
        "membership.create",
        {"account_id": user.key.account_id, "environment_id": 3, "role": "owner"},
    )


@pytest.mark.parametrize(
    ("membership", "presented", "look", "change"),
    [
        (Role.OWNER, Role.OWNER, 200, 200),
        (Role.OWNER, Role.MEMBER, 200, 403),
        (Role.OWNER, Role.RESTRICTED, 200, 403),
        (Role.OWNER, Role.READONLY, 200, 403),
        (Role.MEMBER, Role.OWNER, 200, 403),
        (Role.RESTRICTED, Role.OWNER, 200, 403),
        (Role.READONLY, Role.OWNER, 200, 403),
        (None, Role.OWNER, 404, 404),
    ],
)
async def test_members(
    api: AdminApi, membership: Role | None, presented: Role, look: int, change: int
) -> None:
    """Members see their environment, its owners change it, to others it is not there."""
    account = await api.account()
    environment = await api.environment({account: membership} if membership else {})
    await api.environment()
    key = await api.key(account, presented)
    path = f"{PROJECTS}/{environment.ref}"
    answer = await key.get(path)
    assert answer.status == look
    assert bool(answer.body["actions"]) == (change == 200)
    assert (await key.put(path, {"name": "n"})).status == change
    deactivated = await key.post(f"{path}?action=deactivate")
    assert deactivated.status == {200: 202}.get(change, change)
    listing = await key.get(PROJECTS)
    assert [one["id"] for one in listing.body["data"]] == [environment.ref] * (look == 200)


@pytest.mark.parametrize(
    ("kind", "role", "code"),
    [
        (AccountKind.ADMIN, Role.OWNER, "201"),
        (AccountKind.ADMIN, Role.MEMBER, "403 Forbidden"),
        (AccountKind.USER, Role.OWNER, "201"),
        (AccountKind.USER, Role.MEMBER, "403 Forbidden"),
        (AccountKind.USER, Role.RESTRICTED, "403 Forbidden"),
        (AccountKind.USER, Role.READONLY, "403 Forbidden"),
        (AccountKind.READ_ADMIN, Role.OWNER, "403 Forbidden"),
    ],
)
async def test_who_makes_environments(
    api: AdminApi, kind: AccountKind, role: Role, code: str
) -> None:
    """Admins and users make environments with their strongest keys, and are told who may."""
    key = await api.key(await api.account(kind), role)
    assert (await key.post(PROJECTS, {"name": "n"})).code == code
    assert bool((await key.get(PROJECTS)).body["createTypes"]) == (code == "201")


async def test_pages_of_a_member(api: AdminApi) -> None:
    """A user's list goes on where the page before it ended."""
    account = await api.account()
    refs = [(await api.environment({account: Role.MEMBER})).ref for _ in range(3)]
    key = await api.key(account)
    first = (await key.get(f"{PROJECTS}?limit=2")).body
    assert [one["id"] for one in first["data"]] == refs[:2]
    marker = first["pagination"]["next"].rpartition("marker=")[2]
    second = (await key.get(f"{PROJECTS}?limit=2&marker={marker}")).body
    assert [one["id"] for one in second["data"]] == refs[2:]
    assert second["pagination"]["next"] is None


@pytest.mark.parametrize("ref", ["1a99", "1a1", "1a0", "env2", "1A2"])
async def test_unknown_ids(api: AdminApi, ref: str) -> None:
    """An id that is none, or an account's, or a slug, is not found."""
    await api.environment()
    assert (await api.admin.get(f"{PROJECTS}/{ref}")).code == "404 NotFound"


async def test_within_an_environment(api: AdminApi) -> None:
    """Within an environment there is that one, for who can see it, and no other is made."""
    user = await api.account()
    here, there = await api.environment({user: Role.OWNER}), await api.environment()
    for key in (await api.key(user), await api.key(here), api.admin):
        listing = await key.get(f"{PROJECTS}/{here.ref}/projects")
        assert [one["id"] for one in listing.body["data"]] == [here.ref]
        assert listing.body["createTypes"] == {}
        hidden = {"1a99", "1a1"} | ({there.ref} if key is not api.admin else set())
        for ref in hidden:
            assert (await key.get(f"{PROJECTS}/{ref}/projects")).code == "404 NotFound"
    answer = await api.admin.post(f"{PROJECTS}/{here.ref}/projects", {"name": "n"})
    assert answer.code == "403 Forbidden"
    path = f"{PROJECTS}/{here.ref}/projects"
    assert (await api.admin.get(f"{path}/{here.ref}")).status == 200
    assert (await api.admin.get(f"{path}/{there.ref}")).code == "404 NotFound"
