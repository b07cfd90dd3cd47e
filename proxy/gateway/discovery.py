"""Follows the DNS for one upstream: its targets are the servers that the name has at the moment.

A lookup runs beside the requests, in a thread of its own, so that a silent DNS server holds up
neither requests nor the lookups of other upstreams.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

from proxy.gateway.question import Asking, Question
from proxy.gateway.target import Target
from proxy.targets.discovery import (
    Answer,
    Bounds,
    Discovered,
    Endpoint,
    LookupFailed,
)
from proxy.targets.status import LookupStatus
from proxy.telemetry.health import Report, say_nothing

log = logging.getLogger("wardgate")

KINDS: Final = {"ipv4": "A", "ipv6": "AAAA", "both": "A, AAAA"}
"""The types of the records of addresses."""

Make: TypeAlias = Callable[[Sequence[Endpoint]], Sequence[Target]]
"""Makes the targets at some servers; without any, one that cannot be reached, since an upstream has
one target at least."""


class Discovery:
    """The name of an upstream, and what is known of it."""

    def __init__(
        self,
        question: Question,
        asking: Asking,
        bounds: Bounds,
        make: Make,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` returns monotonic seconds."""
        self.question = question
        self.use: Callable[[Sequence[Target]], None] = lambda _: None
        """Called with all targets when others are to be used than before."""
        self.report: Report = say_nothing
        """Called after each lookup: with the cause of its failure, or None."""
        self._asking = asking
        self._make = make
        self._clock = clock
        self._known = Discovered(bounds, clock())
        self._left_out = 0
        """How many servers the last answer had beyond those that may be used."""
        self._lookup: asyncio.Task[None] | None = None

    @property
    def targets(self) -> Sequence[Target]:
        """New ones, at the servers of the last answer."""
        return self._make(self._known.endpoints)

    def status(self, now: float, wall: int) -> LookupStatus:
        """What is shown of it. `now` is in monotonic seconds, `wall` the same moment in
        milliseconds since the epoch."""
        known, question = self._known, self.question
        kind = "SRV" if question.srv else KINDS[question.family]
        since = wall - round((now - known.since) * 1000)
        return LookupStatus(question.name, kind, known.cause, since, self.has_answer)

    @property
    def has_answer(self) -> bool:
        """Whether the servers are known."""
        return bool(self._known.endpoints)

    @property
    def works(self) -> bool:
        """Whether the last lookup succeeded."""
        return self.has_answer and not self._known.cause

    def can_go_on_as(self, old: Discovery | None) -> bool:
        """Whether `old`, of an earlier configuration, knows the answer to the same question."""
        return old is not None and old.question == self.question and old.has_answer

    def go_on_as(self, old: Discovery) -> None:
        """Take the place of `old`, of an earlier configuration; with its answer, where that counts
        and there is none yet."""
        old.close()
        if self.can_go_on_as(old) and not self.has_answer:
            self._known.go_on_as(old._known)

    def tick(self) -> None:
        """Look the name up again where it is time to. Called about once a second."""
        if self.is_due:
            self._begin()

    @property
    def is_due(self) -> bool:
        """Whether it is time to look the name up again."""
        return self._clock() >= self._known.due

    async def look_up(self) -> None:
        """Look the name up, and wait for that."""
        await asyncio.shield(self._begin())

    def close(self) -> None:
        """Stop looking up."""
        self.use, self.report = lambda _: None, say_nothing
        if self._lookup is not None:
            self._lookup.cancel()

    def _begin(self) -> asyncio.Task[None]:
        if self._lookup is None or self._lookup.done():
            self._lookup = asyncio.get_running_loop().create_task(self._ask())
        return self._lookup

    async def _ask(self) -> None:
        known, name = self._known, self.question.name
        try:
            answer = await _in_a_thread(self._question_in_a_thread)
        except LookupFailed as error:
            cause = str(error)
        except Exception:  # of this lookup: the next one must be made too
            log.exception("the lookup of %s has failed", name)
            cause = "internal"
        else:
            if answer.left_out and not self._left_out:
                used = len(answer.endpoints)
                log.warning("%s has %d servers: %d are used", name, used + answer.left_out, used)
            self._left_out = answer.left_out
            if known.found(answer, self._clock()):
                self.use(self.targets)
            self.report(None)
            return
        known.failed(cause, self._clock())
        self.report(cause)

    def _question_in_a_thread(self) -> Answer:
        from proxy.gateway.lookup import look_up  # noqa: PLC0415 - it takes long to import

        return look_up(self.question, self._asking)


async def _in_a_thread(work: Callable[[], Answer]) -> Answer:
    """Call `work` in a thread of its own, which the end of the process does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Answer] = loop.create_future()

    def settle(answer: Answer | None, error: Exception | None) -> None:
        if done.done():
            return  # nobody waits any more
        if answer is not None:
            done.set_result(answer)
        elif error is not None:
            done.set_exception(error)

    def run() -> None:
        answer: Answer | None = None
        error: Exception | None = None
        try:
            answer = work()
        except Exception as raised:  # it is raised where the result is waited for
            error = raised
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, answer, error)

    threading.Thread(target=run, name="dns", daemon=True).start()
    return await done
