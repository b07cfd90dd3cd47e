"""Which pages of other origins may use a route: Cross-Origin Resource Sharing. Pure.

The rule that lives here: an origin is allowed if it is listed, byte for byte. `null` never is,
since any page can have that origin: a frame in a sandbox has it, and so has a file.
Source: the Fetch standard, https://fetch.spec.whatwg.org/#http-cors-protocol

Tested in `tests/proxy/gateway/test_cors.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from proxy.domain.methods import ANY
from proxy.domain.model import Reason

ANY_ORIGIN: Final = b"*"
ANY_FIELD: Final = b"*"
_NULL: Final = b"null"


class Preflight(NamedTuple):
    """What a browser asks before it sends a request for a page of another origin."""

    origin: bytes
    method: str
    """Of the request that it would send."""
    fields: frozenset[bytes] = frozenset()
    """The names of the fields that the page adds to it, in lower case."""


@dataclass(frozen=True, slots=True)
class Cors:
    """The pages of other origins that may use a route, and how."""

    origins: frozenset[bytes]
    """As browsers write them, or `ANY_ORIGIN`."""
    methods: frozenset[str]
    """May hold `methods.ANY`."""
    fields: frozenset[bytes]
    """The names, in lower case, of the fields that a page may send; may hold `ANY_FIELD`."""
    expose: tuple[bytes, ...] = ()
    """The names of the fields of a response that a page may read, besides those that it always
    may."""
    credentials: bool = False
    """Whether pages may have the browser send its own credentials, such as cookies."""
    max_age: int = 600
    """How long a browser may remember the answer to a preflight, in seconds."""

    def allows(self, origin: bytes | None) -> bool:
        """Whether pages of `origin` may read the responses; None where the request names none."""
        if origin is None or origin == _NULL:
            return False
        return origin in self.origins or ANY_ORIGIN in self.origins

    def refusal(self, preflight: Preflight) -> Reason | None:
        """Why a preflight is refused; None if it is not."""
        if not self.allows(preflight.origin):
            return Reason.PREFLIGHT_ORIGIN
        if not (preflight.method in self.methods or ANY in self.methods):
            return Reason.PREFLIGHT_METHOD
        if not (preflight.fields <= self.fields or ANY_FIELD in self.fields):
            return Reason.PREFLIGHT_FIELDS
        return None
