"""Nodes over HTTP: who may see them, and say of one that it is dead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import pytest

from proxy.domain.lease import gone_after
from proxy.domain.model import AccountKind, Role
from proxy.store.feed import NodeRow
from proxy.store.protocols import Transaction
from proxy.store.sql.transaction import SqlTransaction
from tests.admin.admin_api import BEAT, AdminApi

NODES = "/v2-beta/nodes"
B = NodeRow(uuid4(), "gate-2", 1, 7, 1, 0, 30.0, 5_000, None)


async def shown(api: AdminApi, name: str = "gate-2") -> dict[str, object]:
    """A node, as the admin sees it."""
    answer = await api.admin.get(f"{NODES}/{name}")
    assert answer.status == 200, answer.text
    return dict(answer.body)


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch, api: AdminApi) -> list[NodeRow]:
    """The nodes that are forgotten: a store of one node has none (for one of several, see
    tests/proxy/store/postgres/test_feed.py)."""
    found: list[NodeRow] = []

    async def forget(_: Transaction, node: NodeRow) -> bool:
        found.append(node)
        others: Sequence[NodeRow] = api.nodes.others or ()
        left = [replace(each, left_at=9_000) for each in others if each == node]
        api.nodes.others = left
        return bool(left)

    monkeypatch.setattr(SqlTransaction, "forget_node", forget)
    return found


async def test_the_only_node_of_a_store_is_shown_without_a_lease(api: AdminApi) -> None:
    """It needs none, and nobody waits for it."""
    (listed,) = (await api.admin.get(NODES)).body["data"]
    assert listed == await shown(api, "gate-1")
    revision, _ = await api.store.load_settings()
    assert listed == {
        "id": "gate-1",
        "type": "node",
        "baseType": "node",
        "links": {"self": str(api.client.make_url(f"{NODES}/gate-1"))},
        "actions": {},
        "name": "gate-1",
        "state": "active",
        "applied": revision,
        "settled": revision,
        "lag": 0,
        "lease": None,
        "lastSeen": "1970-01-01T00:00:01Z",
        "lastSeenTS": 1_000,
        "leaseEnds": None,
        "leaseEndsTS": None,
        "left": None,
        "leftTS": None,
    }


async def test_a_node_is_shown_with_how_far_it_is_and_when_its_lease_ends(api: AdminApi) -> None:
    """Counted from when its last beat was first seen here; once that is over, it is lapsed."""
    revision, _ = await api.store.load_settings()
    api.nodes.others = [B]
    node = await shown(api)
    assert (node["state"], node["lag"], node["lease"]) == ("active", revision - 1, 30.0)
    assert node["leaseEndsTS"] == api.clock.now + int(gone_after(30.0) * 1000)
    assert node["actions"] == {}
    api.nodes.time += gone_after(30.0)
    node = await shown(api)
    assert (node["state"], node["leaseEnds"]) == ("lapsed", None)
    assert list(dict(node["actions"])) == ["forget"]  # type: ignore[call-overload]
    api.nodes.others = [replace(B, left_at=9_000)]
    node = await shown(api)
    assert (node["state"], node["leftTS"], node["actions"]) == ("left", 9_000, {})


async def test_a_node_that_is_lapsed_can_be_forgotten(
    api: AdminApi, forgotten: list[NodeRow]
) -> None:
    """By an admin; the audit log has it."""
    api.nodes.others = [B]
    await shown(api)
    api.nodes.time += gone_after(30.0)
    answer = await api.admin.post(f"{NODES}/gate-2/?action=forget")
    assert (answer.status, answer.body["state"]) == (202, "left")
    assert forgotten == [B]
    entry = api.audit()[-1]
    assert (entry["act"], entry["subject"]) == ("node.forget", "gate-2")
    assert entry["before"] == {"state": "lapsed", "settled": 0}
    assert entry["after"] == {"state": "left"}
    assert "Wardgate-Revision" not in answer.headers
    again = await api.admin.post(f"{NODES}/gate-2/?action=forget")
    assert again.code == "422 ActionNotAvailable action"


async def test_one_whose_lease_may_hold_is_forgotten_only_by_who_says_that_it_is_dead(
    api: AdminApi, forgotten: list[NodeRow]
) -> None:
    """And not if it was heard of lately: then it is not dead."""
    api.nodes.others = [B]
    await shown(api)
    api.nodes.time += 2 * BEAT - 0.1
    path = f"{NODES}/gate-2/?action=forget"
    answer = await api.admin.post(path, {"dead": True})
    assert answer.code == "409 Conflict"
    assert answer.body["detail"] == "the node is alive: it was heard of 5.9 s ago"
    api.nodes.time += 0.1
    answer = await api.admin.post(path)
    assert answer.code == "409 Conflict dead"
    assert "the lease of the node ends in 27 s: wait, or say" in answer.body["detail"]
    assert (await api.admin.post(path, {"dead": "yes"})).code == "422 InvalidType dead"
    assert forgotten == []
    assert list(dict((await shown(api))["actions"])) == ["forget"]  # type: ignore[call-overload]
    answer = await api.admin.post(path, {"dead": True})
    assert (answer.status, answer.body["state"]) == (202, "left")
    assert forgotten == [B]


async def test_a_node_that_is_heard_of_meanwhile_is_not_forgotten(api: AdminApi) -> None:
    """The store has the last word: here it knows no such node."""
    api.nodes.others = [B]
    await shown(api)
    api.nodes.time += gone_after(30.0)
    answer = await api.admin.post(f"{NODES}/gate-2/?action=forget")
    assert (answer.code, answer.body["detail"]) == (
        "409 Conflict",
        "the node is alive: it was heard of just now",
    )
    assert all(each["act"] != "node.forget" for each in api.audit())


async def test_only_admins_and_read_admins_see_nodes(
    api: AdminApi, forgotten: list[NodeRow]
) -> None:
    """And only admins forget one, with a key of the role owner."""
    api.nodes.others = [B]
    await shown(api)
    api.nodes.time += gone_after(30.0)
    auditor = await api.key(await api.account(AccountKind.READ_ADMIN))
    weak = await api.key(await api.account(AccountKind.ADMIN), Role.MEMBER)
    user = await api.key(await api.account())
    for key in (auditor, weak):
        answer = await key.get(f"{NODES}/gate-2")
        assert (answer.status, answer.body["actions"]) == (200, {})
        assert (await key.post(f"{NODES}/gate-2/?action=forget")).code == "403 Forbidden"
    assert (await user.get(NODES)).code == "403 Forbidden"
    assert (await user.get(f"{NODES}/gate-2")).code == "403 Forbidden"
    assert (await user.post(f"{NODES}/gate-2/?action=forget")).code == "403 Forbidden"
    assert forgotten == []


async def test_there_is_no_other_node_and_nothing_else_to_do_with_one(api: AdminApi) -> None:
    """A name may hold dots, as those of hosts do."""
    api.nodes.others = [replace(B, name="gate-2.example.com")]
    assert (await shown(api, "gate-2.example.com"))["id"] == "gate-2.example.com"
    assert (await api.admin.get(f"{NODES}/gate-9")).code == "404 NotFound"
    assert (await api.admin.get(f"{NODES}/%20")).code == "404 NotFound"
    for method in ("PUT", "DELETE"):
        answer = await api.admin.ask(method, f"{NODES}/gate-2.example.com", {})
        assert answer.code == "405 MethodNotAllowed"
    assert (await api.admin.post(NODES, {"name": "x"})).code == "405 MethodNotAllowed"
    answer = await api.admin.post(f"{NODES}/gate-2.example.com/?action=purge")
    assert answer.code == "422 InvalidAction action"
