"""The input of the decision, and what it has found out of it so far. Plain data.

Tested in `tests/proxy/auth/test_decision.py` and `tests/proxy/gateway/test_memo.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from proxy.auth.credentials import Credentials
from proxy.domain.authorization import Verdict
from proxy.domain.cors import Cors, Preflight
from proxy.domain.model import Deny
from proxy.domain.presentation import Presentation
from proxy.domain.routes import Route


class AccessRequest:
    """Everything about a request that a decision depends on."""

    __slots__ = (
        "address",
        "authorization",
        "characters",
        "credentials",
        "credentials_required",
        "destination",
        "hosts",
        "last",
        "method",
        "pairs",
        "path",
        "preflight",
        "read_as",
        "routed",
        "upgrade",
    )

    def __init__(
        self,
        method: str,
        path: bytes,
        *,
        characters: frozenset[bytes] = frozenset(),
        authorization: Sequence[bytes] | None = None,
        pairs: Mapping[bytes, Sequence[bytes]] | None = None,
        preflight: Preflight | None = None,
        credentials_required: bool = False,
        upgrade: str | None = None,
        destination: Sequence[bytes] | None = None,
        hosts: Collection[bytes] = (),
        address: str = "",
    ) -> None:
        """`path` is as it was sent, and `characters` are those of it that only a route may
        allow. `pairs` are the values of the fields that hold credentials, by name. `preflight` is
        what it asks if it is one; then it has no credentials. `credentials_required`: they are
        required even while access control is off. `upgrade` is the protocol that the client offers,
        `destination` has the values of the field of this name and `hosts` the hosts that it may
        have, `address` is the address of the client."""
        self.method = method
        self.path = path
        self.characters = characters
        self.authorization = authorization
        self.pairs = pairs
        self.preflight = preflight
        self.credentials_required = credentials_required
        self.upgrade = upgrade
        self.destination = destination
        self.hosts = hosts
        self.address = address
        self.routed: Routed | None = None
        """What its method and path match, once that has been looked up."""
        self.credentials: Credentials | Deny | None = None
        """What its credentials say, once they have been read."""
        self.read_as: Presentation | None = None
        """What they were read as: another route may accept something else."""
        self.last: Judged | None = None
        """Of the request before it, where that had the same fields from the same client and was
        permitted."""


class Routed:
    """What a method and a path match: a route and an environment's slug, or none. `verdict` is set
    where the decision does not depend on credentials. `accepted` says how they are presented, and
    `cors` which pages may read a refusal."""

    __slots__ = ("accepted", "cors", "route", "slug", "verdict")

    def __init__(
        self,
        route: Route | None,
        accepted: Presentation,
        slug: str | None = None,
        verdict: Verdict | None = None,
        cors: Cors | None = None,
    ) -> None:
        self.route = route
        self.accepted = accepted
        self.slug = slug
        self.verdict = verdict
        self.cors = cors


class Judged(NamedTuple):
    """What the verdict on a request was made of, besides its fields and its client."""

    routed: Routed
    method: str
    upgrade: str | None
    verdict: Verdict
