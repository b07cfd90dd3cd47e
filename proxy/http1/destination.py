"""The second path of a request: the field Destination of WebDAV's COPY and MOVE. Pure.

The rule that lives here: it is read by the grammar of request targets, so that it means to every
upstream what it means here.

Tested in `tests/proxy/gateway/test_methods.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final

from proxy.http1.faults import Fault, Malformed
from proxy.http1.grammar import parse_target

_ORIGIN: Final = re.compile(
    rb"(?i:https?)://([A-Za-z0-9._-]+(?::[0-9]*)?|\[[0-9A-Fa-f:.]+\](?::[0-9]*)?)"
)


def destination(
    values: Sequence[bytes], hosts: Collection[bytes]
) -> tuple[bytes, frozenset[bytes]]:
    """(path, the characters in it that only a route may allow) of a Destination (RFC 4918
    section 10.3): a path, or a URI of http or https at one of `hosts`, those that the request
    itself was sent to. `values` are those of all such fields. Raises `Malformed`.

    A query is refused: sabre/dav takes it for a part of the path, dot segments included.
    """
    if len(values) != 1:
        raise Malformed(Fault.TARGET)
    value = values[0].strip(b" \t")
    origin = _ORIGIN.match(value)
    if origin and origin[1].lower() not in map(bytes.lower, hosts):
        raise Malformed(Fault.TARGET)
    path, characters, query = parse_target(value[origin.end() :] if origin else value)
    if query is not None:
        raise Malformed(Fault.TARGET)
    return path, characters
