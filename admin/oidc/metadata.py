"""What a provider says of itself (OpenID Connect Discovery 1.0). Pure.

The rule that lives here: a provider that says it is another one is not used, nor is a URL of it for
which others on the way could answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from admin.oidc.attempts import Attempt
from admin.oidc.errors import LoginFailed, unusable
from proxy.config.values import is_secure


@dataclass(frozen=True, slots=True)
class Metadata:
    """Where a provider's endpoints are, and what they expect."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    basic: bool
    """Whether a client proves its secret with HTTP Basic, else in the body."""
    answers_with_issuer: bool
    """Whether its answers say which provider they come from (RFC 9207)."""

    def authorization_url(
        self, attempt: Attempt, client_id: str, redirect_uri: str, scopes: list[str]
    ) -> str:
        """Where to send a browser to log in."""
        parameters = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        separator = "&" if "?" in self.authorization_endpoint else "?"
        return self.authorization_endpoint + separator + urlencode(parameters)

    def code_of(self, answer: Mapping[str, str]) -> str:
        """The code in an answer of the authorization endpoint, whose state was checked. Raises
        `LoginFailed`."""
        issuer = answer.get("iss")
        if (issuer is not None or self.answers_with_issuer) and issuer != self.issuer:
            raise unusable("the answer comes from another provider, or does not say from which")
        error = answer.get("error")
        if error is not None:
            raise _refused(error)
        if not answer.get("code"):
            raise unusable("the answer has no code")
        return answer["code"]


def metadata_url(issuer: str) -> str:
    """Where the provider says what it is."""
    return issuer.removesuffix("/") + "/.well-known/openid-configuration"


def metadata_of(document: Mapping[str, Any], issuer: str) -> Metadata:
    """Read what a provider says of itself. `issuer` is the one that is configured. Raises
    `LoginFailed`."""
    said = document.get("issuer")
    if said != issuer:
        raise unusable(f"the provider says that it is {said!r:.200}, not {issuer!r}")
    methods = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    basic = isinstance(methods, list) and "client_secret_basic" in methods
    if not basic and not (isinstance(methods, list) and "client_secret_post" in methods):
        raise unusable("the provider takes a client's secret neither with Basic nor in the body")
    has_userinfo = document.get("userinfo_endpoint") is not None
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_endpoint(document, "authorization_endpoint", issuer),
        token_endpoint=_endpoint(document, "token_endpoint", issuer),
        jwks_uri=_endpoint(document, "jwks_uri", issuer),
        userinfo_endpoint=(
            _endpoint(document, "userinfo_endpoint", issuer) if has_userinfo else None
        ),
        basic=basic,
        answers_with_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    """A URL in the provider's metadata. Raises `LoginFailed`."""
    url = document.get(name)
    if not isinstance(url, str) or not all("!" <= each <= "~" and each != "#" for each in url):
        raise unusable(f"the provider's {name} is no URL")
    if not is_secure(url) or (issuer.startswith("https:") and not url.startswith("https:")):
        raise unusable(f"the provider's {name} is not an https:// URL")
    return url


_ERRORS = frozenset(
    {"access_denied", "invalid_request", "invalid_scope", "server_error", "unauthorized_client"}
    | {"temporarily_unavailable", "unsupported_response_type", "login_required"}
    | {"account_selection_required", "consent_required", "interaction_required"}
)
"""RFC 6749 section 4.1.2.1, and OpenID Connect Core section 3.1.2.6. No other text in the URL is
shown."""


def _refused(error: str) -> LoginFailed:
    name = error if error in _ERRORS else "another error"
    if name == "access_denied":
        return LoginFailed("You were not logged in: the login was refused or cancelled.", name, 403)
    return LoginFailed(f"The login provider did not log you in: {name}.", name, 502)
