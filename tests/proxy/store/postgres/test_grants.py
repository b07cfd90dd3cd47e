"""The rights of roles: a node may have those of a gateway alone."""

from __future__ import annotations

from uuid import uuid4

import pytest
from click.testing import CliRunner

from proxy.__main__ import main
from proxy.domain.errors import StoreUnavailable
from proxy.domain.gcra import Rate
from proxy.domain.model import AccountKind
from proxy.domain.quota import Period, Quota
from proxy.domain.rate_grants import RateDemand
from proxy.domain.usage import Series, Sums
from proxy.store.feed import NodeIdentity
from proxy.store.open import open_store
from proxy.store.postgres.store import PostgresStore
from proxy.store.protocols import QuotaDemand, StoreError
from tests.harness import account, new_key
from tests.support.postgres import Server
from tests.support.seed import used


@pytest.fixture
def granted(store: PostgresStore, server: Server, database: str) -> None:
    """The roles that the command's output is for."""
    for role in ("wardgate_admin", "wardgate_gateway", "wardgate_nobody"):
        if not server.sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):
            server.sql(f"CREATE ROLE {role} LOGIN")
    done = CliRunner().invoke(main, ["store", "grants"])
    assert done.exit_code == 0
    server.sql(done.output, database)


def url_for(url: str, role: str) -> str:
    """The same database for another role."""
    return url.replace("postgres@", f"wardgate_{role}@")


@pytest.mark.usefixtures("granted")
async def test_a_node_with_the_rights_of_a_gateway_serves_and_makes_no_key(
    store: PostgresStore, url: str
) -> None:
    """It reads, beats, counts and grants quotas and rates; a change is refused by the database's
    own words. It is never the one that does what one node does for all."""
    key = new_key(store, 1, account_id=1).key
    async with store.write() as change:
        await change.put(key)
    gateway = await open_store(url_for(url, "gateway"))
    assert (await gateway.load_key(key.access_key))[1] == key
    assert gateway.feed is not None
    assert await gateway.feed.join(NodeIdentity(uuid4(), "g", 5.0))
    assert await gateway.feed.beat(0)
    assert not gateway.feed.chosen
    await gateway.record_usage(used(1, 50), {Series(0, 1, 3, "/**", "GET", 2): Sums(1)})
    demand = QuotaDemand(Quota(10, Period.DAY), 5)
    assert (await gateway.grant_quotas({"1c1": demand}, [], 0))["1c1"].granted == 5
    for _ in range(2):
        rates = await gateway.grant_rates({"1c1": RateDemand(Rate.parse("10/h", 10), 5)})
        assert rates["1c1"].granted == 5
    with pytest.raises(StoreUnavailable, match="cannot be written: permission denied for table"):
        async with gateway.write() as change:
            await change.put(new_key(gateway, 2, account_id=1).key)
    assert await store.get_key(2) is None
    await gateway.close()


@pytest.mark.usefixtures("granted")
async def test_a_node_with_the_rights_of_an_admin_makes_changes_and_not_the_schema(
    store: PostgresStore, url: str
) -> None:
    """Other nodes follow what it changes."""
    admin = await open_store(url_for(url, "admin"))
    async with admin.write() as change:
        await change.put(account(2, AccountKind.USER))
    assert await store.get_account(2)
    await admin.close()


@pytest.mark.usefixtures("granted")
async def test_a_role_without_rights_is_told_so(url: str) -> None:
    """At the start, in one line."""
    with pytest.raises(StoreError, match="cannot be used: permission denied") as told:
        await open_store(url_for(url, "nobody"))
    assert "\n" not in str(told.value)
