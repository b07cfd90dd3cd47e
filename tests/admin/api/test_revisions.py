"""The progress of a change over HTTP: each answer says which one it made, and who may make changes
can wait until it holds on all nodes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import uuid4

from proxy.domain.lease import gone_after
from proxy.domain.model import AccountKind, Role
from proxy.store.feed import NodeRow
from tests.admin.admin_api import AdminApi, Answer
from tests.harness import until

A = NodeRow(uuid4(), "gate-1", 1, 7, 1_000, 1_000, 30.0, 5_000, None)
B = NodeRow(uuid4(), "gate-2", 1, 7, 1, 1, 30.0, 5_000, None)
FIELD = "Wardgate-Revision"


def revision(answer: Answer) -> int:
    """Which change an answer is of."""
    assert answer.status < 300, answer.text
    return int(answer.headers[FIELD])


async def test_the_answer_to_each_change_has_its_revision(api: AdminApi) -> None:
    """Whatever is changed, and in whichever way; they count up."""
    before, _ = await api.store.load_settings()
    account = (await api.admin.post("/v2-beta/accounts", {"name": "a", "kind": "user"})).body["id"]
    made = await api.admin.post("/v2-beta/projects", {"name": "p"})
    project = made.body["id"]
    key = await api.admin.post(f"/v2-beta/projects/{project}/apikeys", {})
    path = f"/v2-beta/apikeys/{key.body['id']}"
    member = f"/v2-beta/projects/{project}/projectmembers"
    joined = await api.admin.post(member, {"accountId": account, "role": "member"})
    answers = [
        made,
        key,
        joined,
        await api.admin.put(path, {"name": "n"}),
        await api.admin.post(f"{path}/?action=update", {"name": "m"}),
        await api.admin.post(f"{path}/?action=rotate", {"overlap": "1h"}),
        await api.admin.post(f"{path}/?action=deactivate"),
        await api.admin.delete(path),
        await api.admin.post(f"{path}/?action=purge"),
        await api.admin.delete(f"{member}/{joined.body['id']}"),
        await api.admin.put("/v2-beta/settings/rotation_overlap", {"value": "1h"}),
    ]
    last = before + 1 + len(answers)
    assert [revision(answer) for answer in answers] == list(range(before + 2, last + 1))
    assert (await api.store.load_settings())[0] == last


async def test_an_answer_without_a_change_has_no_revision(api: AdminApi) -> None:
    """Neither what reads, nor what is refused, nor what was only tried."""
    hashed = "$2b$04$" + "a" * 53
    body = {"publicValue": "old", "secretHash": hashed, "dryRun": True}
    for answer in (
        await api.admin.get("/v2-beta/apikeys"),
        await api.admin.post("/v2-beta/accounts", {}),
        await api.admin.post("/v2-beta/apikeys/1c1/?action=deactivate"),
        await api.admin.post("/v2-beta/apikeys/?action=import", body),
    ):
        assert FIELD not in answer.headers


async def test_with_one_node_a_change_holds_everywhere_at_once(api: AdminApi) -> None:
    """The list of revisions has the last one."""
    number = revision(await api.admin.post("/v2-beta/projects", {"name": "p"}))
    answer = await api.admin.get(f"/v2-beta/revisions/{number}")
    assert answer.body == {
        "id": str(number),
        "type": "revision",
        "baseType": "revision",
        "links": {"self": str(api.client.make_url(f"/v2-beta/revisions/{number}"))},
        "actions": {},
        "state": "everywhere",
        "nodes": [
            {
                "name": "gate-1",
                "state": "settled",
                "settled": number,
                "until": None,
                "seconds": None,
            }
        ],
    }
    assert (await api.admin.get("/v2-beta/revisions")).body["data"] == [answer.body]


async def test_a_change_is_pending_until_each_node_has_settled_it_or_is_gone(
    api: AdminApi,
) -> None:
    """All are asked for it; it is told when the lease of one ends."""
    api.nodes.others = [A, B]
    (listed,) = (await api.admin.get("/v1/revisions")).body["data"]
    assert listed["state"] == "pending"
    assert api.nodes.asked == 1
    api.nodes.time += 10
    answer = await api.admin.get("/v1/revisions/2")
    a, b = answer.body["nodes"]
    assert (a["name"], a["state"], a["settled"], a["until"]) == ("gate-1", "settled", 1_000, None)
    assert (b["name"], b["state"], b["settled"]) == ("gate-2", "pending", 1)
    assert 23 < b["seconds"] < 25
    assert b["until"] is not None
    api.nodes.time += gone_after(30.0)
    answer = await api.admin.get("/v1/revisions/2")
    assert answer.body["state"] == "everywhere"
    assert [each["state"] for each in answer.body["nodes"]] == ["settled", "lapsed"]
    api.nodes.others = [A, replace(B, left_at=9_000)]
    answer = await api.admin.get("/v1/revisions/2")
    assert [each["state"] for each in answer.body["nodes"]] == ["settled", "left"]


async def test_an_answer_can_be_waited_for(api: AdminApi) -> None:
    """Until the change holds everywhere, or the time is over."""
    api.nodes.others = [A, B]
    answer = await api.admin.get("/v1/revisions/2?wait=1")
    assert answer.body["state"] == "pending"
    waiting = asyncio.ensure_future(api.admin.get("/v1/revisions/2?wait=60"))
    asked = api.nodes.asked
    await until(lambda: api.nodes.asked > asked)
    api.nodes.others = [A, replace(B, beat=8, settled=2)]
    answer = await waiting
    assert answer.body["state"] == "everywhere"


async def test_a_wait_that_cannot_be_is_refused(api: AdminApi) -> None:
    """It is a number of seconds from 0 to 60."""
    for wait in ("-1", "61", "x", "", "1.5", "%D9%A1", "1" * 30):
        answer = await api.admin.get(f"/v1/revisions/1?wait={wait}")
        assert answer.code == "422 InvalidFormat wait", wait
        assert answer.body["detail"] == "wait must be a number of seconds from 0 to 60"


async def test_a_change_that_nobody_has_made_is_not_found(api: AdminApi) -> None:
    """Nor what is no number."""
    last, _ = await api.store.load_settings()
    answer = await api.admin.get(f"/v1/revisions/{last + 1}?wait=60")
    assert (answer.code, answer.body["detail"]) == (
        "404 NotFound",
        f"the last change is revision {last}",
    )
    for name in ("x", "-1", "1" * 19, "1.0"):
        assert (await api.admin.get(f"/v1/revisions/{name}")).code == "404 NotFound"
    assert (await api.admin.put("/v1/revisions/1", {})).code == "405 MethodNotAllowed"


async def test_who_may_make_changes_may_see_whether_they_hold(api: AdminApi) -> None:
    """Only admins and readAdmins see the names of the nodes."""
    api.nodes.others = [A, B]
    user = await api.account()
    environment = await api.environment({user: Role.OWNER})
    auditor = await api.key(await api.account(AccountKind.READ_ADMIN))
    for key, names in (
        (api.admin, ["gate-1", "gate-2"]),
        (auditor, ["gate-1", "gate-2"]),
        (await api.key(user), [None, None]),
        (await api.key(user, Role.MEMBER), [None, None]),
    ):
        answer = await key.get("/v1/revisions/2")
        assert [each["name"] for each in answer.body["nodes"]] == names
        assert [each["state"] for each in answer.body["nodes"]] == ["settled", "pending"]
    for key in (await api.key(user, Role.READONLY), await api.key(environment)):
        assert (await key.get("/v1/revisions/2")).code == "403 Forbidden"
