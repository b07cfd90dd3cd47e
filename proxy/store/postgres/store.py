"""The store in a PostgreSQL database.

Changes are made one at a time over all nodes, by one connection of each; what the gateway reads,
what the admin server reads and its lists have connections of their own.

Tested by the contract suite, `tests/proxy/store/contract`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial

import asyncpg

from proxy.domain.errors import StoreUnavailable
from proxy.domain.rate_grants import RateDemand, RateGrant
from proxy.store.postgres.address import Address
from proxy.store.postgres.connection import (
    FAILURES,
    LIST_SECONDS,
    MOST_SECONDS,
    TURN_SECONDS,
    ListPool,
    Pool,
    Writer,
    cause_of,
    end,
)
from proxy.store.postgres.feed import PostgresFeed
from proxy.store.postgres.rates import PostgresRates
from proxy.store.postgres.schema import newest_schema, prepare
from proxy.store.postgres.transaction import PostgresTransaction
from proxy.store.protocols import Changes, StoreError
from proxy.store.sql.store import SqlStore
from proxy.store.sql.transaction import SqlTransaction

log = logging.getLogger("wardgate")


class PostgresStore(SqlStore):
    """An open store. Implements `protocols.Store`."""

    _transaction = PostgresTransaction
    _turn_seconds = TURN_SECONDS

    def __init__(self, address: Address, seal_key: bytes) -> None:
        connect = partial(address.connect, MOST_SECONDS)
        read_only = {"default_transaction_read_only": "on"}
        self._pools = (
            Pool(partial(connect, **read_only), 2),
            ListPool(partial(address.connect, LIST_SECONDS, **read_only), 1),
            Pool(partial(connect, **read_only), 2),
        )
        super().__init__(*self._pools, Writer(connect), seal_key, str(address))
        self._connect = connect
        self._counter = Writer(connect, lock=None)
        self._counts = asyncio.Lock()
        self._feed = PostgresFeed(self._connect_anew, self._tell, newest_schema())
        self._rates = PostgresRates(Pool(partial(connect, synchronous_commit="off"), 1))

    async def _connect_anew(self) -> asyncpg.Connection:
        """A connection of the feed. Its server may be another one than before, and the other
        connections are not to wait for one that is gone, or to read from one that was replaced."""
        for pool in self._pools:
            pool.renew()
        return await self._connect()

    @property
    def feed(self) -> PostgresFeed:
        """How the changes of other nodes are followed."""
        return self._feed

    async def grant_rates(self, demands: Mapping[str, RateDemand]) -> dict[str, RateGrant]:
        """Grant parts of rates to this node."""
        return await self._rates.grant(demands)

    @classmethod
    async def open(cls, address: Address, *, create: bool) -> PostgresStore:
        """Open the store, or make it where `create` says so and there is none. Raises
        `StoreError`."""
        try:
            connection = await address.connect(MOST_SECONDS)
            try:
                seal_key = await prepare(connection, address, create=create)
            finally:
                await end(connection)
        except FAILURES as error:
            raise StoreError(f"store {address} cannot be used: {cause_of(error)}") from None
        store = cls(address, seal_key)
        try:
            await store.feed.start()
        except StoreUnavailable as error:
            raise StoreError(f"store {address} cannot be used: {error}") from None
        return store

    async def _announce(self, changes: Changes) -> None:
        """Pull, so that listeners are told of what others have changed before, too. Where that
        fails, or another server answers that has not got the change, they drop what they know: the
        change was made."""
        try:
            await self.feed.pull()
        except StoreUnavailable:
            self._tell(None)
        except Exception:  # whatever it is: a follower's lease ends by it
            log.exception("what was changed cannot be followed")
            self._tell(None)
        else:
            if self.feed.applied < changes.revision:
                self._tell(None)

    def _counting(self) -> AbstractAsyncContextManager[SqlTransaction]:
        """Begin to add to counters: several nodes do so at once, and changes do not wait for it."""
        return self._changing(self._counter, self._counts)

    async def _close(self) -> None:
        await self.feed.close()
        await self._rates.close()
        async with self._counts:
            await super()._close()
            await self._counter.close()
