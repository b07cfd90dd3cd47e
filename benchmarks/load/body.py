"""Downloads or uploads one large body, with a blocking socket.

The task: `port`, `head` (of the request, as text), `send` (bytes to upload; 0: a download),
`chunk` (the size of chunks; 0: Content-Length). Reports the answer's status and length, and the
seconds that it took.
"""

from __future__ import annotations

import re
import time

from benchmarks.load import read_task, report
from benchmarks.load.one_by_one import connected

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n").search
PIECE = 1024 * 1024


def main() -> None:
    task = read_task()
    size, chunk = task["send"], task["chunk"]
    piece = memoryview(bytes(PIECE))
    if chunk:
        line = b"%x\r\n" % chunk
        piece = memoryview((line + bytes(chunk) + b"\r\n") * (PIECE // chunk))
    buffer = bytearray(PIECE)
    with connected(task["port"]) as client:
        began = time.perf_counter()
        client.sendall(task["head"].encode())
        for _ in range(size // PIECE):
            client.sendall(piece)
        if chunk:
            client.sendall(b"0\r\n\r\n")
        data = b""
        while b"\r\n\r\n" not in data:
            data += client.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        got = len(body)
        length = LENGTH(head + b"\r\n")
        if length is None:  # chunked, or until the connection closes
            tail = body[-5:]
            while tail != b"0\r\n\r\n":
                count = client.recv_into(buffer)
                if not count:
                    break
                got += count
                tail = (tail + buffer[max(0, count - 5) : count])[-5:]
        else:
            while got < int(length[1]) and (count := client.recv_into(buffer)):
                got += count
        report(status=int(head[9:12]), received=got, seconds=time.perf_counter() - began)


if __name__ == "__main__":
    main()
