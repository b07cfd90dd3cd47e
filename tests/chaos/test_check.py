"""The checker finds what is planted: of a history that keeps all promises, each mutant breaks the
one that it is meant to break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.check import RULES, check, longest, summary
from tests.chaos.history import Audit, Change, Fault, History, Use

LEASE, USUAL = 5.0, 2.0


def change(name: str, node: str, start: float, *, permits: bool, secret: str = "k") -> Change:
    """A change that took a tenth of a second."""
    return Change(name, name, node, secret, permits, start, start + 0.1, "done")


def use(node: str, start: float, status: int, *, final: bool = False, secret: str = "k") -> Use:
    """A use that took a hundredth of a second."""
    return Use(node, secret, start, start + 0.01, status, final)


def sound() -> History:
    """A key is made at a; b is cut off while it is deactivated; it is activated again."""
    return History(
        LEASE,
        USUAL,
        uses=[
            use("a", 0, 401),
            use("a", 1.2, 200),
            use("b", 1.3, 200),
            use("a", 10.2, 401),
            use("b", 14.9, 200),  # by its lease
            use("b", 15.3, 503),
            use("b", 16, 401),
            use("b", 30.05, 200),  # before the answer
            use("a", 30.2, 200),
            use("a", 40, 200, final=True),
            use("b", 40, 200, final=True),
        ],
        changes=[
            change("create", "a", 1, permits=True),
            change("deactivate", "a", 10, permits=False),
            change("activate", "a", 30, permits=True),
        ],
        faults=[Fault("cut", "b", 9, 15.5)],
        audit=Audit(["create", "deactivate", "activate"], []),
    )


def test_a_sound_history_keeps_all_promises() -> None:
    """It shows how near it came to the bound, too."""
    found = check(sound())
    assert found == {rule: [] for rule in RULES}
    assert longest(sound()) == pytest.approx(4.8)
    assert "4.80 s of 5 s" in summary(sound(), found)


def permits_after_the_lease(history: History) -> None:
    history.uses.append(use("b", 15.3, 200))


def permits_what_does_not_hold_anywhere(history: History) -> None:
    history.changes[1] = replace(history.changes[1], everywhere=14.0)


def permits_late_without_a_fault(history: History) -> None:
    history.faults.clear()


def refuses_late_without_a_fault(history: History) -> None:
    history.uses.append(use("b", 36, 401))


def goes_back(history: History) -> None:
    history.uses.append(use("b", 14.0, 401))


def its_own_change_does_not_hold(history: History) -> None:
    history.uses.append(use("a", 10.3, 200))


def permits_before_it_was_made(history: History) -> None:
    history.uses.append(use("b", 0.5, 200))


def forgets_in_the_end(history: History) -> None:
    history.usual = 0
    history.uses.append(use("c", 50, 401, final=True))


def an_unanswered_change_is_forgotten_in_the_end(history: History) -> None:
    late = change("again", "c", 36, permits=False)
    history.changes.append(replace(late, outcome="unknown"))
    history.audit.requests.append("again")


def an_entry_is_missing(history: History) -> None:
    history.audit.requests.remove("activate")


def an_entry_is_there_twice(history: History) -> None:
    history.audit.requests.append("create")


def a_refused_change_has_an_entry(history: History) -> None:
    history.changes.append(replace(change("no", "b", 50, permits=False), outcome="refused"))
    history.audit.requests.append("no")


def the_chain_is_broken(history: History) -> None:
    history.audit.problems.append("entry 3 was altered")


MUTANTS: list[tuple[Callable[[History], None], str]] = [
    (permits_after_the_lease, "lease"),
    (permits_what_does_not_hold_anywhere, "everywhere"),
    (permits_late_without_a_fault, "usual"),
    (refuses_late_without_a_fault, "usual"),
    (goes_back, "order"),
    (its_own_change_does_not_hold, "order"),
    (permits_before_it_was_made, "order"),
    (forgets_in_the_end, "kept"),
    (an_unanswered_change_is_forgotten_in_the_end, "kept"),
    (an_entry_is_missing, "audit"),
    (an_entry_is_there_twice, "audit"),
    (a_refused_change_has_an_entry, "audit"),
    (the_chain_is_broken, "audit"),
]


@pytest.mark.parametrize(
    ("mutate", "rule"), MUTANTS, ids=lambda each: getattr(each, "__name__", each)
)
def test_a_broken_promise_is_found(mutate: Callable[[History], None], rule: str) -> None:
    """And told apart from the others."""
    history = sound()
    mutate(history)
    found = check(history)
    assert found[rule]
    assert {other for other in found if found[other]} == {rule}
    assert "VIOLATIONS" in summary(history, found)


@pytest.mark.parametrize("made", [True, False])
def test_a_change_without_an_answer_may_have_been_made_or_not(made: bool) -> None:
    """The audit log tells which."""
    history = sound()
    history.changes[1] = replace(history.changes[1], outcome="unknown")
    history.uses = [each for each in history.uses if each.status != 401 or each.end < 1]
    if not made:
        history.audit.requests.remove("deactivate")
    else:
        history.uses.append(use("a", 12, 401))
    assert not any(check(history).values())
    history.uses.append(use("b", 20, 401))
    assert any(check(history).values()) is not made


def test_secrets_have_nothing_to_do_with_each_other() -> None:
    """Nor do nodes, but for what is true of all."""
    history = sound()
    history.changes.append(change("other", "a", 1, permits=True, secret="l"))
    history.audit.requests.append("other")
    history.uses.append(use("a", 12, 200, secret="l"))
    assert not any(check(history).values())


def test_a_history_is_kept_in_a_file(tmp_path: Path) -> None:
    """All of it."""
    sound().write(tmp_path / "history")
    assert History.read(tmp_path / "history") == sound()
