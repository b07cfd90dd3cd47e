"""Rows: what is read of those that somebody altered in the file.

That every record survives the way through a row is tested by the contract suite.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from proxy.domain.audit import Actor, Entry
from proxy.store.protocols import Store
from proxy.store.sql.rows import to_limits


async def test_an_audit_entry_that_is_no_longer_json_can_still_be_read(
    store: Store, file: Path
) -> None:
    """It comes as text, so that the chain of hashes can show the alteration."""
    async with store.write() as change:
        await change.record(Entry(1, Actor(), "key.create", "1c1", None, {"name": "n"}))
    with closing(sqlite3.connect(file)) as database:
        database.execute("UPDATE audit SET after = '{'")
        database.commit()
    audited = await store.find_audited(1)
    assert audited
    after: object = audited.entry.after
    assert after == "{"


@pytest.mark.parametrize("text", ["{", "[]", "null", "5", '{"unknown": 1}', "[" * 100_000])
def test_limits_that_are_none_are_an_error_of_their_value(text: str) -> None:
    """So whoever reads the record refuses it, and goes on with others."""
    with pytest.raises(ValueError, match=r"\S"):
        to_limits(text)
