"""One process that the master starts, and how it begins.

The rule that lives here: a child never outlives its master unnoticed. When the master ends, however
that happens, the child is told as by SIGTERM.

Tested in `tests/test_workers.py`.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from proxy.domain.errors import WardgateError
from proxy.domain.lease import boottime

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD)
"""What the master handles; it waits while no handler is there for it."""
_PR_SET_PDEATHSIG: Final = 1
_RESET: Final = (*SIGNALS, signal.SIGQUIT)


class Child:
    """A process in a slot, as the master sees it."""

    def __init__(self, name: str, slot: int, generation: int, pid: int, ready: int) -> None:
        """`ready`: the handle of a pipe in which it tells that it serves; -1: it has."""
        self.name = name
        self.slot = slot
        self.generation = generation
        self.pid = pid
        self.ready = ready
        self.is_ready = ready < 0
        self.reloads = 0
        """How many reloads the master had when it was started."""
        self.told: float | None = None
        """When it was told to end, in seconds of `boottime`."""

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it is alive."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    @property
    def ending(self) -> bool:
        """Whether it was told to end."""
        return self.told is not None

    def end(self) -> None:
        """Have it drain and end."""
        self.told = boottime()
        self.send(signal.SIGTERM)

    def hand_over(self) -> None:
        """Have it end for another one that has its clients from now on."""
        self.told = boottime()
        self.send(signal.SIGQUIT)

    def status(self) -> int | None:
        """How it has ended, as `os.waitstatus_to_exitcode` says it; None: it has not."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else has waited for it
            return 0
        return os.waitstatus_to_exitcode(status) if pid else None

    def close(self) -> None:
        """Let go of its pipe."""
        if self.ready >= 0:
            os.close(self.ready)
            self.ready = -1


def start(
    name: str, slot: int, generation: int, main: Callable[[Callable[[], None]], None]
) -> Child:
    """Fork a child that runs `main`, which is given what to call when it serves."""
    sys.stdout.flush()
    sys.stderr.flush()
    master = os.getpid()
    reader, writer = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # the child has the master's handlers
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        raise
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(writer)
        os.set_blocking(reader, False)
        return Child(name, slot, generation, pid, reader)
    status = 1
    try:
        os.close(reader)
        _begin(master)
        main(lambda: _tell(writer))
        status = 0
    except WardgateError as error:
        print(f"wardgate: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except BaseException:
        logging.getLogger("wardgate").exception("%s has failed", name)
    finally:
        with suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _begin(master: int) -> None:
    """Be a process of its own: signals of the terminal go to the master alone."""
    signal.set_wakeup_fd(-1)
    for number in _RESET:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the master says it again once this one is ready
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    os.setpgid(0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != master:  # it has ended before
        os._exit(1)


def _tell(writer: int) -> None:
    with suppress(BrokenPipeError):  # a program that took the master's place knows this one
        os.write(writer, b"\n")
    os.close(writer)
