"""Nodes in the console: how far each is, and whether a change holds on all of them."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from admin.console.node_pages import summary
from proxy.domain.lease import gone_after
from proxy.domain.model import AccountKind, Role
from proxy.store.feed import NodeRow
from proxy.store.sql.transaction import SqlTransaction
from tests.admin.admin_api import AdminApi
from tests.admin.console.browser import logged_in

A = NodeRow(uuid4(), "gate-1", 1, 7, 1_000, 1_000, 30.0, 5_000, None)
B = NodeRow(uuid4(), "gate-2", 1, 7, 0, 0, 30.0, 5_000, None)


@pytest.fixture
async def two(api: AdminApi) -> AdminApi:
    """A store that two nodes share, of which one is behind."""
    api.nodes.others = [A, B]
    api.nodes.waiter.shared = True
    await api.nodes.waiter.nodes()
    return api


async def test_where_one_node_has_the_store_nothing_speaks_of_nodes(api: AdminApi) -> None:
    """A change holds everywhere at once, and nobody has to look."""
    browser = await logged_in(api)
    page = await browser.get("/keys")
    assert "/nodes" not in page.links
    page = await browser.post(
        "/keys/1c1/edit", page.form("/logout").values | {"name": "n", "lifetime": "never"}
    )
    assert page.path == "/keys/1c1"
    assert "Does it hold on all nodes?" not in page.text
    assert "1 node, at" in (await browser.get("/nodes")).text


async def test_each_node_is_shown_with_how_far_it_is(two: AdminApi) -> None:
    """And when its lease ends."""
    browser = await logged_in(two)
    page = await browser.get("/nodes")
    assert "/nodes" in page.links
    assert "2 nodes, at" in page.text
    assert "gate-1 Active 0" in page.text
    assert "gate-2 Active 2" in page.text
    assert "in a moment" in page.text
    assert "/nodes/gate-2/forget" not in page.links


async def test_after_a_change_its_progress_can_be_looked_at(two: AdminApi) -> None:
    """Again and again: the page does not load itself."""
    browser = await logged_in(two)
    page = await browser.get("/keys")
    values = page.form("/logout").values | {"name": "n", "lifetime": "never"}
    page = await browser.post("/keys/1c1/edit", values)
    last, _ = await two.store.load_settings()
    assert page.path == f"/keys/1c1?changed={last}"
    assert "This holds here already. Does it hold on all nodes?" in page.text
    assert f"/changes/{last}" in page.links
    page = await browser.get(f"/changes/{last}")
    assert f"Change {last} Pending It holds on 1 of 2 nodes. The other one permits" in page.text
    assert "gate-1 Holds" in page.text
    assert "gate-2 Pending It may go by what was before" in page.text
    assert page.links.count(f"/changes/{last}") == 1
    two.nodes.others = [A, replace(B, beat=8, settled=last)]
    page = await browser.get(f"/changes/{last}")
    assert f"Change {last} Everywhere It holds on all nodes: no request goes by" in page.text
    assert f"/changes/{last}" not in page.links


async def test_what_follows_after_a_change_keeps_what_it_says_besides(two: AdminApi) -> None:
    """As the page of the settings says which one was saved."""
    browser = await logged_in(two)
    page = await browser.get("/settings")
    form = page.form("/settings/rotation_overlap")
    page = await browser.send(form, value="2h")
    last, _ = await two.store.load_settings()
    assert page.path == f"/settings?saved=rotation_overlap&changed={last}"
    assert "Saved." in page.text


async def test_what_a_url_says_was_changed_is_a_number(two: AdminApi) -> None:
    """Anything else is not repeated."""
    browser = await logged_in(two)
    page = await browser.get("/keys?changed=%22%3E%3Cb%3E")
    assert "Does it hold on all nodes?" not in page.text
    page = await browser.get("/changes/999")
    assert page.status == 404


async def test_a_rotation_shows_the_secret_and_where_to_look(two: AdminApi) -> None:
    """On the same page, since the secret is shown once."""
    browser = await logged_in(two)
    page = await browser.get("/keys/1c1/rotate")
    page = await browser.send(page.form("/keys/1c1/rotate"))
    last, _ = await two.store.load_settings()
    assert page.status == 201
    assert f"/changes/{last}" in page.links


async def test_a_node_that_is_dead_is_forgotten_after_a_question(
    two: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which says what happens if it is not."""

    async def forget(_: SqlTransaction, node: NodeRow) -> bool:
        two.nodes.others = [A, replace(node, left_at=9_000)]
        return True

    monkeypatch.setattr(SqlTransaction, "forget_node", forget)
    two.nodes.time += 7
    browser = await logged_in(two)
    page = await browser.get("/nodes")
    assert "/nodes/gate-2/forget" in page.links
    page = await browser.get("/nodes/gate-2/forget")
    assert "If it is not, keys that were revoked may work on it until its lease ends" in page.text
    page = await browser.send(page.form("/nodes/gate-2/forget"))
    assert page.path == "/nodes"
    assert "gate-2 Left It has ended, or was said to be dead" in page.text
    assert "Node said to be dead" in (await browser.get("/audit")).text
    two.nodes.others = [A, B]
    two.nodes.time += gone_after(30.0)
    await two.nodes.waiter.nodes()
    two.nodes.time += gone_after(30.0)
    page = await browser.get("/nodes/gate-2/forget")
    assert "for longer than its lease, so it permits nothing" in page.text


async def test_who_does_not_see_nodes_sees_their_states_without_names(two: AdminApi) -> None:
    """A user may make changes, so it may look whether they hold."""
    user = await two.account()
    browser = await logged_in(two, await two.key(user))
    assert (await browser.get("/nodes")).status == 403
    last, _ = await two.store.load_settings()
    page = await browser.get(f"/changes/{last}")
    assert "Node 1 Holds" in page.text
    assert "Node 2 Pending" in page.text
    assert "gate-" not in page.text
    auditor = await two.key(await two.account(AccountKind.READ_ADMIN))
    assert "gate-2" in (await (await logged_in(two, auditor)).get("/nodes")).text
    reader = await logged_in(two, await two.key(user, Role.READONLY))
    assert (await reader.get(f"/changes/{last}")).status == 403


def test_the_summary_counts_the_nodes_that_are_waited_for() -> None:
    """Those that have left do not count, and the last lease is told."""
    nodes = [
        {"state": state, "seconds": seconds}
        for state, seconds in (
            ("settled", None),
            ("lapsed", None),
            ("left", None),
            ("pending", 3),
            ("pending", 12),
        )
    ]
    assert summary(nodes) == (
        "It holds on 2 of 4 nodes. The last of the others permits nothing any more in 12 s, if it "
        "has not been heard of by then."
    )
    assert summary(nodes[:3]) == "It holds on all nodes: no request goes by what was before."
