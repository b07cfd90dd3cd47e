"""The grammar of HTTP/1.1 heads that the gateway accepts. Pure, no I/O.

The rule that lives here: what is ambiguous is refused, never repaired, and what is accepted goes on
byte for byte. A request line is never decoded and encoded again, and every field that is passed on
is the line that was received. Numbers in brackets are sections of RFC 9112 unless another document
is named.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from proxy.domain.methods import STANDARD, passes
from proxy.domain.readings import readings
from proxy.http1.faults import Fault, Malformed

METHODS: Final = tuple(method.encode() for method in STANDARD)
"""The methods that most requests have: the pattern for plain request lines knows these alone."""


# --- request line [3] ----------------------------------------------------------------------------

_SEGMENT_START = rb"A-Za-z0-9_~!$&'()*+,=:@\-"
_CLEAN_PATH = rb"(?:/[%b][%b.]*)+/?|/" % (_SEGMENT_START, _SEGMENT_START)
_QUERY = rb"\?[\x21\x22\x24-\x7e]*"
REQUEST_LINE: Final = re.compile(
    rb"(%b) (%b)(%b)? HTTP/1\.([01])" % (b"|".join(METHODS), _CLEAN_PATH, _QUERY)
).fullmatch
"""Groups: method, path, query with its `?` or None, minor version. Matches where the path needs no
more checks: no escapes, no `;`, no segment that starts with a dot, no empty segment."""

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_BY_LEAVE: Final = frozenset(b';[]|^{}"')
"""RFC 3986 has `;` for parameters, and no place for the others, which clients send all the same."""
_PATH: Final = re.compile(
    rb"(?:/(?:[%b.%b]|%%[0-9A-Fa-f]{2})*)+" % (_SEGMENT_START, re.escape(bytes(_BY_LEAVE)))
).fullmatch
_QUERY_MATCH: Final = re.compile(_QUERY).fullmatch
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]").fullmatch
_ESCAPE_BY_LEAVE: Final = re.compile(rb"%(?:2[5F]|3B)", re.IGNORECASE).findall
_NO_NAME: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\\]|%(?:[01][0-9a-f]|7f|2e|5c|u)|/\s*\.\.?\s*(?:[;?#/]|$)"
).search
"""What no reading of an accepted path has: a control character or a backslash, also one that is
still escaped, `%u`, an escaped dot, and a dot segment, also one with spaces or parameters."""


class RequestLine(NamedTuple):
    """A request line that the grammar accepts."""

    method: bytes
    path: bytes
    """As sent; `*` for `OPTIONS *`."""
    query: bytes | None
    minor: int
    characters: frozenset[bytes]
    """Which of the characters that only a route may allow the path holds: `%2F`, `%25`, `;` (also
    where it is escaped), `[`, `]`, `|`, `^`, `{`, `}` and `"`."""


_NO_CHARACTERS: Final[frozenset[bytes]] = frozenset()


def request_line(line: bytes) -> RequestLine:
    """Parse a request line, without its CRLF. Raises `Malformed` (400, 405 or 505)."""
    if clean := REQUEST_LINE(line):
        method, path, query, minor = clean.groups()
        return RequestLine(method, path, query, int(minor), _NO_CHARACTERS)
    parts = line.split(b" ")
    if len(parts) != 3 or not _TOKEN(parts[0]):
        raise Malformed(Fault.REQUEST_LINE)
    method, target, version = parts
    if method in {b"CONNECT", b"TRACE"}:
        raise Malformed(Fault.METHOD_UNSUPPORTED)
    path, characters, query = b"*", _NO_CHARACTERS, None
    if not (method == b"OPTIONS" and target == b"*"):
        path, characters, query = parse_target(target)
    if not _VERSION(version):
        raise Malformed(Fault.VERSION)
    if version[5:6] != b"1":
        raise Malformed(Fault.VERSION_UNSUPPORTED)
    if version[7:] not in {b"0", b"1"}:
        raise Malformed(Fault.VERSION)
    if not passes(method.decode()):
        raise Malformed(Fault.METHOD_UNSUPPORTED)
    return RequestLine(method, path, query, int(version[7:]), characters)


def parse_target(target: bytes) -> tuple[bytes, frozenset[bytes], bytes | None]:
    """Parse an origin-form target [3.2.1]: its path, the characters in it that only a route may
    allow, its query."""
    path, mark, rest = target.partition(b"?")
    if not _PATH(path) or (mark and not _QUERY_MATCH(mark + rest)):
        raise Malformed(Fault.TARGET)
    if b"//" in path:
        raise Malformed(Fault.TARGET)
    return path, _check_escapes(path), mark + rest if mark else None


def _check_escapes(path: bytes) -> frozenset[bytes]:
    """Refuse a path with a reading that is not UTF-8, or in which some upstream would see another
    structure (`domain.readings`). A route that allows the characters which are returned does not
    allow that either."""
    try:
        refused = any(map(_NO_NAME, readings(path.decode("ascii"))))
    except ValueError:
        refused = True
    if refused:
        raise Malformed(Fault.TARGET)
    characters = {bytes((byte,)) for byte in _BY_LEAVE.intersection(path)}
    for escape in map(bytes.upper, _ESCAPE_BY_LEAVE(path)):
        characters.add(b";" if escape == b"%3B" else escape)
    return frozenset(characters)


# --- field lines [5] -----------------------------------------------------------------------------

_VALUE = rb"[\t\x20-\x7e\x80-\xff]*"
_FIELD = rb"[!#$%%&'*+\-.^_`|~0-9A-Za-z]+:%b" % _VALUE
field_line: Final = re.compile(_FIELD).fullmatch
"""One field line [5], without its CRLF."""
field_value: Final = re.compile(_VALUE).fullmatch
"""The value of a field line: everything after its colon."""
VALUE_BYTES: Final = bytes(byte for byte in range(256) if field_value(bytes((byte,))))
"""The bytes of values: of a value, `value.translate(None, VALUE_BYTES)` leaves nothing. That takes
two thirds of the time of a match."""
FIELD_BLOCK: Final = re.compile(rb"(?:%b\r\n)*\r\n" % _FIELD).fullmatch
"""All field lines of a head and the empty line after them, at once."""

_MARKS: Final = bytes.maketrans(b"!#$%&'*+.^_`|~", b"-" * 14)


def fold(name: bytes) -> bytes:
    """A field name as the most lenient upstream would read it: in lower case, every mark a dash.

    CGI and WSGI do not distinguish `_` from `-`; lighttpd's CGI distinguishes no marks at all.
    """
    return name.lower().translate(_MARKS)


# --- status line [4] -----------------------------------------------------------------------------

_STATUS_LINE: Final = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?"
).fullmatch


@lru_cache(maxsize=64)  # few differ, and a hit takes a fifth of the time
def status_line(line: bytes) -> tuple[int, bool] | None:
    """(status, whether the version is 1.1) of a status line [4]; None where it is malformed."""
    match = _STATUS_LINE(line)
    return (int(match[2]), match[1] == b"1") if match else None
