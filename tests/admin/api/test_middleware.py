"""What happens to every request, and what every answer carries."""

from __future__ import annotations

import base64
import gzip
import logging
from typing import Any

import pytest

from admin.api.app import create_app
from admin.api.hosts import Hosts
from proxy.auth.authenticator import Busy
from proxy.auth.decision import Verdict
from proxy.domain.model import Key, State, StoreUnavailable
from tests.admin.admin_api import AdminApi, Answer, Presented, ask

CHALLENGE = 'Basic realm="Enter API access key and secret key as username and password"'


async def anonymous(api: AdminApi, path: str = "/v2-beta", **headers: str) -> Answer:
    """A request without credentials; `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await ask(api.client, "GET", path, headers=named)


# --- who asks ------------------------------------------------------------------------------------


async def test_no_credentials(api: AdminApi) -> None:
    """Without credentials the answer is 401 with the challenge that Rancher's clients know."""
    answer = await anonymous(api)
    assert answer.code == "401 Unauthorized"
    assert answer.headers["WWW-Authenticate"] == CHALLENGE


async def test_no_challenge(api: AdminApi) -> None:
    """A client that asks for no challenge gets none, so that no browser shows its own dialogue."""
    answer = await anonymous(api, X_API_No_Challenge="true")
    assert answer.status == 401
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["/v2-beta", "/v2-beta/apikeys", "/v2-beta/nothing", "/", "/v3", "/v2-beta/projects/1a9"],
)
async def test_everything_asks_for_a_key(api: AdminApi, path: str) -> None:
    """Who presents no key learns nothing, not even what there is."""
    assert (await anonymous(api, path)).code == "401 Unauthorized"
    options = await ask(api.client, "OPTIONS", path)
    assert options.code == "401 Unauthorized"


async def test_bad_credentials_are_all_alike(api: AdminApi) -> None:
    """A wrong secret, an unknown key, an inactive key and nonsense get the same answer."""
    inactive = await api.key(await api.account(), state=State.INACTIVE)
    expired = await api.key(await api.account(), expires=api.clock() - 1)
    admin = api.admin
    wrong = admin.secret[:-1] + ("2" if admin.secret.endswith("1") else "1")
    values = [
        Presented(admin.client, admin.key, wrong).authorization,
        Presented(admin.client, admin.key, inactive.secret).authorization,
        inactive.authorization,
        expired.authorization,
        "Basic " + base64.b64encode(b"NOBODY:" + b"x" * 44).decode(),
        "Basic ###",
        "Bearer " + admin.secret,
    ]
    answers = [await anonymous(api, Authorization=value) for value in values]
    assert {answer.status for answer in answers} == {401}
    for answer in answers:
        del answer.body["id"]
    assert all(answer.body == answers[0].body for answer in answers)


async def test_two_authorizations(api: AdminApi) -> None:
    """Two Authorization fields are refused, whatever they hold."""
    value = api.admin.authorization
    headers = [("Authorization", value), ("Authorization", value)]
    answer = await ask(api.client, "GET", "/v2-beta", headers=headers)
    assert answer.code == "401 Unauthorized"


async def test_environment_keys_read_their_environment(api: AdminApi) -> None:
    """A key of an environment sees that environment and its keys, nothing else, and changes
    nothing."""
    environment, other = await api.environment(), await api.environment()
    key = await api.key(environment)
    foreign = await api.key(other)
    answer = await key.get("/v2-beta/apikeys")
    assert [one["id"] for one in answer.body["data"]] == [key.key.ref]
    assert (answer.body["createTypes"], answer.body["actions"]) == ({}, {})
    assert answer.headers["X-Api-Account-Id"] == environment.ref
    assert answer.headers["X-Api-User-Id"] == environment.ref
    projects = (await key.get("/v2-beta/projects")).body
    assert [one["id"] for one in projects["data"]] == [environment.ref]
    own = f"/v2-beta/projects/{environment.ref}"
    for path in (own, f"{own}/apikeys", f"{own}/projectmembers", f"{own}/schemas", "/v2-beta"):
        assert (await key.get(path)).status == 200
    for path in (
        f"/v2-beta/projects/{other.ref}",
        f"/v2-beta/projects/{other.ref}/apikeys",
        f"/v2-beta/projects/{other.ref}/schemas",
        f"/v2-beta/apikeys/{foreign.key.ref}",
        f"/v2-beta/apikeys/{api.admin.key.ref}",
        "/v2-beta/accounts/1a1",
        "/v2-beta/settings",
        "/v2-beta/auditlogs",
    ):
        assert (await key.get(path)).code == "404 NotFound"
    assert (await key.get("/v2-beta/accounts")).body["data"] == []
    assert (await key.get("/metrics")).status == 403
    assert (await key.post("/v2-beta/apikeys")).code == "403 Forbidden"
    assert (await key.post("/v2-beta/projects", {"name": "n"})).code == "403 Forbidden"
    assert (await key.put(own, {"name": "n"})).code == "403 Forbidden"
    mine = f"/v2-beta/apikeys/{key.key.ref}"
    for action in ("deactivate", "rotate"):
        assert (await key.post(f"{mine}?action={action}")).code == "403 Forbidden"
    assert api.audit() == []


async def test_a_change_of_a_key_takes_effect_at_once(api: AdminApi) -> None:
    """A key that was deactivated is refused from the next request on."""
    key = await api.key(await api.account())
    assert (await key.get("/v2-beta")).status == 200
    await api.admin.post(f"/v2-beta/apikeys/{key.key.ref}/?action=deactivate")
    assert (await key.get("/v2-beta")).status == 401


# --- what answers carry --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "schemas"),
    [
        ("/v2-beta", "/v2-beta/schemas"),
        ("/v1/apikeys", "/v1/schemas"),
        ("/v2-beta/Project/1a9/apikeys", "/v2-beta/projects/1a9/schemas"),
        ("/v1/projects/1a9", "/v1/projects/1a9/schemas"),
        ("/v1/projects/1a09", "/v1/schemas"),
        ("/v2-beta/nothing", "/v2-beta/schemas"),
        ("/nothing", "/v2-beta/schemas"),
    ],
)
async def test_schemas_header(api: AdminApi, path: str, schemas: str) -> None:
    """Every answer, a refusal too, says where the schemas are, within the scope of the path."""
    for answer in (await api.admin.get(path), await anonymous(api, path)):
        assert answer.headers["X-API-Schemas"] == str(api.client.make_url(schemas))


async def test_account_headers(api: AdminApi) -> None:
    """Who asked and whose things are shown is told: the account, within a scope the environment."""
    environment = await api.environment()
    answer = await api.admin.get("/v2-beta/apikeys")
    assert answer.headers["X-Api-Account-Id"] == "1a1"
    assert answer.headers["X-Api-User-Id"] == "1a1"
    answer = await api.admin.get(f"/v2-beta/projects/{environment.ref}/apikeys")
    assert answer.headers["X-Api-Account-Id"] == environment.ref
    assert answer.headers["X-Api-User-Id"] == "1a1"
    assert "X-Api-Account-Id" not in (await anonymous(api)).headers


async def test_request_id(api: AdminApi) -> None:
    """A well-formed request id is kept, another is replaced."""
    answer = await api.admin.get("/v2-beta", headers={"X-Request-Id": "req-1/2"})
    assert answer.headers["X-Request-Id"] == "req-1/2"
    for bad in ("a b", "x" * 129, ""):
        answer = await api.admin.get("/v2-beta", headers={"X-Request-Id": bad})
        assert answer.headers["X-Request-Id"] not in {bad, ""}


@pytest.mark.parametrize("path", ["/v2-beta", "/v2-beta/nothing", "/healthz"])
async def test_nothing_is_kept_or_passed_on(api: AdminApi, path: str) -> None:
    """No answer may be cached, sniffed or named in a Referer, and none tells the server's make."""
    answer = await api.admin.get(path)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Server"] == "Wardgate"


# --- refusals ------------------------------------------------------------------------------------


async def test_error_body(api: AdminApi) -> None:
    """An error is Rancher's, with a title."""
    body = (await api.admin.get("/v2-beta/nothing")).body
    assert body.pop("id")
    assert body == {
        "type": "error",
        "links": {},
        "actions": {},
        "status": 404,
        "code": "NotFound",
        "message": "There is nothing here",
        "title": "There is nothing here",
        "detail": None,
        "baseType": "error",
    }


async def test_media_type(api: AdminApi) -> None:
    """An error is application/problem+json to who asks for that, else application/json."""
    plain = await api.admin.get("/v2-beta/nothing")
    assert plain.headers["Content-Type"].startswith("application/json")
    asked = {"Accept": "text/html, application/problem+json;q=0.9"}
    problem = await api.admin.get("/v2-beta/nothing", headers=asked)
    assert problem.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("path", ["/v2-beta/apikeys", "/v2-beta/nothing"])
async def test_head(api: AdminApi, path: str) -> None:
    """HEAD gets what GET gets, without the body."""
    get = await api.admin.get(path)
    head = await api.admin.ask("HEAD", path)
    assert (head.status, head.text) == (get.status, "")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert head.headers["X-API-Schemas"] == get.headers["X-API-Schemas"]


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v2-beta", "GET, HEAD, OPTIONS"),
        ("/v2-beta/apikeys", "GET, HEAD, OPTIONS, POST"),
        ("/v2-beta/apikeys/1c1", "DELETE, GET, HEAD, OPTIONS, POST, PUT"),
    ],
)
async def test_methods(api: AdminApi, path: str, allow: str) -> None:
    """OPTIONS says what a path takes, and so does the refusal of any other method."""
    options = await api.admin.ask("OPTIONS", path)
    assert (options.status, options.text, options.headers["Allow"]) == (204, "", allow)
    patch = await api.admin.ask("PATCH", path)
    assert (patch.code, patch.headers["Allow"]) == ("405 MethodNotAllowed", allow)


async def test_bodies(api: AdminApi) -> None:
    """A body counts as JSON whatever its type; one that is none, or too long, is refused."""
    path = "/v2-beta/apikeys"
    text = {"Content-Type": "text/plain"}
    assert (await api.admin.post(path, b'{"name": "n"}', headers=text)).body["name"] == "n"
    assert (await api.admin.post(path, b" ")).status == 201
    assert (await api.admin.post(path, b"name=n")).code == "400 InvalidBodyContent"
    limit = 1024 * 1024
    assert (await api.admin.post(path, b" " * (limit - 2) + b"{}")).status == 201
    answer = await api.admin.post(path, b" " * (limit - 1) + b"{}")
    assert answer.code == "413 ContentTooLarge"
    zipped = {"Content-Encoding": "gzip"}
    answer = await api.admin.post(path, gzip.compress(b"{}"), headers=zipped)
    assert answer.code == "415 UnsupportedMediaType"


class Failing:
    """A checker that fails as it is told."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def check(self, authorization: bytes | None, source: str) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StoreUnavailable("disk /secret/path is full"), "503 ServiceUnavailable"),
        (Busy("too many secret things wait"), "503 ServiceUnavailable"),
        (RuntimeError("the secret is wgs_x"), "500 InternalError"),
    ],
)
async def test_failures(
    api: AdminApi,
    aiohttp_client: Any,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    code: str,
) -> None:
    """A failure is told without its cause; the log names the request of one that nobody foresaw."""

    async def explain(key: Key, method: str, path: str) -> Verdict:
        raise AssertionError

    app = create_app(
        store=api.store,
        checker=Failing(error),
        endpoint_of=lambda _: "http://gateway",
        explain=explain,
        bcrypt_rounds=4,
        ready=lambda: True,
        metrics=lambda: b"",
        hosts=Hosts(),
    )
    with caplog.at_level(logging.ERROR, "admin"):
        answer = await ask(
            await aiohttp_client(app), "GET", "/v2-beta", headers={"X-Request-Id": "r1"}
        )
    assert answer.code == code
    assert "secret" not in answer.text
    assert ("r1" in caplog.text) == (answer.status == 500)
    assert ("Retry-After" in answer.headers) == (answer.status == 503)


# --- where a request was sent to, and from where -------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:99", "admin.example", "Admin.Example:1"])
async def test_known_hosts(api: AdminApi, host: str) -> None:
    """The admin server answers to its own names, on any port, and its links use the same one."""
    answer = await api.admin.get("/v2-beta", headers={"Host": host})
    assert answer.body["links"]["self"] == f"http://{host.lower()}/v2-beta"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost", "[::1]"])
async def test_other_hosts(api: AdminApi, host: str) -> None:
    """A name that is not the admin server's is refused, so that no page can rebind its own to
    it."""
    answer = await api.admin.get("/v2-beta", headers={"Host": host})
    assert answer.code == "421 MisdirectedRequest"


@pytest.mark.parametrize("host", ["", "a b", "127.0.0.1/x", "127.0.0.1:99999999", 'x"y'])
async def test_malformed_hosts(api: AdminApi, host: str) -> None:
    """What is no host name gets into no link."""
    answer = await api.admin.get("/v2-beta", headers={"Host": host})
    assert answer.status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://admin.example"},
        {"Origin": "http://admin.example:8080"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://admin.example", "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_changes_from_other_sites(api: AdminApi, headers: dict[str, str]) -> None:
    """A change that another page makes a browser send is refused; reading is not."""
    headers = headers | {"Host": "admin.example"}
    answer = await api.admin.post("/v2-beta/apikeys", {}, headers=headers)
    assert answer.code == "403 CrossSite"
    assert (await api.admin.get("/v2-beta/apikeys", headers=headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://admin.example", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_changes_from_the_admin_server_itself(api: AdminApi, headers: dict[str, str]) -> None:
    """A change from the admin server's own pages, or from no page at all, passes."""
    headers = headers | {"Host": "admin.example"}
    assert (await api.admin.post("/v2-beta/apikeys", {}, headers=headers)).status == 201


# --- health --------------------------------------------------------------------------------------


async def test_health(api: AdminApi) -> None:
    """Health and readiness are told to anybody, under any name, and without details."""
    elsewhere = {"Host": "10.0.0.7"}
    alive = await ask(api.client, "GET", "/healthz", headers=elsewhere)
    assert (alive.status, alive.text) == (200, "ok\n")
    ready = await ask(api.client, "GET", "/readyz", headers=elsewhere)
    assert (ready.status, ready.text) == (200, "ready\n")
    api.ready = False
    ready = await ask(api.client, "GET", "/readyz", headers=elsewhere)
    assert (ready.status, ready.text) == (503, "not ready\n")
    assert (await ask(api.client, "GET", "/healthz")).status == 200
