"""Which ID tokens prove who has logged in."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from admin.oidc.errors import LoginFailed
from admin.oidc.id_token import LEEWAY, MAX_KEYS, UnknownKey, claims_of, keys_of
from tests.support.openid import new_key, signed

NOW = 1_800_000_000
ISSUER = "https://login.example"
CLAIMS = {
    "iss": ISSUER,
    "sub": "ada",
    "aud": "wardgate",
    "exp": NOW + 300,
    "iat": NOW - 1,
    "nonce": "n0nce",
}
EC, RSA = new_key(), RSAKey.generate_key(2048, {"kid": "k1"})
ED = OKPKey.generate_key("Ed25519", {"kid": "k1"})


def key_set(*keys: Key) -> KeySet:
    """The keys as they are read from what a provider publishes."""
    return keys_of({"keys": [key.as_dict(private=False) for key in keys]})


def verify(token: str, keys: KeySet | None = None, now: int = NOW) -> dict[str, Any]:
    """The claims of a token for this client and this login."""
    return claims_of(
        token,
        keys or key_set(EC),
        issuer=ISSUER,
        client_id="wardgate",
        nonce="n0nce",
        now=now,
    )


def encoded(part: object) -> str:
    """A part of a token."""
    return urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def with_claims(**changes: Any) -> str:
    """A token with these changes; None leaves a claim out."""
    claims = {name: each for name, each in (CLAIMS | changes).items() if each is not None}
    return signed(claims, EC, "ES256", kid="k1")


@pytest.mark.parametrize(
    ("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA"), (ED, "Ed25519")]
)
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_a_token_that_the_provider_has_signed_for_this_login_proves_who_it_is(
    key: Key, alg: str
) -> None:
    """By each of the algorithms, of which one is known by two names."""
    assert verify(signed(CLAIMS, key, alg, kid="k1"), key_set(key)) == CLAIMS


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (RSA, "RS384"),
        (RSA, "RS512"),
        (RSA, "PS512"),
        (ECKey.generate_key("P-384", {"kid": "k1"}), "ES384"),
        (ECKey.generate_key("secp256k1", {"kid": "k1"}), "ES256K"),
    ],
    ids=["RS384", "RS512", "PS512", "ES384", "ES256K"],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_no_other_algorithm_is_accepted(key: Key, alg: str) -> None:
    """Though the provider has the key."""
    with pytest.raises(LoginFailed) as caught:
        verify(signed(CLAIMS, key, alg, kid="k1"), key_set(key))
    assert caught.value.cause == "the ID token is refused: unsupported_algorithm"


@pytest.mark.parametrize("secret", [b"the client's secret", RSA.as_pem(private=False)])
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_token_that_is_signed_with_a_secret_is_refused(secret: bytes, alg: str) -> None:
    """Who has read the client's secret, or the provider's public key, could sign it."""
    parts = f"{encoded({'alg': alg, 'kid': 'k1'})}.{encoded(CLAIMS)}"
    digest = hmac.digest(secret, parts.encode(), f"sha{alg[2:]}")
    with pytest.raises(LoginFailed) as caught:
        verify(f"{parts}.{urlsafe_b64encode(digest).decode().rstrip('=')}", key_set(RSA))
    assert caught.value.cause == "the ID token is refused: unsupported_algorithm"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, 5, ["ES256"], {}])
def test_a_token_without_a_signature_is_refused(alg: object) -> None:
    """In whatever way it says so."""
    for signature in ("", "AAAA"):
        with pytest.raises(LoginFailed):
            verify(f"{encoded({'alg': alg, 'kid': 'k1'})}.{encoded(CLAIMS)}.{signature}")


def test_a_token_that_another_key_has_signed_is_refused() -> None:
    """Though it says that it was the provider's."""
    with pytest.raises(LoginFailed) as caught:
        verify(signed(CLAIMS, new_key(), "ES256", kid="k1"))
    assert caught.value.cause == "the ID token is refused: bad_signature"


def test_a_token_does_not_bring_its_own_key() -> None:
    """Neither in its header nor by a URL there."""
    other = new_key("k1")
    header = {"jwk": other.as_dict(private=False), "jku": "https://evil.example/keys"}
    with pytest.raises(LoginFailed):
        verify(signed(CLAIMS, other, "ES256", kid="k1", **header))


def test_a_token_of_which_a_byte_was_changed_is_refused() -> None:
    """In its claims, or in its signature."""
    header, claims, signature = with_claims().split(".")
    forged = encoded(CLAIMS | {"sub": "eve"})
    turned = ("B" if signature[0] == "A" else "A") + signature[1:]
    for token in (f"{header}.{forged}.{signature}", f"{header}.{claims}.{turned}"):
        with pytest.raises(LoginFailed):
            verify(token)


def test_a_key_that_is_not_known_is_asked_for_again() -> None:
    """By its id; a token without one is of the only key, if there is one only."""
    with pytest.raises(UnknownKey):
        verify(signed(CLAIMS, EC, "ES256", kid="k2"))
    assert verify(signed(CLAIMS, EC, "ES256")) == CLAIMS
    with pytest.raises(UnknownKey):
        verify(signed(CLAIMS, EC, "ES256"), key_set(EC, new_key("k3")))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"iss": ISSUER + "/"},
        {"iss": [ISSUER]},
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"aud": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": []},
        {"aud": [5, "wardgate"]},
        {"aud": ["wardgate", "another"]},
        {"aud": ["wardgate", "another"], "azp": "another"},
        {"azp": "another"},
        {"azp": ["wardgate"]},
        {"exp": None},
        {"exp": NOW - LEEWAY},
        {"exp": str(NOW + 300)},
        {"exp": True},
        {"iat": None},
        {"iat": NOW + LEEWAY + 1},
        {"iat": "now"},
        {"nbf": NOW + LEEWAY + 1},
        {"nonce": None},
        {"nonce": "another"},
        {"nonce": ["another"]},
        {"nonce": ["n0nce"]},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(changes: dict[str, Any]) -> None:
    """Of another provider, for another client, of another login, or not of this time."""
    with pytest.raises(LoginFailed, match="cannot be used"):
        verify(with_claims(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["wardgate"]},
        {"aud": ["another", "wardgate"], "azp": "wardgate"},
        {"azp": "wardgate"},
        {"exp": NOW - LEEWAY + 1},
        {"iat": NOW + LEEWAY},
        {"email": "ada@example.com"},
    ],
    ids=str,
)
def test_a_token_with_right_claims_is_accepted(changes: dict[str, Any]) -> None:
    """The clocks of both machines may differ by a minute."""
    assert verify(with_claims(**changes))["sub"] == "ada"


def test_a_header_may_have_more_members_but_none_that_is_critical() -> None:
    """What is not understood is ignored, unless the token says that it must be understood."""
    assert verify(signed(CLAIMS, EC, "ES256", kid="k1", x="y"))
    with pytest.raises(LoginFailed):
        verify(signed(CLAIMS, EC, "ES256", kid="k1", x="y", crit=["x"]))


@given(st.text(max_size=30) | st.tuples(st.binary(), st.binary(), st.binary()))
def test_whatever_is_no_token_is_refused(text: str | tuple[bytes, bytes, bytes]) -> None:
    """With the same error as a wrong one."""
    if isinstance(text, tuple):
        text = ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in text)
    with pytest.raises(LoginFailed):
        verify(text)


@pytest.mark.parametrize("header", [[], "alg", 5, {"alg": "ES256", "kid": 5}, {"kid": "k1"}])
def test_a_header_that_is_none_is_refused(header: object) -> None:
    """Though it is JSON."""
    with pytest.raises(LoginFailed):
        verify(f"{encoded(header)}.e30.AAAA")


def test_a_refusal_repeats_no_part_of_the_token() -> None:
    """It goes to the log."""
    with pytest.raises(LoginFailed) as caught:
        verify(with_claims(nonce="0f-eve", sub="eve"))
    assert not any(text in caught.value.cause for text in ("eve", "n0nce"))


@pytest.mark.parametrize("keys", [None, {}, "x", [], [5], [{"kty": "oct", "k": "AAAA"}]])
def test_a_provider_without_a_usable_key_is_refused(keys: object) -> None:
    """A symmetric key is none."""
    with pytest.raises(LoginFailed, match="cannot be used"):
        keys_of({"keys": keys})


def test_keys_that_are_not_understood_or_not_for_signatures_are_left_out() -> None:
    """The others are used."""
    public = EC.as_dict(private=False)
    odd: list[Any] = [
        {"kty": "AKP", "alg": "ML-DSA-44"},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "RSA", "n": "!", "e": 5},
        public | {"kid": "enc", "use": "enc"},
        5,
    ]
    assert [key.kid for key in keys_of({"keys": [*odd, public]})] == ["k1"]
    assert len(keys_of({"keys": [public] * (MAX_KEYS + 1)}).keys) == MAX_KEYS
