"""Requests at the same moment, each of which is allowed alone, and not all together."""

from __future__ import annotations

import asyncio

from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi


async def test_two_owners_cannot_remove_each_other_at_once(api: AdminApi) -> None:
    """Of the last two owners one stays."""
    one, other = await api.account(), await api.account()
    environment = await api.environment({one: Role.OWNER, other: Role.OWNER})
    members = f"/v2-beta/projects/{environment.ref}/projectmembers"
    keys = [await api.key(one), await api.key(other)]
    ends = (keys[0].delete(f"{members}/1m2"), keys[1].delete(f"{members}/1m1"))
    answers = await asyncio.gather(*ends)
    # The second one is no member any more.
    assert sorted(answer.code for answer in answers) == ["200", "404 NotFound"]
    edits = (api.admin.put(f"{members}/1m{number}", {"role": "member"}) for number in (1, 2))
    edited = await asyncio.gather(*edits)
    assert sorted(answer.code for answer in edited) == ["404 NotFound", "409 LastOwner"]


async def test_two_admins_cannot_deactivate_each_other_at_once(api: AdminApi) -> None:
    """Of the last two admin keys one stays active."""
    other = await api.key(await api.account(AccountKind.ADMIN))
    path = "/v2-beta/apikeys/{}/?action=deactivate"
    answers = await asyncio.gather(
        api.admin.post(path.format(other.key.ref)),
        other.post(path.format(api.admin.key.ref)),
    )
    assert sorted(answer.code for answer in answers)[0] == "202"
    assert sorted(answer.code for answer in answers)[1] in {"401 Unauthorized", "409 LastAdminKey"}


async def test_of_equal_requests_at_once_only_one_creates(api: AdminApi) -> None:
    """Many environments with one slug, and many memberships of one account."""
    account = await api.account()
    made = await asyncio.gather(
        *(api.admin.post("/v2-beta/projects", {"name": "n", "slug": "shop"}) for _ in range(8))
    )
    assert sorted(answer.code for answer in made) == ["201"] + ["422 NotUnique slug"] * 7
    (ref,) = (answer.body["id"] for answer in made if answer.status == 201)
    body = {"accountId": account.ref, "role": "member"}
    path = f"/v2-beta/projects/{ref}/projectmembers"
    made = await asyncio.gather(*(api.admin.post(path, body) for _ in range(8)))
    assert sorted(answer.code for answer in made) == ["201"] + ["422 NotUnique accountId"] * 7


async def test_after_rotations_at_once_the_last_two_secrets_work(api: AdminApi) -> None:
    """However many there were."""
    key = await api.key(await api.account())
    path = f"/v2-beta/apikeys/{key.key.ref}/?action=rotate"
    answers = await asyncio.gather(*(api.admin.post(path) for _ in range(6)))
    secrets = [api.with_secret(answer) for answer in answers]
    good = [(await each.get("/v2-beta")).status for each in (key, *secrets)]
    assert sorted(good) == [200, 200] + [401] * 5


async def test_a_key_creates_nothing_after_its_deactivation(api: AdminApi) -> None:
    """Either its change was first, or it is refused."""
    key = await api.key(await api.account())
    answers = await asyncio.gather(
        api.admin.post(f"/v2-beta/apikeys/{key.key.ref}/?action=deactivate"),
        *(key.post("/v2-beta/apikeys") for _ in range(8)),
    )
    assert {answer.status for answer in answers} <= {201, 202, 401}
    ended = next(e["sequence"] for e in api.audit() if e["act"] == "key.deactivate")
    assert all(e["sequence"] < ended for e in api.audit() if e["act"] == "key.create")
