"""The master: it starts the keeper and the workers, and starts again what has ended.

The rule that lives here: the master serves nobody and reads nothing that comes from outside, so
that nothing can make it fail. It has no event loop and no threads, because it forks.

Tested in `tests/test_workers.py`.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple

from proxy.domain.lease import boottime
from proxy.processes import child
from proxy.processes.child import SIGNALS, Child
from proxy.processes.inherited import Inherited, Shared, Sockets

log = logging.getLogger("wardgate")

KEEPER: Final = -1
"""The slot of the keeper."""
FIRST_PAUSE: Final = 0.1
LAST_PAUSE: Final = 5.0
"""Seconds before a process that has ended is started again: they double from the first to the last,
and begin anew once one has lived for `LIVED`."""
LIVED: Final = 10.0
HUNG: Final = 30.0
"""Seconds without a sign of life after which a process is killed."""
LOOK: Final = 1.0
"""Seconds between two looks at that."""
Main = Callable[[Inherited], None]


class Program(NamedTuple):
    """What the processes do."""

    keep: Main
    work: Main
    reload: Callable[[], None]
    """What the master itself does at SIGHUP, before it tells the others."""
    upgrade: Callable[[Master], None]
    """What it does at SIGUSR2."""
    patience: Callable[[], float]
    """Seconds after which one that was told to end is killed."""
    replaced: Callable[[], None]
    """Called when no process of the program before serves new clients any more."""
    tell: Callable[[str], None]
    """Told `READY=1` and the like (sd_notify(3))."""


class _Slot:
    """When the process of a slot is to be started again."""

    def __init__(self) -> None:
        self.pause = FIRST_PAUSE
        self.started = 0.0
        self.due: float | None = None


class Master:
    """Runs until SIGTERM or SIGINT."""

    def __init__(
        self,
        program: Program,
        shared: Shared,
        sockets: Sequence[Sockets],
        children: Sequence[Child] = (),
    ) -> None:
        """`sockets`: for each slot of a worker. `children`: those of the program before, which are
        to be replaced."""
        self.shared = shared
        self.sockets = sockets
        self.children = list(children)
        self._program = program
        self._slots = {slot: _Slot() for slot in (KEEPER, *range(len(sockets)))}
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = socket.socketpair()
        self._stopping = self._reloads = 0
        self._serving = bool(children)
        self._replacing = shared.generation > 0
        self._failed: int | None = None
        self._looked = boottime()

    # --- life ---

    def run(self) -> int:
        """Start all processes and watch over them. Returns the exit status."""
        self._handle_signals()
        self._begin()
        while (self._keeper_is_needed() or self.children) and not self._is_over():
            self._turn()
        for each in self.children:
            each.send(signal.SIGKILL)
        return self._failed or 0

    def _is_over(self) -> bool:
        """Whether there is nothing left to wait for, or somebody does not want to wait."""
        return self._stopping > 1 or (bool(self._stopping) and not self.children)

    def _keeper_is_needed(self) -> bool:
        return not self._stopping

    def _turn(self) -> None:
        """Wait for something to do, and do it."""
        for key, _ in self._selector.select(self._seconds()):
            if key.data is None:
                self._take_signals()
            else:
                self._take_ready(key.data)
        for each in list(self.children):
            status = each.status()
            if status is not None:
                self._ended(each, status)
        self._start_due()
        self._end_replaced()
        self._end_keeper_last()
        self._look_for_hung()

    def _seconds(self) -> float:
        due = [slot.due for slot in self._slots.values() if slot.due is not None]
        return max(0.0, min([LOOK, *(each - time.monotonic() for each in due)]))

    # --- processes ---

    def _start(self, slot: int) -> None:
        name = "the keeper" if slot == KEEPER else f"worker {slot}"
        self._slots[slot].due = None
        self._slots[slot].started = time.monotonic()
        if slot != KEEPER:
            self.shared.state.set_beat(slot, boottime())
        else:
            self.shared.state.keeper_beat = boottime()
        self._count_workers(1 if slot != KEEPER else 0)
        try:
            made = child.start(name, slot, self.shared.generation, partial(self._main, slot))
        except OSError as error:  # too many processes, or no memory
            log.error("%s cannot be started: %s", name, error.strerror)
            self._count_workers()
            self._slots[slot].due = time.monotonic() + LAST_PAUSE
            return
        made.reloads = self._reloads
        self.children.append(made)
        self._selector.register(made.ready, selectors.EVENT_READ, made)

    def _count_workers(self, more: int = 0) -> None:
        """Write down how many there may be; `more` are about to be started."""
        workers = sum(each.slot != KEEPER for each in self.children)
        self.shared.state.alive = workers + more

    def _main(self, slot: int, ready: Callable[[], None]) -> None:
        """What a child does."""
        self._selector.close()
        self._woken.close()
        self._wake.close()
        for each in self.children:
            each.close()
        mine = {} if slot == KEEPER else self.sockets[slot]
        kept = {one for several in mine.values() for one in several}
        for slots in self.sockets:
            for several in slots.values():
                for one in several:
                    if one not in kept:
                        one.close()
        run = self._program.keep if slot == KEEPER else self._program.work
        run(Inherited(self.shared, slot, mine, ready))

    def _take_ready(self, each: Child) -> None:
        with suppress(BlockingIOError):
            told = os.read(each.ready, 1)
            self._selector.unregister(each.ready)
            each.close()
            if not told:
                return  # it has ended, which its status says
            each.is_ready = True
            self._seen(each.slot, boottime())  # its start may have taken long
            if each.reloads != self._reloads:
                each.send(signal.SIGHUP)
            if each.slot == KEEPER:
                self._start_workers()
            if self._all_ready():
                self._all_serve()

    def _all_serve(self) -> None:
        if not self._serving:
            self._serving = True
            self._program.tell("READY=1")
            log.info("%d workers serve", len(self.sockets))
        if self._replacing:
            self._replacing = False
            self._end_replaced()
            self._program.tell("READY=1")
            log.info("%d workers of the new program serve", len(self.sockets))
            self._program.replaced()

    def _start_workers(self) -> None:
        for slot in range(len(self.sockets)):
            if self._current(slot) is None and self._slots[slot].due is None:
                self._start(slot)

    def _current(self, slot: int) -> Child | None:
        """The process of this generation in a slot."""
        generation = self.shared.generation
        return next(
            (e for e in self.children if e.slot == slot and e.generation == generation), None
        )

    def _all_ready(self) -> bool:
        found = [self._current(slot) for slot in self._slots]
        return all(each is not None and each.is_ready for each in found)

    def _ended(self, each: Child, status: int) -> None:
        self.children.remove(each)
        self._count_workers()
        if each.slot != KEEPER:
            self.shared.state.forget_counts(each.slot, each.generation)
        if each.ready >= 0:
            self._selector.unregister(each.ready)
        each.close()
        if self._stopping:
            return
        if each.generation != self.shared.generation:
            if each.slot == KEEPER:
                self._begin()
            return
        if not self._serving and not each.is_ready:
            self._fail(status)
            return
        slot = self._slots[each.slot]
        lived = time.monotonic() - slot.started
        slot.pause = FIRST_PAUSE if lived > LIVED else min(2 * slot.pause, LAST_PAUSE)
        slot.due = time.monotonic() + slot.pause
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        log.error("%s has ended %s; it is started again", each.name, how)

    def _fail(self, status: int) -> None:
        """One has failed before all have ever served: so would the next one."""
        self._failed = status if status > 0 else 1
        self._stop()

    def _start_due(self) -> None:
        for number, slot in self._slots.items():
            if slot.due is not None and slot.due <= time.monotonic() and not self._stopping:
                self._start(number)

    # --- the generation before ---

    def _before(self) -> Iterator[Child]:
        return (e for e in self.children if e.generation != self.shared.generation)

    def _begin(self) -> None:
        """Start the keeper, after that of the program before has ended: one at a time may write."""
        before = [each for each in self._before() if each.slot == KEEPER]
        for each in before:
            each.end()
        if not before:
            self._start(KEEPER)

    def _end_replaced(self) -> None:
        """End the workers of the program before whose slot has a new one that serves."""
        for each in self._before():
            current = self._current(each.slot)
            if not each.ending and current is not None and current.is_ready:
                each.hand_over()

    # --- signals ---

    def _handle_signals(self) -> None:
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        self._selector.register(self._woken, selectors.EVENT_READ, None)

    def _take_signals(self) -> None:
        for number in sorted(self.unread(), key=lambda number: number == signal.SIGUSR2):
            match number:
                case signal.SIGTERM | signal.SIGINT:
                    self._stop()
                case signal.SIGHUP if not self._stopping:
                    self._reload()
                case signal.SIGUSR2 if not self._stopping:
                    self._program.upgrade(self)

    def unread(self) -> bytes:
        """The numbers of signals that have come since it was called last."""
        try:
            return self._woken.recv(4096)
        except BlockingIOError:
            return b""

    def _reload(self) -> None:
        self._program.tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._program.reload()
        self._reloads += 1
        for each in self.children:
            each.send(signal.SIGHUP)
        self._program.tell("READY=1")

    def _stop(self) -> None:
        """Workers drain first; a second signal ends all at once."""
        self._stopping += 1
        if self._stopping == 1:
            self._program.tell("STOPPING=1")
            for each in self.children:
                if each.slot != KEEPER:
                    each.end()

    def _end_keeper_last(self) -> None:
        if not self._stopping or any(each.slot != KEEPER for each in self.children):
            return
        for each in self.children:
            if not each.ending:
                each.end()

    # --- signs of life ---

    def _look_for_hung(self) -> None:
        """Kill what does not live any more. Where this process itself has stood still, as all do in
        a machine that is stopped, nothing is known of the others yet."""
        now = boottime()
        if now - self._looked < LOOK:
            return
        stood_still, self._looked = now - self._looked > 5 * LOOK, now
        state = self.shared.state
        for each in self.children:
            if stood_still:
                self._seen(each.slot, now)
                continue
            if each.told is not None and now - each.told > self._program.patience():
                log.error("%s does not end: it is killed", each.name)
                each.send(signal.SIGKILL)
            beat = state.keeper_beat if each.slot == KEEPER else state.beat(each.slot)
            if now - beat > HUNG and each.is_ready and not each.ending:
                log.error("%s does not live: it is killed", each.name)
                each.send(signal.SIGKILL)
        if self._serving:
            self._program.tell("WATCHDOG=1")

    def _seen(self, slot: int, now: float) -> None:
        if slot == KEEPER:
            self.shared.state.keeper_beat = now
        else:
            self.shared.state.set_beat(slot, now)
