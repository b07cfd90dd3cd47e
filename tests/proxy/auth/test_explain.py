"""`explain` gives the verdict that the gateway gives. The admin API's side of it is tested in
`tests/admin/api/test_explain.py`."""

from __future__ import annotations

import pytest

from proxy.auth.explain import explain
from proxy.domain.model import Deny, Permit
from tests.harness import World, status

pytestmark = pytest.mark.asyncio(loop_scope="module")

TARGETS = [
    "/v1/projects/a/x",
    "/v1/projects/a/x?query=1",
    "/v1/projects/b/x",
    "/v1/projects/none/x",
    "/v1/projects/A/x",
    "/V1/projects/a/x",
    "/v1/projects/-/x",
    "/v1/projects/a%2Fx",
    "/v1/projects/a/x;y",
    "/v1/projects/a/%2e%2e/b",
    "/v1/projects/a/../b",
    "/v1/projects",
    "/",
    "//",
    "/with space",
    "no-slash",
    "http://gateway/v1/projects/a/x",
    "/" + "x" * 8192,
]
METHODS = ["GET", "HEAD", "POST", "DELETE", "TRACE", "CONNECT", "PROPFIND", "get", "not a method"]


@pytest.mark.parametrize("name", ["key_a", "key_b", "user", "admin"])
async def test_explain_agrees_with_the_gateway(world: World, name: str) -> None:
    """Status and reason are the same for each method and target, malformed ones included."""
    runtime, pair = world.node.gateway.runtime, getattr(world, name)
    for target in TARGETS:
        for method in METHODS:
            verdict = await explain(
                runtime.decider, pair.key, method, target, runtime.limits.line_size
            )
            raw = world.request(target.encode(), method=method.encode(), pair=pair)
            answered = status(await world.send(raw))
            reason = world.log()[-1].get("reason")
            if isinstance(verdict.permit, Permit):
                assert (answered, reason) == (200, None), (method, target)
            else:
                denied = verdict.permit.reason
                assert (answered, reason) == (denied.status, denied.code), (method, target)


async def test_the_longest_request_line_that_is_explained_is_that_of_the_gateway(
    world: World,
) -> None:
    """`line_size` bytes are allowed, and one more is not."""
    runtime = world.node.gateway.runtime
    limit = runtime.limits.line_size
    fits = "/v1/projects/a/" + "x" * (limit - len("GET /v1/projects/a/ HTTP/1.1"))
    for target, expected in ((fits, 200), (fits + "x", 414)):
        verdict = await explain(runtime.decider, world.key_a.key, "GET", target, limit)
        denied = verdict.permit
        assert (denied.reason.status if isinstance(denied, Deny) else 200) == expected
        assert status(await world.send(world.request(target.encode()))) == expected


async def test_an_explanation_sends_nothing_and_needs_no_secret(world: World) -> None:
    """It is about a key, whose secret only its holder knows."""
    runtime = world.node.gateway.runtime
    verdict = await explain(runtime.decider, world.user.key, "GET", "/v1/projects/a/x", 8192)
    assert isinstance(verdict.permit, Permit)
    assert verdict.permit.principal
    assert verdict.permit.principal.key == world.user.key
    assert world.upstream.seen == b""
