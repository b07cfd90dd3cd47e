"""Schemas over HTTP: the types of resource, cut to what the caller may do."""

from __future__ import annotations

from typing import Any

from admin.api.schemas import SCHEMAS
from proxy.domain.events import Event, EventType
from proxy.domain.model import AccountKind, Role
from tests.admin.admin_api import AdminApi, Presented

EVERYBODY = {"projectTemplate", "schema", "usage"}
ADMINS = {"setting", "upstream", "node", "auditLog", "webhookMessage"}
CHANGING = {"revision"}
"""For who may make changes."""
ALL = {"apiKey", "project", "account", "projectMember"} | ADMINS | EVERYBODY | CHANGING


async def schemas(key: Presented, base: str = "/v2-beta") -> dict[str, Any]:
    """The schemas of resources by their ids."""
    found = await all_schemas(key, base)
    return {name: each for name, each in found.items() if not name.endswith("Input")}


async def all_schemas(key: Presented, base: str = "/v2-beta") -> dict[str, Any]:
    """All schemas by their ids."""
    answer = await key.get(f"{base}/schemas")
    assert answer.status == 200
    assert (answer.body["type"], answer.body["resourceType"]) == ("collection", "schema")
    return {each["id"]: each for each in answer.body["data"]}


def methods(schema: dict[str, Any]) -> str:
    """What may be done to the collection and to one of it, in one line."""
    return f"{' '.join(schema['collectionMethods'])} | {' '.join(schema['resourceMethods'])}"


async def test_a_schema_describes_its_collection_actions_and_fields(api: AdminApi) -> None:
    """A schema says where its collection is, what may be done, and what its fields are."""
    answer = await api.admin.get("/v2-beta/schemas/apikey")
    body = answer.body
    root = str(api.client.make_url("/v2-beta"))
    fields, filters = body.pop("resourceFields"), body.pop("collectionFilters")
    actions = {**body["resourceActions"], **body["collectionActions"]}
    assert all(action.pop("description").endswith(".") for action in actions.values())
    assert body == {
        "id": "apiKey",
        "type": "schema",
        "baseType": "schema",
        "pluralName": "apikeys",
        "links": {"self": f"{root}/schemas/apikey", "collection": f"{root}/apikeys"},
        "actions": {},
        "collectionMethods": ["GET", "POST"],
        "resourceMethods": ["GET", "DELETE", "PUT"],
        "resourceActions": {
            "activate": {"input": None, "output": "apiKey"},
            "deactivate": {"input": None, "output": "apiKey"},
            "rotate": {"input": "rotateInput", "output": "apiKey"},
            "explain": {"input": "explainInput", "output": "explanation"},
            "purge": {"input": None, "output": "apiKey"},
        },
        "collectionActions": {"import": {"input": "importInput", "output": "apiKey"}},
    }
    assert fields["name"] == {
        "type": "string",
        "create": True,
        "update": True,
        "nullable": True,
        "required": False,
        "maxLength": 255,
        "description": "What people call it.",
    }
    assert fields["role"]["options"] == ["owner", "member", "restricted", "readonly"]
    assert (fields["publicValue"]["create"], fields["publicValue"]["update"]) == (False, False)
    assert fields["accountId"]["type"] == "reference[account]"
    assert fields["expires"]["type"] == "date"
    assert "prefix" in filters["name"]["modifiers"]
    assert filters["state"]["modifiers"] == ["eq", "ne"]
    assert "secretValue" not in filters
    for name in ("search", "expiring", "unused"):
        assert filters[name] == {"modifiers": ["eq"]}
    project = (await api.admin.get("/v2-beta/schemas/project")).body["collectionFilters"]
    assert (project["search"], "unused" in project) == ({"modifiers": ["eq"]}, False)


async def test_the_input_of_an_action_has_a_schema_where_the_action_is_allowed(
    api: AdminApi,
) -> None:
    """It says what the action's body holds, what is required in it, and what counts else."""
    inputs = {
        name: each for name, each in (await all_schemas(api.admin)).items() if "Input" in name
    }
    assert {name: list(each["resourceFields"]) for name, each in inputs.items()} == {
        "rotateInput": ["overlap", "finishWhenQuiet"],
        "explainInput": ["path", "method", "origin", "address"],
        "forgetInput": ["dead"],
        "importInput": [
            *("publicValue", "secretHash", "dryRun", "description", "name", "role", "readOnly"),
            *("expires", "accountId", "limits"),
        ],
    }
    for each in inputs.values():
        assert methods(each) == " | "
        assert (await api.admin.get(f"/v2-beta/schemas/{each['id']}")).body == each
    fields = inputs["explainInput"]["resourceFields"]
    assert (fields["path"]["required"], fields["method"]["default"]) == (True, "GET")
    reader = await api.key(await api.account(AccountKind.READ_ADMIN))
    assert set(await all_schemas(reader)) - set(await schemas(reader)) == {"explainInput"}


async def test_every_field_that_can_be_set_says_what_it_means(api: AdminApi) -> None:
    """In a schema, for people who fill forms in."""
    for name, schema in (await all_schemas(api.admin)).items():
        for field, described in schema["resourceFields"].items():
            if described["create"] or described["update"]:
                assert described.get("description"), (name, field)


async def test_a_schema_has_the_fields_that_its_resources_have(api: AdminApi) -> None:
    """Except fields that are only ever sent."""
    account = await api.account()
    await api.key(await api.environment({account: Role.OWNER}))
    await api.admin.put("/v2-beta/settings/rotation_overlap", {"value": "1h"})
    async with api.store.write() as change:
        await change.announce(Event(EventType.TEST, 0, {}), "ops")
    for name, schema in (await schemas(api.admin)).items():
        if name in EVERYBODY:
            continue
        url = schema["links"]["collection"]
        resource = (await api.admin.get(url[url.index("/v2-beta") :])).body["data"][0]
        assert set(schema["resourceFields"]) - {"createKey"} <= set(resource), name


async def test_a_schema_is_found_in_any_case_in_singular_and_plural(api: AdminApi) -> None:
    """A schema is found by its name in singular or plural and in any case."""
    for name in ("apiKey", "apikey", "APIKEYS", "apikeys", "apiKeys", "apikeys/"):
        for base in ("/v2-beta/schemas", "/v1/schema", "/v2-beta/SCHEMAS"):
            answer = await api.admin.get(f"{base}/{name}")
            assert (answer.status, answer.body["id"]) == (200, "apiKey")
    for schema in SCHEMAS:
        answer = await api.admin.get(f"/v2-beta/schemas/{schema.plural}")
        assert answer.body["id"] == schema.name
    for name in ("nothing", "api", "apikeyss", "1c1", "api%20key"):
        assert (await api.admin.get(f"/v2-beta/schemas/{name}")).code == "404 NotFound"


async def test_the_schemas_of_an_environment_include_the_one_of_schemas(api: AdminApi) -> None:
    """Rancher's CLI requests `schemas/schemas` there."""
    environment = await api.environment()
    path = f"/v2-beta/projects/{environment.ref}/schemas/schemas"
    answer = await api.admin.get(path)
    assert (answer.status, answer.body["id"]) == (200, "schema")
    base = str(api.client.make_url(f"/v2-beta/projects/{environment.ref}"))
    assert answer.headers["X-API-Schemas"] == f"{base}/schemas"
    assert answer.body["links"]["collection"] == f"{base}/schemas"


async def test_the_schemas_of_an_environment_link_to_its_own_collections(api: AdminApi) -> None:
    """The others link to the root."""
    environment = await api.environment()
    base = f"/v2-beta/projects/{environment.ref}"
    root, scoped = (str(api.client.make_url(path)) for path in ("/v2-beta", base))
    found = await schemas(api.admin, base)
    assert {name: each["links"]["collection"] for name, each in found.items()} == {
        "apiKey": f"{scoped}/apikeys",
        "projectMember": f"{scoped}/projectmembers",
        "schema": f"{scoped}/schemas",
        "project": f"{root}/projects",
        "account": f"{root}/accounts",
        "setting": f"{root}/settings",
        "upstream": f"{root}/upstreams",
        "node": f"{root}/nodes",
        "revision": f"{root}/revisions",
        "auditLog": f"{root}/auditlogs",
        "webhookMessage": f"{root}/webhookmessages",
        "projectTemplate": f"{root}/projecttemplates",
        "usage": f"{root}/usage",
    }
    for each in found.values():
        for link in each["links"].values():
            path = link.removeprefix(str(api.client.make_url("/")).rstrip("/"))
            assert (await api.admin.get(path)).status == 200


async def test_schemas_are_cut_to_what_the_caller_may_do(api: AdminApi) -> None:
    """A type that it may not see has no schema, a method that would be refused is not named."""
    user = await api.account()
    environment = await api.environment({user: Role.OWNER})
    auditor = await api.account(AccountKind.READ_ADMIN)
    admin = {
        "apiKey": "GET POST | GET DELETE PUT",
        "project": "GET POST | GET DELETE PUT",
        "account": "GET POST | GET DELETE PUT",
        "projectMember": "GET POST | GET DELETE PUT",
        "setting": "GET | GET PUT",
        "upstream": "GET | GET",
        "node": "GET | GET",
        "revision": "GET | GET",
        "auditLog": "GET | GET",
        "webhookMessage": "GET POST | GET",
        "projectTemplate": "GET | GET",
        "usage": "GET | GET",
        "schema": "GET | GET",
    }
    reader = dict.fromkeys(ALL, "GET | GET")
    rows: list[tuple[Presented, dict[str, str]]] = [
        (api.admin, admin),
        (
            await api.key(await api.account(AccountKind.ADMIN), Role.MEMBER),
            reader | {"apiKey": admin["apiKey"]},
        ),
        (await api.key(auditor), reader),
        (
            await api.key(user),
            {name: admin[name] for name in ALL - ADMINS - {"account"}} | {"account": "GET | GET"},
        ),
        (
            await api.key(user, Role.MEMBER),
            dict.fromkeys(ALL - ADMINS, "GET | GET") | {"apiKey": admin["apiKey"]},
        ),
        (
            await api.key(user, Role.READONLY),
            dict.fromkeys(ALL - ADMINS - CHANGING, "GET | GET"),
        ),
        (
            await api.key(environment),
            dict.fromkeys(ALL - ADMINS - CHANGING - {"account"}, "GET | GET"),
        ),
    ]
    for key, expected in rows:
        found = await schemas(key)
        if "auditLog" not in expected:
            expected["usage"] = " | GET"  # of one resource only, not of all
        assert {name: methods(each) for name, each in found.items()} == expected
        for each in found.values():
            fields = each["resourceFields"].values()
            assert any(field["create"] for field in fields) == ("POST" in each["collectionMethods"])
            assert any(field["update"] for field in fields) == ("PUT" in each["resourceMethods"])


async def test_schemas_of_an_environment_are_cut_to_the_membership(api: AdminApi) -> None:
    """In an environment a user's schemas say what its membership allows there."""
    user = await api.account()
    key = await api.key(user)
    for role, keys, members in (
        (Role.OWNER, "GET POST | GET DELETE PUT", "GET POST | GET DELETE PUT"),
        (Role.MEMBER, "GET POST | GET DELETE PUT", "GET | GET"),
        (Role.RESTRICTED, "GET | GET", "GET | GET"),
        (Role.READONLY, "GET | GET", "GET | GET"),
    ):
        environment = await api.environment({user: role})
        found = await schemas(key, f"/v2-beta/projects/{environment.ref}")
        assert methods(found["apiKey"]) == keys
        assert methods(found["projectMember"]) == members
        assert found["apiKey"]["resourceActions"].keys() >= {"explain"}
        assert ("rotate" in found["apiKey"]["resourceActions"]) == ("POST" in keys)


async def test_only_schemas_for_admins_name_the_import(api: AdminApi) -> None:
    """Only admins' schemas speak of an import."""
    user = await api.key(await api.account())
    assert (await schemas(user))["apiKey"]["collectionActions"] == {}
    weak = await api.key(await api.account(AccountKind.ADMIN), Role.MEMBER)
    assert (await schemas(weak))["apiKey"]["collectionActions"] == {}
    assert (await schemas(api.admin))["apiKey"]["collectionActions"] != {}


async def test_an_environment_that_the_caller_may_not_see_has_no_schemas(api: AdminApi) -> None:
    """There are no schemas in an environment that the caller cannot see."""
    environment = await api.environment()
    user = await api.key(await api.account())
    for key, ref in ((user, environment.ref), (api.admin, "1a99"), (api.admin, "1a1")):
        for path in ("schemas", "schemas/apikey", "schemas/schemas"):
            answer = await key.get(f"/v2-beta/projects/{ref}/{path}")
            assert answer.code == "404 NotFound"
