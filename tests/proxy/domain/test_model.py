"""The order of roles, which secrets of a key are good, and names in paths."""

from __future__ import annotations

import json
import posixpath
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.model import Role
from proxy.domain.names import ACCESS_KEY, SLUG
from tests.support.seed import key

# --- roles ---

roles = st.sampled_from(Role)


@given(roles, roles)
def test_the_weaker_of_two_roles_is_one_of_them_that_both_cover(one: Role, other: Role) -> None:
    """In either order."""
    weaker = one.weaker(other)
    assert weaker in {one, other}
    assert weaker is other.weaker(one)
    assert one.covers(weaker)
    assert other.covers(weaker)


def test_roles_are_declared_from_the_strongest_to_the_weakest() -> None:
    """Each covers itself and those behind it, and no other."""
    order = list(Role)
    for place, role in enumerate(order):
        assert [other for other in order if role.covers(other)] == order[place:]
    assert (order[0], order[-1]) == (Role.OWNER, Role.READONLY)


# --- keys ---

NEW, OLD = b"$2b$06$new", b"$2b$09$old"
PLAIN = key(1, "K", NEW, account_id=1)
ROTATED = replace(PLAIN, previous_hash=OLD, previous_until=100)


def test_a_key_expires_at_its_time_and_not_before() -> None:
    """A key without one never does."""
    expiring = replace(PLAIN, expires=100)
    assert [expiring.expired(now) for now in (99, 100, 101)] == [False, True, True]
    assert not PLAIN.expired(1 << 60)


@pytest.mark.parametrize(("now", "good"), [(99, (NEW, OLD)), (100, (NEW,)), (101, (NEW,))])
def test_the_secret_before_a_rotation_is_good_until_its_time(
    now: int, good: tuple[bytes, ...]
) -> None:
    """From then on only the new one is."""
    assert ROTATED.hashes(now, sealed=True) == good
    assert ROTATED.has_previous(now) == (OLD in good)


def test_a_secret_is_compared_with_stored_forms_of_its_own_sort_alone() -> None:
    """A guess without a seal cannot match the hash of a sealed secret, nor the other way round."""
    imported = replace(ROTATED, previous_sealed=False)
    assert imported.hashes(0, sealed=True) == (NEW,)
    assert imported.hashes(0, sealed=False) == (OLD,)
    assert replace(PLAIN, sealed=False).hashes(0, sealed=True) == ()


def test_a_key_has_the_highest_cost_of_its_unsealed_secrets() -> None:
    """A key without unsealed secrets has 0."""
    assert ROTATED.unsealed_rounds == 0
    assert replace(ROTATED, previous_sealed=False).unsealed_rounds == 9
    assert replace(ROTATED, sealed=False).unsealed_rounds == 6
    assert replace(ROTATED, sealed=False, previous_sealed=False).unsealed_rounds == 9


# --- names ---


@given(st.from_regex(SLUG, fullmatch=True))
def test_a_slug_is_the_same_to_every_parser_of_paths(slug: str) -> None:
    """No escape, no dot segment, no separator and no parameter is in it."""
    assert quote(slug, safe="") == slug
    assert posixpath.normpath(f"/v1/{slug}/x") == f"/v1/{slug}/x"
    assert slug.isascii()


@given(st.from_regex(ACCESS_KEY, fullmatch=True))
def test_an_access_key_needs_no_quotes_in_a_field_a_log_or_credentials(access_key: str) -> None:
    """It has no colon (RFC 7617 section 2), no white space and no control character."""
    assert ":" not in access_key
    assert access_key.split() == [access_key]
    assert json.dumps(access_key) == f'"{access_key}"'


@pytest.mark.parametrize("name", ["", "-a", "_a", "a.b", "a/b", "a%", "a b", "é", "a" * 64, "a\n"])
def test_other_names_are_no_slugs(name: str) -> None:
    """Some parser would change each of them, or they are empty or too long."""
    assert not SLUG.fullmatch(name)
