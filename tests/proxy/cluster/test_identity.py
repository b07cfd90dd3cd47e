"""Who a node is: the same as before after it was started again, and only one process at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.cluster.identity import HeldIdentity
from proxy.store.protocols import StoreError


def test_a_node_keeps_its_id(tmp_path: Path) -> None:
    """Another name is another node."""
    first = HeldIdentity(tmp_path / "run", "a", 30)
    first.release()
    again = HeldIdentity(tmp_path / "run", "a", 10)
    assert again.node == first.node.__class__(first.node.id, "a", 10)
    other = HeldIdentity(tmp_path / "run", "b", 30)
    assert other.node.id != first.node.id
    for each in (again, other):
        each.release()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """It is told what to set."""
    first = HeldIdentity(tmp_path, "a", 30)
    with pytest.raises(StoreError, match=r"the node a: set cluster\.name, or cluster\.run_dir"):
        HeldIdentity(tmp_path, "a", 30)
    first.release()
    HeldIdentity(tmp_path, "a", 30).release()


def test_a_file_that_nobody_can_read_is_replaced_in_place(tmp_path: Path) -> None:
    """As one that was cut off by a full disk."""
    (tmp_path / "node-a.id").write_bytes(b"\xff\x00")
    first = HeldIdentity(tmp_path, "a", 30)
    first.release()
    again = HeldIdentity(tmp_path, "a", 30)
    assert again.node == first.node
    again.release()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """With the cause."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/run/node-a\.id: Not a directory"):
        HeldIdentity(tmp_path / "file" / "run", "a", 30)
