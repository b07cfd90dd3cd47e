"""A record in memory is never exchanged for what was so earlier, in whatever order the store's
answers and its changes arrive."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from proxy.auth.records import NotLoaded, RecordCache
from proxy.domain.errors import StoreUnavailable

Answer: TypeAlias = tuple[int, int | None]


class LateStore:
    """A store of one record, whose loads are answered when the machine says so. The record's value
    is the revision that wrote it, so that its age can be told; a negative one is its removal."""

    def __init__(self) -> None:
        self.head = 0
        self.written: list[int] = []
        self.asked: asyncio.Future[Answer] | None = None

    def at(self, revision: int) -> Answer:
        """What was so at a revision."""
        last = next((each for each in reversed(self.written) if abs(each) <= revision), -1)
        return revision, None if last < 0 else last

    async def load(self, _key: str) -> Answer:
        """One load."""
        self.asked = asyncio.get_running_loop().create_future()
        return await self.asked


class LateAnswers(RuleBasedStateMachine):
    """Changes are applied in their order, but late; loads read at any moment, and answer later."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = LateStore()
        self.cache: RecordCache[str, int] = RecordCache(self.store.load)
        self.applied = 0
        self.shown = 0
        """The latest revision at which the record is known to have been read."""
        self.loading: asyncio.Task[None] | None = None
        self.answer: Answer | None = None
        """What the store has read for the load, once it has."""

    def begin(self) -> None:
        """Begin a load, and let it come to the store."""
        self.loading = self.loop.create_task(self.cache.load("it"))
        self.turn()

    def end(self, answer: Answer) -> BaseException | None:
        """Answer the load. Returns what it raised."""
        assert self.loading is not None
        assert self.store.asked is not None
        self.store.asked.set_result(answer)
        self.turn()
        raised = self.loading.exception()
        self.loading = self.answer = None
        return raised

    def turn(self) -> None:
        """Let what is ready run."""
        for _ in range(4):
            self.loop.run_until_complete(asyncio.sleep(0))

    def known(self) -> int | NotLoaded | None:
        """What is in memory: the record, None for its absence, or nothing."""
        try:
            return self.cache.get("it")
        except NotLoaded as missing:
            return missing

    @rule(removed=st.booleans())
    def change(self, removed: bool) -> None:
        """The store commits a change, which this node does not know of yet."""
        self.store.head += 1
        self.store.written.append(-self.store.head if removed else self.store.head)

    @precondition(lambda self: self.applied < self.store.head)
    @rule(data=st.data())
    def follow(self, data: Any) -> None:
        """The node applies what has changed up to some revision, as it was there."""
        self.applied = data.draw(st.integers(self.applied + 1, self.store.head))
        revision, value = self.store.at(self.applied)
        self.cache.apply(revision, "it", value)
        self.cache.applied(revision)

    @precondition(lambda self: self.loading is None)
    @rule()
    def someone_asks(self) -> None:
        """The record is loaded, whether it is in memory or was pushed out of it."""
        self.begin()

    @precondition(lambda self: self.loading is not None and self.answer is None)
    @rule()
    def the_store_reads(self) -> None:
        """The answer is on the way from now on."""
        self.answer = self.store.at(self.store.head)

    @precondition(lambda self: self.answer is not None)
    @rule()
    def the_answer_arrives(self) -> None:
        """It is taken, or what was applied meanwhile is."""
        answer = self.answer
        assert answer is not None
        assert self.end(answer) is None
        self.shown = max(self.shown, answer[0])

    @precondition(lambda self: self.loading is None and not isinstance(self.known(), NotLoaded))
    @rule(data=st.data())
    def a_standby_answers(self, data: Any) -> None:
        """An answer from before what was known when the load began is refused, and changes nothing.
        (After a drop, nothing is known: history may have gone back.)"""
        since, before = max(self.applied, self.shown), self.known()
        if since:
            revision = data.draw(st.integers(0, since - 1))
            self.begin()
            assert isinstance(self.end(self.store.at(revision)), StoreUnavailable)
            assert self.known() == before

    @rule()
    def all_is_dropped(self) -> None:
        """The outcome of a commit is unknown: nothing in memory is trusted, nor what is on its
        way."""
        self.cache.drop()
        if self.loading is not None:
            assert self.end((0, None)) is None
        assert isinstance(self.known(), NotLoaded)

    @invariant()
    def nothing_goes_back(self) -> None:
        """What is in memory was not replaced by anything that the node knows of."""
        value, since = self.known(), max(self.applied, self.shown)
        allowed = {self.store.at(each)[1] for each in range(since, self.store.head + 1)}
        assert value in allowed or isinstance(value, NotLoaded)

    def teardown(self) -> None:
        """Nothing is left in the loop."""
        if self.loading is not None:
            assert self.store.asked is not None
            self.store.asked.cancel()
            self.turn()
        self.loop.close()


def test_no_order_of_answers_and_changes_takes_a_record_back() -> None:
    """Late answers, late changes, removals, drops and answers of a standby, in any order."""
    steps = settings(max_examples=300, stateful_step_count=30)
    run_state_machine_as_test(LateAnswers, settings=steps)
