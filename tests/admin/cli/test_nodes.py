"""`wardgate nodes`: the nodes of the store, and how one that is dead is forgotten. (With several
nodes: `tests/test_acknowledge.py`.)"""

from __future__ import annotations

from tests.admin.cli.served import Served


def test_the_only_node_is_listed(served: Served) -> None:
    """It needs no lease."""
    (node,) = served.json("nodes", "list")
    assert (node["state"], node["lag"], node["leaseEnds"]) == ("active", 0, None)
    table = served.run("nodes", "list").rows
    assert table[0][:3] == ["NAME", "STATE", "BEHIND"]
    assert table[1][:3] == [node["id"], "active", "0"]
    assert served.run("nodes", "list", "--quiet").out == f"{node['id']}\n"


def test_a_node_that_is_alive_is_not_forgotten(served: Served) -> None:
    """Whatever somebody says."""
    (node,) = served.json("nodes", "list")
    done = served.run("nodes", "forget", node["id"], "--yes")
    assert done.status == 1
    assert "the node is alive: it was heard of" in done.err


def test_to_forget_a_node_needs_a_confirmation(served: Served) -> None:
    """It tells what happens if the node is not dead."""
    (node,) = served.json("nodes", "list")
    done = served.process("nodes", "forget", node["id"])
    assert (done.status, done.out) == (2, "")
    done = served.at_terminal("nodes", "forget", node["id"], typed="n\n")
    assert done.status == 1
    assert f"Is the node {node['id']} dead? If it is not, keys that were revoked may" in done.out


def test_a_node_that_does_not_exist_is_not_found(served: Served) -> None:
    """Whatever its name."""
    for name in ("gate-9", "a/b", "x y", ".."):
        assert served.run("nodes", "forget", name, "--yes").status == 4
