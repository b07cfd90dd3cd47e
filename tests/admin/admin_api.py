"""A real admin server on a real store, and clients that present keys to it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from aiohttp.test_utils import TestClient
from aiohttp.web import Application, Request
from multidict import CIMultiDictProxy

from proxy.auth.authenticator import Authenticator
from proxy.auth.credentials import parse
from proxy.cluster.alone import Alone
from proxy.cluster.sightings import Sightings
from proxy.cluster.waiter import Waiter
from proxy.config.oidc import Oidc
from proxy.domain.model import (
    Account,
    AccountKind,
    Deny,
    Environment,
    Key,
    Membership,
    Principal,
    Role,
    State,
)
from proxy.store.feed import NodeRow
from proxy.store.protocols import Record, Store
from proxy.targets.status import TargetStatus, UpstreamStatus
from tests.support.credentials import Credentials
from tests.support.seed import LOWEST_COST, account, environment, new_key

ROUNDS = LOWEST_COST
"""The cost at which the admin server hashes secrets."""

BEAT = 3.0
"""Seconds between two beats of a node."""


class Clock:
    """A clock that tests set. Milliseconds since the epoch."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class Checker:
    """The gateway's own authenticator, for the admin server."""

    leased = True

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def check(self, authorization: bytes | None, source: str) -> Principal | Deny:
        credentials = parse(None if authorization is None else [authorization])
        if isinstance(credentials, Deny):
            return credentials
        return await self._authenticator.authenticate(credentials, source)

    async def await_lease(self) -> None:
        """There is one."""


@dataclass(frozen=True)
class Answer:
    """What the admin server answered."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str
    body: Any
    """The JSON, None where there is none."""

    @property
    def code(self) -> str:
        """Status and code of an error, as in `422 NotUnique`, or with its fieldName as
        in `422 NotUnique slug`; of anything else the status."""
        if not isinstance(self.body, dict) or self.body.get("type") != "error":
            return str(self.status)
        words = [str(self.status), self.body["code"], self.body.get("fieldName")]
        return " ".join(word for word in words if word is not None)


@dataclass(frozen=True)
class Presented:
    """A client that presents a key."""

    client: TestClient[Request, Application]
    key: Key
    secret: str

    @property
    def authorization(self) -> str:
        """The value of the Authorization field."""
        return Credentials(self.key.access_key, self.secret).authorization

    async def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request; `body` is sent as JSON, bytes as they are."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        named = {"Authorization": self.authorization} | dict(headers or {})
        return await ask(self.client, method, path, BytesIO(data or b""), headers=named)

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.ask("GET", path, **more)

    async def pages(self, path: str, query: Mapping[str, str]) -> tuple[list[Any], int]:
        """All resources of a list, read page by page, and the number of pages."""
        url, data, number = f"{path}?{urlencode(query)}", list[Any](), 0
        while url:
            answer = await self.get(url)
            assert answer.status == 200, answer.text
            data += answer.body["data"]
            number += 1
            following = answer.body["pagination"]["next"]
            url = following and following[following.index("/v2-beta") :]
        return data, number

    async def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return await self.ask("POST", path, body, **more)

    async def put(self, path: str, body: Any = None, **more: Any) -> Answer:
        return await self.ask("PUT", path, body, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        return await self.ask("DELETE", path, **more)


async def ask(
    client: TestClient[Request, Application], method: str, path: str, data: Any = None, **more: Any
) -> Answer:
    """Send a request, and read the answer."""
    async with client.request(method, path, data=data, **more) as response:
        text = await response.text()
        is_json = "json" in response.headers.get("Content-Type", "") and text
        return Answer(
            response.status, response.headers, text, json.loads(text) if is_json else None
        )


class Nodes:
    """The nodes that the admin server knows: one, unless a test sets others."""

    def __init__(self, store: Store) -> None:
        self.alone = Alone("gate-1", self, lambda: 1_000)
        self.others: list[NodeRow] | None = None
        self.asked = 0
        """How often they were asked to tell how far they are."""
        self.time = 100.0
        self.waiter = Waiter(self, Sightings(lambda: self.time), BEAT, shared=False)

    def settle(self, revision: int) -> int:
        """No request is under way."""
        return revision

    async def nodes(self) -> Sequence[NodeRow]:
        return await self.alone.nodes() if self.others is None else self.others

    async def ask_to_settle(self) -> None:
        self.asked += 1


@dataclass
class AdminApi:
    """A running admin server, its store, and an admin's key."""

    store: Store
    file: Path
    client: TestClient[Request, Application]
    clock: Clock
    nodes: Nodes
    ready: bool = True
    problems: list[str] = field(default_factory=list)
    """What does not work at the moment, as the node would tell it."""
    keys: list[Presented] = field(default_factory=list)
    """Those that were made by `key`; the first is the admin's."""

    proxies: list[str] = field(default_factory=list)
    """The addresses of trusted proxies, which tests set."""
    oidc: Oidc | None = None
    """The settings of login with OpenID Connect, which tests set."""
    upstreams: Sequence[UpstreamStatus] = (
        UpstreamStatus(
            "default", None, 0, 0, [TargetStatus("http://h", "up", "", 0, 1, 0, 0, 0, 0, 0)]
        ),
    )
    """What the gateway would know of its upstreams, which tests set."""

    @property
    def admin(self) -> Presented:
        """The key of the admin account 1a1."""
        return self.keys[0]

    async def put(self, *records: Record) -> None:
        """Write records straight into the store."""
        async with self.store.write() as tx:
            for record in records:
                await tx.put(record)

    async def account(self, kind: AccountKind = AccountKind.USER) -> Account:
        """A new active account."""
        async with self.store.write() as tx:
            number = await tx.next_id("account")
            made = account(number, kind, uuid=str(uuid4()), created=self.clock())
            await tx.put(made)
        return made

    async def environment(self, members: Mapping[Account, Role] | None = None) -> Environment:
        """A new active environment with these members."""
        async with self.store.write() as tx:
            number = await tx.next_id("account")
            plain = {"uuid": str(uuid4()), "name": "e", "created": self.clock()}
            made = environment(number, f"env{number}", **plain)
            await tx.put(made)
            for member, role in (members or {}).items():
                mid = await tx.next_id("membership")
                await tx.put(Membership(mid, member.id, number, role, self.clock()))
        return made

    async def key(
        self,
        owner: Account | Environment,
        role: Role = Role.OWNER,
        *,
        state: State = State.ACTIVE,
        expires: int | None = None,
    ) -> Presented:
        """A new key, with a sealed secret as the admin server makes them."""
        async with self.store.write() as tx:
            pair = new_key(
                self.store,
                await tx.next_id("key"),
                uuid=str(uuid4()),
                account_id=owner.id if isinstance(owner, Account) else None,
                environment_id=owner.id if isinstance(owner, Environment) else None,
                role=role,
                state=state,
                created=self.clock(),
                expires=expires,
            )
            await tx.put(pair.key)
        presented = Presented(self.client, pair.key, pair.secret)
        self.keys.append(presented)
        return presented

    def with_secret(self, answer: Answer) -> Presented:
        """A client that presents the key and the secret in an answer."""
        made = Credentials.of(answer.body)
        key = replace(self.admin.key, access_key=made.access_key)
        return Presented(self.client, key, made.secret)

    def audit(self) -> list[dict[str, Any]]:
        """The audit log, oldest entry first, as another process reads it."""
        return audit_of(self.file)


def audit_of(file: Path) -> list[dict[str, Any]]:
    """The audit log in a store's file, oldest entry first."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM audit ORDER BY sequence").fetchall()
    finally:
        connection.close()
    return [
        dict(row)
        | {side: json.loads(row[side]) if row[side] else None for side in ("before", "after")}
        for row in rows
    ]
