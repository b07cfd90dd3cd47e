"""A process has settled a change once all requests that were under way have been looked at anew."""

from __future__ import annotations

from proxy.cluster.settling import Settling
from proxy.store.protocols import Changes


class Requests:
    """What is under way: how many looks it takes until all are decided."""

    def __init__(self) -> None:
        self.version = 1
        self.undecided = 0
        self.looks: list[int] = []
        """The version of each look."""
        self.settling = Settling(self.look, lambda: self.version)

    def look(self, version: int) -> bool:
        self.looks.append(version)
        self.undecided -= 1
        return self.undecided < 0


def test_what_is_decided_at_once_is_settled_at_once() -> None:
    """And nothing is looked at as long as nothing changes."""
    requests = Requests()
    assert [requests.settling.settle(5) for _ in range(3)] == [5, 5, 5]
    assert requests.looks == [1]
    requests.version = 2
    assert requests.settling.settle(6) == 6
    assert requests.looks == [1, 2]


def test_what_cannot_be_decided_yet_delays_it() -> None:
    """Until the next look at which it is."""
    requests = Requests()
    assert requests.settling.settle(5) == 5
    requests.version, requests.undecided = 2, 2
    assert [requests.settling.settle(6) for _ in range(3)] == [5, 5, 6]


def test_changes_without_end_do_not_keep_it_from_settling() -> None:
    """What was begun is finished first: requests are looked at by its version, not by each new
    one."""
    requests = Requests()
    requests.undecided = 2
    settled = []
    for revision in range(5, 9):
        settled.append(requests.settling.settle(revision))
        requests.version += 1
    assert settled == [0, 0, 7, 8]
    assert requests.looks == [1, 1, 1, 3, 4]


def test_records_that_were_dropped_are_looked_at_anew() -> None:
    """Although the number of the change is the same."""
    requests = Requests()
    requests.settling.settle(5)
    requests.version = 2
    requests.settling.settle(5)
    assert requests.looks == [1, 2]


def test_in_another_history_nothing_is_settled() -> None:
    """Its changes have the numbers of others that are lost."""
    requests = Requests()
    requests.settling.settle(5)
    requests.settling.listen(Changes(6))
    assert requests.settling.settle(5) == 5
    requests.settling.listen(None)
    requests.version, requests.undecided = 2, 1
    assert [requests.settling.settle(3) for _ in range(2)] == [0, 3]
