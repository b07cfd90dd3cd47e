"""ID tokens: whether one proves who has logged in (OpenID Connect Core section 3.1.3.7). Pure.

The rule that lives here: a token counts only if the provider signed it with one of its public keys,
for this client, in answer to this login, and lately. What is not understood is refused.

Tested in `tests/admin/oidc/test_id_token.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError, SecurityWarning
from joserfc.jwk import JWKRegistry, Key, KeySet
from joserfc.jws import JWSRegistry

from admin.oidc.errors import unusable

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
"""Signatures with a key pair, never `none`. HS256 is verified with the client's secret: whoever had
read that could sign, and so log in as anybody."""
LEEWAY: Final = 60
"""Seconds by which the clocks of the provider and of this machine may differ."""
MAX_KEYS: Final = 100

_REGISTRY: Final = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
"""Ignores members of the header that it does not know, as RFC 7515 section 4 asks for."""


class UnknownKey(Exception):
    """The token is signed with a key that the provider did not have when it was asked last."""


def keys_of(document: Mapping[str, Any]) -> KeySet:
    """The public keys with which a provider signs. Those that are not understood are left out (RFC
    7517 section 5). Raises `LoginFailed` where there is none."""
    keys = document.get("keys")
    found = [_key(each) for each in keys[:MAX_KEYS]] if isinstance(keys, list) else []
    usable = [key for key in found if key is not None]
    if not usable:
        raise unusable("the provider has no key to verify tokens with")
    return KeySet(usable)


def _key(data: Any) -> Key | None:
    if not isinstance(data, dict) or data.get("kty") not in {"RSA", "EC", "OKP"}:
        return None
    if data.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key(data)
    except (JoseError, ValueError, TypeError):
        return None


def claims_of(
    token: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str, now: int
) -> dict[str, Any]:
    """The claims of an ID token. `now` is in seconds since the epoch.

    Raises `LoginFailed` for a token that proves nothing, and `UnknownKey`.
    """
    try:
        with warnings.catch_warnings():
            # EdDSA is called Ed25519 since RFC 9864; most providers use the old name.
            warnings.simplefilter("ignore", SecurityWarning)
            claims = jwt.decode(token, keys, registry=_REGISTRY).claims
        jwt.JWTClaimsRegistry(
            now=now,
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer},
            sub={"essential": True},
            aud={"essential": True, "value": client_id},
            exp={"essential": True},
            iat={"essential": True},
        ).validate(claims)
    except InvalidKeyIdError:
        raise UnknownKey from None
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise unusable(f"the ID token is refused: {_cause(error)}") from None
    if claims.get("nonce") != nonce:
        raise unusable("the ID token is of another login")
    _check_authorized_party(claims, client_id)
    return claims


def _cause(error: Exception) -> str:
    """What is wrong, without a part of the token."""
    return error.error if isinstance(error, JoseError) else type(error).__name__


def _check_authorized_party(claims: Mapping[str, Any], client_id: str) -> None:
    """Raise `LoginFailed` for a token that was issued to another client."""
    audience, party = claims["aud"], claims.get("azp")
    if party is None and isinstance(audience, list) and len(audience) > 1:
        raise unusable(
            "the ID token is for several clients, and does not say to which it was given"
        )
    if party is not None and party != client_id:
        raise unusable("the ID token was given to another client")
