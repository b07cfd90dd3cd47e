"""All pools of a gateway: those in use, and those of earlier configurations that still have work.

The rule that lives here: a pool lasts as long as its server is the same, so that a reload closes no
connection that can still be used. A pool that is replaced finishes the requests that began with it.

Tested in `tests/test_reload.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

from proxy.config.upstream import Upstream
from proxy.gateway.balancer import Balancer
from proxy.gateway.discovery import Discovery
from proxy.gateway.pool import Pool
from proxy.gateway.target import Target
from proxy.telemetry.health import Health

OWN_OF_POOL: Final = frozenset(
    {
        *("connect_timeout", "first_byte_timeout", "idle_timeout", "keepalive_timeout"),
        *("max_connections", "max_age", "max_requests", "queue"),
        *("authorization", "authorization_file", "preserve_host", "redirects", "reuse"),
        *("balance", "slow_start", "retries", "ejection", "checks", "breaker"),
    }
)
"""Settings of an upstream that change without a new pool: they say nothing about the server at the
other end of its connections. Any other setting needs a new pool."""
PLACES: Final = frozenset({"url", "targets", "resolve"})
"""Settings that say where the servers are."""

Part: TypeAlias = Pool | Balancer | Target | Discovery
"""What is reported by itself."""

OF_TLS: Final = ("ca_file", "client_certificate", "client_key")
"""Files by which either end of a connection was verified: other content needs a new pool."""


class Pools:
    """The pools of a gateway, and what is reported of them."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._upstreams: Mapping[str, Upstream] = {}
        self.current: dict[str, Pool | Balancer] = {}
        """Those in use, by the upstream's name."""
        self._new: list[Pool] = []
        """Those that no connection was tried with yet."""
        self._all: WeakKeyDictionary[Pool, str] = WeakKeyDictionary()
        """Every pool that a runtime, a request or a connection refers to → its upstream's name."""
        self._subjects: WeakKeyDictionary[Part, str] = WeakKeyDictionary()
        """How each is called in reports."""
        self._watched: set[Part] = set()
        """What is reported."""
        self._probing: set[asyncio.Task[None]] = set()

    def exchange(
        self, upstreams: Mapping[str, Upstream], fresh: Mapping[str, Pool | Balancer]
    ) -> dict[str, Pool | Balancer]:
        """Go on with other upstreams. `fresh` has new pools for each of them. Returns what to use:
        the pools in use so far where they lead to the same servers, else the new ones."""
        before, self.current = self.current, dict(fresh)
        for name, source in before.items():
            if name in fresh:
                same = same_way(self._upstreams[name], upstreams[name])
                self.current[name] = _succeed(source, fresh[name], same=same)
            else:
                _retire(source)
        self._upstreams = upstreams
        for source in self.current.values():
            if isinstance(source, Balancer):
                source.changed = self._follow
        self._watch_all()
        return self.current

    async def find(self, fresh: Mapping[str, Pool | Balancer]) -> None:
        """Look up the names of upstreams whose targets are not known yet, before they are used.
        Takes as long as their lookups may, and raises nothing: what is not found is sought on."""
        found = []
        for name, source in fresh.items():
            if isinstance(source, Balancer) and source.discovery is not None:
                used = self.current.get(name)
                old = used.discovery if isinstance(used, Balancer) else None
                if not source.discovery.can_go_on_as(old):
                    found.append(source.discovery.look_up())
        await asyncio.gather(*found)

    def _follow(self) -> None:
        """Other targets were found than before."""
        self._watch_all()
        self._probe_new()

    def _watch_all(self) -> None:
        """Report what is in use now, and forget what is not."""
        for name, source in self.current.items():
            self._watch(name, source)
        parts = {each for source in self.current.values() for each in _parts(source)}
        subjects = {self._subjects[each] for each in parts}
        for gone in self._watched - parts:
            if self._subjects.get(gone) not in subjects:
                self._forget(gone)
        self._watched = parts

    @property
    def named(self) -> list[tuple[str, Pool]]:
        """Every pool, those of earlier configurations too, with the name of its upstream."""
        return [(name, pool) for pool, name in list(self._all.items())]

    def _watch(self, name: str, source: Pool | Balancer) -> None:
        if isinstance(source, Pool):
            subject = f"upstream {name} ({source.url})"
            self._watch_pool(name, subject, source, "requests get 502 until it does")
            return
        for each in source.targets:
            subject = f"upstream {name}, target {each.name}"
            self._watch_pool(
                name, subject, each.pool, "its requests go to others, if there are any"
            )
            if self._is_new(each, f"{subject},"):
                each.report = self._health.watch(
                    "target", f"{subject},", "gets no requests: %s", "gets requests again"
                )
        discovery = source.discovery
        if discovery is not None and self._is_new(discovery, f"the name of upstream {name}"):
            discovery.report = self._health.watch(
                "resolver",
                f"the name of upstream {name}",
                "cannot be looked up: %s; its targets stay as they are until it can",
                "can be looked up again",
            )
            if discovery.works:  # it was looked up before anybody heard of that
                discovery.report(None)
        if self._is_new(source, f"upstream {name}"):
            source.report = self._health.watch(
                "breaker",
                f"upstream {name}",
                "fails: %s; its circuit breaker is open, and requests get 503",
                "works again; its circuit breaker is closed",
            )

    def _watch_pool(self, name: str, subject: str, pool: Pool, meanwhile: str) -> None:
        if pool not in self._all:
            self._all[pool] = name
            self._new.append(pool)
        if not self._is_new(pool, subject):
            return
        pool.report = self._health.watch(
            "upstream", subject, f"does not answer: %s; {meanwhile}", "answers again"
        )
        pool.addresses.report = self._health.watch(
            "resolver",
            f"the host of {subject}",
            "cannot be looked up: %s; its last addresses are used until it can",
            "can be looked up again",
        )

    def _is_new(self, part: Part, subject: str) -> bool:
        """Whether a part is not reported under this subject so far. From now on it is."""
        if self._subjects.get(part) == subject:
            return False
        self._forget(part)
        self._subjects[part] = subject
        return True

    def _forget(self, part: Part) -> None:
        subject = self._subjects.pop(part, None)
        if subject is not None:
            self._health.forget(subject)
            self._health.forget(f"the host of {subject}")

    def probe(self) -> None:
        """Find out which of the new targets do not answer yet, and begin to check them."""
        for source in self.current.values():
            if isinstance(source, Balancer):
                source.start()
        self._probe_new()

    def _probe_new(self) -> None:
        task = asyncio.get_running_loop().create_task(self._probe(self._new))
        self._new = []
        self._probing.add(task)
        task.add_done_callback(self._probing.discard)

    async def _probe(self, pools: list[Pool]) -> None:
        for pool in pools:
            if pool.in_use:  # the DNS may take targets away faster than they can be tried
                await pool.probe()

    def tick(self) -> None:
        """Close what has been idle, or has been closing, for too long."""
        for pool in list(self._all):
            pool.tick()
        for source in self.current.values():
            if isinstance(source, Balancer):
                source.tick()

    def close(self) -> None:
        """Close the idle connections and stop connecting."""
        for task in self._probing:
            task.cancel()
        for source in self.current.values():
            if isinstance(source, Balancer):
                source.stop()
        for pool in list(self._all):
            pool.close()


def _parts(source: Pool | Balancer) -> set[Part]:
    """What is reported of an upstream."""
    if isinstance(source, Pool):
        return {source}
    parts: set[Part] = {source, *source.targets, *(each.pool for each in source.targets)}
    return parts if source.discovery is None else {*parts, source.discovery}


def _succeed(old: Pool | Balancer, new: Pool | Balancer, *, same: bool) -> Pool | Balancer:
    """What is used for an upstream from now on, as `new` says. `same`: whether connections to the
    same URL serve for it."""
    if isinstance(old, Balancer) and isinstance(new, Balancer):
        old.follow(new, same=same)
        return old
    if isinstance(old, Balancer):
        assert isinstance(new, Pool)
        kept = old.dissolve(new.url if same else None)
    else:
        kept = old
    if isinstance(new, Balancer):
        assert isinstance(old, Pool)
        if same and any(each.name == old.url for each in new.targets):
            new.adopt(old.url, old)
        else:
            old.retire()
        return new
    if kept is not None and same and kept.url == new.url:
        kept.renew(new.origin, new.dial)
        return kept
    if kept is not None:
        kept.retire()
    return new


def _retire(source: Pool | Balancer) -> None:
    if isinstance(source, Balancer):
        source.dissolve(None)
    else:
        source.retire()


def same_way(old: Upstream, new: Upstream) -> bool:
    """Whether connections that were opened for `old` serve for `new` where they lead to the same
    URL: the server was verified in the same way, and verified the gateway in the same way."""
    names = Upstream.model_fields.keys() - OWN_OF_POOL - PLACES - {"server_name"}
    same = all(getattr(old, name) == getattr(new, name) for name in names)
    same = same and old.verified_name == new.verified_name
    same = same and (old.resolve is None) == (new.resolve is None)
    return same and all(old.digests.get(name) == new.digests.get(name) for name in OF_TLS)


def same_server(old: Upstream, new: Upstream) -> bool:
    """Whether all connections that were opened for `old` serve for `new`."""
    same = [each.url for each in old.servers] == [each.url for each in new.servers]
    return same and same_way(old, new)
