"""A node among several, as metrics. One that has a store of its own has none of them.

Tested in `tests/proxy/cluster/test_two_nodes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from proxy.cluster.following import Following
from proxy.metrics.families import counters, gauges


def of_cluster(following: Following | None) -> Iterator[Metric]:
    """For how long it may go by what it knows, and up to where it follows the store."""
    if following is None:
        return
    follower = following.follower
    yield gauges(
        "wardgate_lease_remaining_seconds",
        "How long keys would work if the store were not reached from now on",
        [],
        {(): follower.lease.remaining},
    )
    yield gauges(
        "wardgate_store_revision",
        "The last change of the store that this node goes by",
        [],
        {(): follower.revision},
    )
    yield counters(
        "wardgate_beats",
        "Beats to the store: whether they were answered",
        ["result"],
        {(result,): count for result, count in follower.beats.items()},
    )
