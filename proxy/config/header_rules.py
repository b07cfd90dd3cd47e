"""The settings `response_headers` of a route: which fields its answers get, and which they lose.

The rule that lives here: none is about a field that says how the message is framed, what its body
is or who may read it, nor about one that the gateway itself vouches for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field, PlainValidator

from proxy.config.settings import Fault, Settings
from proxy.http1.fields import HOP_BY_HOP

MAX_FIELDS: Final = 32
MAX_VALUE: Final = 4096
"""Characters. Clients take 8 KiB for a line, and more in rare cases."""

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?").fullmatch
_OF_THE_CONNECTION: Final = "is about the connection or the framing: the gateway writes it"
_OF_THE_GATEWAY: Final = "is the gateway's own"
_OF_THE_BODY: Final = "says what the body is, or who gets it from a cache: only the upstream knows"

UNTOUCHED: Final = {
    **dict.fromkeys(
        (name.decode() for name in HOP_BY_HOP),
        _OF_THE_CONNECTION,
    ),
    **dict.fromkeys(
        ("connection", "content-length", "transfer-encoding", "upgrade"), _OF_THE_CONNECTION
    ),
    **dict.fromkeys(("date", "x-request-id"), _OF_THE_GATEWAY),
    **dict.fromkeys(("content-encoding", "content-range", "vary"), _OF_THE_BODY),
    "www-authenticate": "belongs to a 401 (RFC 9110 section 15.5.2): clients need it",
}
"""Name → why no rule may be about it."""
UNSET: Final = {
    **dict.fromkeys(("ratelimit", "ratelimit-policy", "retry-after"), _OF_THE_GATEWAY),
    "set-cookie": "would be one cookie for everybody",
}
"""Name → why no rule may set it."""
_CROSS_ORIGIN: Final = "access-control-"


def field_name(text: object) -> str:
    """The name of a field that a rule may be about. Raises ValueError."""
    if not isinstance(text, str) or not _NAME(text):
        raise ValueError("should be the name of a field, such as X-Frame-Options")
    if "*" in text:  # which a name may hold, but `strip_headers` takes for the rest of names
        raise ValueError("should be the whole name of a field: here * stands for no others")
    name = text.lower()
    if name.startswith(_CROSS_ORIGIN):
        raise ValueError("is about other origins: use `cors`")
    if name.startswith("sec-websocket-"):
        raise ValueError(_OF_THE_CONNECTION)
    if name in UNTOUCHED:
        raise ValueError(UNTOUCHED[name])
    return text


def settable(text: object) -> str:
    """The name of a field that a rule may set. Raises ValueError."""
    name = field_name(text)
    if name.lower() in UNSET:
        raise ValueError(UNSET[name.lower()])
    return name


def field_value(text: object) -> str:
    """A value without line ends and other controls. Raises ValueError, which does not repeat it."""
    if not isinstance(text, str) or not _VALUE(text) or len(text) > MAX_VALUE:
        raise ValueError(
            f"should be 1 to {MAX_VALUE} visible ASCII characters, with spaces only between them"
        )
    return text


class ResponseHeaders(Settings):
    """What a route changes in the answers of its upstream."""

    set: Annotated[
        dict[Annotated[str, PlainValidator(settable)], Annotated[str, PlainValidator(field_value)]],
        Field(max_length=MAX_FIELDS),
    ] = {}
    remove: Annotated[
        list[Annotated[str, PlainValidator(field_name)]], Field(max_length=MAX_FIELDS)
    ] = []

    def rules(self) -> Iterator[Fault]:
        put, removed = Counter(map(str.lower, self.set)), Counter(map(str.lower, self.remove))
        for name, counter in (("set", put), ("remove", removed)):
            if any(times > 1 for times in counter.values()):
                yield name, "names a field twice"
        if put.keys() & removed.keys():
            yield "remove", "names a field that is set: that replaces the upstream's own already"
