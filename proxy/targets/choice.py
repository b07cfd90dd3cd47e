"""Which of several targets gets the next request. Pure.

Each policy prefers a target as its weight says. A weight may be a fraction, as that of a target
which is starting slowly.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Any, Final, Generic, Protocol, TypeVar


class Candidate(Protocol):
    """A target, as a policy sees it."""

    @property
    def name(self) -> str:
        """Tells it from all other targets of its upstream, and lasts over reloads."""

    @property
    def share(self) -> float:
        """Its weight, greater than 0."""

    @property
    def load(self) -> int:
        """How many requests it has in progress."""


C = TypeVar("C", bound=Candidate)


class Policy(Protocol[C]):
    """A way to choose."""

    def use(self, candidates: Sequence[C]) -> None:
        """From now on, choose among these, one at least. To be called again when a weight
        changes."""

    def choose(self, key: bytes) -> C:
        """The target for a request. `key` says whose it is."""


class LeastRequests(Generic[C]):
    """The target with fewer requests in progress, for its weight, of two that are drawn at random:
    "the power of two choices" (Mitzenmacher 2001), as in Envoy and Linkerd. It needs no queue of
    all targets, and never sends everybody to the one that has just come back."""

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        """`draw` returns numbers from 0 up to but not including 1."""
        self._draw = draw
        self._candidates: Sequence[C] = ()
        self._ends: list[float] = []

    def use(self, candidates: Sequence[C]) -> None:
        self._candidates = candidates
        self._ends = list(accumulate(each.share for each in candidates))

    def choose(self, key: bytes) -> C:
        candidates, ends = self._candidates, self._ends
        count = len(candidates)
        if count == 1:
            return candidates[0]
        last, total = count - 1, ends[-1]
        first = min(bisect(ends, self._draw() * total), last)
        second = min(bisect(ends, self._draw() * total), last)
        if first == second:
            second = (first + 1 + int(self._draw() * last)) % count
        one, other = candidates[first], candidates[second]
        return one if one.load * other.share <= other.load * one.share else other


class RoundRobin(Generic[C]):
    """Each in turn, as often as its weight says, and evenly spread: nginx's smooth weighted round
    robin (`ngx_http_upstream_get_peer`)."""

    def __init__(self) -> None:
        self._candidates: Sequence[C] = ()
        self._current: dict[str, float] = {}

    def use(self, candidates: Sequence[C]) -> None:
        self._candidates = candidates
        self._current = {each.name: self._current.get(each.name, 0.0) for each in candidates}

    def choose(self, key: bytes) -> C:
        current, total = self._current, 0.0
        best, most = self._candidates[0], -math.inf
        for each in self._candidates:
            share = each.share
            total += share
            current[each.name] = now = current[each.name] + share
            if now > most:
                best, most = each, now
        current[best.name] -= total
        return best


class ConsistentHash(Generic[C]):
    """The same target for the same key: rendezvous hashing (Thaler and Ravishankar 1998), with
    weights by the logarithmic method. When a target goes, only its own keys get other targets; when
    one comes, it gets its share of the keys and no other key moves."""

    def __init__(self) -> None:
        self._candidates: Sequence[C] = ()

    def use(self, candidates: Sequence[C]) -> None:
        self._candidates = candidates

    def choose(self, key: bytes) -> C:
        candidates = self._candidates
        return candidates[0] if len(candidates) == 1 else max(candidates, key=_score_for(key))


def _score_for(key: bytes) -> Callable[[Candidate], float]:
    """How well each target suits a key."""

    def score(each: Candidate) -> float:
        digest = blake2b(b"%b\0%b" % (key, each.name.encode()), digest_size=8).digest()
        uniform = ((int.from_bytes(digest) >> 12) + 0.5) / (1 << 52)  # exact, and neither 0 nor 1
        return -each.share / math.log(uniform)

    return score


POLICIES: Final[dict[str, Callable[[], Policy[Any]]]] = {
    "least_requests": LeastRequests,
    "round_robin": RoundRobin,
    "hash": ConsistentHash,
}
"""By the name in the configuration."""
