"""Members of environments over HTTP: owners manage them, and the last owner stays."""

from __future__ import annotations

import pytest

from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi

MEMBERS = "/v2-beta/projectmembers"


def of(ref: str) -> str:
    """The members of one environment."""
    return f"/v2-beta/projects/{ref}/projectmembers"


async def test_a_new_member_can_use_the_environment_at_once(api: AdminApi) -> None:
    """The answer links to the account and to the environment."""
    account, environment = await api.account(), await api.environment()
    key = await api.key(account)
    assert (await key.get(f"/v2-beta/projects/{environment.ref}")).code == "404 NotFound"
    body = {"accountId": account.ref, "role": "member"}
    answer = await api.admin.post(of(environment.ref), body)
    root = str(api.client.make_url("/v2-beta"))
    url = f"{root}/projects/{environment.ref}/projectmembers/1m1"
    made = dict(answer.body)
    assert answer.status == 201
    assert made.pop("created")
    assert made == {
        "id": "1m1",
        "type": "projectMember",
        "baseType": "projectMember",
        "links": {
            "self": url,
            "project": f"{root}/projects/{environment.ref}",
            "account": f"{root}/accounts/{account.ref}",
        },
        "actions": {action: f"{url}/?action={action}" for action in ("update", "remove")},
        "projectId": environment.ref,
        "accountId": account.ref,
        "role": "member",
        "createdTS": api.clock(),
        "state": "active",
    }
    assert (await api.admin.get(f"{of(environment.ref)}/1m1")).body == answer.body
    assert (await key.get(f"/v2-beta/projects/{environment.ref}")).status == 200


async def test_outside_an_environment_the_body_names_it(api: AdminApi) -> None:
    """Within an environment its path counts, whatever the body says."""
    account, here, there = (
        await api.account(),
        await api.environment(),
        await api.environment(),
    )
    body = {"accountId": account.ref, "role": "readonly", "projectId": here.ref}
    made = await api.admin.post(MEMBERS, body)
    assert (made.status, made.body["projectId"]) == (201, here.ref)
    made = await api.admin.post(of(there.ref), body)
    assert (made.status, made.body["projectId"]) == (201, there.ref)
    del body["projectId"]
    answer = await api.admin.post(MEMBERS, body)
    assert answer.code == "422 MissingRequired projectId"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"accountId": None}, "422 NotNullable accountId"),
        ({"accountId": "1a99"}, "422 InvalidReference accountId"),
        ({"accountId": "1a3"}, "422 InvalidReference accountId"),  # an environment
        ({"accountId": "Ada"}, "422 InvalidReference accountId"),
        ({"accountId": 2}, "422 InvalidType accountId"),
        ({"role": None}, "422 NotNullable role"),
        ({"role": "chief"}, "422 InvalidOption role"),
        ({"role": True}, "422 InvalidType role"),
    ],
)
async def test_a_malformed_membership_is_refused_with_the_field_to_blame(
    api: AdminApi, change: dict[str, object], code: str
) -> None:
    """A body that cannot be a membership's is refused, with the field that is to blame."""
    account, environment = await api.account(), await api.environment()
    body = {"accountId": account.ref, "role": "member"} | change
    assert (await api.admin.post(of(environment.ref), body)).code == code


@pytest.mark.parametrize("absent", ["accountId", "role"])
async def test_a_new_membership_needs_an_account_and_a_role(api: AdminApi, absent: str) -> None:
    """An edited one needs a role."""
    account, environment = await api.account(), await api.environment()
    body = {"accountId": account.ref, "role": "member"}
    made = (await api.admin.post(of(environment.ref), body)).body
    del body[absent]
    answer = await api.admin.post(of(environment.ref), body)
    assert answer.code == f"422 MissingRequired {absent}"
    answer = await api.admin.put(f"{MEMBERS}/{made['id']}", {})
    assert answer.code == "422 MissingRequired role"


async def test_an_account_is_a_member_of_an_environment_only_once(api: AdminApi) -> None:
    """To change its role, the membership is edited."""
    account = await api.account()
    environment = await api.environment({account: Role.READONLY})
    body = {"accountId": account.ref, "role": "member"}
    answer = await api.admin.post(of(environment.ref), body)
    assert answer.code == "422 NotUnique accountId"
    assert answer.body["detail"].startswith("the account is a member already")


async def test_a_membership_is_edited_and_ended(api: AdminApi) -> None:
    """A role is changed by PUT or by `update`. A membership that has ended is not found."""
    account = await api.account()
    environment = await api.environment({account: Role.READONLY})
    key = await api.key(account)
    keys = f"/v2-beta/projects/{environment.ref}/apikeys"
    path = f"{of(environment.ref)}/1m1"
    assert (await key.post(keys)).code == "403 Forbidden"
    edited = await api.admin.put(path, {"role": "member", "accountId": "1a1"})
    assert (edited.status, edited.body["role"]) == (200, "member")
    assert edited.body["accountId"] == account.ref
    assert (await key.post(keys)).status == 201
    edited = await api.admin.post(f"{path}/?action=update", {"role": "restricted"})
    assert (edited.status, edited.body["role"]) == (202, "restricted")
    assert (await key.post(keys)).code == "403 Forbidden"
    removed = await api.admin.delete(path)
    assert (removed.status, removed.body["id"], removed.body["actions"]) == (200, "1m1", {})
    assert (await key.get(keys)).code == "404 NotFound"
    for answer in (await api.admin.get(path), await api.admin.delete(path)):
        assert answer.code == "404 NotFound"
    again = {"accountId": account.ref, "role": "member"}
    assert (await api.admin.post(of(environment.ref), again)).body["id"] == "1m2"
    assert (await api.admin.post(f"{MEMBERS}/1m2/?action=remove")).status == 202


@pytest.mark.parametrize("action", ["activate", "deactivate", "purge", "rotate", "explode"])
async def test_a_membership_has_no_other_actions(api: AdminApi, action: str) -> None:
    """It has no states."""
    await api.environment({await api.account(): Role.READONLY})
    answer = await api.admin.post(f"{MEMBERS}/1m1/?action={action}")
    assert answer.code == "422 InvalidAction action"


async def test_members_are_listed_in_their_environment_and_outside_by_account(
    api: AdminApi,
) -> None:
    """Outside, a user sees its own memberships and an admin all."""
    one, other = await api.account(), await api.account()
    here = await api.environment({one: Role.OWNER, other: Role.MEMBER})
    there = await api.environment({one: Role.READONLY})
    key = await api.key(one)

    async def listed(path: str) -> list[tuple[str, str]]:
        answer = await key.get(path)
        return [(each["projectId"], each["accountId"]) for each in answer.body["data"]]

    assert await listed(of(here.ref)) == [(here.ref, one.ref), (here.ref, other.ref)]
    assert await listed(of(there.ref)) == [(there.ref, one.ref)]
    assert await listed(MEMBERS) == [(here.ref, one.ref), (there.ref, one.ref)]
    assert await listed(f"{of(here.ref)}?accountId={other.ref}") == [(here.ref, other.ref)]
    assert await listed(f"{of(here.ref)}?role=owner") == [(here.ref, one.ref)]
    assert await listed(f"{MEMBERS}?projectId={there.ref}") == [(there.ref, one.ref)]
    assert len((await api.admin.get(MEMBERS)).body["data"]) == 3
    body = (await key.get(f"{of(here.ref)}?limit=1")).body
    assert body["createTypes"] == {"projectMember": str(api.client.make_url(of(here.ref)))}
    marker = body["pagination"]["next"].rpartition("marker=")[2]
    assert await listed(f"{of(here.ref)}?limit=1&marker={marker}") == [(here.ref, other.ref)]
    assert (await key.get(of(there.ref))).body["createTypes"] == {}
    assert (await key.get(f"{of(here.ref)}?role=restricted")).body["createTypes"]
    assert (await api.admin.get(MEMBERS)).body["createTypes"]


async def test_a_membership_of_another_environment_is_not_found_within_one(api: AdminApi) -> None:
    """A membership of one environment is not found within another."""
    account = await api.account()
    await api.environment({account: Role.MEMBER})
    other = await api.environment({account: Role.OWNER})
    path = f"{of(other.ref)}/1m1"
    answers = [
        await api.admin.get(path),
        await api.admin.put(path, {"role": "member"}),
        await api.admin.delete(path),
    ]
    assert {answer.code for answer in answers} == {"404 NotFound"}


@pytest.mark.parametrize(
    "ref", ["1m0", "1m01", "1M1", "1m99", "1a2:1a3", "1c1", "m1", "1m" + "9" * 30]
)
async def test_a_malformed_or_unknown_membership_id_is_not_found(api: AdminApi, ref: str) -> None:
    """Only the canonical form of an existing id is found."""
    await api.environment({await api.account(): Role.MEMBER})
    assert (await api.admin.get(f"{MEMBERS}/{ref}")).code == "404 NotFound"


@pytest.mark.parametrize("requested", Role)
@pytest.mark.parametrize("presented", Role)
async def test_an_owner_gives_no_role_stronger_than_its_key(
    api: AdminApi, presented: Role, requested: Role
) -> None:
    """Only a key of the role owner gives any."""
    owner, account = await api.account(), await api.account()
    environment = await api.environment({owner: Role.OWNER})
    key = await api.key(owner, presented)
    answer = await key.post(of(environment.ref), {"accountId": account.ref, "role": requested})
    assert answer.code == ("201" if presented is Role.OWNER else "403 Forbidden")


async def test_an_environment_keeps_its_last_owner(api: AdminApi) -> None:
    """Neither an edit nor a removal may leave it without one."""
    one, other = await api.account(), await api.account()
    environment = await api.environment({one: Role.OWNER, other: Role.MEMBER})
    key = await api.key(one)
    path = f"{of(environment.ref)}/1m1"
    for caller in (key, api.admin):
        assert (await caller.put(path, {"role": "member"})).code == "409 LastOwner"
        assert (await caller.delete(path)).code == "409 LastOwner"
    assert (await key.put(path, {"role": "owner"})).status == 200
    assert (await key.get(path)).body["role"] == "owner"
    assert [entry["act"] for entry in api.audit()] == ["membership.update"]
    assert (await key.put(f"{of(environment.ref)}/1m2", {"role": "owner"})).status == 200
    assert (await key.delete(path)).status == 200
    assert (await key.get(path)).code == "404 NotFound"


async def test_owners_of_another_environment_do_not_count_as_owners(api: AdminApi) -> None:
    """Owners of another environment do not count."""
    one, other = await api.account(), await api.account()
    await api.environment({other: Role.OWNER})
    environment = await api.environment({one: Role.OWNER})
    answer = await api.admin.delete(f"{of(environment.ref)}/1m2")
    assert answer.code == "409 LastOwner"


async def test_a_removed_environment_shows_no_members_and_a_removed_account_becomes_none(
    api: AdminApi,
) -> None:
    """A removed environment has no members to look at, and a removed account becomes none."""
    account, gone = await api.account(), await api.account()
    environment = await api.environment({account: Role.OWNER})
    path = f"/v2-beta/accounts/{gone.ref}"
    await api.admin.post(f"{path}?action=deactivate")
    await api.admin.delete(path)
    body = {"accountId": gone.ref, "role": "member"}
    answer = await api.admin.post(of(environment.ref), body)
    assert answer.code == "422 InvalidReference accountId"
    path = f"/v2-beta/projects/{environment.ref}"
    await api.admin.post(f"{path}?action=deactivate")
    assert (await api.admin.get(of(environment.ref))).status == 200
    await api.admin.delete(path)
    assert (await api.admin.get(of(environment.ref))).code == "404 NotFound"
    assert (await api.admin.get(f"{MEMBERS}/1m1")).code == "404 NotFound"
    assert (await (await api.key(account)).get(MEMBERS)).body["data"] == []


async def test_a_read_admin_who_owns_an_environment_still_changes_nothing(api: AdminApi) -> None:
    """Any account can be a member."""
    auditor = await api.account(AccountKind.READ_ADMIN)
    environment = await api.environment()
    body = {"accountId": auditor.ref, "role": "owner"}
    assert (await api.admin.post(of(environment.ref), body)).status == 201
    key = await api.key(auditor)
    assert (await key.post(of(environment.ref), body)).code == "403 Forbidden"
    assert (await key.post(f"/v2-beta/projects/{environment.ref}/apikeys")).code == "403 Forbidden"


async def test_each_action_on_a_membership_leaves_an_audit_entry(api: AdminApi) -> None:
    """It says who is what in which environment, before and after."""
    account, environment = await api.account(), await api.environment()
    await api.admin.post(of(environment.ref), {"accountId": account.ref, "role": "member"})
    await api.admin.put(f"{MEMBERS}/1m1", {"role": "readonly"})
    await api.admin.delete(f"{MEMBERS}/1m1")
    sides = {"account_id": account.id, "environment_id": environment.id}
    assert [
        (entry["act"], entry["subject"], entry["before"], entry["after"]) for entry in api.audit()
    ] == [
        ("membership.create", "1m1", None, sides | {"role": "member"}),
        ("membership.update", "1m1", {"role": "member"}, {"role": "readonly"}),
        ("membership.remove", "1m1", sides | {"role": "readonly"}, None),
    ]
