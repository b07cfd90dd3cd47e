"""Lists of thousands of records over HTTP: how much one page reads and holds."""

from __future__ import annotations

import sqlite3
from urllib.parse import urlencode

from tests.admin.admin_api import AdminApi

KEYS = "/v2-beta/apikeys"


async def test_a_filter_without_an_index_reads_10_000_records_for_a_page(api: AdminApi) -> None:
    """The page says that there may be more, and `next` comes to the end."""
    fill(api, 10_500)
    query = {"description": "wanted", "limit": "10"}
    answer = await api.admin.get(f"{KEYS}?{urlencode(query)}")
    assert answer.body["data"] == []
    assert answer.body["pagination"]["partial"] is True
    found, pages = await api.admin.pages(KEYS, query)
    assert ([each["publicValue"] for each in found], pages) == (["K10400"], 2)
    answer = await api.admin.get(f"{KEYS}?name_prefix=key-104&limit=10")
    assert len(answer.body["data"]) == 10
    assert answer.body["pagination"]["partial"] is False


def fill(api: AdminApi, number: int) -> None:
    """Many keys of the account 1a1, of which 10,400 is described as wanted."""
    database = sqlite3.connect(api.file)
    database.executemany(
        "INSERT INTO keys (id, uuid, access_key, secret_hash, sealed, account_id, role, name, "
        "description, state, created) "
        "VALUES (?, 'u', ?, x'00', 1, 1, 'owner', ?, ?, 'active', 0)",
        (
            (each, f"K{each}", f"key-{each}", "wanted" if each == 10_400 else None)
            for each in range(2, number)
        ),
    )
    database.execute("INSERT OR IGNORE INTO uses (key_id, owner_id) SELECT id, owner_id FROM keys")
    database.commit()
    database.close()


async def test_a_page_has_100_records_by_default_and_1000_at_most(api: AdminApi) -> None:
    """The pages of a long list make it up exactly."""
    fill(api, 2501)
    assert len((await api.admin.get(KEYS)).body["data"]) == 100
    answer = await api.admin.get(f"{KEYS}?limit=5000")
    assert (len(answer.body["data"]), answer.body["pagination"]["limit"]) == (1000, 1000)
    found, pages = await api.admin.pages(KEYS, {"limit": "1000", "order": "desc"})
    assert [each["id"] for each in found] == [f"1c{number}" for number in range(2500, 0, -1)]
    assert pages == 3
