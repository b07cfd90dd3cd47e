"""The gateway and the admin server in one process: a change in one takes effect in the other."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from proxy.domain.audit import Actor, Entry
from proxy.domain.clock import now_ms
from proxy.domain.usage import HOUR, Dimension, Series, Sums, UsageQuery
from proxy.gateway import server
from proxy.store.open import open_store
from proxy.store.query import Query
from proxy.store.retention import DAY
from tests.harness import Pair, RecordingUpstream, World, running_world, status


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    """A gateway and an admin server."""
    async with running_world(tmp_path, admin={"listen": "127.0.0.1:0"}) as made:
        yield made


async def asked(
    here: World, method: str, path: str, pair: Pair | None = None, body: Any = None
) -> Any:
    """The body of the admin server's answer, from JSON or as text. Without a pair the admin
    asks."""
    headers = {"Authorization": (pair or here.admin).credentials.authorization}
    async with (
        ClientSession(here.node.admin_urls[0], headers=headers) as session,
        session.request(method, path, json=body) as answer,
    ):
        is_json = answer.content_type == "application/json"
        return await (answer.json() if is_json else answer.text())


async def test_each_use_of_a_key_is_recorded_with_its_time_and_address(here: World) -> None:
    """At the gateway, and at the admin server."""
    before = now_ms()
    for _ in range(3):
        assert status(await here.send(here.request())) == 200
    await here.node.usage.write()
    key = await asked(here, "GET", "/v2-beta/apikeys/1c3")
    assert (key["useCount"], key["lastUsedAddress"]) == (3, "127.0.0.1")
    assert before - 2000 <= key["lastUsedTS"] <= now_ms()
    await asked(here, "GET", "/v2-beta", here.key_a)
    await here.node.usage.write()
    after = await asked(here, "GET", "/v2-beta/apikeys/1c3")
    assert after["useCount"] == 4
    assert after["lastUsedTS"] >= key["lastUsedTS"]
    assert after["lastUsed"].endswith("Z")


async def test_a_refused_request_is_no_use_of_its_key(here: World) -> None:
    """Neither one with a wrong secret, nor one with the right secret for another environment."""
    wrong = Pair(here.key_a.key, here.key_b.secret)
    assert status(await here.send(here.request(pair=wrong))) == 401
    assert status(await here.send(here.request(b"/v1/projects/b/x"))) == 403
    await here.node.usage.write()
    key = await asked(here, "GET", "/v2-beta/apikeys/1c3")
    assert (key["useCount"], key["lastUsed"], key["lastUsedAddress"]) == (0, None, None)


async def test_a_use_of_a_key_is_not_in_the_audit_log(here: World) -> None:
    """The audit log has the changes that the admin server makes, and nothing else."""
    length = len((await asked(here, "GET", "/v2-beta/auditlogs"))["data"])
    await here.send(here.request())
    await here.node.usage.write()
    assert len((await asked(here, "GET", "/v2-beta/auditlogs"))["data"]) == length


async def test_without_access_control_requests_pass_without_a_key(
    here: World, caplog: pytest.LogCaptureFixture
) -> None:
    """They have no identity then, while valid keys still have theirs. The change takes effect at
    once, and shows in the log, the metrics and the audit log."""
    path = "/v2-beta/settings/access_control"
    bare = b"GET /v1/projects/a/x HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"
    enforced = bare + b"X-ENFORCE-AUTHENTICATION: true\r\n"
    wrong = bare + Pair(here.key_a.key, here.key_b.secret).basic
    assert status(await here.send(bare + b"\r\n")) == 401
    with caplog.at_level(logging.WARNING, "wardgate"):
        assert (await asked(here, "PUT", path, body={"value": "off"}))["value"] == "off"
    assert "access control is now off" in caplog.text
    assert "wardgate_access_control 0.0" in await asked(here, "GET", "/metrics")
    newest = (await asked(here, "GET", "/v2-beta/auditlogs?order=desc&limit=1"))["data"][0]
    assert (newest["keyId"], newest["eventType"]) == ("1c1", "setting.update")
    assert (newest["before"], newest["after"]) == ({"value": "on"}, {"value": "off"})
    here.upstream.forget()
    assert status(await here.send(bare + b"\r\n")) == 200
    assert status(await here.send(wrong + b"\r\n")) == 200
    assert b"X-Wardgate" not in here.upstream.seen
    assert status(await here.send(enforced + b"\r\n")) == 401
    assert status(await here.send(here.request())) == 200
    assert here.key_a.key.access_key.encode() in here.upstream.seen
    assert (await asked(here, "GET", path, Pair(here.admin.key, "wrong")))["status"] == 401
    await asked(here, "PUT", path, body={"value": "on"})
    assert status(await here.send(bare + b"\r\n")) == 401
    assert "wardgate_access_control 1.0" in await asked(here, "GET", "/metrics")


async def test_metrics_count_answers_and_refusals(here: World) -> None:
    """No label has a value that a client chose."""
    await here.send(here.request())
    await here.send(here.request(b"/v1/projects/b/x"))
    text = await asked(here, "GET", "/metrics")
    assert 'wardgate_requests_total{status="2xx"} 1.0' in text
    assert 'wardgate_requests_total{status="4xx"} 1.0' in text
    assert 'wardgate_refused_total{reason="environment"} 1.0' in text
    of_the_code = "Whether keys are required", "wardgate_keys_expiring", "Active keys that expire"
    for words in (*of_the_code, 'cache="keys"'):
        text = text.replace(words, "")
    assert "key" not in text


async def test_a_membership_opens_and_closes_the_gateway(here: World) -> None:
    """A member may send requests from the next one on, and with another role other requests."""
    request = here.request(b"/v1/projects/b/x", pair=here.user)
    assert status(await here.send(request)) == 404
    body = {"accountId": "1a2", "role": "readonly"}
    made = await asked(here, "POST", "/v2-beta/projects/1a4/projectmembers", body=body)
    assert made["projectId"] == "1a4", made
    assert status(await here.send(request)) == 200
    post = here.request(b"/v1/projects/b/x", method=b"POST", pair=here.user)
    assert status(await here.send(post)) == 403
    await asked(here, "PUT", f"/v2-beta/projectmembers/{made['id']}", body={"role": "member"})
    assert status(await here.send(post)) == 200


async def test_both_secrets_of_a_rotated_key_work_until_their_overlap_ends(here: World) -> None:
    """A rotation without an overlap ends both at once."""
    path = "/v2-beta/apikeys/1c3/?action=rotate"
    assert status(await here.send(here.request())) == 200
    new = Pair(here.key_a.key, (await asked(here, "POST", path))["secretValue"])
    for pair in (here.key_a, new):
        assert status(await here.send(here.request(pair=pair))) == 200
    newest = await asked(here, "POST", path, body={"overlap": "0"})
    assert (
        status(await here.send(here.request(pair=Pair(here.key_a.key, newest["secretValue"]))))
        == 200
    )
    for pair in (here.key_a, new):
        assert status(await here.send(here.request(pair=pair))) == 401


async def test_explain_says_what_the_gateway_does(here: World) -> None:
    """Status and reason of an explanation are those that the access log has for the request."""
    for path, method, number in (
        ("/v1/projects/a/x", "GET", 3),
        ("/v1/projects/b/x", "GET", 3),
        ("/v1/projects/a/x", "POST", 2),
        ("/other", "GET", 3),
        ("/other", "GET", 2),
        ("/v1/projects/a/%2e%2e/x", "GET", 3),
        (long := "/v1/projects/a/".ljust(8192 - len("GET  HTTP/1.1"), "x"), "GET", 3),
        (f"{long}x", "GET", 3),
    ):
        pair = here.key_a if number == 3 else here.user
        got = status(
            await here.send(here.request(path.encode(), method=method.encode(), pair=pair))
        )
        explained = await asked(
            here,
            "POST",
            f"/v2-beta/apikeys/1c{number}/?action=explain",
            body={"path": path, "method": method},
        )
        assert explained["status"] == (None if got == 200 else got)
        assert explained["reason"] == here.log()[-1].get("reason")


async def ready(here: World, pair: Pair | None) -> list[str]:
    """The lines with which the admin server says whether it is ready."""
    headers = {} if pair is None else {"Authorization": pair.credentials.authorization}
    async with (
        ClientSession(here.node.admin_urls[0], headers=headers) as session,
        session.get("/readyz") as answer,
    ):
        assert answer.status == 200
        return (await answer.text()).splitlines()


async def test_a_store_without_room_says_so_to_whoever_asks_and_works_again(
    here: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The refusal names the file and the cause, the log has it once, the metrics count it, and an
    admin's /readyz shows it. Requests at the gateway go on."""
    store: Any = here.store
    async with here.store.write() as change:  # what finds room must not get the ids of the world
        for counter, used in (("account", 4), ("membership", 1)):
            for _ in range(used):
                await change.next_id(counter)  # type: ignore[arg-type]
    body = {"name": "x", "description": "y" * 1000}
    (pages,) = (await store._writer.db.execute_fetchall("PRAGMA page_count"))[0]
    with caplog.at_level(logging.WARNING, "wardgate"):
        await store._writer.db.execute_fetchall(f"PRAGMA max_page_count = {pages}")
        for _ in range(20):
            refused = await asked(here, "POST", "/v2-beta/projects", body=body)
        assert (refused["status"], refused["code"]) == (503, "ServiceUnavailable")
        cause = "the store cannot be written: database or disk is full"
        assert refused["detail"].startswith(f"{cause} (")
        assert refused["detail"].endswith("wardgate.db)")
        assert status(await here.send(here.request())) == 200
        (first, trouble) = await ready(here, here.admin)
        assert first == "ready"
        assert cause in trouble
        for pair in (None, here.user, here.key_a, Pair(here.admin.key, "wrong")):
            assert await ready(here, pair) == ["ready"]
        counted = await asked(here, "GET", "/metrics")
        assert int(re.findall(r'wardgate_failures_total{what="store"} (\d+)', counted)[0]) > 1
        await store._writer.db.execute_fetchall("PRAGMA max_page_count = 1000000")
        made = await asked(here, "POST", "/v2-beta/projects", body=body)
        assert made["type"] == "project"
    assert await ready(here, here.admin) == ["ready"]
    logged = [each for each in caplog.messages if each.startswith("store: ")]
    assert len(logged) == 2
    assert cause in logged[0]
    assert logged[1] == "store: it can be written again"


async def test_an_upstream_that_goes_away_is_logged_once_and_when_it_comes_back(
    here: World, caplog: pytest.LogCaptureFixture
) -> None:
    """However many requests fail in between."""
    usual = here.pool.dial
    with socket.socket() as deaf, caplog.at_level(logging.WARNING, "wardgate"):
        deaf.bind(("127.0.0.1", 0))
        here.dial(port=deaf.getsockname()[1])
        for _ in range(3):
            assert status(await here.send(here.request())) == 502
        (_, trouble) = await ready(here, here.admin)
        assert 'wardgate_failures_total{what="upstream"} 3.0' in await asked(
            here, "GET", "/metrics"
        )
        here.pool.dial = usual
        for _ in range(2):
            assert status(await here.send(here.request())) == 200
    away, back = caplog.messages
    assert away.startswith("upstream default (http://127.0.0.1:")
    assert away.endswith("; requests get 502 until it does")
    assert back.endswith(" answers again")
    assert trouble == away


async def test_an_access_log_without_room_is_logged_counted_and_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the file and the cause; requests go on."""
    full = "/dev/full"
    admin = {"listen": "127.0.0.1:0"}
    with caplog.at_level(logging.WARNING, "wardgate"):
        async with running_world(tmp_path, admin=admin, access_log=full) as here:
            for _ in range(3):
                assert status(await here.send(here.request())) == 200
                here.node.gateway.telemetry.flush()
            here.node.gateway.telemetry.log.wait()
            here.node.gateway._watch_log()
            line = "access log /dev/full cannot be written: No space left on device"
            assert (await ready(here, here.admin))[1].startswith(line)
            metrics = await asked(here, "GET", "/metrics")
            assert "wardgate_access_log_lost_lines_total 3.0" in metrics
    assert len([each for each in caplog.messages if each.startswith(line)]) == 1


async def test_old_entries_of_the_audit_log_are_deleted_at_the_start(tmp_path: Path) -> None:
    """If so configured."""
    now = now_ms()
    tmp_path.chmod(0o700)
    store = await open_store(f"sqlite:///{tmp_path}/wardgate.db", create=True)
    async with store.write() as change:
        for age in (40, 31, 29):
            time = now - age * DAY * 1000
            await change.record(Entry(time, Actor(), "key.create", "1c9", None, None))
    await store.close()
    async with running_world(tmp_path, audit_retention=30) as world:
        first = 1
        while first < 3:
            first = (await world.store.list_audit(Query("sequence"))).records[0].sequence
            await asyncio.sleep(0.01)
        assert first == 3


async def used(world: World, by: Dimension) -> dict[Any, int]:
    """The number of requests ever by the value of a dimension."""
    rows = await world.store.sum_usage(UsageQuery(0, now_ms(), by=(by,)))
    return {row.values[0]: row.requests for row in rows}


@pytest.mark.parametrize(("settings", "days"), [({}, 90), ({"usage_retention": 30}, 30)])
async def test_usage_is_kept_for_90_days_unless_another_number_is_set(
    tmp_path: Path, settings: dict[str, Any], days: int
) -> None:
    """What is older is deleted at the start."""
    now = now_ms()
    tmp_path.chmod(0o700)
    store = await open_store(f"sqlite:///{tmp_path}/wardgate.db", create=True)
    for age in (days + 1, days - 1):
        hour = (now - age * DAY * 1000) // HOUR * HOUR
        await store.record_usage({}, {Series(hour, 1, 0, "/**", "GET", 2): Sums(1)})
    await store.close()
    async with running_world(tmp_path, **settings) as world:
        while len(hours := await used(world, Dimension.HOUR)) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert [*hours] == [hour]


async def test_what_was_counted_is_written_when_the_gateway_stops(tmp_path: Path) -> None:
    """And is there when it starts again."""
    async with running_world(tmp_path) as world:
        assert status(await world.send(world.request())) == 200
    async with running_world(tmp_path) as world:
        assert await used(world, Dimension.KEY) == {3: 1}


async def test_usage_is_counted_and_reported_in_one_process(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the gateway to the admin API, after the seconds in which it is gathered: here a single
    one."""
    monkeypatch.setattr(server, "USAGE_EVERY", 1)
    assert status(await here.send(here.request())) == 200
    assert status(await here.send(here.request(b"/v1/projects/b/x"))) == 403
    path = "/v2-beta/apikeys/1c3/usage?by=status,environment,reason"
    while len(found := (await asked(here, "GET", path))["data"]) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    shown = [(row["status"], row["environment"], row["reason"], row["requests"]) for row in found]
    assert shown == [("2xx", "1a3", "", 1), ("4xx", "1a3", "environment", 1)]


async def test_explain_tells_the_upstream_and_the_path_there(tmp_path: Path) -> None:
    """Where the route divides its requests, or changes the path. A refusal has neither."""
    upstreams = {name: {"url": f"http://127.0.0.1:{port}"} for name, port in (("a", 1), ("b", 2))}
    route = {"path": "/v1/projects/{environment}/**", "strip_prefix": "/v1", "add_prefix": "/api"}
    weights = {"a": 1, "b": 0}
    settings: dict[str, Any] = {"admin": {"listen": "127.0.0.1:0"}, "upstreams": upstreams}
    settings["routes"] = [route | {"upstream": weights}]
    recorder = RecordingUpstream()
    recorder.came.set()
    async with running_world(tmp_path, recorder, **settings) as here:
        for key, path, upstream, there in (
            ("1c3", "/v1/projects/a/x%20y?z", "a", "/api/projects/a/x%20y"),
            ("1c4", "/v1/projects/a/x", None, None),
        ):
            question = {"path": path}
            action = f"/v2-beta/apikeys/{key}/?action=explain"
            answer = await asked(here, "POST", action, body=question)
            assert (answer["upstream"], answer["upstreamPath"]) == (upstream, there)
