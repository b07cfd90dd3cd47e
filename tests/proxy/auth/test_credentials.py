"""Credentials: what is accepted can be read in one way only, and everything else is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.auth.credentials import Credentials, digest_of, parse
from proxy.domain.model import Deny, Reason
from proxy.domain.names import ACCESS_KEY
from proxy.domain.presentation import Presentation

KEY = b"k" * 32
MALFORMED = Deny(Reason.MALFORMED_CREDENTIALS)

access_keys = st.from_regex(ACCESS_KEY, fullmatch=True)
secrets = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1
).map(str.encode)
schemes = st.sampled_from([b"Basic", b"basic", b"BASIC", b"bAsIc"])
spaces = st.integers(1, 3).map(lambda count: b" " * count)


def basic(pair: bytes) -> bytes:
    """The value of an Authorization field for a pair."""
    return b"Basic " + base64.b64encode(pair)


@given(access_keys, secrets, schemes, spaces)
def test_well_formed_credentials_give_back_their_pair(
    access_key: str, secret: bytes, scheme: bytes, space: bytes
) -> None:
    """The case of the scheme and the number of spaces after it do not matter."""
    token = base64.b64encode(access_key.encode() + b":" + secret)
    parsed = parse([b" " + scheme + space + token])
    assert isinstance(parsed, Credentials)
    assert (parsed.access_key, parsed.secret, parsed.sealed) == (access_key, secret, None)


@given(st.binary(max_size=100) | st.builds(lambda a, b: a + b":" + b, st.binary(), st.binary()))
def test_a_pair_of_any_bytes_is_given_back_or_refused(pair: bytes) -> None:
    """No byte of it is dropped, replaced or normalized."""
    parsed = parse([basic(pair)])
    if isinstance(parsed, Credentials):
        assert parsed.access_key.encode() + b":" + parsed.secret == pair
    else:
        assert parsed == MALFORMED


@given(
    st.text("ABCDwxyz0189+/= \t\n-_", max_size=40).map(str.encode)
    | st.builds(
        lambda key, secret, cut: base64.b64encode(key.encode() + b":" + secret)[:cut],
        access_keys,
        secrets,
        st.integers(1, 40),
    )
)
def test_an_accepted_token_is_the_only_encoding_of_its_pair(token: bytes) -> None:
    """Missing padding, surplus bits and other alphabets are refused."""
    parsed = parse([b"Basic " + token])
    if isinstance(parsed, Credentials):
        pair = parsed.access_key.encode() + b":" + parsed.secret
        assert base64.b64encode(pair) == token.strip(b" ")
    else:
        assert parsed == MALFORMED


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Basic",
        b"Basic ",
        b"Basic\t" + base64.b64encode(b"key:secret"),
        b"Bearer " + base64.b64encode(b"key:secret"),
        basic(b"key:secret") + b", Basic x",
        base64.b64encode(b"key:secret"),
        b"Basic a2V5OnNlY3JldA",  # without padding
        b"Basic a2V5OnNlY3JldB==",  # with bits behind the last byte
        b"Basic a2V5OnNlY3JldA==" * 2,
        basic(b"no colon"),
        basic(b":secret"),
        basic(b"key:with\0nul"),
        basic(b"key:\xff"),
        basic(b"\xff:secret"),
        basic("schl\u00fcssel:secret".encode()),
        basic(b"a key:secret"),
        basic(b"k" * 65 + b":secret"),
        basic("key:ü".encode("latin-1")),
        basic(b"key:"),
    ],
)
def test_malformed_credentials_are_refused(value: bytes) -> None:
    """They are refused whatever part of them is malformed."""
    assert parse([value]) == MALFORMED


@given(access_keys, secrets.filter(lambda secret: secret == secret.strip(b" \t")), schemes)
def test_a_pair_is_the_same_however_it_is_presented(
    access_key: str, secret: bytes, scheme: bytes
) -> None:
    """Caches and limits do not distinguish them."""
    pair = access_key.encode() + b":" + secret
    every = Presentation(frozenset({b"basic", b"bearer"}), b"x-api-key")
    bearer = scheme.lower().replace(b"basic", b"bEarer")
    one = parse([basic(pair)])
    assert isinstance(one, Credentials)
    for values, pairs in (
        ([basic(pair)], {}),
        ([b" " + bearer + b"  " + pair], {}),
        (None, {b"x-api-key": [b" " + pair + b"\t"]}),
    ):
        assert parse(values, pairs, every) == one
        both = {b"x-api-key": [pair, *pairs.get(b"x-api-key", [])]}
        assert parse(values or [basic(pair)], both, every) == MALFORMED


@pytest.mark.parametrize("accepted", [Presentation(), Presentation(frozenset(), b"x-other")])
def test_what_is_not_accepted_is_not_read(accepted: Presentation) -> None:
    """Another scheme of Authorization is malformed where that field is read at all."""
    assert parse(None, {b"x-api-key": [b"a:b"]}, accepted) == Deny(Reason.NO_CREDENTIALS)
    bearer = parse([b"Bearer a:b"], {}, accepted)
    assert bearer == (MALFORMED if accepted.schemes else Deny(Reason.NO_CREDENTIALS))


def test_a_request_has_one_authorization_field_or_no_credentials() -> None:
    """A second field is refused even if it is the same as the first."""
    value = basic(b"key:secret")
    assert parse(None) == parse([]) == Deny(Reason.NO_CREDENTIALS)
    assert isinstance(parse([value]), Credentials)
    assert parse([value, value]) == MALFORMED


@given(st.tuples(access_keys, secrets), st.tuples(access_keys, secrets))
def test_two_pairs_have_the_same_digest_only_if_they_are_equal(
    first: tuple[str, bytes], second: tuple[str, bytes]
) -> None:
    """The digest depends on both parts, and on the key of the process."""
    one, other = (Credentials(*pair) for pair in (first, second))
    assert (digest_of(one, KEY) == digest_of(other, KEY)) == (first == second)
    assert digest_of(one, b"another key") != digest_of(one, KEY)


def test_the_repr_of_credentials_hides_their_secret() -> None:
    """A traceback that prints them does not show it either."""
    assert "hunter2" not in repr(Credentials("A", b"hunter2", digest=b"digest-of-hunter2"))
