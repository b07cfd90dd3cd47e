"""The configuration: what is accepted, what is refused, and that a refusal says where and why."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from proxy.config.load import load
from proxy.config.model import Config
from proxy.config.source import ConfigError
from proxy.config.values import Listen

SMALLEST = """\
listen: 127.0.0.1:8080
upstream: http://127.0.0.1:9000
store: sqlite:///var/wardgate.db        # relative to the working directory; four slashes: absolute
admin:
  listen: 127.0.0.1:8081
"""
BASE = "listen: 127.0.0.1:8080\nupstream: http://127.0.0.1:9000\n"
SEVERAL = """\
listen: 127.0.0.1:8080
upstreams:
  main: {url: "http://127.0.0.1:9000"}
  other: {url: "https://other.internal"}
"""

Read = Callable[..., Config]
Complaints = Callable[..., list[str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a text as a configuration file."""

    def read(text: str, environ: Mapping[str, str] | None = None) -> Config:
        path = tmp_path / "wardgate.yaml"
        path.write_text(text)
        return load(path, environ or {})

    return read


@pytest.fixture
def complaints(read: Read, tmp_path: Path) -> Complaints:
    """All that is wrong with a text, without the folder of the file."""

    def complaints(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(text, environ)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    return complaints


# --- what is accepted ----------------------------------------------------------------------------


def test_smallest(read: Read) -> None:
    """The smallest configuration is accepted as it stands."""
    config = read(SMALLEST)
    assert config.listen == [Listen("127.0.0.1", 8080)]
    assert config.upstreams["default"].authority == "127.0.0.1:9000"
    assert config.store == "sqlite:///var/wardgate.db"
    assert config.admin is not None
    assert config.admin.listen == [Listen("127.0.0.1", 8081)]


def test_default_routes(read: Read) -> None:
    """Without routes, environments are in the two usual places and the rest is for accounts."""
    assert [(route.path, route.access) for route in read(BASE).routes] == [
        ("/v1/projects/{environment}/**", "environment"),
        ("/v2-beta/projects/{environment}/**", "environment"),
        ("/**", "account"),
    ]


def test_access_by_default(read: Read) -> None:
    """A route is open to its environment's keys where its path has one, else to account keys."""
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


def test_several_listeners(read: Read) -> None:
    """A listener may be a list: names, IPv4, IPv6 and Unix sockets."""
    text = 'listen: [localhost:80, "[::1]:0", unix:/run/gate.sock]\nupstream: unix:/run/api.sock\n'
    config = read(text)
    assert list(map(str, config.listen)) == ["localhost:80", "[::1]:0", "unix:/run/gate.sock"]
    assert config.upstreams["default"].unix_path == "/run/api.sock"
    assert config.upstreams["default"].authority == "localhost"


def test_off_is_a_word(read: Read) -> None:
    """`off` reads as people mean it, for switches and for the access log."""
    config = read(BASE + "access_control: off\naccess_log: off\n")
    assert config.access_control is False
    assert config.access_log == "off"


def test_sizes_have_units(read: Read) -> None:
    """A size is a number of bytes, or has a unit."""
    limits = read(BASE + "limits: {head_size: 32KiB, body_size: 1 GiB, line_size: 4096}\n").limits
    assert (limits.head_size, limits.body_size, limits.line_size) == (32768, 1 << 30, 4096)


def test_empty_limits(read: Read) -> None:
    """A group whose settings are all commented out has its defaults."""
    assert read(BASE + "limits:\n").limits.head_timeout == 10


def test_networks(read: Read) -> None:
    """Trusted proxies are networks and single addresses of either version."""
    config = read(BASE + 'trusted_proxies: [10.0.0.0/8, "2001:db8::1"]\n')
    assert config.trusted_proxies == [
        ipaddress.ip_network("10.0.0.0/8"),
        ipaddress.ip_network("2001:db8::1/128"),
    ]


def test_default_upstream(read: Read) -> None:
    """Routes that name no upstream lead to the one called default."""
    config = read(SEVERAL.replace("main", "default") + 'routes: [{path: "/**"}]\n')
    assert config.routes[0].upstream is None


def test_methods_of_one_path(read: Read) -> None:
    """Routes of one path may differ by method, and methods may be written small."""
    config = read(
        BASE
        + """\
routes:
  - {path: "/v1/{environment}/**", methods: [get]}
  - {path: "/**"}
  - {path: "/v1/{environment}/**", methods: [POST], access: admin}
"""
    )
    assert config.routes[0].methods == ["GET"]


def test_frozen(read: Read) -> None:
    """A configuration does not change once it is read."""
    with pytest.raises(ValueError, match="frozen"):
        read(BASE).store = "sqlite:///other.db"


# --- the environment -----------------------------------------------------------------------------


def test_environment_overrides(read: Read) -> None:
    """A variable goes over the file; `__` leads into groups, the value is YAML."""
    config = read(
        BASE + "limits: {head_timeout: 9, fields: 50}\n",
        {
            "WARDGATE__LISTEN": "[127.0.0.1:1, 127.0.0.1:2]",
            "WARDGATE__LIMITS__HEAD_TIMEOUT": "5",
            "WARDGATE__ADMIN__LISTEN": "127.0.0.1:3",
            "WARDGATE__ACCESS_CONTROL": "off",
        },
    )
    assert list(map(str, config.listen)) == ["127.0.0.1:1", "127.0.0.1:2"]
    assert (config.limits.head_timeout, config.limits.fields) == (5, 50)
    assert config.admin is not None
    assert str(config.admin.listen[0]) == "127.0.0.1:3"
    assert not config.access_control


def test_environment_of_the_command_line(read: Read) -> None:
    """Variables with one underscore belong to the command line, and are no settings."""
    assert read(BASE, {"WARDGATE_URL": "x", "WARDGATE": "y"}) == read(BASE)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("LIMIT__FIELDS", "9", "limit: unknown setting; did you mean limits?"),
        ("LIMITS__HEAD_TIME", "9", "limits.head_time: unknown setting; did you mean head_timeout?"),
        ("LISTEN__X", "9", "listen.x: listen holds no settings by name"),
        ("LIMITS__FIELDS", "many", "limits.fields: should be a valid integer"),
        ("LIMITS____FIELDS", "9", "names no setting"),
        ("UPSTREAM", "http://u:hunter2@h", "upstream: should hold no user name or password"),
    ],
)
def test_environment_at_fault(
    complaints: Complaints, name: str, value: str, complaint: str
) -> None:
    """What is wrong with a variable is said with its name, and without its value."""
    assert complaints(BASE, {f"WARDGATE__{name}": value}) == [f"WARDGATE__{name}: {complaint}"]


def test_environment_not_yaml(complaints: Complaints) -> None:
    """A variable that is not YAML is refused by name."""
    (complaint,) = complaints(BASE, {"WARDGATE__LISTEN": "[::1]:80"})
    assert complaint.startswith("WARDGATE__LISTEN: listen: not YAML")
    assert complaint.endswith("an address in brackets needs quotes")


# --- what is refused -----------------------------------------------------------------------------


def test_all_at_once(complaints: Complaints) -> None:
    """All problems are told in one go, in the order of their lines, each with its place."""
    text = """\
listen: 127.0.0.1
listne: 127.0.0.1:8080
upstreams:
  main:
    url: http://127.0.0.1:9000/api
    max_connections: 0
  other: {url: "http://127.0.0.1:9001"}
routes:
  - {path: "no-slash", upstream: main}
  - {path: "/a", upstream: mian}
  - {path: "/b"}
limits:
  fields: 100
  fields: 200
"""
    assert [complaint.partition(": ")[0] for complaint in complaints(text)] == [
        f"wardgate.yaml:{line}" for line in (1, 2, 5, 6, 9, 10, 11, 14)
    ]


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
            "limits.line_size: should be at most head_size, of which a line is a part",
        ),
        ("limits: 5", "limits: should be settings, each as `name: value`"),
        ("bcrypt_rounds: 16", "bcrypt_rounds: should be less than or equal to 15"),
        ("bcrypt_rounds: 3", "bcrypt_rounds: should be greater than or equal to 4"),
        (
            "store: postgres://u:hunter2@h/db",
            "store: should be sqlite:///relative/path or sqlite:////absolute/path",
        ),
        (
            "public_url: https://api.example.com/",
            "public_url: should be http://host[:port] or https://host[:port], "
            "without a path or a slash at its end",
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
        ("tls: {certificate: none.pem}", "tls.key: is required"),
        (
            "upstreams: {default: {url: http://h}}",
            "upstream: given beside upstreams, of which it is the short form",
        ),
    ],
)
def test_a_bad_setting(complaints: Complaints, line: str, complaint: str) -> None:
    """A setting that cannot be used is refused in one line, by its path."""
    assert any(text.endswith(complaint) for text in complaints(f"{BASE}{line}\n"))


@pytest.mark.parametrize(
    ("route", "complaint"),
    [
        ('{path: "/a", access: environment}', ".access: environment needs {environment}"),
        ('{path: "/{environment}", access: any}', ".access: any would open every environment"),
        ('{path: "/{environment}", access: account}', ".access: account would open every"),
        ('{path: "/{environment}/x", allow: ["%2F"]}', ".allow: needs a path that ends in /**"),
        ('{path: "/**", allow: ["%2F"]}', ".allow: needs a path that ends in /**"),
        ('{path: "/**", allow: ["%2f"]}', ".allow[0]: should be '%2F', '%25' or ';'"),
        ('{path: "/**", methods: []}', ".methods: should hold at least one"),
        ('{path: "/**", methods: [TRACE]}', ".methods[0]: should be 'GET', 'HEAD'"),
        ('{path: "/**", upgrades: [h2c]}', ".upgrades[0]: requests in it would pass unjudged"),
        ('{path: "/**", upgrades: ["a b"]}', ".upgrades[0]: should be the name of a protocol"),
        ('{path: "/**", upstream: nobody}', ".upstream: no upstream has this name"),
        ('{path: "/**", pth: "/x"}', ".pth: unknown setting; did you mean path?"),
        ("{access: public}", ".path: is required"),
        ("/**", ": should be settings, each as `name: value`"),
    ],
)
def test_a_bad_route(complaints: Complaints, route: str, complaint: str) -> None:
    """A route that contradicts itself is refused."""
    (text,) = complaints(f"{BASE}routes:\n  - {route}\n")
    assert text.startswith("wardgate.yaml:4: routes[0]" + complaint)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ('{path: "/**"}', '{path: "/a"}'),
        ('{path: "/a/**"}', '{path: "/a"}'),
        ('{path: "/A/**"}', '{path: "/a/b"}'),
        ('{path: "/a"}', '{path: "/a", access: public}'),
        ('{path: "/a", methods: [GET]}', '{path: "/a", methods: [HEAD]}'),
        ('{path: "/a/**", methods: [GET]}', '{path: "/a/b", methods: [POST]}'),
        ('{path: "/e/{environment}/x"}', '{path: "/e/open/**"}'),
        ('{path: "/e/{environment}/**"}', '{path: "/e/{environment}/x"}'),
    ],
)
def test_a_hidden_route(complaints: Complaints, earlier: str, later: str) -> None:
    """A route that no request can reach is refused, not ignored."""
    (text,) = complaints(f"{BASE}routes:\n  - {earlier}\n  - {later}\n")
    assert text.startswith("wardgate.yaml:5: routes[1]: is never reached: ")


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ('{path: "/a"}', '{path: "/a/**"}'),
        ('{path: "/e/open/**"}', '{path: "/e/{environment}/**"}'),
        ('{path: "/e/{environment}/x"}', '{path: "/e/{environment}/**"}'),
        ('{path: "/e/{environment}/x"}', '{path: "/e/**"}'),
        ('{path: "/a", methods: [GET]}', '{path: "/a"}'),
        ('{path: "/"}', '{path: "/**"}'),
    ],
)
def test_a_reachable_route(read: Read, earlier: str, later: str) -> None:
    """A narrower pattern before a wider one, or some methods before the others, are accepted."""
    assert len(read(f"{BASE}routes:\n  - {earlier}\n  - {later}\n").routes) == 2


def test_leave_differs(complaints: Complaints) -> None:
    """Routes of one path give the same leave, for the path is judged before the method."""
    text = """\
routes:
  - {path: "/{environment}/**", methods: [GET], allow: ["%2F"]}
  - {path: "/{environment}/**", methods: [POST]}
"""
    assert complaints(BASE + text) == [
        "wardgate.yaml:5: routes[1].allow: differs between routes of one path"
    ]


def test_which_upstream(complaints: Complaints) -> None:
    """With several upstreams and none called default, a route names its own."""
    expected = "should name its upstream: there are several, and none is default"
    assert complaints(SEVERAL) == [f"wardgate.yaml:1: routes: {expected}"]
    assert complaints(SEVERAL + 'routes:\n  - {path: "/**"}\n') == [
        f"wardgate.yaml:6: routes[0]: {expected}"
    ]


def test_no_upstream(complaints: Complaints) -> None:
    """A gateway has an upstream."""
    (complaint,) = complaints("listen: 127.0.0.1:8080\n")
    assert complaint.endswith("upstreams: is required: name one, or write upstream: URL")


def test_no_secret_is_shown(complaints: Complaints) -> None:
    """What stands where a secret does not belong is not repeated."""
    text = """\
listen: 127.0.0.1:8080
upstreams:
  default:
    url: http://user:hunter2@host
    authorization: Basic hunter2
    authorization_file: hunter2
store: hunter2
"""
    told = complaints(text)
    assert len(told) == 3
    assert "hunter2" not in "".join(told)


# --- files that are named ------------------------------------------------------------------------


def upstream(**settings: object) -> str:
    """A configuration whose upstream has `settings`."""
    lines = "".join(f"    {name}: {value}\n" for name, value in settings.items())
    return f"listen: 127.0.0.1:8080\nupstreams:\n  default:\n{lines}"


def test_authorization_from_a_file(read: Read, tmp_path: Path) -> None:
    """The upstream's credential comes from a file, and does not show in the configuration."""
    file = tmp_path / "token"
    file.write_text("Bearer hunter2\n")
    config = read(upstream(url="http://h", authorization_file=file))
    value = config.upstreams["default"].authorization_value
    assert value is not None
    assert value.get_secret_value() == "Bearer hunter2"
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize("content", ["", "\n", "Bearer a\nBearer b", "Bearer \x7f", "Bearer ä"])
def test_authorization_not_a_field(complaints: Complaints, tmp_path: Path, content: str) -> None:
    """A credential that is not one line of visible ASCII is refused without being shown."""
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
            "ca_file: has no use while verify is off",
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
def test_an_upstream_at_odds(
    complaints: Complaints, settings: dict[str, str], complaint: str
) -> None:
    """Settings of an upstream that cannot all be meant are refused."""
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


def test_tls(read: Read, certificate: tuple[Path, Path]) -> None:
    """A certificate and its key are accepted."""
    config = read(tls(*certificate))
    assert config.tls is not None
    assert (config.tls.certificate, config.tls.key) == certificate


def test_tls_of_another(
    complaints: Complaints, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    """A key that belongs to another certificate is refused when the file is read."""
    other = tmp_path / "other.key"
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(other)
    (complaint,) = complaints(tls(certificate[0], other))
    assert complaint == "wardgate.yaml:5: tls.key: is not the key of this certificate"


def test_tls_not_pem(complaints: Complaints, certificate: tuple[Path, Path]) -> None:
    """Files that hold no certificate and key are refused."""
    (complaint,) = complaints(tls(certificate[0], certificate[0]))
    assert complaint == (
        "wardgate.yaml:4: tls.certificate: with its key: no PEM files that fit together"
    )


def test_tls_missing(complaints: Complaints, tmp_path: Path) -> None:
    """Files that are not there are named by their settings, both at once."""
    assert complaints(tls(tmp_path / "a", tmp_path / "b")) == [
        "wardgate.yaml:4: tls.certificate: cannot read this file: No such file or directory",
        "wardgate.yaml:5: tls.key: cannot read this file: No such file or directory",
    ]


def test_tls_encrypted(complaints: Complaints, certificate: tuple[Path, Path]) -> None:
    """A key with a pass phrase is refused; nobody is asked for one."""
    key = serialization.load_pem_private_key(certificate[1].read_bytes(), None)
    certificate[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )
    (complaint,) = complaints(tls(*certificate))
    assert complaint.endswith("tls.key: is encrypted; a key without a pass phrase is needed")
