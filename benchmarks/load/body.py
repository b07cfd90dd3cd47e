"""A large body down or up, by one client with a blocking socket.

Told: `port`, `head` (the request's, as text), `send` (bytes to upload, 0: none), `chunk` (the size
of its chunks, 0: none). Tells the answer's status and length, and seconds.
"""

from __future__ import annotations

import re
import time

from benchmarks.load import spec, tell
from benchmarks.load.one_by_one import connected

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n").search
PIECE = 1024 * 1024


def main() -> None:
    told = spec()
    size, chunk = told["send"], told["chunk"]
    piece = memoryview(bytes(PIECE))
    if chunk:
        line = b"%x\r\n" % chunk
        piece = memoryview((line + bytes(chunk) + b"\r\n") * (PIECE // chunk))
    buffer = bytearray(PIECE)
    with connected(told["port"]) as client:
        began = time.perf_counter()
        client.sendall(told["head"].encode())
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
        if length is None:  # chunked, or as far as the connection goes
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
        tell(status=int(head[9:12]), received=got, seconds=time.perf_counter() - began)


if __name__ == "__main__":
    main()
