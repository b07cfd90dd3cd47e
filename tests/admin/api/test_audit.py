"""The audit log over HTTP: what an entry holds, how entries are chained, and who may read them."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

import pytest

from admin.cli.audit_chain import verify
from proxy.domain.audit import FIRST_HASH, Actor, Entry, chain
from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi

AUDIT = "/v2-beta/auditlogs"
KEYS = "/v2-beta/apikeys"


async def actions(api: AdminApi) -> str:
    """Do a few actions on a key, and return its id."""
    made = await api.admin.post(KEYS, {"name": "a"}, headers={"X-Request-Id": "r1"})
    ref = str(made.body["id"])
    await api.admin.put(f"{KEYS}/{ref}", {"name": "ä"})
    await api.admin.post(f"{KEYS}/{ref}/?action=deactivate")
    await api.admin.delete(f"{KEYS}/{ref}")
    return ref


def entry_of(body: dict[str, Any]) -> Entry:
    """The entry that the API shows."""
    names = ("accountId", "keyId", "clientIp", "requestId", "identity")
    actor = Actor(*(body[name] for name in names))
    subject, sides = body["resourceId"], (body["before"], body["after"])
    return Entry(body["createdTS"], actor, body["eventType"], subject, *sides)


async def test_an_audit_entry_says_who_did_what_from_where_in_which_request(api: AdminApi) -> None:
    """An entry names the account, the key, the address and the request, and holds what changed."""
    ref = await actions(api)
    body = (await api.admin.get(f"{AUDIT}/2")).body
    first = (await api.admin.get(f"{AUDIT}/1")).body
    assert first["requestId"] == "r1"
    assert body.pop("hash") == chain(first["hash"], 2, entry_of(body))
    assert body.pop("requestId")
    assert body.pop("created")
    assert body == {
        "id": "2",
        "type": "auditLog",
        "baseType": "auditLog",
        "links": {"self": str(api.client.make_url(f"{AUDIT}/2"))},
        "actions": {},
        "createdTS": api.clock(),
        "accountId": "1a1",
        "keyId": "1c1",
        "clientIp": "127.0.0.1",
        "identity": None,
        "eventType": "key.update",
        "resourceId": ref,
        "before": {"name": "a"},
        "after": {"name": "ä"},
    }


async def test_an_audit_entry_names_the_key_and_not_only_its_account(api: AdminApi) -> None:
    """Entries of two keys name two keys."""
    other = await api.key(await api.account(AccountKind.ADMIN))
    for key in (api.admin, other):
        await key.post(KEYS)
    data = (await api.admin.get(AUDIT)).body["data"]
    assert [(each["accountId"], each["keyId"]) for each in data] == [("1a1", "1c1"), ("1a2", "1c2")]


async def test_every_hash_can_be_computed_from_what_the_api_shows(api: AdminApi) -> None:
    """The API shows enough of an entry to compute its hash from the hash before."""
    await actions(api)
    await api.admin.put("/v2-beta/settings/rotation_overlap", {"value": "1h"})
    await api.admin.post("/v2-beta/accounts", {"name": "n", "kind": "user", "createKey": True})
    data = (await api.admin.get(AUDIT)).body["data"]
    assert [each["id"] for each in data] == [str(number) for number in range(1, 8)]
    previous = FIRST_HASH
    for number, each in enumerate(data, 1):
        previous = chain(previous, number, entry_of(each))
        assert each["hash"] == previous


async def test_the_log_holds_the_number_and_the_hash_of_every_audit_entry(
    api: AdminApi, caplog: pytest.LogCaptureFixture
) -> None:
    """So a copy of the log proves what the audit log held."""
    with caplog.at_level(logging.INFO):
        await actions(api)
    for each in (await api.admin.get(AUDIT)).body["data"]:
        lines = [line for line in caplog.messages if each["hash"] in line]
        assert len(lines) == 1
        assert f" {each['id']} " in lines[0] or f" {each['id']}:" in lines[0]


async def test_the_audit_log_is_sorted_paged_and_filtered_like_any_list(api: AdminApi) -> None:
    """The oldest entry comes first, the newest first with `order=desc`."""
    ref = await actions(api)

    async def listed(query: str) -> list[str]:
        return [each["id"] for each in (await api.admin.get(f"{AUDIT}?{query}")).body["data"]]

    assert await listed("") == ["1", "2", "3", "4"]
    assert await listed("order=desc&limit=2") == ["4", "3"]
    assert await listed("sort=resourceId&order=desc") == ["4", "3", "2", "1"]
    assert await listed(f"resourceId={ref}&limit=3") == ["1", "2", "3"]
    assert await listed("resourceId=1c1") == []
    assert await listed("id_gt=2") == ["3", "4"]
    assert await listed("eventType=key.deactivate") == ["3"]
    assert await listed("eventType_prefix=key.&requestId=r1") == ["1"]
    assert await listed("keyId=1c1&accountId=1a1&clientIp=127.0.0.1") == ["1", "2", "3", "4"]
    assert await listed("created_lt=2000-01-01T00:00:00Z") == []
    body = (await api.admin.get(f"{AUDIT}?order=desc&limit=3")).body
    marker = body["pagination"]["next"].rpartition("marker=")[2]
    assert await listed(f"order=desc&limit=3&marker={marker}") == ["1"]


@pytest.mark.parametrize(
    "altered",
    [
        "before = '{bad'",
        "after = ''",
        f"after = '{'[' * 100_000}'",
        f"after = '{'9' * 5000}'",
        "time = 9000000000000000",
        "time = -9223372036854775808",
    ],
)
async def test_an_entry_altered_in_the_store_is_shown_and_found_out(
    api: AdminApi, altered: str
) -> None:
    """Values that could not have been written hide neither the entry nor any other."""
    await actions(api)
    connection = sqlite3.connect(api.file)
    connection.execute(f"UPDATE audit SET {altered} WHERE sequence = 3")
    connection.commit()
    connection.close()
    answer = await api.admin.get(AUDIT)
    assert [entry["id"] for entry in answer.body["data"]] == ["1", "2", "3", "4"]
    assert verify(answer.body["data"], None).problems == [
        "entry 3 was altered, or entry 2 with its hash"
    ]


@pytest.mark.parametrize("ref", ["0", "01", "5", "x", "1c1", "-1", "9" * 30])
async def test_a_malformed_or_unknown_audit_number_is_not_found(api: AdminApi, ref: str) -> None:
    """Only the canonical number of an existing entry is found."""
    await actions(api)
    assert (await api.admin.get(f"{AUDIT}/{ref}")).code == "404 NotFound"


async def test_the_audit_log_takes_no_method_that_changes_it(api: AdminApi) -> None:
    """The answer names the methods that read."""
    await actions(api)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        for path in (AUDIT, f"{AUDIT}/1"):
            answer = await api.admin.ask(method, path)
            assert (answer.code, answer.headers["Allow"]) == (
                "405 MethodNotAllowed",
                "GET, HEAD, OPTIONS",
            )


async def test_only_admins_and_read_admins_see_the_audit_log(api: AdminApi) -> None:
    """Admins see it with keys of any role. Every other key lacks the right."""
    await actions(api)
    for key in (
        await api.key(await api.account(AccountKind.ADMIN), Role.READONLY),
        await api.key(await api.account(AccountKind.READ_ADMIN)),
    ):
        assert len((await key.get(AUDIT)).body["data"]) == 4
        assert (await key.get(f"{AUDIT}/1")).status == 200
    user = await api.account()
    environment = await api.environment({user: Role.OWNER})
    for key in (await api.key(user), await api.key(environment)):
        for path in (AUDIT, f"{AUDIT}/1", f"{AUDIT}/99"):
            assert (await key.get(path)).code == "403 Forbidden"
        path = f"/v2-beta/projects/{environment.ref}/auditlogs"
        assert (await key.get(path)).code == "404 NotFound"


async def test_the_audit_log_holds_no_secret_and_no_hash_of_one(api: AdminApi) -> None:
    """Whatever created the secret."""
    made = await api.admin.post(KEYS, {"name": "a"})
    rotated = await api.admin.post(f"{KEYS}/{made.body['id']}/?action=rotate")
    body = {"name": "n", "kind": "user", "createKey": True}
    first = (await api.admin.post("/v2-beta/accounts", body)).body["apiKey"]
    answer = await api.admin.get(AUDIT)
    assert len(answer.body["data"]) == 4
    for secret in (made.body["secretValue"], rotated.body["secretValue"], first["secretValue"]):
        assert secret not in answer.text
    for word in ("$2b$", "secret_hash", "previous_hash"):
        assert word not in answer.text
