"""The forms of times and links in the API."""

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
def test_a_time_is_shown_as_text_to_the_second_and_in_milliseconds(
    milliseconds: int | None, text: str | None
) -> None:
    """The text is in UTC."""
    assert timestamp(milliseconds) == text
    assert date_fields("created", milliseconds) == {"created": text, "createdTS": milliseconds}


def test_links_of_keys_and_schemas_stay_within_the_scope() -> None:
    """Every other resource has one place."""
    root, scoped = Links("http://o"), Links("http://o", "v1", "1a8")
    assert (root.root, root.schemas) == ("http://o/v2-beta", "http://o/v2-beta/schemas")
    assert (scoped.root, scoped.schemas) == ("http://o/v1", "http://o/v1/projects/1a8/schemas")
    assert root.collection(KEY) == "http://o/v2-beta/apikeys"
    assert scoped.collection(KEY) == "http://o/v1/projects/1a8/apikeys"
    assert scoped.collection(ENVIRONMENT) == "http://o/v1/projects"
    assert scoped.collection(ACCOUNT) == "http://o/v1/accounts"
