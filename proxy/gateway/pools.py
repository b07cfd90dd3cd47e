"""All pools of a gateway: those in use, and those of earlier configurations that still have work.

The rule that lives here: a pool lasts as long as its server is the same, so that a reload closes no
connection that can still be used. A pool that is replaced finishes the requests that began with it.

Tested in `tests/test_reload.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final
from weakref import WeakKeyDictionary

from proxy.config.upstream import Upstream
from proxy.gateway.pool import Pool
from proxy.telemetry.health import Health

OWN_OF_POOL: Final = frozenset(
    {
        *("connect_timeout", "first_byte_timeout", "idle_timeout", "keepalive_timeout"),
        *("max_connections", "queue"),
        *("authorization", "authorization_file", "preserve_host", "redirects", "reuse"),
    }
)
"""Settings of an upstream that change without a new pool: they say nothing about the server at the
other end of its connections. Any other setting needs a new pool."""

OF_TLS: Final = ("ca_file", "client_certificate", "client_key")
"""Files by which either end of a connection was verified: other content needs a new pool."""


class Pools:
    """The pools of a gateway, and what is reported of them."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._upstreams: Mapping[str, Upstream] = {}
        self._current: dict[str, Pool] = {}
        self._new: list[Pool] = []
        """Those that no connection was tried with yet."""
        self._all: WeakKeyDictionary[Pool, str] = WeakKeyDictionary()
        """Every pool that a runtime, a request or a connection refers to → its upstream's name."""
        self._probing: set[asyncio.Task[None]] = set()

    def exchange(
        self, upstreams: Mapping[str, Upstream], fresh: Mapping[str, Pool]
    ) -> dict[str, Pool]:
        """Go on with other upstreams. `fresh` has a new pool for each of them. Returns the pools to
        use: the one in use so far where it leads to the same server, else the new one."""
        before, self._current = self._current, dict(fresh)
        for name, pool in before.items():
            old = self._upstreams[name]
            if name in fresh and same_server(old, upstreams[name]):
                pool.renew(fresh[name].origin, fresh[name].dial)
                self._current[name] = pool
            else:
                pool.retire()
                self._health.forget(_subject(name, old))
                self._health.forget(f"the host of {_subject(name, old)}")
        self._upstreams = upstreams
        for name, pool in self._current.items():
            if pool not in self._all:
                self._watch(name, pool)
        return self._current

    @property
    def named(self) -> list[tuple[str, Pool]]:
        """Every pool, those of earlier configurations too, with the name of its upstream."""
        return [(name, pool) for pool, name in list(self._all.items())]

    def _watch(self, name: str, pool: Pool) -> None:
        self._all[pool] = name
        self._new.append(pool)
        subject = _subject(name, self._upstreams[name])
        pool.report = self._health.watch(
            "upstream",
            subject,
            "does not answer: %s; requests get 502 until it does",
            "answers again",
        )
        pool.addresses.report = self._health.watch(
            "resolver",
            f"the host of {subject}",
            "cannot be looked up: %s; its last addresses are used until it can",
            "can be looked up again",
        )

    def probe(self) -> None:
        """Find out which of the new upstreams do not answer yet."""
        task = asyncio.get_running_loop().create_task(self._probe(self._new))
        self._new = []
        self._probing.add(task)
        task.add_done_callback(self._probing.discard)

    async def _probe(self, pools: list[Pool]) -> None:
        for pool in pools:
            await pool.probe()

    def tick(self) -> None:
        """Close what has been idle, or has been closing, for too long."""
        for pool in list(self._all):
            pool.tick()

    def close(self) -> None:
        """Close the idle connections and stop connecting."""
        for task in self._probing:
            task.cancel()
        for pool in list(self._all):
            pool.close()


def same_server(old: Upstream, new: Upstream) -> bool:
    """Whether connections that were opened for `old` serve for `new`: they lead to the same server,
    which was verified in the same way, and verified the gateway in the same way."""
    names = Upstream.model_fields.keys() - OWN_OF_POOL
    same = all(getattr(old, name) == getattr(new, name) for name in names)
    return same and all(old.digests.get(name) == new.digests.get(name) for name in OF_TLS)


def _subject(name: str, upstream: Upstream) -> str:
    return f"upstream {name} ({upstream.url})"
