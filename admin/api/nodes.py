"""Nodes and the progress of a change in the API: reading what a URL asks for, and showing it as
JSON. Pure.

Tested in `tests/admin/api/test_nodes.py` and `test_revisions.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from admin.api.representations import Json, Links, date_fields, timestamp
from admin.api.schemas import NODE, REVISION
from admin.service import KnownNode, Progress, View
from admin.service.errors import Refused
from proxy.cluster.sightings import NodeState, NodeStatus

MOST_SECONDS: Final = 60
PENDING: Final = "pending"
EVERYWHERE: Final = "everywhere"


def parse_wait(parameters: Mapping[str, str]) -> int:
    """For how many seconds to wait, 0 by default. Raises `Refused`."""
    text = parameters.get("wait", "0")
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= MOST_SECONDS):
        detail = f"wait must be a number of seconds from 0 to {MOST_SECONDS}"
        raise Refused("InvalidFormat", detail, field="wait")
    return int(text)


def node_json(view: View[KnownNode], links: Links) -> Json:
    """A node."""
    known = view.record
    status, row = known.status, known.status.row
    itself = links.resource(NODE, row.name)
    holds = status.state is NodeState.ACTIVE and row.lease > 0
    ends = view.now + int(status.left * 1000) if holds else None
    return {
        "id": row.name,
        "type": NODE.name,
        "baseType": NODE.base,
        "links": {"self": itself},
        "actions": {"forget": f"{itself}/?action=forget"} if known.may_forget else {},
        "name": row.name,
        "state": status.state,
        "applied": row.applied,
        "settled": row.settled,
        "lag": known.lag,
        "lease": row.lease or None,
        **date_fields("lastSeen", row.seen or None),
        **date_fields("leaseEnds", ends),
        **date_fields("left", row.left_at),
    }


def revision_json(progress: Progress, links: Links) -> Json:
    """How far all nodes are with a change."""
    number = str(progress.revision)
    return {
        "id": number,
        "type": REVISION.name,
        "baseType": REVISION.base,
        "links": {"self": links.resource(REVISION, number)},
        "actions": {},
        "state": EVERYWHERE if progress.everywhere else PENDING,
        "nodes": [_progress_json(each, progress) for each in progress.nodes],
    }


def _progress_json(status: NodeStatus, progress: Progress) -> Json:
    pending = status.state is NodeState.PENDING
    return {
        "name": status.row.name if progress.named else None,
        "state": status.state,
        "settled": status.row.settled,
        "until": timestamp(progress.now + int(status.left * 1000)) if pending else None,
        "seconds": math.ceil(status.left) if pending else None,
    }
