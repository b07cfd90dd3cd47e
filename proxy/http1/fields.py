"""What the fields of a head say: body framing, the connection, and which lines are passed on.

Fields are sorted by tables of names. A name in no table is passed on untouched; a name that some
upstream would read as another (`Content_Length`) is treated as that other. Numbers in brackets are
sections of RFC 9112 unless another document is named. Pure, no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from operator import methodcaller
from typing import Final, NamedTuple, TypeAlias

from proxy.http1.cookies import MARK, without_own_cookies
from proxy.http1.faults import Fault, Malformed
from proxy.http1.grammar import fold
from proxy.http1.stripped_fields import STRIPPED, matcher
from proxy.http1.template import Template, passed_on
from proxy.http1.traceparent import FIELDS as TRACE

_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,254}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?"
).fullmatch
LENGTH: Final = re.compile(rb" *([0-9]{1,19}) *").fullmatch
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:=@+/-]{1,128}").fullmatch
"""An X-Request-Id of a client's that is taken over; any other one is replaced."""
_CHUNKED: Final = re.compile(rb" *chunked", re.IGNORECASE).fullmatch
_CODED: Final = re.compile(
    rb" *(?:(?:x-)?(?:gzip|compress)|deflate)(?: *, *(?:(?:x-)?(?:gzip|compress)|deflate))*"
    rb" *, *chunked",
    re.IGNORECASE,
).fullmatch
MAX_LENGTH: Final = 2**63 - 1
COMMON: Final = 64
"""The longest field name, in bytes, that is cached with its sort."""
NAMES: Final = 1024
"""How many names are cached."""
MAX_MEMBERS: Final = 100
"""Of a list. 64 KiB of `a,a,a` would take milliseconds to read."""


class Framing(NamedTuple):
    """What the fields say about the body [6.3]; version, method and status say the rest."""

    length: int | None
    chunked: bool


def read_framing(length: list[bytes], coding: list[bytes]) -> Framing:
    """Read Content-Length and Transfer-Encoding: each at most once, never both [6.1]."""
    if coding:
        if len(coding) == 1 and not length and _CODED(coding[0]):
            raise Malformed(Fault.TRANSFER_CODING)
        if len(coding) > 1 or length or not _CHUNKED(coding[0]):
            raise Malformed(Fault.TRANSFER_ENCODING)
        return Framing(None, True)
    if not length:
        return Framing(None, False)
    digits = LENGTH(length[0])
    if len(length) > 1 or not digits or int(digits[1]) > MAX_LENGTH:
        raise Malformed(Fault.CONTENT_LENGTH)
    return Framing(int(digits[1]), False)


_commas: Final = methodcaller("count", b",")


def tokens(values: list[bytes]) -> list[bytes]:
    """The members of a comma-separated list, in lower case. Raises `Malformed` if it is too
    long."""
    if sum(map(_commas, values)) >= MAX_MEMBERS:
        raise Malformed(Fault.LIST_SIZE)
    return [
        token for value in values for part in value.split(b",") if (token := part.strip().lower())
    ]


# What happens to a field of a request, by its name. Fields with other names are passed on.
NOTED: Final = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect"}
    | {b"authorization", b"x-request-id"}
    | {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port"}
    | {b"x-forwarded-prefix", b"forwarded"}
)
"""Read by the gateway, and not passed on as they were received."""
_READ: Final = frozenset(
    {b"accept", b"user-agent", b"sec-websocket-key", b"x-api-no-challenge"}
    | {b"destination"}
    | {b"x-enforce-authentication"}
)
"""Read by the gateway, and passed on."""
HOP_BY_HOP: Final = frozenset(
    {b"keep-alive", b"proxy-connection", b"te", b"trailer", b"http2-settings"}
    | {b"proxy-authorization", b"proxy-authenticate", b"proxy-authentication-info"}
)
_UNSENT: Final = HOP_BY_HOP | {b"x-request-id"}
"""Not passed on, as `stripped_fields.STRIPPED` are not: for this hop only, or sent anew."""
_REFUSED_ALIASES: Final = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"authorization", b"connection"}
    | {b"upgrade", b"expect", b"te", b"trailer", b"http2-settings", b"proxy-authorization"}
)
"""Refused when written with `_` or the like: an upstream that folds names would read another
message."""


OF_THE_CONNECTION: Final = frozenset({b"close", b"keep-alive", b"upgrade"})
"""Members of Connection that are no field names; the fields of these names are never passed on."""


Sort: TypeAlias = tuple[bytes | None, bool]


class Known(dict[bytes, Sort]):
    """A cache of `sort` by name, of bounded size: a look-up takes a tenth of the time."""

    def __init__(self, sort: Callable[[bytes], Sort]) -> None:
        super().__init__()
        self._sort = sort

    def __missing__(self, name: bytes) -> Sort:
        found = self._sort(name)
        if len(name) <= COMMON:
            if len(self) >= NAMES:
                self.clear()
            self[name] = found
        return found


_OF_ONE_REQUEST: Final = frozenset({b"authorization", b"x-request-id"})


class RequestTable(Known):
    """What happens to the fields of requests under one configuration."""

    def __init__(
        self,
        *,
        read: Collection[bytes] = (),
        pairs: Collection[bytes] = (),
        strip: Collection[str] = (),
        traced: bool = False,
    ) -> None:
        """Names in lower case: `read` are more fields that are read and passed on, `pairs` those
        that hold an access key and a secret key. No spelling of the latter is passed on, nor one of
        `strip`, which are as in `stripped_fields`. `traced`: the fields of the trace are read, and
        not passed on as they were received."""
        super().__init__(self._sort_request)
        self.pairs = frozenset(pairs)
        self.trace = TRACE if traced else frozenset[bytes]()
        self.free = _OF_ONE_REQUEST | self.pairs | self.trace
        """Fields that are read here, and on which nothing else in `RequestFields` depends."""
        self._read = _READ | frozenset(read)
        self._is_stripped = matcher([*STRIPPED, *strip])

    def _sort_request(self, sent: bytes) -> Sort:
        """(the name under which a field is read here, None where it is not read; whether it is
        passed on), for its name as it was sent. Raises `Malformed` on an alias."""
        name = sent.lower()
        if name in NOTED or name in self.pairs or name in self.trace:
            return name, False
        folded = fold(name)
        if folded != name and folded in _REFUSED_ALIASES:
            raise Malformed(Fault.FIELD_ALIAS)
        held_back = folded in _UNSENT or folded in self.pairs or self._is_stripped(folded)
        return name if name in self._read else None, not held_back


def has_a_meaning(name: bytes) -> bool:
    """Whether a field with this name, in lower case and without marks but dashes, means something
    to HTTP or to the gateway, so that no configuration can give it another meaning."""
    known = name in NOTED or name in _READ or name in _OF_HTTP or name.startswith(_HTTP_PREFIXES)
    return known or not PLAIN[name][1]


_OF_HTTP: Final = frozenset(
    {b"cache-control", b"cookie", b"date", b"from", b"max-forwards", b"origin", b"pragma"}
    | {b"range", b"referer", b"set-cookie", b"via"}
)
_HTTP_PREFIXES: Final = (b"accept-", b"access-control-", b"content-", b"if-", b"proxy-", b"sec-")
"""Of RFC 6265, 9110 and 9111, and of the Fetch standard."""


def sort_out(
    lines: list[bytes], known: Known
) -> tuple[dict[bytes, list[bytes]], list[bytes | None], list[bool]]:
    """(name → values, of the fields that are read here; the name under which each line is read;
    whether each line is passed on). `lines` are those of a block, and end with two empty ones, of
    which one is passed on."""
    noted: dict[bytes, list[bytes]] = {}
    names = []
    passing = []
    for line in lines[:-2]:
        sent, _, value = line.partition(b":")
        name, passes = known[sent]
        names.append(name)
        passing.append(passes)
        if name is not None:
            noted.setdefault(name, []).append(value)
    return noted, names, [*passing, False, True]


def hold_back(gone: set[bytes], lines: list[bytes], passing: list[bool]) -> None:
    """Do not pass on fields with these names, which are for this hop only."""
    if gone:
        for place, line in enumerate(lines[:-2]):
            if line.partition(b":")[0].lower() in gone:
                passing[place] = False


PLAIN: Final = RequestTable()
"""Of a configuration that names no fields."""
_NO_PAIRS: Final[dict[bytes, list[bytes]]] = {}
_NO_TRACE: Final[dict[bytes, list[bytes]]] = {}


class RequestFields:
    """What a block of request fields says by itself, whatever request line it follows."""

    def __init__(self, block: bytes, table: RequestTable = PLAIN) -> None:
        """Read `block`, which `FIELD_BLOCK` matched. Raises `Malformed` (400, 417 or 501)."""
        if MARK in block:
            block = without_own_cookies(block)
        lines = block.split(b"\r\n")
        noted, names, passing = sort_out(lines, table)
        self.noted = noted
        """The fields that are read here, without those that are `table.free`. Not to be changed."""
        self.authorization = noted.pop(b"authorization", None)
        self.pairs = _NO_PAIRS
        """The fields of the configuration that hold an access key and a secret key."""
        if table.pairs:
            self.pairs = {name: noted.pop(name) for name in table.pairs if name in noted}
        self._read_request_id(noted.pop(b"x-request-id", []))
        self.trace = _NO_TRACE
        """The fields of the trace, where they are read."""
        if table.trace:
            self.trace = {name: noted.pop(name) for name in table.trace if name in noted}
        self.length, self.chunked = read_framing(
            noted.get(b"content-length", []), noted.get(b"transfer-encoding", [])
        )
        self.host = _host(noted.get(b"host"))
        hold_back(self._read_connection(), lines, passing)
        self.expect = _expect(noted.get(b"expect"))
        self._read_rest()
        self.end_to_end = passed_on(lines, passing)
        """The lines that are passed on, each with its CRLF."""
        self._template = Template(block, names, passing, table.free)
        self._values: list[bytes] = []
        """The values in the blanks of the template."""

    def again(self, block: bytes) -> RequestFields | None:
        """What `block`, the next one on the connection, says, where it differs only in values that
        change nothing else here: the rest is taken over, and `noted` is the same object. None where
        the block has to be read afresh, or is no block of fields."""
        if MARK in block and _has_own_cookies(block):
            return None
        fitting = self._template.fit(block)
        if fitting is None:
            return None
        template, values = fitting
        if values == self._values:
            return self
        again = RequestFields.__new__(RequestFields)
        again.__dict__.update(self.__dict__)
        for number, name in template.named:
            value = values[number : number + 1]
            if name == b"x-request-id":
                again._read_request_id(value)
            elif name in TRACE:
                again.trace = again.trace | {name: value}
            elif name != b"authorization":
                if value != self.pairs.get(name):
                    again.pairs = again.pairs | {name: value}
            elif value != self.authorization:
                again.authorization = value
        again._template, again._values = template, values
        again.end_to_end = template.passed_on(values)
        return again

    def differing(self, head: bytes, start: int) -> Sequence[bytes] | None:
        """The values in which the block that begins at `start` in `head` differs from this one,
        where they are of fields that mean nothing here, and without those that are not passed on:
        they belong in the blanks of `blanked`. None where the block has to be read, or does not end
        where the head does, or is no block of fields."""
        template = self._template
        found = template.read_at(head, start)
        if found is None or found[1] != len(head) or template.named:
            return None
        if template.cookies and MARK in head and _has_own_cookies(head[start:]):
            return None
        return template.passing(found[0]) if template.gone else found[0]

    def presenting(self, head: bytes, start: int) -> list[bytes] | None:
        """The values of Authorization in the same block, where it differs from this one in these at
        most, and in values of fields that mean nothing here. None as above."""
        template = self._template
        found = template.read_at(head, start)
        if found is None or found[1] != len(head) or len(template.named) > 1:
            return None
        if template.cookies and MARK in head and _has_own_cookies(head[start:]):
            return None
        if not template.named:
            return self.authorization or []
        (number, name), values = template.named[0], found[0]
        return values[number : number + 1] if name == b"authorization" else None

    @property
    def own_values(self) -> Sequence[bytes]:
        """Those of the block itself."""
        return self._template.passing(self._values)

    @property
    def blanked(self) -> bytes:
        """As `end_to_end`, with a `BLANK` for each value in which the next block may differ."""
        return self._template.blanked or self.end_to_end

    def _read_request_id(self, values: list[bytes]) -> None:
        match = REQUEST_ID(values[0].strip(b" \t")) if len(values) == 1 else None
        self.request_id = match[0] if match else None

    def _read_connection(self) -> set[bytes]:
        """Read Connection and Upgrade; return the names of the fields that are for this hop
        only."""
        values = self.noted.get(b"connection")
        named = tokens(values) if values else []
        self.close = b"close" in named
        self.keep_alive = b"keep-alive" in named
        offered = self.noted.get(b"upgrade")
        self.upgrade = b",".join(tokens(offered)) if offered else None
        """The protocols offered, in lower case; None where there is no Upgrade."""
        if self.upgrade is not None and b"upgrade" not in named:
            self.upgrade = b""  # Connection does not name it: no offer, and not passed on either
        return set(named) - OF_THE_CONNECTION

    def _read_rest(self) -> None:
        noted = self.noted
        self.agent = b", ".join(self.values(b"user-agent"))
        self.problem = any(b"problem+json" in value for value in noted.get(b"accept", ()))
        self.destination = noted.get(b"destination")
        """The values of Destination, a second path; None where there is none."""
        origins = noted.get(b"origin", ())
        self.origin = origins[0].strip(b" \t") if len(origins) == 1 else None
        """The value of Origin, where the table has it read; None where it is not there once."""
        self.no_challenge = self._says_true(b"x-api-no-challenge")
        self.enforce = self._says_true(b"x-enforce-authentication")
        self.websocket_key = len(noted.get(b"sec-websocket-key", ())) == 1

    def _says_true(self, name: bytes) -> bool:
        return name in self.noted and b"true" in map(bytes.lower, self.values(name))

    def values(self, name: bytes) -> list[bytes]:
        """The values of a field that is `noted`, in order, without outer white space."""
        return [value.strip(b" \t") for value in self.noted.get(name, ())]


def _has_own_cookies(block: bytes) -> bool:
    return without_own_cookies(block) != block


def _host(values: list[bytes] | None) -> bytes | None:
    """The Host field [3.2], or None where there is none, which only HTTP/1.0 allows."""
    if values is None:
        return None
    host = _HOST(values[0].strip(b" \t")) if len(values) == 1 else None
    if not host or int(host[1] or 0) > 65535:
        raise Malformed(Fault.HOST)
    return host[0]


def _expect(values: list[bytes] | None) -> bool:
    """Whether the client waits for 100 (Continue) (RFC 9110 section 10.1.1)."""
    if values is None:
        return False
    if [value.strip(b" \t").lower() for value in values] != [b"100-continue"]:
        raise Malformed(Fault.EXPECT)
    return True
