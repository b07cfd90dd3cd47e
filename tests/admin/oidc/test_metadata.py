"""What a provider says of itself, and what a browser brings back from it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from admin.oidc.attempts import Attempts
from admin.oidc.errors import LoginFailed
from admin.oidc.metadata import Metadata, metadata_of, metadata_url
from tests.admin.admin_api import Clock

ISSUER = "https://login.example/realms/main"
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://login.example/auth?tenant=a",
    "token_endpoint": "https://login.example/token",
    "jwks_uri": "https://keys.example/jwks",
    "userinfo_endpoint": "https://login.example/userinfo",
}


def read(configured: str = ISSUER, /, **changes: Any) -> Metadata:
    """What is read from the document with these changes; None leaves a member out."""
    document = {name: each for name, each in (DOCUMENT | changes).items() if each is not None}
    return metadata_of(document, configured)


@pytest.mark.parametrize("issuer", ["https://login.example", "https://login.example/"])
def test_the_document_is_at_the_well_known_place_of_the_issuer(issuer: str) -> None:
    """A slash at the end of the issuer is left out (OpenID Connect Discovery section 4)."""
    assert metadata_url(issuer) == "https://login.example/.well-known/openid-configuration"
    assert metadata_url(ISSUER) == ISSUER + "/.well-known/openid-configuration"


@pytest.mark.parametrize("issuer", [None, 5, ISSUER + "/", ISSUER.upper(), "https://evil.example"])
def test_a_document_of_another_issuer_is_refused(issuer: object) -> None:
    """Issuers are compared as text; the log has both."""
    with pytest.raises(LoginFailed) as caught:
        read(issuer=issuer)
    assert repr(issuer) in caught.value.cause
    assert ISSUER in caught.value.cause


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "url",
    [
        None,
        5,
        "",
        "/token",
        "http://login.example/token",
        "http://127.0.0.1/token",
        "https://",
        "https://[",
        "javascript:alert(1)",
        "https://h/ x",
        "https://h/\r\nSet-Cookie: a=b",
        "https://h/#x",
    ],
)
def test_an_endpoint_has_to_be_an_https_url(name: str, url: object) -> None:
    """A redirect to it, and what is sent there, stays out of the reach of others."""
    with pytest.raises(LoginFailed, match="cannot be used") as caught:
        read(**{name: url})
    assert name in caught.value.cause


def test_a_provider_on_the_machine_itself_needs_no_tls() -> None:
    """Nor do its endpoints, as long as they are at loopback addresses too."""
    issuer = "http://127.0.0.1:9000"
    urls = dict.fromkeys(DOCUMENT, "http://localhost:9000/x") | {"issuer": issuer}
    assert read(issuer, **urls).token_endpoint == "http://localhost:9000/x"
    with pytest.raises(LoginFailed):
        read(issuer, **urls | {"token_endpoint": "http://192.0.2.1/x"})


@pytest.mark.parametrize(
    ("methods", "basic"),
    [
        (None, True),
        (["client_secret_basic"], True),
        (["client_secret_post", "client_secret_basic"], True),
        (["client_secret_post"], False),
    ],
)
def test_the_clients_secret_is_proved_with_basic_where_that_is_possible(
    methods: list[str] | None, basic: bool
) -> None:
    """Else in the body. Basic is what a provider takes that does not say (Discovery section 3)."""
    assert read(token_endpoint_auth_methods_supported=methods).basic is basic


@pytest.mark.parametrize("methods", [["private_key_jwt"], [], "client_secret_basic", 5])
def test_a_provider_that_takes_no_secret_is_refused(methods: object) -> None:
    """The log says so."""
    with pytest.raises(LoginFailed) as caught:
        read(token_endpoint_auth_methods_supported=methods)
    assert "secret" in caught.value.cause


def test_a_browser_is_sent_to_the_provider_with_all_that_binds_the_answer_to_it() -> None:
    """The endpoint's own query is kept."""
    attempt = Attempts(Clock(0)).begin("/")
    url = read().authorization_url(attempt, "a b", "https://w.example/cb", ["openid", "email"])
    assert url.startswith("https://login.example/auth?tenant=a&")
    assert parse_qs(urlsplit(url).query) == {
        "tenant": ["a"],
        "response_type": ["code"],
        "client_id": ["a b"],
        "redirect_uri": ["https://w.example/cb"],
        "scope": ["openid email"],
        "state": [attempt.state],
        "nonce": [attempt.nonce],
        "code_challenge": [attempt.challenge],
        "code_challenge_method": ["S256"],
    }
    assert attempt.verifier not in url
    assert attempt.cookie not in url


@pytest.mark.parametrize("said", [True, False, None])
def test_an_answer_counts_where_it_comes_from_the_provider_itself(said: bool | None) -> None:
    """A provider that says so names itself in each answer (RFC 9207): against mix-up attacks."""
    metadata = read(authorization_response_iss_parameter_supported=said)
    assert metadata.code_of({"code": "c", "iss": ISSUER}) == "c"
    with pytest.raises(LoginFailed):
        metadata.code_of({"code": "c", "iss": "https://evil.example"})
    if said:
        with pytest.raises(LoginFailed):
            metadata.code_of({"code": "c"})
    else:
        assert metadata.code_of({"code": "c"}) == "c"


@pytest.mark.parametrize("answer", [{}, {"code": ""}])
def test_an_answer_without_a_code_is_refused(answer: dict[str, str]) -> None:
    """And without an error."""
    with pytest.raises(LoginFailed, match="cannot be used"):
        read().code_of(answer)


@pytest.mark.parametrize(
    ("error", "status", "shown"),
    [
        ("access_denied", 403, "refused or cancelled"),
        ("temporarily_unavailable", 502, "temporarily_unavailable"),
        ("<script>", 502, "another error"),
        ("", 502, "another error"),
    ],
)
def test_an_error_of_the_provider_is_shown_by_its_known_name(
    error: str, status: int, shown: str
) -> None:
    """Nothing else from the URL is shown or logged."""
    answer = {"error": error, "error_description": "call 555-0100", "code": "c"}
    with pytest.raises(LoginFailed) as caught:
        read().code_of(answer)
    assert caught.value.status == status
    assert shown in str(caught.value)
    for text in (str(caught.value), caught.value.cause):
        assert "555" not in text
        assert "<" not in text
