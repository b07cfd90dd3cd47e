"""Values of settings that are written as text: addresses, URLs, sizes, paths of routes.

Each function takes a value as YAML has it. It raises ValueError with a message that says what is
expected, and that never repeats the value, which may be secret.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from proxy.domain.methods import ANY, REGISTERED, passes
from proxy.domain.split import MAX_WEIGHT
from proxy.http1.fields import NOTED
from proxy.http1.grammar import fold

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX_PREFIX: Final = "unix:"
MAX_UNIX_PATH: Final = 107
"""Bytes; `sun_path` of Linux holds 108 with its final NUL (unix(7))."""

_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?\.?").fullmatch
_HOST_PORT: Final = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::([0-9]{1,5}))?").fullmatch
_URL: Final = re.compile(r"(https?)://([^/?#]*)(.*)", re.I | re.A).fullmatch


def host_name(text: object) -> str:
    """A host name or an IP address without brackets."""
    if isinstance(text, str):
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            numeric = re.fullmatch(r"[0-9.]+", text)
            if _NAME(text) and not numeric:
                return text
    raise ValueError("should be a host name or an IP address")


def _host_port(text: str, expected: str) -> tuple[str, int | None]:
    """Host without brackets, and port or None. Raises ValueError with `expected`."""
    match = _HOST_PORT(text)
    if match is None:
        raise ValueError(expected)
    host, port = match.groups()
    try:
        bracketed = host.startswith("[")
        host = str(ipaddress.IPv6Address(host[1:-1])) if bracketed else host_name(host)
    except ValueError:
        raise ValueError(expected) from None
    if port is not None and int(port) > 65535:
        raise ValueError("a port is at most 65535")
    return host, int(port) if port is not None else None


def _unix_path(text: str) -> str:
    path = text.removeprefix(UNIX_PREFIX)
    if not path:
        raise ValueError("unix: should be followed by a path")
    if len(path.encode()) > MAX_UNIX_PATH:
        raise ValueError(f"the path of a Unix socket is at most {MAX_UNIX_PATH} bytes long")
    return path


def is_ip(host: str) -> bool:
    """Whether a host is an IP address, and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def dns_name(text: object) -> str:
    """A name to look up, such as `_http._tcp.api.internal`."""
    expected = "should be a name to look up, such as _http._tcp.api.internal"
    try:
        name = host_name(text)
    except ValueError:
        raise ValueError(expected) from None
    if is_ip(name) or not all(0 < len(label) < 64 for label in name.rstrip(".").split(".")):
        raise ValueError(expected)
    return name


def dns_server(text: object) -> tuple[str, int]:
    """The IP address of a DNS server, perhaps with a port: (address, port)."""
    expected = "should be the IP address of a DNS server, perhaps with :port"
    if not isinstance(text, str):
        raise ValueError(expected)
    host, port = (text, None) if is_ip(text) else _host_port(text, expected)
    if not is_ip(host) or port == 0:
        raise ValueError(expected)
    return host, 53 if port is None else port


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


# --- where to listen -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on: `host` and `port`, or the `path` of a Unix socket."""

    host: str = ""
    port: int = 0
    """0: any free port."""
    path: str | None = None
    proxy_protocol: bool = False
    """Whether connections begin with a header of the PROXY protocol."""

    def __str__(self) -> str:
        if self.path is not None:
            return UNIX_PREFIX + self.path
        return f"{_in_url(self.host)}:{self.port}"


def listen(text: object) -> Listen:
    """`host:port`, `[IPv6]:port` or `unix:/path`."""
    expected = "should be host:port, [IPv6]:port or unix:/path"
    if not isinstance(text, str):
        raise ValueError(expected)
    if text.startswith(UNIX_PREFIX):
        return Listen(path=_unix_path(text))
    if text.startswith((":", "*:")):
        raise ValueError(f"{expected}; for all addresses use 0.0.0.0:port or [::]:port")
    host, port = _host_port(text, expected)
    if port is None:
        raise ValueError(expected)
    return Listen(host, port)


def listener(value: object) -> Listen:
    """An address to listen on, alone or as `address` beside `proxy_protocol`."""
    if not isinstance(value, dict):
        return listen(value)
    proxy_protocol = value.get("proxy_protocol", False)
    if "address" not in value or value.keys() - {"address", "proxy_protocol"}:
        raise ValueError("should be an address, or {address: …, proxy_protocol: true}")
    if not isinstance(proxy_protocol, bool):
        raise ValueError("proxy_protocol should be true or false")
    return replace(listen(value["address"]), proxy_protocol=proxy_protocol)


def host_field(text: object) -> str:
    """A host name or an IP address as in a URL, perhaps with a port; returned in lower case."""
    expected = "should be a host name or an IP address, perhaps with :port"
    if not isinstance(text, str):
        raise ValueError(expected)
    host, port = _host_port(text, expected)
    return (_in_url(host) if port is None else f"{_in_url(host)}:{port}").lower()


# --- URLs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UpstreamUrl:
    """Where an upstream is: `host` and `port`, or `unix_path`."""

    host: str | None = None
    port: int | None = None
    tls: bool = False
    unix_path: str | None = None

    @property
    def authority(self) -> str:
        """For the Host field: without the port where it is the scheme's own."""
        if self.host is None:
            return "localhost"
        own = self.port == (443 if self.tls else 80)
        return _in_url(self.host) if own else f"{_in_url(self.host)}:{self.port}"

    def __str__(self) -> str:
        if self.unix_path is not None:
            return UNIX_PREFIX + self.unix_path
        return f"{'https' if self.tls else 'http'}://{self.authority}"


def upstream_url(text: object) -> UpstreamUrl:
    """`http://host[:port]`, `https://host[:port]` or `unix:/path`."""
    expected = "should be http://host[:port], https://host[:port] or unix:/path"
    if isinstance(text, str) and text.startswith(UNIX_PREFIX):
        return UpstreamUrl(unix_path=_unix_path(text))
    url, rest = _origin(text, expected)
    if rest not in {"", "/"}:
        raise ValueError(
            "should have no path, query or fragment: "
            "what clients ask for reaches the upstream unchanged"
        )
    return url


_CHECK_PATH: Final = re.compile(r"/[!-~]{0,1023}").fullmatch


def check_path(text: object) -> str:
    """The path of a request of the gateway's own, perhaps with a query."""
    if not isinstance(text, str) or "#" in text or not _CHECK_PATH(text):
        raise ValueError("should be a path such as /healthz, without spaces or a fragment")
    return text


def public_url(text: object) -> str:
    """`http(s)://host[:port]` and nothing else; returned in lower case, as clients send hosts."""
    expected = "should be http://host[:port] or https://host[:port]"
    url, rest = _origin(text, expected)
    if rest:
        raise ValueError(f"{expected}, without a path or a slash at its end")
    return str(url).lower()


def issuer(text: object) -> str:
    """`https://host[:port][/path]`, or `http://` at a loopback address. Returned as it is written,
    because issuers are compared as text (OpenID Connect Discovery section 4.3)."""
    expected = "should be https://host[:port] or https://host[:port]/path, as the provider says it"
    _, rest = _origin(text, expected)
    if not all("!" <= character <= "~" and character not in "?#" for character in rest):
        raise ValueError(expected)
    if not is_secure(str(text)):
        raise ValueError("should be https://, unless the provider is at a loopback address")
    return str(text)


def export_url(text: object) -> str:
    """`http[s]://host[:port]/path`, to which traces are sent."""
    expected = "should be a URL such as http://127.0.0.1:4318/v1/traces"
    _, rest = _origin(text, expected)
    if not all("!" <= character <= "~" and character not in "?#" for character in rest):
        raise ValueError(expected)
    return str(text)


def webhook_url(text: object) -> str:
    """`https://host[:port][/path][?query]`, or `http://` at a loopback address."""
    expected = "should be https://host[:port] and a path, without user name or fragment"
    _, rest = _origin(text, expected)
    if not all("!" <= character <= "~" and character != "#" for character in rest):
        raise ValueError(expected)
    if not is_secure(str(text)):
        raise ValueError("should be https://, unless the receiver is at a loopback address")
    return str(text)


def is_secure(url: str) -> bool:
    """Whether nobody on the way can read what is sent to a URL: it has TLS, or stays on the
    machine."""
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname or ""
        if scheme == "https":
            return host != ""
        return scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def _origin(text: object, expected: str) -> tuple[UpstreamUrl, str]:
    """The origin at the start of a URL, and the rest of it."""
    match = _URL(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(expected)
    scheme, authority, rest = match.groups()
    if "@" in authority:
        raise ValueError("should hold no user name or password")
    host, port = _host_port(authority, expected)
    tls = scheme.lower() == "https"
    if port is None:
        port = 443 if tls else 80
    if port == 0:
        raise ValueError("a port to connect to is not 0")
    return UpstreamUrl(host, port, tls), rest


# --- others --------------------------------------------------------------------------------------


def network(text: object) -> Network:
    """`10.0.0.0/8`, `2001:db8::/32`, or a single address."""
    if isinstance(text, str):
        try:
            return ipaddress.ip_network(text)
        except ValueError as error:
            if "host bits" in str(error):
                raise ValueError("is an address within a network: its host bits are set") from None
    raise ValueError("should be an IP address or a network such as 10.0.0.0/8")


_UNITS: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE: Final = re.compile(r"([0-9]{1,12}) ?(B|KiB|MiB|GiB)").fullmatch


def size(value: object) -> object:
    """Bytes: a whole number, or one with a unit as in `64KiB`."""
    if isinstance(value, str):
        match = _SIZE(value)
        if match is None:
            raise ValueError("should be a number of bytes, or one with KiB, MiB or GiB")
        return int(match[1]) * _UNITS[match[2]]
    return value


def upstream_choice(value: object) -> str | dict[str, int] | None:
    """The name of an upstream, or several names, each with its weight."""
    expected = "should be the name of an upstream, or names with weights: {stable: 95, canary: 5}"
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ValueError(expected)
    if not all(type(each) is int and 0 <= each <= MAX_WEIGHT for each in value.values()):
        raise ValueError(f"a weight is a whole number from 0 to {MAX_WEIGHT}")
    if len(value) < 2 or not any(value.values()):
        raise ValueError("should name at least two upstreams, not all with weight 0")
    return value


_STRIPPED: Final = re.compile(r"[!#$%&'+.^_`|~0-9A-Za-z-]+\*?").fullmatch


def stripped_field(text: object) -> str:
    """The name of a field that is not passed on; `*` at its end stands for any end."""
    if not isinstance(text, str) or not _STRIPPED(text):
        raise ValueError("should be the name of a field, or the beginning of one with * behind it")
    if fold(text.encode()) in NOTED:
        raise ValueError("the gateway itself decides whether this field is sent")
    return text


_PROTOCOL: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+(?:/[!#$%&'*+.^_`|~0-9a-z-]+)?").fullmatch


_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch


def method(text: object) -> str:
    """A method (RFC 9110 section 9.1), or `*`. A registered one is returned in upper case."""
    if not isinstance(text, str) or not _METHOD(text):
        raise ValueError('should be a method, such as GET or PROPFIND, or "*" for all methods')
    name = text.upper() if text.upper() in REGISTERED else text
    if name != ANY and not passes(name):
        raise ValueError("is never forwarded")
    return name


def protocol(text: object) -> str:
    """A protocol for Upgrade (RFC 9110 section 7.8), returned in lower case."""
    name = text.lower() if isinstance(text, str) else ""
    if not _PROTOCOL(name):
        raise ValueError("should be the name of a protocol, such as websocket")
    if name == "h2c" or name.partition("/")[0] in {"http", "tls"}:
        raise ValueError("would carry requests past the gateway, so it is never tunnelled")
    return name
