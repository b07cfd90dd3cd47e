"""The keeper's side of its connections to workers: it answers what they ask of the store, and tells
them what has changed.

The rule that lives here: what changes is announced in shared memory before anything else is done.
From then on no worker permits anything until it has been told and has applied it, however long that
takes; so the change can be acknowledged at once.

Tested in `tests/proxy/workers/test_link.py`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

from proxy.domain.errors import StoreUnavailable, Unreadable
from proxy.domain.usage import Series, Sums
from proxy.processes.shared import SharedState
from proxy.store.protocols import Changes, SecretRef, Store, Uses
from proxy.store.rate_broker import RateBroker
from proxy.workers.channel import Channel, Message
from proxy.workers.codec import CALLS, changes_json, text_of
from proxy.workers.matches import Matches

log = logging.getLogger("wardgate")

LONGEST: Final = 128
"""Characters of a digest, and of a stored hash, which have 64 at most."""
MOST_CALLS: Final = 10_000
"""Of one worker that are not answered yet."""
REPORT: Final = 1.0
"""Seconds for which a worker's report is waited for."""


class Worker:
    """One connected worker."""

    def __init__(self, channel: Channel, slot: int, pid: int) -> None:
        self.channel = channel
        self.slot = slot
        self.pid = pid
        self.settled = 0
        """The number of the last message by which all of its running requests were looked at."""
        self.calls: set[asyncio.Task[None]] = set()


class Hub:
    """The connections to all workers."""

    def __init__(self, store: Store, state: SharedState, path: str) -> None:
        """`path` is that of the socket to listen on."""
        self._store = store
        self._rates = RateBroker(store, state.slots)
        self._state = state
        self._path = path
        self._number = 0
        self._workers: dict[Channel, Worker] = {}
        self._channels: set[Channel] = set()
        self._server: asyncio.Server | None = None
        self._marks: list[tuple[int, int]] = []
        """Up to two revisions that were asked for, each after the number by which it is settled."""
        self._settled = 0
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._questions = itertools.count(1)
        self._matches = Matches(self._tell_match)
        self.last_report: Callable[[int, Any], None] = lambda _pid, _report: None
        """Called with the report of a worker, by its process."""
        self.left: Callable[[int], None] = lambda _pid: None
        """Called when a worker has left."""

    async def start(self) -> None:
        """Listen for workers, which read anew what the keeper before may not have told. Raises
        `OSError`."""
        self._number = self._state.announced + 1
        self._state.announced = self._number
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(self._accept, self._path)
        os.chmod(self._path, 0o600)  # `Channel` refuses others in any case

    def close(self) -> None:
        """Disconnect all workers, which connect to the next keeper."""
        self.left = lambda _pid: None  # they have not ended
        if self._server is not None:
            self._server.close()
        for channel in list(self._channels):
            channel.close()

    @property
    def workers(self) -> list[Worker]:
        """Those that are connected."""
        return list(self._workers.values())

    def apply(self, changes: Changes | None) -> None:
        """Tell all workers of a committed change. To be called as a listener of the store."""
        self._number += 1
        self._state.announced = self._number
        message: tuple[Any, ...] = ("drop", self._number)
        if changes is None:  # history may be another one
            self._marks, self._settled = [], 0
        if changes is not None:
            message = ("changes", self._number, changes_json(changes))
        for worker in self.workers:
            worker.channel.send(*message)

    def settle(self, revision: int) -> int:
        """Implements `cluster.settling.Settles`: the least that any worker has settled counts."""
        self._marks[1:] = [(self._number, revision)]  # the first was begun, and may be near its end
        least = min((each.settled for each in self.workers), default=self._number)
        if len(self._workers) < self._state.alive:
            least = 0  # one is not connected, and may be busy with what it has begun
        while self._marks and self._marks[0][0] <= least:
            self._settled = self._marks.pop(0)[1]
        for worker in self.workers:
            if self._marks and worker.settled < self._marks[0][0]:
                worker.channel.send("settle")
        return self._settled

    async def reports(self) -> dict[int, Any]:
        """What each worker has to tell, by its process: without those that do not answer."""
        workers = self.workers
        reports = await asyncio.gather(*map(self._report, workers))
        return {
            worker.pid: report
            for worker, report in zip(workers, reports, strict=True)
            if report is not None and worker.channel in self._workers
        }

    async def _report(self, worker: Worker) -> Any:
        number = next(self._questions)
        asked = self._asked[number] = asyncio.get_running_loop().create_future()
        worker.channel.send("report", number)
        try:
            async with asyncio.timeout(REPORT):
                return await asked
        except TimeoutError:
            return None
        finally:
            del self._asked[number]

    # --- connections ---

    def _accept(self) -> Channel:
        return Channel(self._receive, self._channels.add, self._closed)

    def _closed(self, channel: Channel) -> None:
        self._channels.discard(channel)
        worker = self._workers.pop(channel, None)
        if worker is not None:
            for call in worker.calls:
                call.cancel()
            self._matches.left(worker)
            self.left(worker.pid)

    def _receive(self, channel: Channel, message: Message) -> None:
        worker = self._workers.get(channel)
        match message:
            case ["hello", int(slot), int(pid)] if worker is None:
                self._workers[channel] = Worker(channel, slot, pid)
                channel.send("welcome", self._number, text_of(self._store.seal_key))
            case _ if worker is None:
                raise ValueError("a worker says nothing about itself")
            case ["call", int(number), str(method), arguments]:
                self._begin(worker, number, self._answer(method, arguments, worker))
            case ["settled", int(number)] if number <= self._number:
                worker.settled = max(worker.settled, number)
            case ["matched", str(digest), int(key_id), str(stored)] if (
                len(digest) <= LONGEST and len(stored) <= LONGEST
            ):
                self._matches.matched(digest, key_id, stored)
            case ["unmatched", str(digest)]:
                self._matches.unmatched(digest, worker)
            case ["reported", int(number), report]:
                asked = self._asked.get(number)
                if asked is not None and not asked.done():
                    asked.set_result(report)
            case ["goodbye", report]:
                self.last_report(worker.pid, report)
            case _:
                raise ValueError(f"unknown message {message[:1]}")

    # --- calls ---

    def _begin(self, worker: Worker, number: int, answer: Awaitable[Any]) -> None:
        async def run() -> None:
            try:
                worker.channel.send("answer", number, await answer)
            except Unreadable as error:
                worker.channel.send("unreadable", number, str(error))
            except StoreUnavailable as error:
                worker.channel.send("failed", number, str(error))
            except Exception:
                log.exception("a worker's question cannot be answered")
                worker.channel.send("failed", number, "the process with the store has failed")

        if len(worker.calls) >= MOST_CALLS:
            raise ValueError("too many questions at once")
        task = asyncio.get_running_loop().create_task(run())
        worker.calls.add(task)
        task.add_done_callback(worker.calls.discard)

    async def _answer(self, method: str, given: Any, worker: Worker) -> Any:
        if method == "claim":
            return await self._matches.claim(str(given), worker)
        call = CALLS[method]
        arguments = call.arguments.validate_python(given)
        if method == "record_usage":
            return await self._record_usage(*arguments)
        asked = self._rates if method == "grant_rates" else self._store
        return call.encode(await getattr(asked, method)(*arguments))

    async def _record_usage(
        self, uses: list[tuple[SecretRef, Uses]], usage: list[tuple[Series, Sums]]
    ) -> None:
        await self._store.record_usage(dict(uses), dict(usage))

    def _tell_match(self, digest: str, key_id: int, stored: str) -> None:
        for worker in self.workers:
            worker.channel.send("matched", digest, key_id, stored)
