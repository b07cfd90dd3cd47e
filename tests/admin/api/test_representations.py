"""The forms that values and links have on the wire."""

from __future__ import annotations

import pytest

from admin.api.representations import Links, date_fields, timestamp
from admin.api.schemas import ACCOUNT, ENVIRONMENT, KEY


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_469_816_557_999, "2016-07-29T18:22:37Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59Z"),
        (None, None),
        (9_000_000_000_000_000, None),
        (-(2**63), None),
    ],
)
def test_times(milliseconds: int | None, text: str | None) -> None:
    """A time is told in UTC to the second, and beside it to the millisecond."""
    assert timestamp(milliseconds) == text
    assert date_fields("created", milliseconds) == {"created": text, "createdTS": milliseconds}


def test_links() -> None:
    """Within a scope the links of keys and schemas stay in it; other resources have one place."""
    root, scoped = Links("http://o"), Links("http://o", "v1", "1a8")
    assert (root.root, root.schemas) == ("http://o/v2-beta", "http://o/v2-beta/schemas")
    assert (scoped.root, scoped.schemas) == ("http://o/v1", "http://o/v1/projects/1a8/schemas")
    assert root.collection(KEY) == "http://o/v2-beta/apikeys"
    assert scoped.collection(KEY) == "http://o/v1/projects/1a8/apikeys"
    assert scoped.collection(ENVIRONMENT) == "http://o/v1/projects"
    assert scoped.collection(ACCOUNT) == "http://o/v1/accounts"
