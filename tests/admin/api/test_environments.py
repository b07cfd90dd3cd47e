"""Environments over HTTP, where they are called projects."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi

PROJECTS = "/v2-beta/projects"


async def test_a_new_environment_has_the_form_that_ranchers_clients_know(api: AdminApi) -> None:
    """The answer holds its endpoint at the gateway."""
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
            "usage": f"{url}/usage",
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
        "limits": {},
        "endpoint": "http://gateway/v1/projects/shop",
    }
    assert (await api.admin.get(f"{PROJECTS}/1a2")).body == answer.body


async def test_an_environment_is_edited_deactivated_activated_and_removed(api: AdminApi) -> None:
    """Only an inactive environment can be removed."""
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


async def test_without_a_slug_the_id_of_an_environment_is_its_slug(api: AdminApi) -> None:
    """A slug of null is none."""
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
async def test_a_slug_that_is_no_plain_path_segment_is_refused(
    api: AdminApi, slug: object, code: str
) -> None:
    """So is one that looks like an id without being one."""
    answer = await api.admin.post(PROJECTS, {"name": "n", "slug": slug})
    assert answer.code == f"422 {code} slug"


@pytest.mark.parametrize("slug", ["x" * 63, "a", "0", "1a", "1a5b", "11a5", "A_b-C"])
async def test_a_slug_keeps_its_case_and_does_not_change_the_id(api: AdminApi, slug: str) -> None:
    """Unless it has the form of an id."""
    made = (await api.admin.post(PROJECTS, {"name": "n", "slug": slug})).body
    assert (made["slug"], made["id"]) == (slug, "1a2")


async def test_slugs_are_unique_without_regard_to_case(api: AdminApi) -> None:
    """Until the first environment is removed."""
    await api.admin.post(PROJECTS, {"name": "n", "slug": "Shop"})
    again = {"name": "n", "slug": "sHOP"}
    assert (await api.admin.post(PROJECTS, again)).code == "422 NotUnique slug"
    await api.admin.post(f"{PROJECTS}/1a2?action=deactivate")
    assert (await api.admin.post(PROJECTS, again)).code == "422 NotUnique slug"
    await api.admin.delete(f"{PROJECTS}/1a2")
    assert (await api.admin.post(PROJECTS, again)).status == 201


async def test_a_user_cannot_choose_a_slug(api: AdminApi) -> None:
    """With a slug of its choice it would own whatever the upstream has under that name."""
    user = await api.key(await api.account())
    answer = await user.post(PROJECTS, {"name": "n", "slug": "payroll"})
    assert answer.code == "403 Forbidden slug"
    made = await user.post(PROJECTS, {"name": "n"})
    assert (made.status, made.body["slug"]) == (201, made.body["id"])


async def test_a_slug_in_the_form_of_an_id_becomes_the_id(api: AdminApi) -> None:
    """Unless that id was ever used. Later ids go on from there."""
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


async def test_the_creator_of_an_environment_becomes_its_owner(api: AdminApi) -> None:
    """A user can do everything with it and with its keys."""
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
async def test_members_see_their_environment_and_owners_change_it(
    api: AdminApi, membership: Role | None, presented: Role, look: int, change: int
) -> None:
    """For everybody else it does not exist."""
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
async def test_admins_and_users_create_environments_with_keys_of_the_role_owner(
    api: AdminApi, kind: AccountKind, role: Role, code: str
) -> None:
    """`createTypes` says whether a caller may."""
    key = await api.key(await api.account(kind), role)
    assert (await key.post(PROJECTS, {"name": "n"})).code == code
    assert bool((await key.get(PROJECTS)).body["createTypes"]) == (code == "201")


async def test_a_user_can_page_through_its_environments(api: AdminApi) -> None:
    """A page goes on where the page before it ended."""
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
async def test_a_malformed_or_unknown_environment_id_is_not_found(api: AdminApi, ref: str) -> None:
    """Nor is a slug or the id of an account."""
    await api.environment()
    assert (await api.admin.get(f"{PROJECTS}/{ref}")).code == "404 NotFound"


async def test_within_an_environment_only_that_one_is_found(api: AdminApi) -> None:
    """Only a caller that may see it finds it, and none can be created there."""
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


@pytest.mark.parametrize("name", ["1a99", "1a0", "payroll", "Pay roll", 'a"b', "ü"])
@pytest.mark.parametrize("more", ["", "/apikeys", "/apikeys/1c1", "/projectmembers", "/schemas"])
async def test_an_environment_that_a_key_does_not_reach_is_named_by_the_404(
    api: AdminApi, name: str, more: str
) -> None:
    """Whether it exists or not, and whatever is requested of it: clients look for its name then."""
    hidden = await api.environment()
    user = await api.key(await api.account())
    tied = await api.key(await api.environment())
    for key, ref in ((user, name), (user, hidden.ref), (tied, name), (tied, hidden.ref)):
        answer = await key.get(f"{PROJECTS}/{quote(ref, safe='')}{more}")
        assert answer.code == "404 NotFound"
        assert answer.body["detail"] == f'no environment "{ref}" that this key reaches'
    answer = await api.admin.get(f"{PROJECTS}/{quote(name, safe='')}{more}")
    assert answer.body["detail"] == f'no environment "{name}" that this key reaches'


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
async def test_a_change_to_an_environment_out_of_reach_is_a_404_too(
    api: AdminApi, method: str
) -> None:
    """Of the environment itself, and of what is in it."""
    hidden = await api.environment()
    user = await api.key(await api.account())
    path = f"{PROJECTS}/{hidden.ref}"
    action = "?action=deactivate" if method == "POST" else ""
    for one in (f"{path}{action}", f"{path}/apikeys/1c1{action}", f"{path}/projects/1a1{action}"):
        answer = await user.ask(method, one, {})
        assert (answer.code, answer.body["detail"]) == (
            "404 NotFound",
            f'no environment "{hidden.ref}" that this key reaches',
        )
