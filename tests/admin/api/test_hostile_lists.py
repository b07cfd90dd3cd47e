"""Lists over HTTP: what a query gets that is malformed, or would take too much work."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from typing import Any
from urllib.parse import quote, unquote, urlencode

import pytest

from tests.admin.admin_api import AdminApi

KEYS = "/v2-beta/apikeys"


async def test_a_filter_that_would_take_too_much_work_is_refused(api: AdminApi) -> None:
    """As is a duration that is none, in the filters that Rancher does not have."""
    for query, code in [
        ("expiring=soon", "InvalidFormat expiring"),
        ("unused=-1d", "InvalidFormat unused"),
        ("unused=36501d", "InvalidFormat unused"),
        (f"search={'x' * 256}", "MaxLengthExceeded search"),
        (f"name_like={'%25d' * 128}", "MaxLengthExceeded name_like"),
        (f"name_notlike={'x' * 256}", "MaxLengthExceeded name_notlike"),
        (f"description_prefix={'x' * 256}", "MaxLengthExceeded description_prefix"),
    ]:
        assert (await api.admin.get(f"{KEYS}?{query}")).code == f"422 {code}", query


@pytest.mark.parametrize("modifier", ["like", "notlike", "prefix"])
async def test_a_pattern_is_never_read_as_sql(api: AdminApi, modifier: str) -> None:
    """No value of a pattern is more than that."""
    for value in ("%", "_", "'", "\\", "x" * 255, "\0", "😀", "a%b_c", "%" * 255):
        answer = await api.admin.get(f"{KEYS}?{urlencode({f'name_{modifier}': value})}")
        assert answer.status == 200, value
        answer = await api.admin.get(f"{KEYS}?{urlencode({'search': value})}")
        assert answer.status == 200, value


@pytest.mark.parametrize("value", [10**30, "\ud800", None, [], 1.5])
async def test_an_invented_marker_is_refused(api: AdminApi, value: object) -> None:
    """Whatever it holds, the admin server does not fail."""
    await api.key(await api.account())
    first = await api.admin.get("/v2-beta/apikeys?limit=1")
    marker = unquote(first.body["pagination"]["next"].rpartition("marker=")[2])
    digest, _, number = json.loads(base64.urlsafe_b64decode(marker))
    for forged in ([digest, value, number], [digest, 1, value]):
        text = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode()
        answer = await api.admin.get(f"/v2-beta/apikeys?limit=1&marker={quote(text)}")
        assert answer.code == "422 InvalidMarker marker"


async def test_a_list_with_too_many_filters_is_refused(api: AdminApi) -> None:
    """Before it becomes a statement that no store takes."""
    many = "&".join("name=n" for _ in range(51))
    assert (await api.admin.get(f"/v2-beta/apikeys?{many}")).code == "422 InvalidOption"


async def test_a_list_that_takes_too_long_is_given_up(
    api: AdminApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer says what to change, and shorter patterns are read as ever."""
    monkeypatch.setattr("proxy.store.sqlite.connection.MOST_SECONDS", 0.01)
    database = sqlite3.connect(api.file)
    database.executemany(
        "INSERT INTO keys (id, uuid, access_key, secret_hash, sealed, account_id, role, "
        "description, state, created) VALUES (?, 'u', ?, x'00', 1, 1, 'owner', ?, 'active', 0)",
        ((each, f"K{each}", "a" * 4096) for each in range(2, 4000)),
    )
    database.execute("INSERT OR IGNORE INTO uses (key_id, owner_id) SELECT id, owner_id FROM keys")
    database.commit()
    database.close()
    answer = await api.admin.get(f"{KEYS}?description_like=%25{'a' * 17}b")
    assert answer.code == "400 ListTooCostly"
    assert answer.body["detail"] == "use fewer filters, and shorter patterns"
    assert (await api.admin.get("/v2-beta/accounts?name_like=a%25")).status == 200


async def test_however_many_lists_an_account_reads_another_waits_for_one_of_them(
    api: AdminApi,
) -> None:
    """Each account's lists are read one after the other."""
    other = await api.key(await api.account())
    store: Any = api.store
    order: list[str] = []

    async def read(name: str) -> None:
        presented = api.admin if name == "many" else other
        assert (await presented.get(KEYS)).status == 200
        order.append(name)

    async with store._lists._turn, asyncio.TaskGroup() as readers:
        many = [readers.create_task(read("many")) for _ in range(5)]
        while not store._lists._turn._waiters:  # noqa: ASYNC110  (there is no event)
            await asyncio.sleep(0)
        readers.create_task(read("other"))
        while len(store._lists._turn._waiters) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        store._lists._turn.release()
        await asyncio.wait(many)
        await store._lists._turn.acquire()
    assert order.index("other") < 2
