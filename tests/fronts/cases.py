"""One table of requests, with the answer of each: for the gateway, and for all that ask it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from proxy.domain.limits import parse_limits
from proxy.domain.model import Role, State
from tests.harness import Pair, World, new_key

ROUTES: Final[list[dict[str, Any]]] = [
    {"path": "/v1/projects/{environment}/page", "cors": {"origins": ["https://app"]}},
    {"path": "/v1/projects/{environment}/free/**", "readonly_upgrades": True},
    {"path": "/v1/projects/{environment}/dav/**", "methods": "*"},
    {"path": "/v1/projects/{environment}/plain/**", "upgrades": []},
    {"path": "/v1/projects/{environment}/**"},
    {"path": "/v1/projects", "access": "any", "methods": ["GET"]},
    {"path": "/v1/settings/**", "access": "admin"},
    {"path": "/ping", "access": "public"},
    {"path": "/v1/accounts", "access": "account"},
]
WEBSOCKET: Final = (
    b"Connection: Upgrade, close",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
PREFLIGHT: Final = (b"Origin: https://app", b"Access-Control-Request-Method: GET")
ELSEWHERE: Final = (b"Origin: https://elsewhere", b"Access-Control-Request-Method: GET")


@dataclass(frozen=True)
class Case:
    """A request, and the status that it gets."""

    name: str
    status: int
    key: str | None = "owner"
    """None: no key is presented."""
    method: bytes = b"GET"
    target: bytes = b"/v1/projects/a/x"
    lines: tuple[bytes, ...] = ()

    def request(self, keys: dict[str, Pair]) -> bytes:
        """The request, after which its connection ends."""
        credentials = keys[self.key].basic if self.key else b""
        head = b"%b %b HTTP/1.1\r\nHost: h\r\n%b" % (self.method, self.target, credentials)
        lines = self.lines if WEBSOCKET[0] in self.lines else (*self.lines, b"Connection: close")
        return head + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


CASES: Final = [
    Case("a good key", 200),
    Case("a HEAD", 200, method=b"HEAD"),
    Case("a DELETE", 200, method=b"DELETE"),
    Case("a query", 200, target=b"/v1/projects/a/x?next=/v1/projects/b&%zz"),
    Case("an inactive key", 401, "inactive"),
    Case("an expired key", 401, "expired"),
    Case("a wrong secret", 401, "wrong"),
    Case("no key", 401, None),
    Case("two keys", 401, lines=(b"Authorization: Basic eDp5",)),
    Case("a wrong environment", 403, target=b"/v1/projects/b/x"),
    Case("an environment of an account", 200, "user"),
    Case("another one", 404, "user", target=b"/v1/projects/b/x"),
    Case("an admin anywhere", 200, "admin", target=b"/v1/projects/b/x"),
    Case("a path for admins", 403, "user", target=b"/v1/settings/x"),
    Case("an admin there", 200, "admin", target=b"/v1/settings/x"),
    Case("a path for all keys", 200, target=b"/v1/projects"),
    Case("a method that it does not take", 405, target=b"/v1/projects", method=b"DELETE"),
    Case("a path for accounts", 403, target=b"/v1/accounts"),
    Case("a path of no route", 403, target=b"/v2/x"),
    Case("a path of no route without a key", 401, None, target=b"/v2/x"),
    Case("a public path", 200, None, target=b"/ping"),
    Case("a public path with a key", 200, target=b"/ping"),
    Case("a readonly key", 200, "readonly"),
    Case("a readonly key that writes", 403, "readonly", method=b"DELETE"),
    Case("WebDAV", 200, method=b"PROPFIND", target=b"/v1/projects/a/dav/x"),
    Case("WebDAV with a readonly key", 403, "readonly", b"LOCK", b"/v1/projects/a/dav/x"),
    Case(
        "a copy", 200, method=b"COPY", target=b"/v1/projects/a/dav/x",
        lines=(b"Destination: /v1/projects/a/dav/y",),
    ),
    Case(
        "a copy to elsewhere", 400, method=b"COPY", target=b"/v1/projects/a/dav/x",
        lines=(b"Destination: /v1/projects/b/dav/y",),
    ),
    Case("in scope", 200, "scoped", target=b"/v1/projects/a/allowed/x"),
    Case("out of scope", 403, "scoped"),
    Case("in a network", 200, "here"),
    Case("out of a network", 403, "elsewhere"),
    Case("a readonly key and a WebSocket", 403, "readonly", lines=WEBSOCKET),
    Case("a preflight", 204, None, b"OPTIONS", b"/v1/projects/a/page", PREFLIGHT),
    Case("a preflight from elsewhere", 403, None, b"OPTIONS", b"/v1/projects/a/page", ELSEWHERE),
    Case("a preflight without cors", 401, None, b"OPTIONS", lines=PREFLIGHT),
    Case("a page without a key", 401, None, target=b"/v1/projects/a/page", lines=PREFLIGHT[:1]),
    Case("no challenge", 401, None, lines=(b"X-API-No-Challenge: true",)),
]  # fmt: skip


async def keys(world: World) -> dict[str, Pair]:
    """The keys of the table, in the store of `world`."""
    kinds: dict[str, dict[str, Any]] = {
        "inactive": {"state": State.INACTIVE},
        "expired": {"expires": 1},
        "readonly": {"role": Role.READONLY},
        "scoped": {"limits": limits(scopes=["GET /v1/projects/{environment}/allowed/**"])},
        "here": {"limits": limits(networks=["127.0.0.0/8"])},
        "elsewhere": {"limits": limits(networks=["192.0.2.0/24"])},
        "rated": {"limits": limits(rate="2/h", burst=2)},
    }
    made = {
        name: new_key(world.store, 20 + number, environment_id=3, **changes)
        for number, (name, changes) in enumerate(kinds.items())
    }
    await world.put(*(pair.key for pair in made.values()))
    other = new_key(world.store, 19, environment_id=3)
    wrong = replace(world.key_a, secret=other.secret)
    known = {"owner": world.key_a, "user": world.user, "admin": world.admin, "wrong": wrong}
    return made | known


def limits(**parts: Any) -> Any:
    """Limits from their JSON form."""
    return parse_limits(parts)
