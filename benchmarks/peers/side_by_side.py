"""Gateways that share a port as workers do, and nothing else: `PORT FOLDER...`

Each is `wardgate serve` in its folder, whose configuration names the port. It gets a socket of its
own for it in the way of systemd, sd_listen_fds(3).
"""

from __future__ import annotations

import os
import signal
import socket
import sys

FIRST = 3
"""The handle at which a program finds its socket (SD_LISTEN_FDS_START)."""
SERVE = [sys.executable, "-m", "proxy", "serve", "-c", "wardgate.yaml"]


def listening(port: int) -> socket.socket:
    """A socket for the port, which others have too."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(("127.0.0.1", port))
    one.listen(4096)
    return one


def start(port: int, folder: str) -> int:
    """Start a gateway, and return its process id."""
    with listening(port) as one:
        pid = os.fork()
        if not pid:
            os.dup2(one.fileno(), FIRST)
            os.set_inheritable(FIRST, True)  # where it had that number already
            os.chdir(folder)
            own = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
            os.execve(sys.executable, SERVE, os.environ | own)
    return pid


def main() -> None:
    port, *folders = sys.argv[1:]
    children = [start(int(port), each) for each in folders]

    def end(*_: object) -> None:
        for pid in children:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    for pid in children:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
