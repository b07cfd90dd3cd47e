"""Request lines, field names and values: heads that some parsers repair, each in its own way."""

from __future__ import annotations

from tests.hostile.row import AUTH, GET, HEAD, LAST, POST, Row, Up, refused

LINE = b"GET /v1/projects/a/x HTTP/1.1"
LONG = b"a" * 9000


def line(raw: bytes) -> bytes:
    """A head with this request line."""
    return raw + b"\r\nHost: h\r\n" + AUTH + b"\r\n"


def version(word: bytes) -> bytes:
    """A GET in this version."""
    return line(b"GET /v1/projects/a/x " + word)


def method(word: bytes) -> bytes:
    """A request with this method."""
    return word + HEAD + b"\r\n"


def field(raw: bytes) -> bytes:
    """A GET with this line among its fields."""
    return GET + raw + b"\r\n\r\n"


def host(lines: bytes) -> bytes:
    """A GET with these lines in place of Host."""
    return b"GET /v1/projects/a/x HTTP/1.1\r\n" + lines + AUTH + b"\r\n"


def passed(name: str, raw: bytes, fields: bytes, *, kept: bool = True) -> Row:
    """A GET that is sent on with these fields. `kept`: whether the connection stays open."""
    return Row(name, raw, 200, kept, Up(LINE, fields))


LINES = [
    *refused(
        "line",
        400,
        line(b"GET  /v1/projects/a/x  HTTP/1.1"), line(b"GET\t/v1/projects/a/x\tHTTP/1.1"),
        line(b"GET\t/v1/projects/a/x HTTP/1.1"), line(b"GET /v1/projects/a/x HTTP/1.1 "),
        line(b"GET /v1/projects/a/x\x0bHTTP/1.1"), line(b"GET /v1/projects/a/x\xa0HTTP/1.1"),
        line(b"GET /v1/projects/a/x /v1/projects/b/x HTTP/1.1"),
        line(b" GET /v1/projects/a/x HTTP/1.1"), line(b"GET /v1/projects/a/x"), line(b"GET"),
        line(b"/v1/projects/a/x HTTP/1.1"), line(b"GET /v1/projects/a/x HTTP/1.1\rX: y"),
        line(b"GET /v1/projects/a/x\x00 HTTP/1.1"), line(b"G\x00T /v1/projects/a/x HTTP/1.1"),
        line(b"G(T /v1/projects/a/x HTTP/1.1"), line(b"G\xc3\x89T /v1/projects/a/x HTTP/1.1"),
        line(b"GET: /v1/projects/a/x HTTP/1.1"), b"\r\n\r\n" + GET + b"\r\n", b"\n" + GET + b"\r\n",
        b"\r" + GET + b"\r\n", b"\x00" + GET + b"\r\n", b"\xef\xbb\xbf" + GET + b"\r\n",
        b"GET /x\r\n", b"GET /v1/projects/a/x\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.5 1 2\r\n" + GET + b"\r\n",
        b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + GET + b"\r\n",
    ),
    *refused(
        "version",
        400,
        *map(version, (
            b"HTTP/1.2", b"HTTP/1.9", b"http/1.1", b"HTTP/1", b"HTTP/1.", b"HTTP/1.1.1",
            b"HTTP/01.1", b"HTTP/1.10", b"HTTP/1,1", b"HTTP /1.1", b"HTTPS/1.1", b"HTTP/-1.1",
            b"HTTP/\xb2.0", b"ICY/1.1",
        )),
    ),
    *refused("old-or-new", 505, *map(version, (b"HTTP/0.9", b"HTTP/2.0", b"HTTP/3.0"))),
    *refused(
        "method",
        405,
        *map(method, (
            b"get", b"Get", b"TRACE", b"trace", b"PRI", b"*", b"propfind",
        )),
        b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT /v1/projects/a/x HTTP/1.1\r\nHost: a\r\n" + AUTH + b"\r\n",
        b"TRACE * HTTP/1.1\r\nHost: a\r\n" + AUTH + b"\r\n",
    ),
    *refused(
        "method-of-no-route",
        405,
        *map(method, (
            b"FOO", b"TRACK", b"PROPFIND", b"COPY", b"MOVE", b"SEARCH", b"LINK", b"PURGE",
            b"DEBUG", b"GETT", b"GE", b"M-SEARCH", b"QUERY",
        )),
        kept=True,
    ),
    Row("one-empty-line-before", b"\r\n" + GET + b"\r\n", 200, True, Up(LINE)),
    Row("version-1.0", version(b"HTTP/1.0"), 200, False, Up(LINE)),
]  # fmt: skip

FIELDS = [
    *refused(
        "field",
        400,
        *map(field, (
            b"X", b": y", b" : y", b"X : y", b"X\t: y", b"X Y: z", b"X(: y", b"X\xc3\xa9: y",
            b"X\x00: y", b"X\x7f: y", b'"X": y', b"X/Y: z", b"X;Y: z", b"X@: y", b"[X]: y",
            b"X: a\x00b", b"X: a\x01b", b"X: a\x0bb", b"X: a\x1bb", b"X: a\x7fb", b"X: a\rY: b",
            b"X: a\nY: b", b"X: a\n", b"X: a\r", b"X: a\r\r\nY: b", b"X: a\r\n b", b"X: a\r\n\tb",
            b"X: a\r\n b\r\n c", b"X:\r\n y", b"\tX: y", b"X: a\n\r\nGET /v1/projects/a/y HTTP/1.1",
            b"X: a\n\nGET /v1/projects/a/y HTTP/1.1",
        )),
        b"GET /v1/projects/a/x HTTP/1.1\nHost: h\n\n",
        b"GET /v1/projects/a/x HTTP/1.1\nHost: h\r\n\r\n",
        (GET + b"\r\n").replace(b"\r\n", b"\n"), (GET + b"\r\n").replace(b"\r\n", b"\r"),
        b"GET /v1/projects/a/x HTTP/1.1\r\n Host: h\r\n\r\n",
        b"GET /v1/projects/a/x HTTP/1.1\r\n\tHost: h\r\n" + AUTH + b"\r\n",
        b"GET /v1/projects/a/x HTTP/1.1\r\nX: y\nHost: h\r\n" + AUTH + b"\r\n",
        GET[:-2] + b"\n\n", GET + b"\n", GET + b"\r\r\n",
    ),
    passed("value-that-is-not-ascii", field(b"X: a\xff\xfeb"), b"X: a\xff\xfeb\r\n"),
    passed("value-in-white-space", field(b"X:\t a \t"), b"X:\t a \t\r\n"),
    passed("value-that-is-empty", field(b"X:\r\nY: "), b"X:\r\nY: \r\n"),
    passed("name-of-odd-letters", field(b"!#$%&'*+-.^_`|~: y"), b"!#$%&'*+-.^_`|~: y\r\n"),
    passed("one-name-twice", field(b"x-a: 1\r\nX-A: 2"), b"x-a: 1\r\nX-A: 2\r\n"),
]  # fmt: skip

SIZES = [
    *refused(
        "long-line",
        414,
        line(b"GET /v1/projects/a/" + LONG + b" HTTP/1.1"),
        b"GET /" + LONG,
        line(b"GET /v1/projects/a/x?" + LONG + b" HTTP/1.1"),
        b"G" * 9000 + HEAD + b"\r\n",
    ),
    *refused(
        "large-head",
        431,
        field(b"X: " + LONG),
        GET + b"X: " + LONG,
        GET + b"X: y\r\n" * 200 + b"\r\n",
        GET + b"X: y\r\n" * 99 + b"\r\n",
        GET + (b"X: " + LONG[:8000] + b"\r\n") * 120 + b"\r\n",
        field(LONG + b": x"),
    ),
    passed("many-fields", GET + b"X: y\r\n" * 98 + b"\r\n", b"X: y\r\n" * 98),
]

HOSTS = [
    *refused(
        "no-host",
        400,
        host(b""), host(b"Host: h\r\nHost: h\r\n"), host(b"Host: h\r\nhOST: i\r\n"),
        host(b"Host: h\r\nHost: \r\n"), host(b"Host : h\r\n"), host(b"Ho_st: h\r\n"),
        *(
            host(b"Host: " + value + b"\r\n")
            for value in (
                b"", b" ", b"a b", b"a@b", b"a/../b", b"a/b", b"a\\b", b"a,b", b"a;b", b"a?b",
                b"a#b", b"a:99999", b"a:65536", b"a:", b"a:b", b"a:-1", b"a:+1", b"a: 1", b"a:1:2",
                b"[::1", b"::1", b"[::1]x", b"[g]", b"[::1%25eth0]", b"a\xff", b"%61", b"http://a",
                b"-a", b".", b"\x00", b"'", b"a\tb", b"a<b", b"${jndi}", b"a\r\n b",
            )
        ),
    ),
    *(
        Row(f"host-{name.decode()}", host(lines), 200, True, Up(LINE, host=name))
        for name, lines in {
            b"evil.example": b"Host: evil.example\r\n", b"a:8080": b"Host:\ta:8080 \r\n",
            b"[::1]:1": b"hOST: [::1]:1\r\n", b"a_b": b"Host: a_b\r\n",
        }.items()
    ),
    Row("old", host(b"").replace(b"1.1", b"1.0"), 200, False, Up(LINE, host=None)),
]  # fmt: skip
"""Host names no upstream: it is only passed on, in the forwarding fields."""

IDENTITY = (
    b"X-Wardgate-Key", b"X-Wardgate-Account", b"X-Wardgate-Environment", b"X-Wardgate-Role",
    b"X-Wardgate-Anything", b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto",
    b"X-Forwarded-Port", b"X-Forwarded-Uri", b"X-Forwarded-Prefix", b"X-Forwarded-User",
    b"X-Forwarded-Method", b"Forwarded", b"X-Original-URL", b"X-Rewrite-URL", b"X-HTTP-Method",
    b"X-HTTP-Method-Override", b"X-Method-Override", b"X-Real-IP", b"X-Remote-User", b"Remote-User",
    b"Script-Name", b"X-Script-Name", b"Path-Info", b"Path-Translated", b"Request-URI",
    b"X-Original-URI", b"Daphne-Root-Path", b"X-Sendfile-Type", b"X-Accel-Mapping", b"Proxy",
    b"X-Forwarded", b"X-Client-IP", b"True-Client-IP", b"Client-IP", b"X-Cluster-Client-IP",
    b"CF-Connecting-IP", b"X-Scheme", b"X-Host", b"X-Original-Host", b"Remote-Addr", b"Remote-Host",
    b"X-Vhm-Root", b"X-Vhm-Host", b"$WSRU", b"$WSCC", b"$WSRA", b"WL-Proxy-Client-IP",
    b"WL-Proxy-Client-Cert", b"Impersonate-User", b"Impersonate-Extra-Scopes", b"X-Remote-Group",
    b"X-Remote-Extra-Scopes", b"X-Envoy-Original-Path", b"X-Envoy-Internal", b"X-ARR-ClientCert",
    b"X-MS-Client-Principal", b"X-MS-Client-Principal-Id", b"X-MS-Token-AAD-Id-Token",
    b"SSL-Client-Cert", b"X-SSL-Client-S-DN", b"X-Client-Cert", b"Client-Cert",
    b"Client-Cert-Chain", b"X-Amzn-Oidc-Data",
    b"X-Goog-IAP-JWT-Assertion", b"X-Goog-Authenticated-User-Email", b"X-Auth-Request-User",
    b"Remote-Groups", b"Shib-Session-ID", b"OIDC-Claim-Sub", b"X-WAWS-Unencoded-URL",
    b"MS-ASPNETCORE-WinAuthToken", b"X-Matched-Path", b"X-Middleware-Subrequest",
    b"X-Traversal-Path", b"X-Api-Project-Id", b"X-Consumer-Username", b"SM-User",
    b"IV-User", b"Tailscale-User-Login",
)  # fmt: skip


def spellings(name: bytes) -> list[bytes]:
    """Names that some upstream takes for `name`."""
    small = name.lower()
    marks = {small.replace(b"-", mark) for mark in (b"_", b".", b"~", b"!")}
    mixed = name.swapcase().replace(b"-", b"_", 1)
    return [name, small, name.upper(), mixed, *sorted(marks)]


ODD_IDS = [name for name in spellings(b"X-Request-Id") if name.lower() != b"x-request-id"]
"""Spellings that some upstream takes for X-Request-Id, the one field of these that clients may
send."""
FORGED = [
    passed("forged-x-request-id", field(b"\r\n".join(name + b": forged" for name in ODD_IDS)), b""),
    *(
        passed(
            f"forged-{name.decode().lower()}",
            GET + b"".join(alias + b": forged\r\n" for alias in spellings(name)) + b"\r\n",
            b"",
        )
        for name in IDENTITY
    ),
]
"""Fields that only the gateway may send to an upstream, in up to eight spellings: none arrives."""
HOPS = [
    passed(
        f"hop-by-hop-{number}",
        GET + lines + b"\r\n",
        fields,
    )
    for number, (lines, fields) in enumerate(
        (
            (b"Connection: x-wardgate-key, host, authorization\r\nX-Wardgate-Key: me\r\n", b""),
            (b"Connection: X-One\r\nX-One: 1\r\nX-Two: 2\r\n", b"X-Two: 2\r\n"),
            (b"Connection: ,x-one ,,X-TWO,\r\nX-One: 1\r\nX-Two: 2\r\n", b""),
            (b"X-One: 1\r\nConnection: x-two\r\nX-Two: 2\r\nConnection: x-one\r\n", b""),
            (b"Keep-Alive: timeout=9\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\n", b""),
            (b"Trailer: X-Wardgate-Key\r\nProxy-Authorization: Basic eDp5\r\n", b""),
            (b"Connection: close_\r\nX: y\r\n", b"X: y\r\n"),
            (b"Connection: content-length, transfer-encoding, via\r\nVia: 1.1 x\r\n", b""),
        ),
        1,
    )
] + [
    Row(
        "connection-names-its-framing",
        POST + b"Connection: content-length\r\nContent-Length: 5\r\n\r\nhello",
        200,
        True,
        Up(b"POST /v1/projects/a/x HTTP/1.1", b"Content-Length: 5\r\n", b"hello"),
    ),
    Row(
        "connection-names-its-coding",
        POST + b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        200,
        True,
        Up(b"POST /v1/projects/a/x HTTP/1.1", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    ),
    Row(
        "body-in-gzip",
        POST + b"Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\n\x1f\x8b\x08\x00bombbomb",
        200,
        True,
        Up(
            b"POST /v1/projects/a/x HTTP/1.1",
            b"Content-Encoding: gzip\r\nContent-Length: 12\r\n",
            b"\x1f\x8b\x08\x00bombbomb",
        ),
    ),
    Row("options-star", b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 204, True),
    Row("options-star-that-is-last", b"OPTIONS * HTTP/1.1\r\nHost: h\r\n" + LAST + b"\r\n", 204),
]
"""Hop-by-hop fields are not sent on (RFC 9110 section 7.6.1). The framing fields are, even where
Connection names them, because the gateway writes them anew."""

ROWS = [*LINES, *FIELDS, *SIZES, *HOSTS, *FORGED, *HOPS]
