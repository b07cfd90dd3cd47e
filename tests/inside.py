"""The private state of a node, for tests that must see or change it: no other helper names any.

A change of the gateway's insides changes this file, and no test.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from proxy.auth.floor import Floor
from proxy.auth.ratelimit import GuessLimiter
from proxy.gateway.addresses import Resolve
from proxy.gateway.balancer import Balancer
from proxy.gateway.downstream import Downstream
from proxy.gateway.pool import Pool
from proxy.gateway.process import OwnCounts
from proxy.gateway.transport import PEER
from proxy.gateway.upstream import UpstreamConnection
from proxy.gateway.upstream_interfaces import ResponseHandler
from proxy.node import Node


class Inside:
    """The private state of a node."""

    def __init__(self, node: Node) -> None:
        self._gateway = node.gateway
        self._authenticator = node.authenticator
        self._records = node.records

    @property
    def pool(self) -> Pool:
        """The connections to the upstream, which is one target."""
        pool = self._gateway.runtime.pools["default"]
        assert isinstance(pool, Pool)
        return pool

    @property
    def balancer(self) -> Balancer:
        """The upstream, which has several targets."""
        balancer = self._gateway.runtime.pools["default"]
        assert isinstance(balancer, Balancer)
        return balancer

    # --- clients ---

    def stop_clock(self) -> None:
        """Stop the timer that ends the gateway's connections when they are late."""
        timer = self._gateway._timer
        assert timer is not None
        timer.cancel()

    @property
    def unsent(self) -> list[int]:
        """How many bytes wait in memory for each client to read them."""
        clients = self._gateway.admission.connections
        return [each.transport.get_write_buffer_size() for each in clients]

    @property
    def head_in_progress(self) -> bool:
        """Whether a part of a head has come from some client."""
        clients = self._gateway.admission.connections
        return any(isinstance(each, Downstream) and each._buffer for each in clients)

    @property
    def sources(self) -> Mapping[str, int]:
        """How many connections each source has."""
        sources = self._gateway.admission._sources
        assert isinstance(sources, OwnCounts)
        return sources

    # --- the upstream ---

    @property
    def upstream(self) -> Collection[UpstreamConnection]:
        """The open connections to the upstream."""
        return self.pool._open

    @property
    def idle(self) -> int:
        """How many of them carry no request."""
        return len(self.pool._idle)

    @property
    def dialling(self) -> int:
        """How many connections to the upstream are being opened."""
        return len(self.pool._dialling)

    @property
    def waiting(self) -> int:
        """How many requests wait for a connection to the upstream."""
        return len(self.pool._waiting)

    @property
    def holds_back(self) -> bool:
        """Whether the gateway does not read from some upstream, for a client who does not read."""
        return any(each.flow.holds & PEER for each in self.pool._open)

    def carries(self, connection: UpstreamConnection) -> bool:
        """Whether `connection` carries a request."""
        return connection._handler is not None

    def unread(self, connection: UpstreamConnection) -> bytes:
        """What has come on `connection` and is not yet a whole head."""
        return connection._buffer

    def resolve_with(self, resolve: Resolve) -> None:
        """From now on, the host of the upstream is looked up by `resolve`."""
        addresses = self.pool.addresses
        addresses._resolve = resolve
        addresses._known, addresses._turn = [], 0

    async def look_up(self) -> None:
        """Have the host of the upstream looked up again, as it is after some time."""
        await self.pool.addresses._look_up()

    def after_each_dial(self, note: Callable[[], None]) -> None:
        """Call `note` whenever the gateway has begun to open a connection to the upstream."""
        connect = self.pool._connect

        def connect_and_note(handler: ResponseHandler) -> None:
            connect(handler)
            note()

        self.pool._connect = connect_and_note  # type: ignore[method-assign]

    # --- limits ---

    @property
    def rates_in_use(self) -> int:
        """How many rates are not full."""
        return len(self._gateway.limiter._rates)

    # --- authentication ---

    def forget_guesses(self) -> None:
        """No source has guessed yet."""
        self._authenticator._guesses = GuessLimiter()

    def drop_floor(self, rounds: int) -> None:
        """Let guesses be refused as soon as they are known to be wrong, while `rounds` is the
        highest stored bcrypt cost: from now on it is not tried how long such a hash takes."""
        floor = Floor(lambda: 0.0)
        while floor.is_due(rounds):
            floor.note(rounds, 0.0)
        self._authenticator.unsealed._floor = floor

    @property
    def remembered(self) -> tuple[int, int, int]:
        """How many credentials are remembered as good, how many as wrong, and how many access keys
        as those of no key."""
        known = self._authenticator._verified, self._authenticator._refused
        return len(known[0]), len(known[1]), len(self._records.keys._absent)

    def before_each_read(self, note: Callable[[], None]) -> None:
        """Call `note` whenever a record is about to be read from the store."""

        def noting(load: Any) -> Any:
            async def note_and_load(key: Any) -> Any:
                note()
                return await load(key)

            return note_and_load

        records = self._records
        for table in (
            records.keys,
            records.accounts,
            records.environments,
            records.slugs,
            records.memberships,
        ):
            table._load = noting(table._load)
