"""A node among several, as metrics. One that has a store of its own has none of them.

Tested in `tests/proxy/cluster/test_two_nodes.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import Metric

from proxy.cluster.following import Following
from proxy.metrics.families import counters, gauges


def of_cluster(following: Following | None) -> Iterator[Metric]:
    """For how long it may go by what it knows, up to where it follows the store, and what it sees
    of other nodes."""
    if following is None:
        return
    follower = following.follower
    nodes = follower.sightings.nodes()
    yield gauges(
        "wardgate_lease_remaining_seconds",
        "How long keys would work if the store were not reached from now on",
        [],
        {(): follower.lease.remaining},
    )
    yield gauges(
        "wardgate_revision",
        "The last change of the store that this node has applied, that it has settled, or that any "
        "node has told of",
        ["of"],
        {
            ("applied",): follower.revision,
            ("settled",): follower.settled,
            ("head",): max([follower.revision, *(each.row.applied for each in nodes)]),
        },
    )
    states = Counter(str(each.state) for each in nodes)
    yield gauges(
        "wardgate_nodes",
        "Nodes of the store, as this one sees them at its last beat",
        ["state"],
        {(state,): states[state] for state in ("active", "lapsed", "left")},
    )
    yield counters(
        "wardgate_beats",
        "Beats to the store: whether they were answered",
        ["result"],
        {(result,): count for result, count in follower.beats.items()},
    )
