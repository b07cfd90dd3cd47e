"""How a route divides its requests among several upstreams, as for a canary. Pure.

The rule that lives here: who asks decides which upstream it is, so that one key always sees one
version. The choice is the same after a restart, on other machines and on other routes with the same
weights, and a change of a weight moves no more callers than it has to: weighted rendezvous hashing
(Thaler and Ravishankar, 1996; with weights by -log: Resch, "New Hashing Algorithms for Data
Storage", 2015). nginx's split_clients compares one hash with ranges, so that with three upstreams a
change of one weight moves callers between the other two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

MAX_WEIGHT: Final = 1_000_000
_HASHES: Final = 2.0**64


@dataclass(frozen=True, slots=True)
class Split:
    """Names of upstreams with their weights, of which at least one is not 0."""

    weights: tuple[tuple[str, int], ...]

    @property
    def main(self) -> str:
        """The upstream that gets the most."""
        return max(self.weights, key=lambda each: each[1])[0]

    def choose(self, who: str) -> str:
        """The upstream for everything that `who` asks. Each gets the part of all callers that its
        weight is of all weights."""
        return min(
            (-math.log(_draw(name, who)) / weight, name) for name, weight in self.weights if weight
        )[1]


def _draw(name: str, who: str) -> float:
    """A number between 0 and 1 that belongs to an upstream and a caller."""
    digest = blake2b(f"{name}\0{who}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") + 0.5) / _HASHES
