"""What the gateway knows of its upstreams at the moment, as plain data.

Tested in `tests/proxy/gateway/test_status.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.gateway.balancer import Balancer
from proxy.gateway.pool import Pool
from proxy.gateway.target import Target
from proxy.targets.status import TargetStatus, UpstreamStatus


def statuses(
    upstreams: Mapping[str, Pool | Balancer], now: float, wall: int
) -> list[UpstreamStatus]:
    """The upstreams by their names. `now` is in monotonic seconds, `wall` the same moment in
    milliseconds since the epoch."""

    def shown(name: str, source: Pool | Balancer) -> UpstreamStatus:
        if isinstance(source, Pool):
            return UpstreamStatus(name, None, source.waiting, 0, [_of_pool(source, now, wall)])
        return UpstreamStatus(
            name,
            None if source.breaker is None else source.breaker.state.value,
            source.waiting,
            source.retries,
            [_of_target(each, now, wall) for each in source.targets],
            source.rules.policy,
            max(0, int(source.budget.left)),
            None if source.discovery is None else source.discovery.status(now, wall),
        )

    return [shown(name, source) for name, source in upstreams.items()]


def _of_pool(pool: Pool, now: float, wall: int) -> TargetStatus:
    """What is known of any target, also of one that is the whole upstream."""
    return TargetStatus(
        name=pool.url,
        state="failing" if pool.cause else "up",
        why=pool.cause,
        since=wall - round((now - pool.since) * 1000),
        weight=1,
        priority=0,
        requests=pool.load,
        connections=pool.connections,
        failures=pool.failures_in_all,
        ejections=0,
    )


def _of_target(target: Target, now: float, wall: int) -> TargetStatus:
    shown = _of_pool(target.pool, now, wall)._replace(
        weight=target.weight,
        priority=target.priority,
        ejections=0 if target.circuit is None else target.circuit.opened,
    )
    if target.state == "up":
        return shown
    since = wall - round((now - target.since) * 1000)
    return shown._replace(state=target.state, why=target.why, since=since)
