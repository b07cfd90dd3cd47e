"""What happens to every request before and after its handler."""

from __future__ import annotations

import base64
import gzip
import logging
from typing import Any

import pytest

from admin.api.hosts import Hosts
from admin.app import create_app
from proxy.auth.explain import Explanation
from proxy.domain.errors import Busy, StoreUnavailable
from proxy.domain.limiting import Reading
from proxy.domain.model import State
from tests.admin.admin_api import AdminApi, Answer, Checker, Presented, ask

CHALLENGE = 'Basic realm="Enter API access key and secret key as username and password"'


async def anonymous(api: AdminApi, path: str = "/v2-beta", **headers: str) -> Answer:
    """A request without credentials; `_` in a header's name stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await ask(api.client, "GET", path, headers=named)


# --- credentials ---------------------------------------------------------------------------------


async def test_without_credentials_the_answer_is_401_with_the_challenge(api: AdminApi) -> None:
    """The challenge is the one that Rancher's clients know."""
    answer = await anonymous(api)
    assert answer.code == "401 Unauthorized"
    assert answer.headers["WWW-Authenticate"] == CHALLENGE


async def test_a_client_can_have_the_challenge_left_out(api: AdminApi) -> None:
    """So that no browser shows its own dialogue."""
    answer = await anonymous(api, X_API_No_Challenge="true")
    assert answer.status == 401
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["/v2-beta", "/v2-beta/apikeys", "/v2-beta/nothing", "/", "/v3", "/v2-beta/projects/1a9"],
)
async def test_without_a_key_nothing_can_be_found_out(api: AdminApi, path: str) -> None:
    """Not even which resources exist."""
    assert (await anonymous(api, path)).code == "401 Unauthorized"
    options = await ask(api.client, "OPTIONS", path)
    assert options.code == "401 Unauthorized"


async def test_all_bad_credentials_get_the_same_answer(api: AdminApi) -> None:
    """A wrong secret, an unknown key, an inactive or expired key, and nonsense."""
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


async def test_two_authorization_fields_are_refused(api: AdminApi) -> None:
    """Whatever they hold."""
    value = api.admin.authorization
    headers = [("Authorization", value), ("Authorization", value)]
    answer = await ask(api.client, "GET", "/v2-beta", headers=headers)
    assert answer.code == "401 Unauthorized"


async def test_an_environment_key_reads_its_environment_and_changes_nothing(api: AdminApi) -> None:
    """It sees that environment and its keys, and nothing else exists for it."""
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
    ):
        assert (await key.get(path)).code == "404 NotFound"
    for name in ("accounts", "settings", "auditlogs"):
        assert (await key.get(f"/v2-beta/{name}")).code == "403 Forbidden"
    assert (await key.get("/metrics")).status == 403
    assert (await key.post("/v2-beta/apikeys")).code == "403 Forbidden"
    assert (await key.post("/v2-beta/projects", {"name": "n"})).code == "403 Forbidden"
    assert (await key.put(own, {"name": "n"})).code == "403 Forbidden"
    mine = f"/v2-beta/apikeys/{key.key.ref}"
    for action in ("deactivate", "rotate"):
        assert (await key.post(f"{mine}?action={action}")).code == "403 Forbidden"
    assert api.audit() == []


async def test_an_inactive_key_is_refused_by_the_admin_server_from_the_next_request_on(
    api: AdminApi,
) -> None:
    """The request before was accepted."""
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
async def test_every_answer_names_the_schemas_of_its_scope(
    api: AdminApi, path: str, schemas: str
) -> None:
    """A refusal too."""
    for answer in (await api.admin.get(path), await anonymous(api, path)):
        assert answer.headers["X-API-Schemas"] == str(api.client.make_url(schemas))


async def test_answers_name_the_caller_and_the_account_or_environment(api: AdminApi) -> None:
    """Within an environment that is the environment, else the caller's account."""
    environment = await api.environment()
    answer = await api.admin.get("/v2-beta/apikeys")
    assert answer.headers["X-Api-Account-Id"] == "1a1"
    assert answer.headers["X-Api-User-Id"] == "1a1"
    answer = await api.admin.get(f"/v2-beta/projects/{environment.ref}/apikeys")
    assert answer.headers["X-Api-Account-Id"] == environment.ref
    assert answer.headers["X-Api-User-Id"] == "1a1"
    assert "X-Api-Account-Id" not in (await anonymous(api)).headers


async def test_a_well_formed_request_id_is_kept_and_another_replaced(api: AdminApi) -> None:
    """A well-formed request id is kept, another is replaced."""
    answer = await api.admin.get("/v2-beta", headers={"X-Request-Id": "req-1/2"})
    assert answer.headers["X-Request-Id"] == "req-1/2"
    for bad in ("a b", "x" * 129, ""):
        answer = await api.admin.get("/v2-beta", headers={"X-Request-Id": bad})
        assert answer.headers["X-Request-Id"] not in {bad, ""}


@pytest.mark.parametrize("path", ["/v2-beta", "/v2-beta/nothing", "/healthz"])
async def test_no_answer_is_cached_sniffed_or_named_in_a_referer(api: AdminApi, path: str) -> None:
    """None names the server software either."""
    answer = await api.admin.get(path)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Server"] == "Wardgate"


# --- refusals ------------------------------------------------------------------------------------


async def test_an_error_of_the_admin_api_is_ranchers_with_a_title(api: AdminApi) -> None:
    """An error is Rancher's, with a title."""
    body = (await api.admin.get("/v2-beta/nothing")).body
    assert body.pop("id")
    assert body == {
        "type": "error",
        "links": {},
        "actions": {},
        "status": 404,
        "code": "NotFound",
        "message": "Not found",
        "title": "Not found",
        "detail": None,
        "baseType": "error",
    }


async def test_an_error_is_problem_json_for_a_client_that_accepts_it(api: AdminApi) -> None:
    """An error is application/problem+json to who asks for that, else application/json."""
    plain = await api.admin.get("/v2-beta/nothing")
    assert plain.headers["Content-Type"].startswith("application/json")
    accept = {"Accept": "text/html, application/problem+json;q=0.9"}
    problem = await api.admin.get("/v2-beta/nothing", headers=accept)
    assert problem.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize("path", ["/v2-beta/apikeys", "/v2-beta/nothing"])
async def test_head_has_the_status_and_fields_of_get(api: AdminApi, path: str) -> None:
    """For a refusal too."""
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
async def test_options_and_a_refused_method_name_the_allowed_methods(
    api: AdminApi, path: str, allow: str
) -> None:
    """OPTIONS says what a path takes, and so does the refusal of any other method."""
    options = await api.admin.ask("OPTIONS", path)
    assert (options.status, options.text, options.headers["Allow"]) == (204, "", allow)
    patch = await api.admin.ask("PATCH", path)
    assert (patch.code, patch.headers["Allow"]) == ("405 MethodNotAllowed", allow)


async def test_a_body_is_read_as_json_whatever_its_content_type(api: AdminApi) -> None:
    """One that is no JSON, too long or compressed is refused."""
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


class Failing(Checker):
    """A checker that raises an error."""

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
async def test_a_failure_is_answered_without_its_cause(
    api: AdminApi,
    aiohttp_client: Any,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    code: str,
) -> None:
    """The log holds the request's id and the cause of an unforeseen one."""

    async def explain(*_: object) -> Explanation:
        raise AssertionError

    async def look(_: object) -> list[Reading]:
        raise AssertionError

    app = create_app(
        store=api.store,
        checker=Failing(error),
        endpoint_of=lambda _: "http://gateway",
        explain=explain,
        look=look,
        waiter=api.nodes.waiter,
        bcrypt_rounds=4,
        ready=lambda: True,
        metrics=lambda: b"",
        hosts=Hosts,
    )
    with caplog.at_level(logging.ERROR, "admin"):
        answer = await ask(
            await aiohttp_client(app), "GET", "/v2-beta", headers={"X-Request-Id": "r1"}
        )
    assert answer.code == code
    assert "secret" not in answer.text
    assert ("r1" in caplog.text) == (answer.status == 500)
    assert ("Retry-After" in answer.headers) == (answer.status == 503)


# --- health --------------------------------------------------------------------------------------


async def test_health_and_readiness_need_no_key_and_no_known_host(api: AdminApi) -> None:
    """The answers hold no details."""
    elsewhere = {"Host": "10.0.0.7"}
    alive = await ask(api.client, "GET", "/healthz", headers=elsewhere)
    assert (alive.status, alive.text) == (200, "ok\n")
    ready = await ask(api.client, "GET", "/readyz", headers=elsewhere)
    assert (ready.status, ready.text) == (200, "ready\n")
    api.ready = False
    ready = await ask(api.client, "GET", "/readyz", headers=elsewhere)
    assert (ready.status, ready.text) == (503, "not ready\n")
    assert (await ask(api.client, "GET", "/healthz")).status == 200
