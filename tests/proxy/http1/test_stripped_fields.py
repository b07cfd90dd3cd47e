"""Which fields of a request reach an upstream, by their names."""

from __future__ import annotations

import pytest

from proxy.http1.fields import RequestFields, RequestTable
from proxy.http1.stripped_fields import STRIPPED, matcher


@pytest.mark.parametrize(
    "name",
    [
        *("traceparent", "tracestate", "baggage", "b3", "X-B3-TraceId", "X-Amzn-Trace-Id"),
        *("X-Cloud-Trace-Context", "X-Correlation-Id", "Uber-Trace-Id", "X-Datadog-Trace-Id"),
        *("X-Api-Key", "X-Auth-Token", "X-Amz-Date", "X-Goog-Api-Key", "X-Goog-Meta-Mtime"),
        *("X-MS-Version", "X-MS-Blob-Type", "X-MS-Client-Request-Id", "X-Client-Info"),
        *("X-Client-Data", "X-Requested-With", "X-CSRF-Token", "Origin", "Cookie", "Referer"),
        *("X-API-No-Challenge", "X-Real", "X-Forward", "Sec-WebSocket-Key", "Sec-Fetch-Site"),
        *("Idempotency-Key", "If-Match", "Range", "Accept-Language", "Content-Type", "Via"),
        *("SOAPAction", "Depth", "Overwrite", "X-Project-Id", "Smart", "Ivory", "Remote"),
    ],
)
def test_a_field_that_marks_a_request_or_asks_for_something_is_passed_on(name: str) -> None:
    """Traces, and what clients send to the services whose other fields are removed."""
    line = name.encode() + b": x"
    assert RequestFields(line + b"\r\n\r\n").end_to_end == line + b"\r\n"


def test_a_configuration_adds_names_that_are_not_passed_on() -> None:
    """Whole ones and beginnings, in any spelling; what is read here is read all the same."""
    known = RequestTable(strip=["X-Tenant", "x_internal-*", "Accept"])
    lines = [b"x-tenant: 1", b"X_Tenant: 1", b"X-INTERNAL_: 1", b"x.internal.Id: 1", b"Accept: */*"]
    kept = [b"X-Tenant-Id: 1", b"X-Internal: 1"]
    block = b"\r\n".join([b"Host: h", *lines, *kept, b"Accept: application/problem+json", b"", b""])
    fields = RequestFields(block, known)
    assert fields.end_to_end == b"".join(line + b"\r\n" for line in kept)
    assert fields.problem
    more = b"".join(line + b"\r\n" for line in [*lines, *kept])
    assert RequestFields(b"Host: h\r\n" + more + b"\r\n").end_to_end == more


@pytest.mark.parametrize("name", sorted(STRIPPED))
def test_each_name_of_the_table_is_removed_in_any_spelling(name: str) -> None:
    """With `_` or other marks for dashes, in any case, and with any end where it has a `*`."""
    known = RequestTable()
    whole = name.replace("*", "Any-End")
    for spelt in (whole, whole.upper(), whole.replace("-", "_"), whole.title().replace("-", ".")):
        assert known[spelt.encode()] in {(None, False), (spelt.lower().encode(), False)}


def test_the_end_of_a_name_counts_unless_it_has_a_star() -> None:
    """`x-a` is not `x-ab`."""
    matches = matcher(["X_A", "x-b-*"])
    assert [matches(name) for name in (b"x-a", b"x-ab", b"x-b-", b"x-b-c", b"x-b")] == [
        *(True, False, True, True, False),
    ]
