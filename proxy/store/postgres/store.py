"""The store in a PostgreSQL database.

Changes are made one at a time over all nodes, by one connection of each; what the gateway reads,
what the admin server reads and its lists have connections of their own.

Tested by the contract suite, `tests/proxy/store/contract`.
"""

from __future__ import annotations

import ssl
from functools import partial

from proxy.store.postgres.address import Address
from proxy.store.postgres.connection import FAILURES, LIST_SECONDS, MOST_SECONDS, Pool, Writer
from proxy.store.postgres.schema import prepare
from proxy.store.protocols import StoreError
from proxy.store.sql.store import SqlStore


class PostgresStore(SqlStore):
    """An open store. Implements `protocols.Store`."""

    @classmethod
    async def open(cls, address: Address, *, create: bool) -> PostgresStore:
        """Open the store, or make it where `create` says so and there is none. Raises
        `StoreError`."""
        try:
            connection = await address.connect(MOST_SECONDS)
            try:
                seal_key = await prepare(connection, address, create=create)
            finally:
                await connection.close()
        except FAILURES as error:
            raise StoreError(f"store {address} cannot be used: {_cause(error)}") from None
        connect = partial(address.connect, MOST_SECONDS)
        read_only = {"default_transaction_read_only": "on"}
        return cls(
            Pool(partial(connect, **read_only), 2),
            Pool(partial(address.connect, LIST_SECONDS, **read_only), 1),
            Pool(partial(connect, **read_only), 2),
            Writer(connect),
            seal_key,
            str(address),
        )


def _cause(error: BaseException) -> str:
    """What to tell of a connection that cannot be made."""
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not verify: {error.verify_message}"
    return str(error) or type(error).__name__
