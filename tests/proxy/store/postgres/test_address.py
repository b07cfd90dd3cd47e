"""Addresses of PostgreSQL stores: what crosses a network is encrypted, and verified."""

from __future__ import annotations

import ssl

import pytest

from proxy.store.postgres.address import parse_address
from proxy.store.protocols import StoreError


@pytest.mark.parametrize(
    ("url", "hosts", "encrypted"),
    [
        ("postgresql:///w?host=/run/postgresql", ("/run/postgresql",), False),
        ("postgresql://u@/w?host=/run/postgresql", ("/run/postgresql",), False),
        ("postgresql://localhost/w", ("localhost",), False),
        ("postgresql://u@127.0.0.1:5433/w", ("127.0.0.1",), False),
        ("postgresql://u@[::1]:5433/w", ("::1",), False),
        ("postgresql://u@db/w", ("db",), True),
        ("postgresql://u@192.0.2.1/w", ("192.0.2.1",), True),
        ("postgresql://u@db1:5432,db2:5433/w", ("db1", "db2"), True),
        ("postgresql://u@localhost,db2/w", ("localhost", "db2"), True),
    ],
)
def test_only_this_machine_is_talked_to_in_the_clear(
    url: str, hosts: tuple[str, ...], encrypted: bool
) -> None:
    """Elsewhere the certificate is verified against the host's name."""
    address = parse_address(url)
    assert address.hosts == hosts
    assert (address.tls is not None) is encrypted
    if address.tls is not None:
        assert address.tls.check_hostname
        assert address.tls.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("mysql://u@db/w", "expected postgresql://USER@HOST/DATABASE"),
        ("postgresql://u@db", "names no database"),
        ("postgresql://u@db/", "names no database"),
        ("postgresql://u@db/a/b", "names no database"),
        ("postgresql:///w", "names no host"),
        ("postgresql:///w?host=db", "names no host"),
        ("postgresql://db1,/w", "a host is empty"),
        ("postgresql://db/w?host=/run", "both a host and a folder"),
        ("postgresql://db/w?sslmode=disable", "sslmode cannot be set in it"),
        ("postgresql://db/w?options=-c%20fsync%3Doff&password=x", "options, password cannot"),
        ("postgresql://[db/w", "Invalid IPv6 URL"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, cause: str) -> None:
    """The error says what is wrong with it."""
    with pytest.raises(StoreError, match=cause):
        parse_address(url)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    """URLs are seen in process lists and logs."""
    with pytest.raises(StoreError, match=r"postgres\.password_file"):
        parse_address("postgresql://u:sesame@db/w")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:sesame@db/w",
        "postgresql://u:sesame@db/",
        "postgresql:u:sesame@db/w",
        "postgres://u:sesame@db/w",
        "postgresql://u:open/sesame@db/w",
        "postgresql://u:open#sesame@db/w",
        "postgresql://u:open?sesame@db/w",
        "postgresql://u:[sesame@db/w",
        "postgresql://u:open@sesame@db/w",
        "postgresql://u@db/w?password=sesame",
        "postgresql://u@db/w?host=/run&password=sesame",
    ],
)
def test_what_may_be_a_password_in_a_url_is_not_repeated(url: str) -> None:
    """Whatever else is wrong with the URL."""
    with pytest.raises(StoreError) as refused:
        parse_address(url)
    assert "sesame" not in str(refused.value)
    assert "db/w" in str(refused.value) or "db/" in str(refused.value)


def test_an_address_does_not_show_its_password() -> None:
    """As it would in a traceback."""
    assert "sesame" not in repr(parse_address("postgresql://u@localhost/w", password="sesame"))


def test_a_file_without_certificates_is_refused() -> None:
    """It is named."""
    with pytest.raises(StoreError, match="/dev/null has no certificates"):
        parse_address("postgresql://u@db/w", ca_file="/dev/null")
