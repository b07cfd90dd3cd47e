"""What several processes know of the same upstreams, as if one process knew it. Pure.

Tested in `tests/proxy/metrics/test_reports.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from proxy.targets.status import LookupStatus, TargetStatus, UpstreamStatus

_STATES: Final = {"ejected": 1, "trial": 2, "failing": 3, "starting": 4, "up": 5}
"""Of targets: `down` is the worst."""
_BREAKERS: Final = {"half-open": 1, "closed": 2, None: 3}
"""`open` is the worst."""


def merged(processes: Iterable[Sequence[UpstreamStatus]]) -> list[UpstreamStatus]:
    """The upstreams of all: counts are added, and of states the worst is shown."""
    found: dict[str, list[UpstreamStatus]] = {}
    for upstreams in processes:
        for each in upstreams:
            found.setdefault(each.name, []).append(each)
    return [_upstream(same) for same in found.values()]


def _upstream(same: Sequence[UpstreamStatus]) -> UpstreamStatus:
    targets: dict[str, list[TargetStatus]] = {}
    for upstream in same:
        for each in upstream.targets:
            targets.setdefault(each.name, []).append(each)
    left = [each.retries_left for each in same if each.retries_left is not None]
    return same[0]._replace(
        breaker=min((each.breaker for each in same), key=lambda each: _BREAKERS.get(each, 0)),
        waiting=sum(each.waiting for each in same),
        retries=sum(each.retries for each in same),
        retries_left=sum(left) if left else None,
        targets=[_target(each) for each in targets.values()],
        lookup=_lookup([each.lookup for each in same if each.lookup is not None]),
    )


def _target(same: Sequence[TargetStatus]) -> TargetStatus:
    return min(same, key=lambda each: _STATES.get(each.state, 0))._replace(
        requests=sum(each.requests for each in same),
        connections=sum(each.connections for each in same),
        failures=sum(each.failures for each in same),
        ejections=sum(each.ejections for each in same),
    )


def _lookup(same: Sequence[LookupStatus]) -> LookupStatus | None:
    """The one that fails, where one does."""
    return min(same, key=lambda each: not each.why) if same else None
