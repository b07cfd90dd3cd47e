"""Rancher's own clients: the Python ones as they are, and the requests of those in Go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import cattle  # type: ignore[import-untyped]
import gdapi  # type: ignore[import-untyped]
import pytest
import requests

from tests.programs import WARDGATE, free_port, running, wardgate


@dataclass(frozen=True)
class Served:
    """A gateway in front of an admin server, as one process, with an admin's key and an
    environment."""

    api: str
    gateway: str
    pair: tuple[str, str]
    environment: str
    """Its id."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The gateway's upstream is the admin server: credentials and Host pass through."""
    folder = tmp_path_factory.mktemp("served")
    folder.chmod(0o700)
    gateway, api = free_port(), free_port()
    upstream = {
        "url": f"http://127.0.0.1:{api}",
        "authorization": "forward",
        "preserve_host": True,
    }
    config = {
        "listen": f"127.0.0.1:{gateway}",
        "upstreams": {"admin": upstream},
        "routes": [{"path": "/**", "access": "any"}],
        "store": "sqlite:///var/wardgate.db",
        "bcrypt_rounds": 4,
        "access_log": "off",
        "admin": {"listen": f"127.0.0.1:{api}"},
    }
    (folder / "wardgate.yaml").write_text(json.dumps(config))
    made = wardgate("init", "-c", "wardgate.yaml", "--output", "json", cwd=folder)
    key = json.loads(made.stdout)
    pair = (key["publicValue"], key["secretValue"])
    with running([*WARDGATE, "serve", "-c", "wardgate.yaml"], api, folder):
        url = f"http://127.0.0.1:{api}"
        body = {"name": "Demo", "slug": "demo"}
        answer = requests.post(f"{url}/v2-beta/projects", json=body, auth=pair, timeout=30)
        yield Served(url, f"http://127.0.0.1:{gateway}", pair, answer.json()["id"])


@pytest.fixture(params=["api", "gateway"])
def base(served: Served, request: pytest.FixtureRequest) -> str:
    """Where a client is pointed to: the admin server, or the gateway in front of it."""
    return str(getattr(served, request.param))


# --- clients in Python ---------------------------------------------------------------------------


def client_of(module: Any, served: Served, url: str) -> Any:
    """A client as its users make it."""
    access_key, secret_key = served.pair
    return module.Client(access_key=access_key, secret_key=secret_key, url=url)


@pytest.mark.parametrize("place", ["/v2-beta", "/v1", "/v2-beta/projects/{}", "/v2-beta/schemas"])
def test_cattle_takes_a_key_from_creation_to_purge(served: Served, base: str, place: str) -> None:
    """Create, wait, find, list, edit, deactivate, activate, delete: at the root and within an
    environment, and a key that is not there is None."""
    client = client_of(cattle, served, base + place.format(served.environment))
    key = client.create_api_key(name="ci", description="builds")
    key = client.wait_success(key)
    assert (key.type, key.state, key.name) == ("apiKey", "active", "ci")
    assert key.links.self.startswith(
        base + place.format(served.environment).replace("/schemas", "")
    )
    assert client.by_id_api_key(key.id).description == "builds"
    assert client.by_id("apiKey", "1c99999") is None
    assert [each.id for each in client.list_api_key(publicValue=key.publicValue)] == [key.id]
    assert [each.id for each in client.list_api_key(name_prefix="c", id=key.id).data] == [key.id]
    assert client.list_api_key(name="nobody's").data == []
    key = client.update(key, name="cd", description=None)
    assert (key.name, key.description) == ("cd", None)
    assert client.update_by_id_api_key(key.id, name="ce").name == "ce"
    with pytest.raises(gdapi.ApiError) as refused:
        client.delete(key)
    assert (refused.value.error.status, refused.value.error.code) == (405, "MethodNotAllowed")
    key = client.wait_success(key.deactivate())
    assert key.state == "inactive"
    assert "deactivate" not in vars(key.actions)
    key = client.wait_success(client.action(key, "activate"))
    assert key.state == "active"
    key = client.wait_success(key.deactivate())
    assert client.delete(key).state == "removed"
    assert client.wait_success(key).state == "removed"
    assert client.list_api_key(id=key.id).data == []
    assert client.reload(key).purge().state == "purged"
    assert client.reload(key) is None


def test_cattle_presents_the_key_that_it_created(served: Served, base: str) -> None:
    """Access key and secret key of the answer are the next client's credentials."""
    admin = client_of(cattle, served, f"{base}/v2-beta")
    key = admin.create_api_key(name="new")
    client = cattle.Client(key.publicValue, key.secretValue, url=f"{base}/v2-beta")
    assert client.by_id_api_key(key.id).secretValue is None
    rotated = client.by_id_api_key(key.id).rotate(overlap="0")
    assert rotated.secretValue != key.secretValue
    with pytest.raises(gdapi.ApiError) as refused:
        client.list_api_key()
    assert (refused.value.error.status, refused.value.error.code) == (401, "Unauthorized")
    client = cattle.Client(key.publicValue, rotated.secretValue, url=f"{base}/v2-beta")
    client.by_id_api_key(key.id).deactivate()


def test_gdapi_finds_every_type_by_its_schema(served: Served, base: str) -> None:
    """Every type is listed by its schema; links of resources are methods; pages follow `next`."""
    client = client_of(gdapi, served, f"{base}/v2-beta")
    assert set(client.schema.types) == {
        *("apiKey", "project", "account", "projectMember", "setting", "auditLog", "schema"),
        *("upstream", "webhookMessage", "node", "revision", "projectTemplate", "usage"),
        *("rotateInput", "explainInput", "importInput", "forgetInput"),
    }
    empty = {"usage", "webhookMessage"}  # nothing was requested yet, nor is there a webhook
    for name, each in client.schema.types.items():
        assert not each.listable or client.list(name).data or name in empty
    environment = client.by_id_project(served.environment)
    assert environment.apiKeys().resourceType == "apiKey"
    made = client.create_api_key(name="of an environment", accountId=served.environment)
    assert made.account().id == served.environment
    page, seen = client.list_api_key(limit=1), []
    while True:
        seen += [each.id for each in page]
        if page.pagination.next is None:
            break
        page = page.next()
    assert seen == [each.id for each in client.list_api_key()]
    setting = client.by_id_setting("rotation_overlap")
    assert client.update(setting, value="1h").value == "1h"


def test_gdapi_finds_its_filters_in_the_schemas(served: Served) -> None:
    """A client that checks its filters against the schemas finds them all there."""
    access_key, secret_key = served.pair
    url = f"{served.api}/v2-beta"
    client = gdapi.Client(access_key=access_key, secret_key=secret_key, url=url, strict=True)
    for query in (
        {"name_prefix": "c"},
        {"state": "active"},
        {"created_gt": "2000-01-01T00:00:00Z"},
    ):
        assert client.list_api_key(**query).data is not None
    with pytest.raises(gdapi.ClientApiError):
        client.list_api_key(nothing=1)


def test_gdapi_offers_an_environment_key_nothing_to_create(served: Served, base: str) -> None:
    """With a key of an environment there is nothing to create."""
    admin = client_of(gdapi, served, f"{base}/v2-beta")
    key = admin.create_api_key(accountId=served.environment)
    url = f"{base}/v2-beta/projects/{served.environment}"
    client = gdapi.Client(key.publicValue, key.secretValue, url=url)
    assert client.by_id_api_key(key.id).id == key.id
    assert not hasattr(client, "create_api_key")
    assert client.schema.types["apiKey"].creatable is False


# --- clients in Go -------------------------------------------------------------------------------


@pytest.fixture
def session(served: Served) -> Iterator[requests.Session]:
    """Presents the admin's key."""
    with requests.Session() as session:
        session.auth = served.pair
        yield session


def fetched(session: requests.Session, url: str) -> Any:
    """What go-rancher gets: 200 exactly, and JSON."""
    answer = session.get(url, headers={"Accept": "application/json"}, timeout=30)
    assert (answer.status_code, answer.history) == (200, [])
    return answer.json()


def opened(session: requests.Session, url: str) -> dict[str, Any]:
    """What go-rancher's client knows once it is set up: the schemas by their ids."""
    answer = session.get(url, timeout=30)
    assert answer.status_code == 200
    at = answer.headers["X-API-Schemas"]
    assert at
    if at != url:
        answer = session.get(at, timeout=30)
        assert answer.status_code == 200
    schemas = answer.json()
    assert (schemas["type"], schemas["resourceType"]) == ("collection", "schema")
    return {each["id"]: each for each in schemas["data"]}


@pytest.mark.parametrize("version", ["v1", "v2-beta"])
@pytest.mark.parametrize("scope", ["", "/projects/{}"])
def test_go_rancher_finds_what_it_requests(
    session: requests.Session, served: Served, base: str, version: str, scope: str
) -> None:
    """It reads the schemas, checks their methods, and follows their links and those of what it
    gets; actions have an empty body and a JSON answer."""
    root = f"{base}/{version}{scope.format(served.environment)}"
    types = opened(session, root)
    for name in ("apiKey", "project", "account", "projectMember"):
        schema = types[name]
        assert "GET" in schema["collectionMethods"]
        assert "POST" in schema["collectionMethods"]
        assert {"GET", "PUT", "DELETE"} <= set(schema["resourceMethods"])
        listing = fetched(session, schema["links"]["collection"])
        assert (listing["type"], listing["resourceType"]) == ("collection", name)
        assert listing["data"] is not None
        assert "pagination" in listing
    collection = types["apiKey"]["links"]["collection"]
    assert collection == f"{root}/apikeys"
    answer = session.post(
        collection,
        data=json.dumps({"type": "apiKey", "name": "go", "secretValue": None}),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
        timeout=30,
    )
    assert answer.status_code == 201
    key = answer.json()
    own = key["links"]["self"]
    assert own == f"{collection}/{key['id']}"
    assert fetched(session, own) == key | {"secretValue": None}
    assert fetched(session, f"{collection}?name=go")["data"]
    for action, state in (("deactivate", "inactive"), ("activate", "active")):
        answer = session.post(
            key["actions"][action],
            data=b"",
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            timeout=30,
        )
        assert answer.status_code == 202
        assert answer.headers["Content-Type"].startswith("application/json")
        key = answer.json()
        assert (key["state"], key["transitioning"]) == (state, "no")
    answer = session.put(own, data=json.dumps({"name": "gone", "type": "apiKey"}), timeout=30)
    assert (answer.status_code, answer.json()["name"]) == (200, "gone")
    session.post(key["actions"]["deactivate"], timeout=30)
    answer = session.delete(own, timeout=30)
    assert (answer.status_code, answer.json()["state"]) == (200, "removed")


def test_the_rancher_cli_sets_itself_up_in_an_environment(
    session: requests.Session, served: Served, base: str
) -> None:
    """It lists environments, sets itself up in one, and asks for the schemas of the schemas."""
    types = opened(session, f"{base}/v2-beta")
    (environment,) = fetched(session, types["project"]["links"]["collection"])["data"]
    assert environment["state"] == "active"
    within = f"{base}/v2-beta/projects/{environment['id']}"
    for url in (f"{within}/schemas", f"{within}/schemas/schemas", within, f"{base}/v1"):
        answer = session.get(url, timeout=30)
        assert answer.status_code == 200
        assert answer.headers["X-API-Schemas"]
    assert opened(session, f"{within}/schemas")["apiKey"]["links"]["collection"] == (
        f"{within}/apikeys"
    )


@pytest.mark.parametrize("more", ["", "&all=true", "&removed_null=1", "&system=false"])
def test_the_rancher_cli_lists_environments(
    session: requests.Session, served: Served, base: str, more: str
) -> None:
    """`env ls` and its flags: every list has a limit of -2, and leaves out a state of Rancher's."""
    collection = opened(session, f"{base}/v2-beta")["project"]["links"]["collection"]
    listing = fetched(session, f"{collection}?limit=-2&state_ne=stopped{more}")
    assert served.environment in {each["id"] for each in listing["data"]}
    assert listing["pagination"]["next"] is None


def test_the_rancher_cli_creates_and_finds_an_environment_by_name(
    session: requests.Session, base: str
) -> None:
    """`env create` looks for a template, by id and then by name. Whatever names an environment is
    looked for by its id first, and by its name after a 404."""
    types = opened(session, f"{base}/v2-beta")
    templates = types["projectTemplate"]["links"]["collection"]
    assert "GET" in types["projectTemplate"]["collectionMethods"]
    assert session.get(f"{templates}/Cattle", timeout=30).status_code == 404
    for wanted, ids in (("Cattle", ["1pt1"]), ("cattle", ["1pt1"]), ("kubernetes", [])):
        listing = fetched(session, f"{templates}?name={wanted}&removed_null=1&limit=-2")
        assert listing["resourceType"] == "projectTemplate"
        assert [each["id"] for each in listing["data"]] == ids
    assert fetched(session, f"{templates}/1pt1")["name"] == "Cattle"
    assert session.get(f"{templates}/1pt2", timeout=30).status_code == 404
    collection, name = types["project"]["links"]["collection"], f"env-{base[-5:]}"
    body = {"name": name, "projectTemplateId": "1pt1", "swarm": False, "kubernetes": False}
    made = session.post(collection, json=body, timeout=30)
    assert made.status_code == 201
    assert session.get(f"{collection}/{name}", timeout=30).status_code == 404
    listing = fetched(session, f"{collection}?{urlencode({'name': name, 'removed_null': '1'})}")
    (found,) = listing["data"]
    assert found["id"] == made.json()["id"]
    for action, state in (("deactivate", "inactive"), ("activate", "active")):
        answer = session.post(found["actions"][action], timeout=30)
        assert (answer.status_code, answer.json()["state"]) == (202, state)
        found = answer.json()
    session.post(found["actions"]["deactivate"], timeout=30)
    assert session.delete(found["links"]["self"], timeout=30).status_code == 200


def test_rancher_compose_takes_the_url_in_every_form(
    session: requests.Session, served: Served, base: str
) -> None:
    """It takes the URL as it is configured, with a slash at its end or without, and with a key of
    the environment."""
    made = session.post(f"{base}/v2-beta/projects/{served.environment}/apikeys", timeout=30).json()
    with requests.Session() as own:
        own.auth = (made["publicValue"], made["secretValue"])
        for url in ("/v1", "/v1/", "/v2-beta/", f"/v1/projects/{served.environment}"):
            assert opened(own, base + url)["apiKey"]
        listing = fetched(own, f"{base}/v2-beta/projects")
        assert [each["id"] for each in listing["data"]] == [served.environment]
        assert own.get(f"{base}/v2-beta/projects/1a1", timeout=30).status_code == 404


def test_gateway_and_admin_server_challenge_alike(base: str) -> None:
    """Without a key both say 401 with the challenge that Rancher's clients know."""
    answer = requests.get(f"{base}/v2-beta", timeout=30)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == (
        'Basic realm="Enter API access key and secret key as username and password"'
    )


def test_links_lead_to_the_server_that_was_requested(
    session: requests.Session, served: Served, base: str
) -> None:
    """A client that comes through the gateway stays there."""
    for path in ("/v2-beta", "/v2-beta/apikeys", "/v2-beta/schemas", "/v2-beta/apikeys/1c1"):
        text = session.get(base + path, timeout=30).text
        assert base in text
        other = served.gateway if base == served.api else served.api
        assert f'"{other}/v2-beta' not in text
