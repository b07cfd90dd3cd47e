"""Import over HTTP: passwords that were hashed elsewhere go on working."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import bcrypt
import pytest

from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi, Answer, Presented

IMPORT = "/v2-beta/apikeys/?action=import"
PASSWORD = "correct horse: ünïcode"
HASH = "$2b$04$JuylFiUpZ1kcrGwE1pxI7.Qtj2IeGdR4Ghj83ifJfn95/LcwDaCoG"
"""Of `PASSWORD`, at the lowest cost; made once, so that the names of tests stay."""


def presenting(api: AdminApi, name: str, password: str = PASSWORD) -> Presented:
    """A client that presents a password."""
    return Presented(api.client, replace(api.admin.key, access_key=name), password)


async def imported(api: AdminApi, **more: Any) -> Answer:
    """Have the admin import Ada's password."""
    return await api.admin.post(IMPORT, {"publicValue": "ada", "secretHash": HASH} | more)


@pytest.mark.parametrize("kind", ["2a", "2b", "2y"])
async def test_an_imported_password_works_from_the_next_request_on(
    api: AdminApi, kind: str
) -> None:
    """The bcrypt hash may be of any version."""
    account = await api.account()
    stored = HASH.replace("$2b$", f"${kind}$")
    ada = presenting(api, "ada")
    assert (await ada.get("/v2-beta")).status == 401
    answer = await imported(api, secretHash=stored, accountId=account.ref)
    assert answer.status == 201
    assert (answer.body["publicValue"], answer.body["secretValue"]) == ("ada", None)
    root = await ada.get("/v2-beta")
    assert (root.status, root.headers["X-Api-User-Id"]) == (200, account.ref)
    for wrong in (PASSWORD + "x", PASSWORD[:-1], "", HASH):
        assert (await presenting(api, "ada", wrong).get("/v2-beta")).status == 401
    assert (await presenting(api, "Ada").get("/v2-beta")).status == 401


async def test_an_imported_key_has_the_fields_of_any_new_key(api: AdminApi) -> None:
    """An owner, a role, a name and an expiry."""
    environment = await api.environment()
    body = {"name": "n", "description": "d", "role": "readonly", "expires": "2100-01-01T00:00:00Z"}
    made = (await imported(api, **body, accountId=environment.ref)).body
    assert made["accountId"] == environment.ref
    assert {name: made[name] for name in body} == body
    assert made["endpoint"] == f"http://gateway/v1/projects/{environment.slug}"
    assert HASH not in str(made)
    scoped = f"/v2-beta/projects/{environment.ref}/apikeys/?action=import"
    body = {"publicValue": "bob", "secretHash": HASH}
    made = (await api.admin.post(scoped, body)).body
    assert (made["accountId"], made["role"]) == (environment.ref, "member")


@pytest.mark.parametrize("name", ["a", "x" * 64, "A.b_c@d+e-9", "0", "-", "@"])
async def test_an_imported_access_key_may_be_any_name_that_basic_can_carry(
    api: AdminApi, name: str
) -> None:
    """Names are those that can stand in a field of a head."""
    assert (await imported(api, publicValue=name)).body["publicValue"] == name
    assert (await presenting(api, name).get("/v2-beta")).status == 200


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "422 MinLengthExceeded publicValue"),
        ("x" * 65, "422 MaxLengthExceeded publicValue"),
        ("a b", "422 InvalidCharacters publicValue"),
        ("a:b", "422 InvalidCharacters publicValue"),
        ("ä", "422 InvalidCharacters publicValue"),
        ("a\n", "422 InvalidCharacters publicValue"),
        ("a\r\nX-Evil: 1", "422 InvalidCharacters publicValue"),
        ("a/b", "422 InvalidCharacters publicValue"),
        (None, "422 NotNullable publicValue"),
        (5, "422 InvalidType publicValue"),
    ],
)
async def test_an_imported_access_key_with_other_characters_is_refused(
    api: AdminApi, name: object, code: str
) -> None:
    """Any other name is refused."""
    assert (await imported(api, publicValue=name)).code == code
    assert api.audit() == []


@pytest.mark.parametrize(
    ("stored", "code"),
    [
        ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "InvalidFormat"),
        ("$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00", "InvalidFormat"),
        ("$5$rounds=5000$saltsalt$x", "InvalidFormat"),
        ("rqXexS6ZhobKA", "InvalidFormat"),
        ("password", "InvalidFormat"),
        ("", "MinLengthExceeded"),
        (HASH[:-1], "InvalidFormat"),
        (HASH + "x", "MaxLengthExceeded"),
        (HASH.replace("$2b$", "$2x$"), "InvalidFormat"),
        (HASH.replace("$2b$", "$2$"), "InvalidFormat"),
        (HASH[:-1] + "!", "InvalidFormat"),
        (HASH[:-1] + "ä", "InvalidFormat"),
        (HASH[:-1] + "\ud800", "InvalidCharacters"),
        (HASH.replace("$04$", "$03$"), "InvalidFormat"),
        (HASH.replace("$04$", "$15$"), "InvalidFormat"),
        (HASH.replace("$04$", "$31$"), "InvalidFormat"),
        (HASH.replace("$04$", "$4$$"), "InvalidFormat"),
        (None, "NotNullable"),
        ([HASH], "InvalidType"),
    ],
)
async def test_a_hash_that_is_not_bcrypt_or_costs_too_much_is_refused(
    api: AdminApi, stored: object, code: str
) -> None:
    """What is no bcrypt hash, or at a cost that nobody should be made to pay, is refused."""
    answer = await imported(api, secretHash=stored)
    assert answer.code == f"422 {code} secretHash"
    assert api.audit() == []


async def test_the_hash_of_an_empty_password_is_refused(api: AdminApi) -> None:
    """Nobody could use it: an empty password is no credential."""
    empty = bcrypt.hashpw(b"", bcrypt.gensalt(4)).decode()
    answer = await imported(api, secretHash=empty)
    assert answer.code == "422 InvalidFormat secretHash"
    assert api.audit() == []


async def test_a_long_password_matches_by_its_first_72_bytes(api: AdminApi) -> None:
    """As where it was hashed, in UTF-8; in Latin-1 it is no credential."""
    password = "ü" * 50
    stored = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    assert (await imported(api, secretHash=stored)).status == 201
    assert (await presenting(api, "ada", password).get("/v2-beta")).status == 200
    assert (await presenting(api, "ada", "ü" * 36 + "x").get("/v2-beta")).status == 200
    assert (await presenting(api, "ada", "ü" * 35).get("/v2-beta")).status == 401


async def test_a_dry_run_answers_as_the_import_would_and_changes_nothing(api: AdminApi) -> None:
    """With the key that there would be, or with the same error."""
    account = await api.account()
    before = api.audit()
    body = {"role": "readonly", "accountId": account.ref, "dryRun": True}
    tried = await imported(api, **body)
    assert (tried.status, tried.body["id"], tried.body["role"]) == (200, None, "readonly")
    assert tried.body["publicValue"] == "ada"
    assert api.audit() == before
    assert (await presenting(api, "ada").get("/v2-beta")).status == 401
    assert (await imported(api, **body | {"dryRun": False})).status == 201
    for more in (
        {},
        {"publicValue": "a b"},
        {"publicValue": "bob", "secretHash": HASH.replace("$04$", "$15$")},
        {"publicValue": "bob", "accountId": "1a99"},
        {"publicValue": "bob", "expires": "2001-01-01T00:00:00Z"},
        {"publicValue": "bob", "role": "king"},
    ):
        tried, done = [await imported(api, **more, **dry) for dry in ({"dryRun": True}, {})]
        assert (tried.status, tried.body | {"id": None}) == (done.status, done.body | {"id": None})
        assert done.status == 422
    user = await api.key(account)
    body = {"publicValue": "bob", "secretHash": HASH, "dryRun": True}
    assert (await user.post(IMPORT, body)).code == "403 Forbidden"


@pytest.mark.parametrize("cost", ["04", "14"])
async def test_a_bcrypt_cost_of_4_and_of_14_is_imported(api: AdminApi, cost: str) -> None:
    """bcrypt's lowest cost and 14 are taken."""
    assert (await imported(api, secretHash=HASH.replace("$04$", f"${cost}$"))).status == 201


@pytest.mark.parametrize("absent", ["publicValue", "secretHash"])
async def test_an_import_needs_an_access_key_and_a_hash(api: AdminApi, absent: str) -> None:
    """A name and a hash are required."""
    body = {"publicValue": "ada", "secretHash": HASH}
    del body[absent]
    assert (await api.admin.post(IMPORT, body)).code == f"422 MissingRequired {absent}"


async def test_an_access_key_is_taken_until_its_key_is_purged(api: AdminApi) -> None:
    """A name that any key has is taken until that key is purged."""
    made = (await imported(api)).body
    path = f"/v2-beta/apikeys/{made['id']}"
    for state in ("active", "inactive", "removed"):
        assert (await api.admin.get(path)).body["state"] == state
        assert (await imported(api)).code == "422 NotUnique publicValue"
        action = {"active": "deactivate", "inactive": "remove", "removed": "purge"}[state]
        await api.admin.post(f"{path}/?action={action}")
    assert (await imported(api)).status == 201
    taken = api.admin.key.access_key
    assert (await imported(api, publicValue=taken)).code == "422 NotUnique publicValue"


async def test_an_import_for_an_unknown_owner_blames_the_body(api: AdminApi) -> None:
    """An owner that is not there is the body's fault."""
    for ref in ("1a99", "1c1", "ada"):
        answer = await imported(api, accountId=ref)
        assert answer.code == "422 InvalidReference accountId"


async def test_only_admins_with_a_key_of_the_role_owner_import(api: AdminApi) -> None:
    """The action is shown to nobody else."""
    user = await api.account()
    environment = await api.environment({user: Role.OWNER})
    auditor = await api.account(AccountKind.READ_ADMIN)
    body = {"publicValue": "ada", "secretHash": HASH}
    offered = (await api.admin.get("/v2-beta/apikeys")).body["actions"]
    assert offered == {"import": str(api.client.make_url(IMPORT))}
    for key in (
        await api.key(user),
        await api.key(auditor),
        await api.key(environment),
        await api.key(await api.account(AccountKind.ADMIN), Role.MEMBER),
    ):
        scoped = f"/v2-beta/projects/{environment.ref}/apikeys"
        for path in (IMPORT, f"{scoped}/?action=import"):
            assert (await key.post(path, body)).code == "403 Forbidden"
        for path in ("/v2-beta/apikeys", scoped):
            assert (await key.get(path)).body.get("actions") == {}
    assert api.audit() == []


async def test_an_imported_key_lasts_no_longer_than_the_settings_allow(api: AdminApi) -> None:
    """An imported key lasts no longer than any other."""
    await api.admin.put("/v2-beta/settings/maximum_key_lifetime", {"value": "30d"})
    made = await imported(api)
    assert made.body["expiresTS"] == api.clock() + 30 * 24 * 60 * 60 * 1000
    answer = await imported(api, publicValue="bob", expires=None)
    assert answer.code == "422 MaxLimitExceeded expires"


async def test_an_import_leaves_an_audit_entry_without_the_hash(api: AdminApi) -> None:
    """An import leaves its entry, without the hash."""
    made = (await imported(api, name="n")).body
    (entry,) = api.audit()
    assert (entry["act"], entry["subject"], entry["before"]) == ("key.import", made["id"], None)
    after = {"access_key": "ada", "account_id": 1, "creator_id": 1, "name": "n", "role": "owner"}
    assert entry["after"] == after | {"state": "active"}
    assert "$2b$" not in repr(entry)


@pytest.mark.parametrize("action", ["", "Import", "create", "activate"])
async def test_an_unknown_action_of_a_collection_is_refused(api: AdminApi, action: str) -> None:
    """An act on the collection that there is not is refused by name."""
    answer = await api.admin.post(f"/v2-beta/apikeys/?action={action}")
    assert answer.code == "422 InvalidAction action"
    answer = await api.admin.post("/v2-beta/accounts/?action=import")
    assert answer.code == "422 InvalidAction action"
