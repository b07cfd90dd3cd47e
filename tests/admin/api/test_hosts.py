"""The host names that the admin server serves."""

from __future__ import annotations

import pytest

from admin.api.hosts import Hosts, is_trustworthy
from admin.service.errors import Refused
from proxy.config.model import Admin
from proxy.node import hosts_of


def test_by_default_the_admin_server_serves_its_listeners_and_localhost() -> None:
    """It also serves the address at which a request arrived, on any port."""
    hosts = hosts_of(Admin.model_validate({"listen": ["Admin.Internal:8081", "[2001:db8::1]:1"]}))
    for host in (
        *("localhost", "localhost:8081", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8081"),
        *("admin.internal", "admin.internal:8081", "ADMIN.internal:9", "[2001:db8::1]:8081"),
    ):
        assert hosts.origin([host], "http", None) == f"http://{host.lower()}"
    assert hosts.origin(["10.1.2.3:8081"], "http", "10.1.2.3") == "http://10.1.2.3:8081"
    assert hosts.origin(["10.1.2.3"], "http", "::ffff:10.1.2.3") == "http://10.1.2.3"
    assert hosts.origin(["[fe80::1]"], "https", "fe80::1") == "https://[fe80::1]"
    for host in ("admin", "internal", "xadmin.internal", "10.1.2.4", "evil.example"):
        with pytest.raises(Refused) as refused:
            hosts.origin([host], "http", "10.1.2.3")
        assert (refused.value.status, refused.value.code) == (421, "MisdirectedRequest")
        assert "admin.hosts" in str(refused.value)


def test_configured_hosts_replace_the_default_ones() -> None:
    """With the port where one is given. The address at which a request arrived stays served."""
    admin = Admin.model_validate(
        {"listen": "127.0.0.1:8081", "hosts": ["admin.example", "other.example:444"]}
    )
    hosts = hosts_of(admin)
    for host in ("admin.example", "admin.example:1", "other.example:444", "127.0.0.1:8081"):
        assert hosts.origin([host], "http", "127.0.0.1") == f"http://{host}"
    for host in ("localhost", "other.example", "other.example:445"):
        with pytest.raises(Refused):
            hosts.origin([host], "http", "127.0.0.1")


def test_requests_for_the_public_host_get_links_with_the_public_scheme() -> None:
    """As behind a proxy that ends TLS."""
    admin = Admin.model_validate(
        {"listen": "127.0.0.1:8081", "public_url": "https://Keys.example.com"}
    )
    hosts = hosts_of(admin)
    assert hosts.origin(["keys.example.com"], "http", "127.0.0.1") == "https://keys.example.com"
    assert hosts.origin(["Keys.Example.com"], "http", "127.0.0.1") == "https://keys.example.com"
    with_port = hosts.origin(["keys.example.com:443"], "http", "127.0.0.1")
    assert with_port == "https://keys.example.com"
    assert hosts.origin(["localhost:8081"], "http", "127.0.0.1") == "http://localhost:8081"
    for host in ("keys.example.com:444", "keys.example.com:80"):
        with pytest.raises(Refused):
            hosts.origin([host], "http", "127.0.0.1")


@pytest.mark.parametrize(
    "fields",
    [
        *([], ["localhost", "localhost"], [""], ["localhost:"], ["localhost:x"], ["local host"]),
        *(["localhost/"], ["user@localhost"], ["[::1"], ["::1"], ["localhost,evil"], ["löcal"]),
    ],
)
def test_a_request_without_exactly_one_valid_host_is_malformed(fields: list[str]) -> None:
    """None, two, or one that is no host name: the request is malformed."""
    with pytest.raises(Refused) as refused:
        Hosts().origin(fields, "http", None)
    assert refused.value.status == 400


def test_a_listener_at_a_unix_socket_adds_no_host() -> None:
    """A listener without a name adds none."""
    assert hosts_of(Admin.model_validate({"listen": "unix:/run/admin.sock"})).names == {
        *("localhost", "127.0.0.1", "[::1]")
    }


def test_links_begin_with_the_public_url_whatever_host_was_requested() -> None:
    """Without one they begin with the origin that was requested."""
    admin = Admin.model_validate(
        {"listen": "127.0.0.1:8081", "public_url": "https://Keys.example.com"}
    )
    for origin in ("http://127.0.0.1:8081", "https://keys.example.com"):
        assert hosts_of(admin).origin_of_links(origin) == "https://keys.example.com"
    plain = Admin.model_validate({"listen": "127.0.0.1:8081"})
    assert hosts_of(plain).origin_of_links("http://localhost:1") == "http://localhost:1"


def test_browsers_trust_origins_with_tls_and_this_machine() -> None:
    """Whatever the port."""
    for origin in (
        "https://a.example",
        "http://localhost:8081",
        "http://[::1]",
        "http://127.0.0.1:1",
    ):
        assert is_trustworthy(origin)
    for origin in ("http://a.example", "http://localhost.example", "http://10.0.0.1:8081", ""):
        assert not is_trustworthy(origin)
