"""What the rules of a route make of the field lines of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.header_rules import HeaderRules
from proxy.http1.header_rules import ruled

LINES = b"Server: s\r\nX-Server: x\r\nserver: t\r\nX: Server: y\r\nServer:\r\nETag: e\r\n"


@pytest.mark.parametrize(
    ("put", "remove", "expected"),
    [
        ((), (), LINES),
        ((), (b"SERVER",), b"X-Server: x\r\nX: Server: y\r\nETag: e\r\n"),
        ((), (b"Server", b"ETag", b"None"), b"X-Server: x\r\nX: Server: y\r\n"),
        (((b"New", b"1"),), (), LINES + b"New: 1\r\n"),
        (
            ((b"etag", b"f"), (b"X", b"%b")),
            (b"server",),
            b"X-Server: x\r\netag: f\r\nX: %b\r\n",
        ),
        ((), (b"X.S", b"Serve"), LINES),
    ],
)
def test_fields_are_set_and_left_out_by_their_whole_name(
    put: tuple[tuple[bytes, bytes], ...], remove: tuple[bytes, ...], expected: bytes
) -> None:
    """In whatever case, however often they came; all others stay as they are."""
    assert ruled(HeaderRules(put, remove), LINES) == expected


names = st.sampled_from([b"A", b"a", b"B", b"A-B", b"X.Y", b"!"])
values = st.sampled_from([b"", b" 1", b"A: 2", b" \xff"])
fields = st.lists(st.tuples(names, values), max_size=6)


@given(fields=fields, put=st.sets(names, max_size=2), remove=st.sets(names, max_size=2))
def test_no_other_line_changes(
    fields: list[tuple[bytes, bytes]], put: set[bytes], remove: set[bytes]
) -> None:
    """Nor their order; what is set stands once, at the end."""
    rules = HeaderRules(tuple((name, b"set") for name in sorted(put)), tuple(remove))
    gone = {name.lower() for name in put | remove}
    kept = [b"%b:%b\r\n" % field for field in fields if field[0].lower() not in gone]
    added = [b"%b: set\r\n" % name for name in sorted(put)]
    assert ruled(rules, b"".join(b"%b:%b\r\n" % field for field in fields)) == b"".join(
        kept + added
    )
