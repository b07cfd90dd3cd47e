"""What a naive application sees of a request, as one line of JSON in the origin's journal."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
from collections.abc import Callable
from urllib.parse import unquote

ASKED = {
    "id": "X-Request-Id",
    "nonce": "X-Nonce",
    "key": "X-Wardgate-Key",
    "role": "X-Wardgate-Role",
    "told": "X-Wardgate-Environment",
    "for": "X-Forwarded-For",
    "url": "X-Original-URL",
    "override": "X-HTTP-Method-Override",
    "user": "Remote-User",
    "authorization": "Authorization",
}
"""The fields that the application looks up. Only the gateway, or nobody, may set them."""


def environment_of(path: str) -> str | None:
    """The environment in a path, as a careless application reads it: it ignores case, doubled
    slashes and parameters, takes `\\` for `/`, and resolves dots."""
    path = posixpath.normpath("/" + re.sub(r";[^/]*", "", path).replace("\\", "/").lstrip("/"))
    match = re.match(r"/(?:v1|v2-beta)/projects/([^/]+)", path, re.IGNORECASE)
    return match[1] if match else None


class Journal:
    """The file to which an origin writes a line for each request that it sees."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(
        self,
        method: str,
        target: str,
        path: str | None,
        body: bytes,
        look_up: Callable[[str], str | None],
    ) -> bytes:
        """Write a line for a request, and return it. `path` is decoded; None: that of `target`."""
        if path is None:
            path = unquote(target.partition("?")[0])
        line = json.dumps(
            {
                "method": method,
                "target": target,
                "path": path,
                "host": look_up("Host"),
                "length": len(body),
                "hash": hashlib.sha256(body).hexdigest(),
            }
            | {word: look_up(name) for word, name in ASKED.items()}
        ).encode()
        os.write(self._file, line + b"\n")
        return line
