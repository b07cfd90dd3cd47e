"""What the admin server's tests share: a store, and an admin server on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from pytest_aiohttp.plugin import AiohttpClient

from admin.api.hosts import Hosts
from admin.app import create_app
from admin.service import Place
from proxy.auth.authenticator import Authenticator
from proxy.auth.decision import Decider
from proxy.auth.explain import Explanation, explain, explain_with_limits
from proxy.auth.records import CachedRecords
from proxy.domain.clock import now_ms
from proxy.domain.cors import Cors
from proxy.domain.model import AccountKind, Environment, Key
from proxy.domain.routes import Access, Route, Routes
from proxy.gateway.limiter import Limiter
from proxy.store.open import open_store
from proxy.store.protocols import Store
from tests.admin.admin_api import ROUNDS, AdminApi, Checker, Clock, Nodes

PAGES = Cors(frozenset({b"https://app"}), frozenset({"GET"}), frozenset({b"authorization"}))


@pytest.fixture
def store_file(tmp_path: Path) -> Path:
    """Where the store is."""
    tmp_path.chmod(0o700)
    return tmp_path / "wardgate.db"


@pytest.fixture
async def store(store_file: Path) -> AsyncIterator[Store]:
    """A new store."""
    store = await open_store(f"sqlite:///{store_file}", create=True)
    yield store
    await store.close()


@pytest.fixture
def public_url() -> str | None:
    """The admin server's public URL; tests parametrize it."""
    return None


@pytest.fixture
def webhooks() -> Callable[[], Sequence[str]]:
    """The names of the webhooks that are configured; tests override it."""
    return tuple


@pytest.fixture
def places() -> Callable[[], Sequence[Place]]:
    """The routes of the configuration, for advice; tests override it."""
    return tuple


@pytest.fixture
async def api(
    store: Store,
    store_file: Path,
    aiohttp_client: AiohttpClient,
    public_url: str | None,
    webhooks: Callable[[], Sequence[str]],
    places: Callable[[], Sequence[Place]],
) -> AsyncIterator[AdminApi]:
    """An admin server with the admin account 1a1, and the gateway at http://gateway."""
    clock = Clock(now_ms())
    records = CachedRecords(store)
    store.subscribe(records.apply)
    await records.start()
    authenticator = Authenticator(records, store.seal_key, clock)

    routes = [
        Route("/v1/projects/{environment}/**", Access.ENVIRONMENT, "default"),
        Route("/pages", Access.ANY, "default", cors=PAGES),
        Route("/**", Access.ACCOUNT, "default"),
    ]
    decider = Decider(Routes(routes), records, authenticator)

    limiter = Limiter(store, wall=clock)

    async def explained(
        key: Key, method: str, target: str, origin: str | None, address: str
    ) -> Explanation:
        verdict = await explain(decider, key, method, target, 8192, origin, address)
        return await explain_with_limits(limiter.look, verdict)

    def endpoint_of(environment: Environment | None) -> str:
        return "http://gateway" + (f"/v1/projects/{environment.slug}" if environment else "")

    nodes = Nodes(store)
    store.subscribe(nodes.alone.listen)
    await nodes.alone.start(store)

    app = create_app(
        store=store,
        checker=Checker(authenticator),
        endpoint_of=endpoint_of,
        explain=explained,
        look=limiter.look,
        waiter=nodes.waiter,
        bcrypt_rounds=ROUNDS,
        ready=lambda: made.ready,
        health=lambda: made.problems,
        metrics=lambda: b"# metrics\n",
        hosts=lambda: Hosts(frozenset({"127.0.0.1", "admin.example"}), public_url),
        oidc=lambda: made.oidc,
        webhooks=webhooks,
        routes=places,
        upstreams=lambda: made.upstreams,
        clock=clock,
        is_trusted=lambda address: address in made.proxies,
    )
    made = AdminApi(store, store_file, await aiohttp_client(app), clock, nodes)
    await made.key(await made.account(AccountKind.ADMIN))
    yield made
    authenticator.close()
