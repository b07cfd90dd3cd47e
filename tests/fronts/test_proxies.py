"""The same requests through the gateway and through real proxies that ask it: one table for all.

Where a proxy does otherwise than the gateway, `tests/fronts/differences.py` says how and why.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.fronts.cases import CASES, Case
from tests.fronts.differences import ALLOWED, REFUSED
from tests.fronts.differences import CASES as CASES_DIFFER
from tests.fronts.fronts import STARTS, Front, running_front
from tests.harness import status
from tests.hostile import targets
from tests.hostile.row import LAST, PAIR
from tests.hostile.test_forward_auth import IDENTITY

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOLD_TO_CLIENTS = re.compile(
    rb"(?im)^(?:WWW-Authenticate|Allow|Access-Control-Allow-Origin): [^\r]*\r$"
)
TARGETS = {row.name: row.sent for row in targets.TARGETS}


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=STARTS)
async def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Front]:
    """One proxy for all tests of the file."""
    async with running_front(request.param, tmp_path_factory.mktemp("front")) as front:
        yield front


@pytest.fixture
def front(running: Front) -> Front:
    """The proxy, and a gateway that nobody has guessed at."""
    running.world.renew()
    return running


def told(answer: bytes) -> list[bytes]:
    """The field lines of an answer that tell a client what to do, in one order and one spelling."""
    return sorted(line.lower() for line in TOLD_TO_CLIENTS.findall(answer))


def identity(request: bytes) -> list[bytes]:
    """The field lines that tell an API who asks, in one order and one spelling."""
    return sorted(line.lower() for line in IDENTITY.findall(request))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_case_gets_the_answer_of_the_gateway(front: Front, case: Case) -> None:
    """The same status and challenge, and the same word to pages of other origins. The API gets the
    same line and the same identity."""
    raw = case.request(front.pairs)
    sent = await front.world.send(raw)
    by_gateway = front.arrived()
    front.world.inside.forget_guesses()
    answer = await front.send(raw)
    by_front = front.arrived()
    assert status(sent) == case.status
    if case.status == 204:  # the API answers a preflight that is permitted
        assert status(answer) == 200
        assert [identity(each) for each in by_front] == [[]]
        return
    own = CASES_DIFFER[front.name].get(case.name)
    if own is not None:
        assert status(answer) == own >= 400
        assert by_front == by_gateway == []
        return
    assert status(answer) == case.status
    assert told(answer) == told(sent)
    assert [each.partition(b"\r\n")[0] for each in by_front] == [
        each.partition(b"\r\n")[0] for each in by_gateway
    ]
    assert list(map(identity, by_front)) == list(map(identity, by_gateway))


FORGED = (
    *(b"X-Wardgate-%b: forged" % name for name in (b"Key", b"Account", b"Environment", b"Role")),
    *(b"X_Wardgate_%b: forged" % name for name in (b"Key", b"Account", b"Environment", b"Role")),
    b"x-wardgate-account: forged",
    b"X-Wardgate_Account: forged",
    b"X-HTTP-Method-Override: forged",
    b"X-HTTP-Method: forged",
    b"X-Method-Override: forged",
    b"X_HTTP_METHOD_OVERRIDE: forged",
    b"X-Original-URL: forged",
    b"X-Rewrite-URL: forged",
    *(b"X-Forwarded-%b: forged" % name for name in (b"Prefix", b"Port", b"Method", b"Uri")),
    b"X-Real-IP: forged",
    b"Forwarded: for=forged",
)
TOLD = (
    b"X-Original-Method: GET", b"X-Original-URI: /v1/projects/a/x", b"X-Original-URL: /ping",
    b"X-Forwarded-Method: GET", b"X-Forwarded-Uri: /v1/projects/a/x", b"X-Forwarded-URI: /ping",
    b"X_Original_URI: /ping", b"X_Forwarded_Uri: /ping",
)  # fmt: skip


@pytest.mark.parametrize(
    ("key", "target"),
    [
        ("owner", b"/v1/projects/a/x"),
        ("user", b"/v1/projects/a/x"),
        ("admin", b"/v1/settings/x"),
        (None, b"/ping"),
    ],
)
async def test_no_identity_of_a_client_reaches_the_api(
    front: Front, key: str | None, target: bytes
) -> None:
    """Nor its secret, nor a field from which a server would take another method or path."""
    raw = Case("", 200, key, target=target, lines=FORGED).request(front.pairs)
    assert status(await front.world.send(raw)) == 200
    (by_gateway,) = front.arrived()
    assert status(await front.send(raw)) == 200
    (by_front,) = front.arrived()
    assert b"forged" not in by_front
    assert b"uthorization" not in by_front
    assert identity(by_front) == identity(by_gateway)


@pytest.mark.parametrize("lines", [TOLD, TOLD[:3], TOLD[3:6], TOLD[6:]], ids=len)
async def test_a_client_cannot_tell_what_it_is_asked_about(
    front: Front, lines: tuple[bytes, ...]
) -> None:
    """The proxy's own fields take the place of the client's."""
    raw = Case("", 403, target=b"/v1/projects/b/x", lines=lines).request(front.pairs)
    assert status(await front.send(raw)) in {400, 403}
    good = Case("", 200, "readonly", lines=(b"X-Forwarded-For: 192.0.2.1", *lines))
    assert status(await front.send(good.request(front.pairs))) in {200, 400}
    write = Case("", 403, "readonly", method=b"DELETE", lines=lines).request(front.pairs)
    assert status(await front.send(write)) in {400, 403}


@pytest.mark.parametrize(
    "field",
    [
        b"X-Forwarded-For: 192.0.2.1",
        b"X-Real-IP: 192.0.2.1",
        b"Forwarded: for=192.0.2.1",
        b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.1",
        b"X_Forwarded_For: 192.0.2.1",
    ],
)
async def test_a_client_cannot_tell_another_address(front: Front, field: bytes) -> None:
    """A key for 192.0.2.0/24 stays closed, and one for 127.0.0.0/8 open."""
    for key, expected in (("elsewhere", 403), ("here", 200)):
        raw = Case("", expected, key, lines=(field,)).request(front.pairs)
        assert status(await front.send(raw)) == expected


async def test_a_body_goes_to_the_api_and_not_to_the_gateway(front: Front) -> None:
    """It is not sent where the request is refused."""
    front.arrived()
    lines = (b"Content-Length: 5",)
    good = Case("", 200, method=b"POST", lines=lines).request(front.pairs) + b"12345"
    assert status(await front.send(good)) == 200
    (request,) = front.arrived()
    assert request.endswith(b"\r\n\r\n12345")
    bad = Case("", 403, "readonly", method=b"POST", lines=lines).request(front.pairs) + b"12345"
    assert status(await front.send(bad)) == 403
    assert front.arrived() == []


async def test_a_rate_is_used_once_by_each_request(front: Front) -> None:
    """The client is told when to try again."""
    raw = Case("", 200, "rated").request(front.pairs)
    answers = [await front.send(raw) for _ in range(3)]
    assert [status(each) for each in answers] == [200, 200, 429]
    assert re.search(rb"(?i)\r\nRetry-After: \d+\r\n", answers[2])
    assert len(front.arrived()) == 2


@pytest.mark.parametrize("name", TARGETS)
async def test_a_hostile_target_is_refused_or_differs_as_it_is_documented(
    front: Front, name: str
) -> None:
    """What reaches the API is always a target that the gateway permits as it arrives there."""
    raw = TARGETS[name].replace(PAIR, front.world.key_a.basic.split()[-1])
    raw = raw.removesuffix(b"\r\n") + LAST + b"\r\n"
    expected = status(await front.world.send(raw))
    by_gateway = front.arrived()
    front.world.inside.forget_guesses()
    answer = status(await front.send(raw))
    by_front = front.arrived()
    if name in ALLOWED[front.name]:
        assert expected in {400, 403}
        assert answer == 200
    elif expected == 200:
        assert answer == 200
        assert [each.split(b" ")[1] for each in by_front] == [
            each.split(b" ")[1] for each in by_gateway
        ]
    else:
        assert answer == REFUSED[front.name].get(name, expected)
        assert by_front == []
    for request in by_front:
        line = request.partition(b"\r\n")[0]
        again = Case("", 200, target=line.split(b" ")[1]).request(front.pairs)
        assert status(await front.world.send(again)) == 200
        assert [each.partition(b"\r\n")[0] for each in front.arrived()] == [line]
