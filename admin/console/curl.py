"""Requests as lines for a shell. They name the variables of a key, never a key.

Tested in `tests/admin/console/test_curl.py`.
"""

from __future__ import annotations

import json
import shlex
from typing import Final

from admin.api.representations import Json

_CURL: Final = 'curl -u "$WARDGATE_ACCESS_KEY:$WARDGATE_SECRET_KEY"'


def curl_line(method: str, url: str, body: Json | None = None) -> str:
    """A request to `url` as a command. `body` is sent as JSON, unless it is empty."""
    words = [_CURL] if method == "GET" else [_CURL, "-X", method]
    # Quoted by hand: shlex leaves alone what needs no quotes, and a line that changes while a form
    # is filled in had better not change its quotes.
    words.append(_quoted(url))
    if body:
        words += ["-d", _quoted(json.dumps(body, ensure_ascii=False))]
    return " ".join(words)


def _quoted(text: str) -> str:
    quoted = shlex.quote(text)
    return quoted if quoted.startswith("'") else f"'{quoted}'"
