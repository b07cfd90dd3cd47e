"""The fields of bodies: which are read, ignored or refused."""

from __future__ import annotations

import pytest

from admin.api.schemas import ACCOUNT, ENVIRONMENT, KEY, Schema
from admin.api.values import Purpose, settable_values
from admin.service.errors import Refused
from proxy.domain.model import AccountKind, Role

NOW = 1_000_000


def refused(schema: Schema, body: dict[str, object], purpose: Purpose = Purpose.CREATE) -> str:
    with pytest.raises(Refused) as caught:
        settable_values(schema, body, purpose, NOW)
    assert caught.value.status == 422
    return f"{caught.value.code} {caught.value.field}"


def test_values_are_read_into_the_types_of_the_domain() -> None:
    """Dates become milliseconds, options members of their enumeration, references numbers."""
    body: dict[str, object] = {
        "name": "n",
        "description": "two\nlines",
        "role": "readonly",
        "expires": "2030-01-01T01:00:00.5+01:00",
        "accountId": "1a7",
    }
    assert settable_values(KEY, body, Purpose.CREATE, NOW) == {
        "name": "n",
        "description": "two\nlines",
        "role": Role.READONLY,
        "expires": 1_893_456_000_500,
        "accountId": 7,
    }
    made = settable_values(ACCOUNT, {"name": "n", "kind": "readAdmin"}, Purpose.CREATE, NOW)
    assert made["kind"] is AccountKind.READ_ADMIN


def test_fields_that_cannot_be_set_are_ignored() -> None:
    """So are unknown fields, whatever they hold."""
    body: dict[str, object] = {
        "publicValue": 5,
        "secretValue": "x",
        "state": "active",
        "_method": 1,
    }
    assert settable_values(KEY, body, Purpose.CREATE, NOW) == {}
    assert settable_values(ENVIRONMENT, {"slug": 7, "name": "n"}, Purpose.UPDATE, NOW) == {
        "name": "n"
    }
    assert settable_values(KEY, {"readOnly": 7, "accountId": 7}, Purpose.UPDATE, NOW) == {}
    assert settable_values(ACCOUNT, {"kind": 7}, Purpose.UPDATE, NOW) == {}


@pytest.mark.parametrize("value", [5, True, [], {}, 1.5])
@pytest.mark.parametrize("name", ["name", "description", "role", "expires", "accountId"])
def test_a_value_that_is_no_string_has_the_wrong_type(name: str, value: object) -> None:
    """A value that is no string is of the wrong type."""
    assert refused(KEY, {name: value}) == f"InvalidType {name}"


def test_an_expiry_may_be_a_duration_from_now() -> None:
    """By the server's clock, in the units of the settings; dates of other fields may not."""
    for text, milliseconds in (("90d", 90 * 86_400_000), ("12h", 43_200_000), ("0", 0)):
        body: dict[str, object] = {"expires": text}
        assert settable_values(KEY, body, Purpose.UPDATE, NOW) == {"expires": NOW + milliseconds}
    assert refused(KEY, {"expires": "90 d"}) == "InvalidDateFormat expires"
    assert refused(KEY, {"expires": "36501d"}) == "InvalidDateFormat expires"


def test_null_unsets_an_optional_field_and_is_refused_for_a_required_one() -> None:
    """null unsets what is optional, and is refused for what is required."""
    assert settable_values(KEY, {"name": None, "expires": None}, Purpose.CREATE, NOW) == {
        "name": None,
        "expires": None,
    }
    assert refused(ENVIRONMENT, {"name": None}) == "NotNullable name"
    assert refused(ENVIRONMENT, {"name": None}, Purpose.UPDATE) == "NotNullable name"
    assert refused(ACCOUNT, {"name": "n", "kind": None}) == "NotNullable kind"


def test_a_required_field_must_be_there_on_creation_only() -> None:
    """Even then it may not be empty."""
    assert refused(ENVIRONMENT, {}) == "MissingRequired name"
    assert refused(ACCOUNT, {"name": "n"}) == "MissingRequired kind"
    assert settable_values(ENVIRONMENT, {}, Purpose.UPDATE, NOW) == {}
    assert refused(ENVIRONMENT, {"name": " "}, Purpose.UPDATE) == "MinLengthExceeded name"


def test_a_name_has_at_most_255_characters_and_a_description_4096() -> None:
    """A name has at most 255 characters, a description 4096."""
    settable_values(KEY, {"name": "ü" * 255, "description": "x" * 4096}, Purpose.CREATE, NOW)
    assert refused(KEY, {"name": "x" * 256}) == "MaxLengthExceeded name"
    assert refused(KEY, {"description": "x" * 4097}) == "MaxLengthExceeded description"


@pytest.mark.parametrize(
    "character", ["\0", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066", "\ud800"]
)
def test_characters_that_mislead_a_terminal_a_log_or_a_page_are_refused(character: str) -> None:
    """Characters that mislead a terminal, a log or a page are refused wherever they stand."""
    assert refused(KEY, {"name": f"a{character}b"}) == "InvalidCharacters name"
    assert refused(KEY, {"description": f"a{character}b"}) == "InvalidCharacters description"


@pytest.mark.parametrize("character", ["\n", "\r", "\t"])
def test_a_description_may_have_several_lines_and_a_name_only_one(character: str) -> None:
    """A description may have several lines, a name is one."""
    assert refused(KEY, {"name": f"a{character}b"}) == "InvalidCharacters name"
    assert settable_values(KEY, {"description": f"a{character}b"}, Purpose.CREATE, NOW)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "tomorrow",
        "2030-01-01",
        "2030-01-01T00:00:00",
        "2030-13-01T00:00:00Z",
        "2030-01-01T00:00:60Z",
        "2030-01-01T00:00:00+24:00",
        "9999-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+01:00",
        "２０30-01-01T00:00:00Z",
        "20300101T000000Z",
    ],
)
def test_a_date_without_a_time_or_an_offset_is_refused(value: str) -> None:
    """So is a date that the calendar does not have."""
    assert refused(KEY, {"expires": value}) == "InvalidDateFormat expires"


def test_an_option_is_read_only_in_its_exact_spelling() -> None:
    """An option is written exactly as it is."""
    assert refused(KEY, {"role": "OWNER"}) == "InvalidOption role"
    assert refused(ACCOUNT, {"name": "n", "kind": "root"}) == "InvalidOption kind"


@pytest.mark.parametrize("value", ["", "7", "1a0", "1a07", "1A7", "1c7", "1a7 ", "1a" + "9" * 19])
def test_a_reference_is_read_only_in_its_canonical_form(value: str) -> None:
    """A reference is an id in its one spelling."""
    assert refused(KEY, {"accountId": value}) == "InvalidReference accountId"
