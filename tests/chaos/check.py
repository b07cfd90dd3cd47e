"""Does a history keep what is promised? Pure.

Each secret is a register: every change of it makes a version, which permits or refuses. What a node
answers is explained by a version that had begun by then; each rule says which versions are too old
to explain it. Nodes go through the versions in one direction only. So each answer is given the
oldest version that explains it, and where there is none, a rule is broken: the first one, in the
order of RULES, without which there would be one.

`python -m tests.chaos.check FILE` checks a history that was kept.
"""

from __future__ import annotations

import heapq
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.history import Change, History, Use

DRIFT: Final = 0.001
"""By how much the rate of a clock may differ, as in `proxy.cluster.follower`."""
DELTA: Final = 0.05
"""Seconds for the difference of clocks: the use was decided after its start, and the change
acknowledged before its end, so that no delay of the program that asks counts."""

RULES: Final = {
    "lease": "no key works for longer than the lease after its revocation was acknowledged",
    "everywhere": "what was said to hold on all nodes holds on all nodes",
    "usual": "while nothing is broken, a change holds on all nodes soon",
    "order": "a node never goes back to what was so before, nor behind its own changes, nor ahead",
    "kept": "what was acknowledged holds in the end, on every node",
    "audit": "the audit log is whole, and has each acknowledged change once",
}
Violations = dict[str, list[str]]
_FOREVER: Final = float("inf")


@dataclass(frozen=True)
class Version:
    """What a change made of a secret."""

    change: Change
    known: float
    """When it was acknowledged; infinite where no answer came."""


def check(history: History) -> Violations:
    """For each rule, what breaks it."""
    found: Violations = {rule: [] for rule in RULES}
    found["audit"] += _audit(history)
    uses: dict[str, list[Use]] = defaultdict(list)
    for use in history.uses:
        if use.status in {200, 401}:
            uses[use.secret].append(use)
    for secret, versions in _versions(history).items():
        for node in sorted({use.node for use in uses[secret]}):
            here = [use for use in uses[secret] if use.node == node]
            for rule, text in _Walk(history, versions, node).breaks(here):
                found[rule].append(text)
    return found


def _audit(history: History) -> Iterator[str]:
    yield from history.audit.problems
    entries = Counter(history.audit.requests)
    outcomes = {change.id: change.outcome for change in history.changes}
    for name, outcome in outcomes.items():
        least, most = {"done": (1, 1), "refused": (0, 0), "unknown": (0, 1)}[outcome]
        if not least <= entries[name] <= most:
            yield f"{name} is {outcome}, and has {entries[name]} entries"


def _versions(history: History) -> dict[str, list[Version]]:
    """Of each secret, in the order in which they were asked for: nobody asks for the next change
    of a secret before the one before has ended, and one whose answer was lost can only still be
    made before others, since it holds the lock. The audit log says whether it was made."""
    made = set(history.audit.requests)
    versions: dict[str, list[Version]] = defaultdict(list)
    for change in sorted(history.changes, key=lambda each: each.start):
        if change.outcome == "done":
            versions[change.secret].append(Version(change, change.end))
        elif change.outcome == "unknown" and change.id in made:
            versions[change.secret].append(Version(change, _FOREVER))
    return versions


class _Walk:
    """One node's way through the versions of one secret."""

    def __init__(self, history: History, versions: Sequence[Version], node: str) -> None:
        self._history = history
        self._versions = versions
        self._seen = [
            (each.known, number)
            for number, each in enumerate(versions)
            if each.change.node == node and each.known < _FOREVER
        ]
        """(when, which version) the node is known to have gone by. Its own changes are among it."""
        heapq.heapify(self._seen)

    def breaks(self, uses: Sequence[Use]) -> Iterator[tuple[str, str]]:
        """(rule, what breaks it)."""
        lowest = -1  # before the secret was made
        for use in sorted(uses, key=lambda each: each.start):
            while self._seen and self._seen[0][0] < use.start:
                lowest = max(lowest, heapq.heappop(self._seen)[1])
            oldest = -1
            for rule, floor in self._floors(use, lowest):
                oldest = max(oldest, floor)
                version = self._explains(use, oldest)
                if version is None:
                    yield rule, self._told(use, oldest)
                    break
            else:
                assert version is not None
                heapq.heappush(self._seen, (use.end, version))

    def _floors(self, use: Use, lowest: int) -> Iterator[tuple[str, int]]:
        """(rule, the oldest version that it lets explain the use)."""
        yield "order", -1
        bound = self._history.lease / (1 - DRIFT) + DELTA
        if use.status == 200:  # a node that has no lease may refuse, by what it knew last
            yield "lease", self._last(lambda each: each.known + bound < use.start)
            yield "everywhere", self._last(lambda each: _everywhere(each) + DELTA < use.start)
        usual = self._history.usual
        if usual and self._calm(use):
            yield "usual", self._last(lambda each: each.known + usual < use.start)
        yield "order", lowest
        if use.final:
            yield "kept", len(self._versions) - 1

    def _last(self, holds: Callable[[Version], bool]) -> int:
        """The last version for which something holds."""
        numbers = range(len(self._versions) - 1, -1, -1)
        return next((number for number in numbers if holds(self._versions[number])), -1)

    def _calm(self, use: Use) -> bool:
        """Whether nothing that concerns the node was broken lately."""
        since = use.end - 2 * self._history.usual
        return not any(
            each.target in {use.node, "store"} and each.start < use.end and each.end > since
            for each in self._history.faults
        )

    def _explains(self, use: Use, oldest: int) -> int | None:
        """The oldest version from `oldest` on that explains an answer."""
        for number in range(oldest, len(self._versions)):
            if number < 0:
                if use.status == 401:
                    return number
                continue
            change = self._versions[number].change
            if change.start <= use.end and change.permits == (use.status == 200):
                return number
        return None

    def _told(self, use: Use, oldest: int) -> str:
        what = "permitted" if use.status == 200 else "refused"
        text = f"{use.node} {what} {use.secret} at {use.start:.3f}"
        if oldest < 0:
            return f"{text}, before it was made"
        change = self._versions[oldest].change
        return f"{text}, and {change.id} ({change.action} at {change.node}) ended {change.end:.3f}"


def _everywhere(version: Version) -> float:
    return _FOREVER if version.change.everywhere is None else version.change.everywhere


def summary(history: History, found: Violations) -> str:
    """One line for each rule, and what breaks it below."""
    answers = Counter(use.status for use in history.uses)
    outcomes = Counter(change.outcome for change in history.changes)
    lines = [
        f"{len(history.uses)} uses {dict(answers)}, {len(history.changes)} changes "
        f"{dict(outcomes)}, {len(history.faults)} faults",
        f"longest use after an acknowledged revocation: {longest(history):.2f} s of "
        f"{history.lease:g} s",
    ]
    for rule, text in RULES.items():
        verdict = f"{len(found[rule])} VIOLATIONS" if found[rule] else "holds"
        if rule == "usual" and not history.usual:
            verdict = "not checked"
        lines += [f"{rule:<11}{verdict}: {text}", *(f"    {each}" for each in found[rule][:10])]
    return "\n".join(lines)


def longest(history: History) -> float:
    """The most seconds for which a secret worked after its revocation was acknowledged: how near
    the run came to the bound."""
    most = 0.0
    for secret, versions in _versions(history).items():
        permitted = [use for use in history.uses if use.secret == secret and use.status == 200]
        for version, after in zip(versions, [*versions[1:], None], strict=True):
            until = after.change.start if after else _FOREVER
            if not version.change.permits:
                ages = (use.start - version.known for use in permitted if use.end < until)
                most = max(most, max(ages, default=0.0))
    return most


def main() -> None:
    """Check the history in a file; exit 1 where a rule is broken."""
    history = History.read(Path(sys.argv[1]))
    found = check(history)
    print(summary(history, found))
    sys.exit(1 if any(found.values()) else 0)


if __name__ == "__main__":
    main()
