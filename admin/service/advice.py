"""Advice: what a key was used for against what it may do, and the limits that would have sufficed.
(Tested over HTTP, by tests/admin/api/test_advice.py, and by tests/admin/service/test_advice.py.)"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from admin.service.base import Caller, Service
from admin.service.errors import Refused
from admin.service.keys import KeyService
from proxy.domain.advice import Used, advised
from proxy.domain.errors import ListTooCostly
from proxy.domain.limits import Limits
from proxy.domain.model import Environment, Key, Reason
from proxy.domain.usage import DAY, HOUR, Dimension, UsageQuery
from proxy.store.protocols import MOST_NETWORKS, Store
from proxy.store.query import Query

MAX_ROWS: Final = 10_000
MAX_ENVIRONMENTS: Final = 1000
_BY: Final = (
    *(Dimension.ROUTE, Dimension.METHOD, Dimension.ENVIRONMENT),
    *(Dimension.REASON, Dimension.DAY),
)
_DENIED: Final = frozenset(reason.code for reason in Reason)
"""Reasons of requests that did not pass: what a key was refused is nothing that it needs."""


class Place(NamedTuple):
    """A route of the configuration, as far as it matters to keys."""

    path: str
    access: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What is known of a key. Times are milliseconds since the epoch."""

    key: Key
    since: int
    """Since when its uses are known."""
    used: Sequence[Used]
    unused_routes: Sequence[str]
    """Of those in the configuration that are open to keys of its kind."""
    unused_environments: Sequence[str]
    """The names of environments to which a user's key has access."""
    networks: Mapping[str, int] | None
    """Network → its last use; None: too many."""
    limits: Limits
    """What would have sufficed: the key's own where nothing narrower is known."""

    @property
    def narrower(self) -> bool:
        """Whether there is anything to apply."""
        return self.limits != self.key.limits


class AdviceService(Service):
    """Gives advice on keys, to whoever may see them."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], int],
        keys: KeyService,
        routes: Callable[[], Sequence[Place]],
        usage_days: int,
    ) -> None:
        """`routes` returns those of the configuration in use; `usage_days` says for how many days
        usage is kept."""
        super().__init__(store, clock)
        self._keys = keys
        self._routes = routes
        self._usage_days = usage_days

    async def advise(
        self, caller: Caller, key_id: int, days: int, scope: int | None = None
    ) -> Advice:
        """Advice on a key from its uses in the last so many days. Raises `Refused`."""
        key = (await self._keys.get(caller, key_id, scope)).record
        now = self._clock()
        noted = await self._store.networks_since()
        begin = now - days * DAY
        since = max(begin, key.created, noted, now - self._usage_days * DAY)
        used, slugs = await self._used(key, since - since % HOUR, now)
        # A use has the time of the tick before it, which may be before the key was made.
        listed = dict(await self._store.list_networks(key.id, begin))
        networks = None if "*" in listed or len(listed) > MOST_NETWORKS else listed
        routes = {each.route for each in used}
        return Advice(
            key,
            since,
            used,
            [each for each in self._open_to(key) if each not in routes],
            [slug for slug in await self._reached(key) if slug not in slugs],
            networks,
            advised(key.limits, used, networks),
        )

    async def apply(self, caller: Caller, advice: Advice, *, trial: bool = False) -> None:
        """Give a key the limits that are advised. On `trial` they refuse nothing yet, which only a
        key can be given that has no limits: others would refuse less than before. Raises `Refused`,
        as where the key has got other limits since the advice was given."""
        key, limits = advice.key, advice.limits
        if not advice.narrower:
            raise Refused("Conflict", "nothing narrower than the limits of the key is known")
        if trial and key.limits:
            detail = "the limits of the key refuse something already, and a trial would end that"
            raise Refused("InvalidOption", detail)
        limits = replace(limits, enforce=False) if trial else limits
        await self._keys.edit(caller, key.id, {"limits": limits}, was=key.limits)

    async def _used(self, key: Key, start: int, now: int) -> tuple[list[Used], set[str]]:
        """What passed, and the names of the environments in which it did."""
        query = UsageQuery(start, now + HOUR, _BY, key=key.id, most=MAX_ROWS + 1)
        try:
            rows = await self._store.sum_usage(query)
        except ListTooCostly:
            raise Refused("ListTooCostly", "ask for fewer days") from None
        if len(rows) > MAX_ROWS:
            raise Refused("TooManyRows", "ask for fewer days")
        owners = await self._store.get_owners({int(row.values[2]) for row in rows})
        slugs = {each.id: each.slug for each in owners.values() if isinstance(each, Environment)}
        found: dict[tuple[str, str, int], tuple[int, int]] = {}
        for row in rows:
            route, method, environment, reason, day = row.values
            if reason in _DENIED:
                continue
            values = str(route), str(method), int(environment)
            count, last = found.get(values, (0, 0))
            found[values] = count + row.requests, max(last, int(day))
        used = [
            Used(route, method, slugs.get(environment), count, last)
            for (route, method, environment), (count, last) in found.items()
        ]
        return used, {each.slug for each in used if each.slug is not None}

    def _open_to(self, key: Key) -> list[str]:
        """The paths of routes that are open to keys of an account, or of an environment."""
        kinds = {"environment", "any"} | (set() if key.account_id is None else {"account"})
        return list(dict.fromkeys(each.path for each in self._routes() if each.access in kinds))

    async def _reached(self, key: Key) -> list[str]:
        """The names of the environments of which the key's account is a member."""
        if key.account_id is None:
            return []
        query = Query(limit=MAX_ENVIRONMENTS)
        members = (await self._store.list_memberships(query, account=key.account_id)).records
        owners = await self._store.get_owners({each.environment_id for each in members})
        return sorted(each.slug for each in owners.values() if isinstance(each, Environment))
