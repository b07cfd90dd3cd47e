"""The settings: which values they take, and which of them exclude each other."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from proxy.config.settings import SettingErrors
from tests.proxy.config.conftest import Complaints, Read

BASE = "listen: 127.0.0.1:8080\nupstream: http://127.0.0.1:9000\n"


def test_a_route_is_open_to_environment_keys_where_its_path_has_an_environment(read: Read) -> None:
    """Otherwise to account keys, unless `access` says something else."""
    config = read(
        BASE
        + """\
routes:
  - {path: "/v1/projects/{environment}/**"}
  - {path: "/v1/projects", access: account}
  - {path: "/v1/settings/**", access: admin}
  - {path: "/ping", access: public}
  - {path: "/any", access: any}
  - {path: "/rest"}
"""
    )
    assert [route.access for route in config.routes] == [
        *("environment", "account", "admin", "public", "any", "account")
    ]


def test_the_default_routes_open_environments_to_their_keys_and_the_rest_to_accounts(
    read: Read,
) -> None:
    """Environments are in the two usual places."""
    assert [(route.path, route.access) for route in read(BASE).routes] == [
        ("/v1/projects/{environment}/**", "environment"),
        ("/v2-beta/projects/{environment}/**", "environment"),
        ("/**", "account"),
    ]


def test_a_listener_may_be_a_list_of_addresses(read: Read) -> None:
    """Names, IPv4 and IPv6 addresses and Unix sockets."""
    text = 'listen: [localhost:80, "[::1]:0", unix:/run/gate.sock]\nupstream: unix:/run/api.sock\n'
    config = read(text)
    assert list(map(str, config.listen)) == ["localhost:80", "[::1]:0", "unix:/run/gate.sock"]
    assert config.upstreams["default"].servers[0].url.unix_path == "/run/api.sock"
    assert config.upstreams["default"].servers[0].url.authority == "localhost"


def test_off_turns_a_switch_or_the_access_log_off(read: Read) -> None:
    """For a switch it is false, for the access log it is a word."""
    config = read(BASE + "access_control: off\naccess_log: off\n")
    assert config.access_control is False
    assert config.access_log == "off"


def test_a_size_is_a_number_of_bytes_or_has_a_unit(read: Read) -> None:
    """With or without a space before the unit."""
    limits = read(BASE + "limits: {head_size: 32KiB, body_size: 1 GiB, line_size: 4096}\n").limits
    assert (limits.head_size, limits.body_size, limits.line_size) == (32768, 1 << 30, 4096)


def test_a_group_without_settings_has_its_defaults(read: Read) -> None:
    """As when all its lines are commented out."""
    assert read(BASE + "limits:\n").limits.head_timeout == 10


def test_trusted_proxies_are_networks_or_single_addresses(read: Read) -> None:
    """Of IPv4 or IPv6."""
    config = read(BASE + 'trusted_proxies: [10.0.0.0/8, "2001:db8::1"]\n')
    assert config.trusted_proxies == [
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("2001:db8::1/128"),
    ]


def test_a_configuration_does_not_change_after_it_was_read(read: Read) -> None:
    """Assigning a setting raises ValueError."""
    with pytest.raises(ValueError, match="frozen"):
        read(BASE).store = "sqlite:///other.db"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("limits: {fields: 1e9}", "limits.fields: should be a valid integer"),
        ("limits: {fields: true}", "limits.fields: should be a valid integer"),
        ("limits: {head_timeout: 0}", "limits.head_timeout: should be greater than 0"),
        ("limits: {head_timeout: true}", "limits.head_timeout: should be a valid number"),
        ("limits: {head_timeout: .inf}", "limits.head_timeout: should be a valid number"),
        (
            "limits: {head_size: 64KB}",
            "limits.head_size: should be a number of bytes, or one with KiB, MiB or GiB",
        ),
        (
            "limits: {line_size: 65537}",
            "limits.line_size: should be at most head_size: a head holds its lines",
        ),
        ("limits: 5", "limits: should be settings, each as `name: value`"),
        ("bcrypt_rounds: 16", "bcrypt_rounds: should be less than or equal to 15"),
        ("bcrypt_rounds: 3", "bcrypt_rounds: should be greater than or equal to 4"),
        (
            "store: postgres://u:hunter2@h/db",
            "store: should be sqlite:///relative/path, sqlite:////absolute/path, or "
            "postgresql://USER@HOST/DATABASE",
        ),
        (
            "public_url: https://api.example.com/",
            "public_url: should be http://host[:port] or https://host[:port], "
            "without a path or a slash at its end",
        ),
        (
            'strip_headers: ["X-*", "a b"]',
            "strip_headers[1]: should be the name of a field, or the beginning of one with * "
            "behind it",
        ),
        ("strip_headers: ['*']", "the beginning of one with * behind it"),
        ("strip_headers: ['x*y']", "the beginning of one with * behind it"),
        (
            "strip_headers: [Content_Length]",
            "strip_headers[0]: the gateway itself decides whether this field is sent",
        ),
        (
            "trusted_proxies: [10.0.0.1/8]",
            "trusted_proxies[0]: is an address within a network: its host bits are set",
        ),
        ("routes: []", "routes: should hold at least one"),
        ("access: public", "access: unknown setting; did you mean access_log?"),
        ("admin: {}", "admin.listen: is required"),
        ("admin: {listen: 127.0.0.1:8080}", "admin.listen: another listener has this address"),
        ("admin: {listen: []}", "admin.listen: should hold at least one"),
        (
            "admin: {listen: {address: 127.0.0.1:8081, proxy_protocol: true}}",
            "admin.listen[0]: should be host:port, [IPv6]:port or unix:/path",
        ),
        ("tls: {certificate: none.pem}", "tls.key: is required"),
        (
            "upstreams: {default: {url: http://h}}",
            "upstream: is short for upstreams: use only one of the two",
        ),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_in_one_line(
    complaints: Complaints, line: str, complaint: str
) -> None:
    """The line names the setting."""
    assert any(text.endswith(complaint) for text in complaints(f"{BASE}{line}\n"))


@pytest.mark.parametrize(
    ("listen", "complaint"),
    [
        ("{address: 127.0.0.1:80, proxy_protocol: true}", "proxy_protocol needs trusted_proxies"),
        ("{address: 127.0.0.1:80, proxy_protocol: on}", "proxy_protocol should be true or false"),
        ("{address: 127.0.0.1}", "should be host:port, [IPv6]:port or unix:/path"),
        ("{address: 1}", "should be host:port, [IPv6]:port or unix:/path"),
        ("{proxy_protocol: true}", "should be an address, or {address: …, proxy_protocol: true}"),
        ("{address: 127.0.0.1:80, tls: 1}", "should be an address, or {address: …, proxy_pro"),
        ("[{address: 127.0.0.1:80}, 127.0.0.1:80]", "another listener has this address"),
    ],
)
def test_a_listener_is_an_address_or_one_with_proxy_protocol(
    complaints: Complaints, listen: str, complaint: str
) -> None:
    """Anything else is refused in one line."""
    (text,) = complaints(f"upstream: http://h\nlisten: {listen}\n")
    assert complaint in text


def test_the_proxy_protocol_is_expected_where_a_listener_says_so(read: Read) -> None:
    """From trusted proxies; a Unix socket needs none."""
    mixed = "[{address: 127.0.0.1:80, proxy_protocol: true}, 127.0.0.1:81]"
    config = read(f"upstream: http://h\nlisten: {mixed}\ntrusted_proxies: [127.0.0.1]\n")
    assert [(str(each), each.proxy_protocol) for each in config.listen] == [
        ("127.0.0.1:80", True),
        ("127.0.0.1:81", False),
    ]
    config = read("upstream: http://h\nlisten: {address: unix:/gate, proxy_protocol: true}\n")
    assert config.listen[0].proxy_protocol


@pytest.mark.parametrize(
    ("route", "complaint"),
    [
        ('{path: "/a", access: environment}', ".access: environment needs {environment}"),
        ('{path: "/{environment}", access: any}', ".access: any would open every environment"),
        ('{path: "/{environment}", access: account}', ".access: account would open every"),
        ('{path: "/{environment}/x", allow: ["%2F"]}', ".allow: needs a path that ends in /**"),
        ('{path: "/x", allow: ["["]}', ".allow: needs a path that ends in /**"),
        ('{path: "/**", allow: ["%2f"]}', ".allow[0]: should be '%2F', '%25', ';', '['"),
        ('{path: "/**", methods: []}', ".methods: should hold at least one"),
        ('{path: "/**", methods: [TRACE]}', ".methods[0]: is never forwarded"),
        ('{path: "/**", methods: [GET, Connect]}', ".methods[1]: is never forwarded"),
        ('{path: "/**", methods: [PRI]}', ".methods[0]: is never forwarded"),
        ('{path: "/**", methods: ["a b"]}', ".methods[0]: should be a method, such as GET"),
        ('{path: "/**", methods: [5]}', ".methods[0]: should be a method, such as GET"),
        ('{path: "/**", upgrades: [h2c]}', ".upgrades[0]: would carry requests past the gateway"),
        ('{path: "/**", upgrades: ["a b"]}', ".upgrades[0]: should be the name of a protocol"),
        ('{path: "/**", upstream: nobody}', ".upstream: no upstream has this name"),
        ('{path: "/**", pth: "/x"}', ".pth: unknown setting; did you mean path?"),
        ("{access: public}", ".path: is required"),
        ("/**", ": should be settings, each as `name: value`"),
    ],
)
def test_a_route_that_contradicts_itself_is_refused(
    complaints: Complaints, route: str, complaint: str
) -> None:
    """The message names the setting of the route."""
    (text,) = complaints(f"{BASE}routes:\n  - {route}\n")
    assert text.startswith("wardgate.yaml:4: routes[0]" + complaint)


def test_a_secret_in_the_wrong_setting_is_not_shown(complaints: Complaints) -> None:
    """The messages do not repeat the value."""
    text = """\
listen: 127.0.0.1:8080
upstreams:
  default:
    url: http://user:hunter2@host
    authorization: Basic hunter2
    authorization_file: hunter2
store: hunter2
"""
    messages = complaints(text)
    assert len(messages) == 3
    assert "hunter2" not in "".join(messages)


def upstream(**settings: object) -> str:
    """A configuration whose upstream has `settings`."""
    lines = "".join(f"    {name}: {value}\n" for name, value in settings.items())
    return f"listen: 127.0.0.1:8080\nupstreams:\n  default:\n{lines}"


def test_the_authorization_for_an_upstream_comes_from_a_file(read: Read, tmp_path: Path) -> None:
    """It does not show in the configuration's text."""
    file = tmp_path / "token"
    file.write_text("Bearer hunter2\n")
    config = read(upstream(url="http://h", authorization_file=file))
    value = config.upstreams["default"].authorization_value
    assert value is not None
    assert value.get_secret_value() == "Bearer hunter2"
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize("content", ["", "\n", "Bearer a\nBearer b", "Bearer \x7f", "Bearer ä"])
def test_an_authorization_file_holds_one_line_of_visible_ascii(
    complaints: Complaints, tmp_path: Path, content: str
) -> None:
    """Anything else is refused without being shown."""
    file = tmp_path / "token"
    file.write_text(content)
    assert complaints(upstream(url="http://h", authorization_file=file)) == [
        "wardgate.yaml:5: upstreams.default.authorization_file: "
        "the file should hold one line of visible ASCII characters"
    ]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"url": "http://h", "server_name": "x"}, "server_name: needs an https:// url"),
        ({"url": "http://h", "ca_file": "/dev/null"}, "ca_file: needs an https:// url"),
        (
            {"url": "https://h", "ca_file": "/dev/null", "verify": "off"},
            "ca_file: has no effect while verify is off",
        ),
        ({"url": "https://h", "ca_file": "/dev/null"}, "ca_file: the file holds no certificates"),
        (
            {"url": "https://h", "ca_file": "/nowhere"},
            "ca_file: cannot read this file: No such file or directory",
        ),
        ({"url": "https://h", "server_name": "a b"}, "server_name: should be a host name or an IP"),
        (
            {"url": "http://h", "authorization": "forward", "authorization_file": "/dev/null"},
            "authorization_file: contradicts authorization: forward",
        ),
    ],
)
def test_upstream_settings_that_exclude_each_other_are_refused(
    complaints: Complaints, settings: dict[str, str], complaint: str
) -> None:
    """The message says what to change."""
    (text,) = complaints(upstream(**settings))
    assert complaint in text


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key, as files."""
    issued = trustme.CA().issue_cert("localhost")
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return certificate, key


def tls(certificate: Path, key: Path) -> str:
    """A configuration with TLS."""
    return f"{BASE}tls:\n  certificate: {certificate}\n  key: {key}\n"


def test_a_certificate_and_its_key_are_accepted(read: Read, certificate: tuple[Path, Path]) -> None:
    """As PEM files."""
    config = read(tls(*certificate))
    assert config.tls is not None
    assert (config.tls.certificate, config.tls.key) == certificate


def test_the_key_of_another_certificate_is_refused(
    complaints: Complaints, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    """When the configuration is read, not at the first handshake."""
    other = tmp_path / "other.key"
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(other)
    (complaint,) = complaints(tls(certificate[0], other))
    assert complaint == "wardgate.yaml:5: tls.key: is not the key of this certificate"


def test_files_without_a_certificate_and_a_key_are_refused(
    complaints: Complaints, certificate: tuple[Path, Path]
) -> None:
    """With the setting of the certificate."""
    (complaint,) = complaints(tls(certificate[0], certificate[0]))
    assert complaint == (
        "wardgate.yaml:4: tls.certificate: "
        "this file and the key should be PEM files that belong together"
    )


def test_what_was_in_the_files_is_used_until_they_are_read_again(
    read: Read, certificate: tuple[Path, Path]
) -> None:
    """Where that cannot be used, the error says why, and nothing changes."""
    config = read(tls(*certificate))
    assert config.tls is not None
    assert not config.tls.changed
    context, key = config.tls.context, certificate[1].read_bytes()
    for damage, fault in (
        (lambda: certificate[1].write_bytes(key[:100]), "should be PEM files"),
        (certificate[1].unlink, "cannot read this file: No such file or directory"),
    ):
        damage()
        assert config.tls.changed
        with pytest.raises(SettingErrors, match=fault):
            config.tls.reread()
        assert config.tls.context is context
    certificate[1].write_bytes(key)
    assert not config.tls.changed
    assert config.tls.reread().context is not context


def test_missing_tls_files_are_both_reported(complaints: Complaints, tmp_path: Path) -> None:
    """Each by its setting."""
    assert complaints(tls(tmp_path / "a", tmp_path / "b")) == [
        "wardgate.yaml:4: tls.certificate: cannot read this file: No such file or directory",
        "wardgate.yaml:5: tls.key: cannot read this file: No such file or directory",
    ]


def test_a_key_with_a_pass_phrase_is_refused(
    complaints: Complaints, certificate: tuple[Path, Path]
) -> None:
    """Without a prompt for the pass phrase."""
    key = serialization.load_pem_private_key(certificate[1].read_bytes(), None)
    certificate[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )
    (complaint,) = complaints(tls(*certificate))
    assert complaint.endswith("tls.key: is encrypted: use a key without a pass phrase")
