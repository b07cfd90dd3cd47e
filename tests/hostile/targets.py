"""Targets that an upstream might read as another path than the gateway does, and credentials."""

from __future__ import annotations

import base64

from tests.hostile.row import AUTH, GET, PAIR, Row, refused, seen, target

NOT_ORIGIN_FORM = b"""
http://evil/v1/projects/b/x  http://h/v1/projects/a/x  HTTP://h/v1/projects/a/x  gopher://evil/x
http://a@evil/x  //evil/x  //evil/v1/projects/a/x  ///v1/projects/a/x  x  v1/projects/a/x  @evil/x
a:80  *  ?  ?/v1/projects/a/x  #  .  ..  ./v1/projects/a/x  ../v1/projects/a/x  \\v1\\projects\\a\\x
/\\evil/x  %2fv1/projects/a/x  ;/v1/projects/a/x  /v1/projects/a/x,/v1/projects/b/x/../../..
"""
DOTS = b"""
/v1/projects/a/../b/x  /v1/projects/a/./x  /v1/projects/a/..  /v1/projects/a/.  /v1/projects/./a/x
/v1/projects/../projects/a/x  /./v1/projects/a/x  /../v1/projects/a/x  /v1/projects/a/x/../../b/x
/v1/projects/a/%2e%2e/b  /v1/projects/a/.%2e/b  /v1/projects/a/%2e./b  /v1/projects/a/%2E%2E/b
/v1/projects/a/%2e/x  /v1/projects/a/x%2ey  /v1/projects/a/%252e%252e/b  /v1/projects/a/%25%32%65/b
/v1/projects/a/..;/b/x  /v1/projects/a/..;x=y/b/x  /v1/projects/a/.;/x  /v1/projects/a/..%00/b/x
/v1/projects/a/..%09/b/x  /v1/projects/a/..%0d/b/x  /v1/projects/a/..%20/../b  /v1/projects/a/x/..?y
/v1/projects/a/..%20/b  /v1/projects/a/%20..  /v1/projects/a/.%20/x  /v1/projects/a/..%C2%A0/b
/v1/projects/a/%u002e%u002e/b  /v1/projects/a/%c0%ae%c0%ae/b  /v1/projects/a/%e0%80%ae/b
/v1/projects/a/%f0%80%80%ae/b  /v1/projects/a/%%32%65/b  /v1/projects/a/%2%65/b
/v1/projects/a/%ef%bc%8e%ef%bc%8e/b  /v1/projects/a/.%EF%BC%8E
/v1/projects/a/%ef%bc%8f..%ef%bc%8fb
/v1/projects/a/%e2%80%a4%e2%80%a4/b  /v1/projects/a/%e2%80%a5/b  /v1/projects/a/.%e2%80%8b./b
/v1/projects/a/..%3fx  /v1/projects/a/..%23x  /v1/projects/a/..%ef%bc%9bx/b
/v1/projects/a/..%c2%a5b
"""
SEPARATORS = b"""
/v1/projects/a%2fb/x  /v1/projects/a%2Fx  /v1/projects/a/..%2fb  /v1/projects/a/x%2f..%2f..%2fb
/v1/projects%2fa/x  /v1%2fprojects/a/x  /v1/projects/a/..\\b  /v1/projects/a\\x
/v1/projects/a/x\\..
/v1/projects/a%5c..%5cb  /v1/projects/a/%5C..%5Cb  /v1/projects/a/%252fb  /v1/projects/a/%255c
/v1/projects/a;env=b/x  /v1/projects/a/x;y  /v1/projects;x/a/x  /v1;/projects/a/x
/v1/projects/a/x%3by  /v1/projects/a%3b/x  //v1/projects/a/x  /v1//projects/a/x  /v1/projects//x
/v1/projects//a/x  /v1/projects/a//x  /v1/projects/a/x//  /v1/projects/a//..//b  /v1/projects/%2fa/x
/v1/projects/a/%c0%af..%c0%afb  /v1/projects/a/%e0%80%af  /v1/projects/a%0a/x
"""
BYTES = b"""
/v1/projects/a/%0d%0aX:y  /v1/projects/a/%0a  /v1/projects/a/%00  /v1/projects/a/%1b
/v1/projects/a/%7f
/v1/projects/a/%ff  /v1/projects/a/%c3  /v1/projects/a/%c3%28  /v1/projects/a/%ed%a0%80
/v1/projects/a/%f4%90%80%80  /v1/projects/a/%c2%85  /v1/projects/a/%  /v1/projects/a/%2
/v1/projects/a/%zz  /v1/projects/a/%2g  /v1/projects/a/%u0061  /v1/projects/a/x%
/v1/projects/a/\xc3\xa9
/v1/projects/a/\xff  /v1/projects/a/\x7f  /v1/projects/a/\x00  /v1/projects/a/\x01
/v1/projects/a/\x1b
/v1/projects/a#/../b  /v1/projects/a/x#  /v1/projects/a/x?#  /v1/projects/a/x?y#z
/v1/projects/a/x?\xff
/v1/projects/a/x?\x00  /v1/projects/a/x?\x7f  /v1/projects/a"/x  /v1/projects/a/x<y
/v1/projects/a/>
/v1/projects/a/^  /v1/projects/a/{x}  /v1/projects/{a}/x  /v1/projects/a/`  /v1/projects/a|b/x
/v1/projects/a/[x]
"""
ENVIRONMENTS = b"""
/v1/projects/%61/x  /v1/projects/a%00/x  /v1/projects/a%20/x  /v1/projects/a./x  /v1/projects/.a/x
/v1/projects/...  /v1/projects/%e2%80%8ba/x  /v1/projects/a%3fx/y  /v1/projects/a%23x/y
/v1/projects/a%2e/x  /v1/projects/a+/x  /v1/projects/a,b/x  /v1/projects/a=b/x  /v1/projects/a:80/x
/v1/projects/a@b/x  /v1/projects/*/x  /v1/projects/~/x  /v1/projects/_/x  /v1/projects/-a/x
/v1/projects/a%2a/x  /v1/projects/%41/x  /v1/projects/(a)/x  /v1/projects/a'/x  /v1/projects/$a/x
"""
SPELLINGS = b"""
/V1/projects/a/x  /v1/Projects/a/x  /v1/Projects/b/x  /v1/PROJECTS/a/x  /v1/project%73/a/x
/v1/%70rojects/b/x  /%76%31/projects/a/x  /v%31/projects/a/x  /v2-beta/PROJECTS/b/x
/v2%2dbeta/projects/a/x  /V2-beta/projects/a/x  /v2-Beta/projects/b/x
/v1/project%C5%BF/b/x  /v1/pro%EF%BD%8Aects/b/x  /v1/pr%C2%BAjects/b/x  /%EF%BD%961/projects/b/x
/v%C2%B9/projects/b/x  /v1./projects/b/x  /v1/projects./b/x  /v1/projects.%20./b/x
/v1/%20projects/b/x  /v1/p%CC%81rojects/b/x  /v1/%E2%80%8Bprojects/b/x  /v1/projects%EF%BC%9Bx/b
/v1/projects%EF%BC%8Fb/x
"""

TARGETS = [
    *refused("not-origin-form", 400, *map(target, NOT_ORIGIN_FORM.split()), target(b"")),
    *refused("dots", 400, *map(target, DOTS.split())),
    *refused("separators", 400, *map(target, SEPARATORS.split())),
    *refused("bytes", 400, *map(target, BYTES.split()), target(b"/v1/projects/a/\t")),
    *refused("environment-malformed", 400, *map(target, ENVIRONMENTS.split())),
    *refused("route-spelt-otherwise", 400, *map(target, SPELLINGS.split())),
    *refused(
        "environment-elsewhere",
        403,
        *map(
            target,
            b"/v1/projects/b/x /v1/projects/A/x /v1/projects/zz/x /v1/projects/a-b "
            b"/v1/projects/aa/x "
            b"/v1/projects/b /v2-beta/projects/b/x".split(),
        ),
        kept=True,
    ),
    *refused(
        "no-route-for-this-key",
        403,
        *map(
            target,
            b"/ /v1 /v1/projects /v1/projects/ /%61dmin/keys /admin/keys /v3/projects/a/x "
            b"/x/v1/projects/a/x /favicon.ico /.well-known/x /ping /v1/apikeys".split(),
        ),
        kept=True,
    ),
    *(
        Row(f"target-{path.decode()}", target(path), 200, True, seen(path))
        for path in (
            b"/v1/projects/a /v1/projects/a/ /v1/projects/a/x? /v1/projects/a/x?? /v1/projects/a?x "
            b"/v1/projects/a/x?y=/v1/projects/b /v1/projects/a/x?/../../b "
            b"/v1/projects/a/x?%2e%zz%00;\\ "
            b"/v1/projects/a/x?environment=b&_method=DELETE /v1/projects/a/v1/projects/b/x "
            b"/v1/projects/a/%61 /v1/projects/a/%C3%A9 /v1/projects/a/%20x "
            b"/v1/projects/a/%7B%22%7D "
            b"/v1/projects/a/... /v1/projects/a/..x /v1/projects/a/.x /v1/projects/a/x.. "
            b"/v1/projects/a/a:b@c,d=e+f!g$h&i'j(k)*~ /v2-beta/projects/a/x "
            b"/v1/projects/a/%F0%9F%98%80 "
            b"/v1/projects/a/Projects/B"
        ).split()
    ),
]  # fmt: skip
"""The gateway takes only origin-form (RFC 9112 section 3.2.1) that can be read in one way, and
sends it on as it came."""


def bearing(authorization: bytes) -> bytes:
    """A GET with this Authorization field."""
    return GET.replace(AUTH, authorization) + b"\r\n"


CREDENTIALS = refused(
    "credentials",
    401,
    GET.replace(AUTH, b"") + b"\r\n",
    *(
        bearing(b"Authorization:" + value + b"\r\n")
        for value in (
            b"", b" ", b" Basic", b" Basic ", b" Bearer abc", b" Basic YTpi=", b" Basic YTpiYR==",
            b" Basic YTpiYQ", b" Basic -_-_", b" Basic YQ==", b" Basic YTpi, YTpi", b" Basic YTpi,",
            b" Basic, YTpi", b" Basic\tYTpi", b" Basic=YTpi", b" BasicYTpi", b" YTpi",
            b" Basic YT pi", b" Basic YTpi Basic YTpi", b' Basic "YTpi"', b" Basic YTpi\xff",
            b" Digest username=a", b" Negotiate YTpi", b" Basic YTpi\r\nAuthorization: Basic YTpi",
            b" Basic ====", b" Basic " + b"A" * 8000,
        )
    ),
    *(
        bearing(b"Authorization: Basic " + base64.b64encode(pair) + b"\r\n")
        for pair in (
            b":", b"a:", b":b", b"a:b", b"a\0:b", b"a:b\0", b"\xff\xfe:x", b"x:\xff",
            b"a:" + b"x" * 72, b"a:" + b"x" * 73, b"a" * 65 + b":b", b"a\r\nINFO ok:b", b"a b:c",
            b"a:b:c", b"' or 1=1:x",
            "ａ:b".encode(), b"../a:b", b"%61:b", b"a\x7f:b",
        )
    ),
    kept=True,
) + [
    Row("two-credentials-of-which-one-is-good", (GET + AUTH + b"\r\n"), 401, True),
    Row(
        "good-credentials-behind-bad-ones",
        GET.replace(AUTH, b"Authorization: Basic eDp5\r\n") + AUTH + b"\r\n",
        401,
        True,
    ),
    *refused(
        "credentials-by-another-name",
        400,
        *(GET + name + b": Basic eDp5\r\n\r\n" for name in (b"Proxy_Authorization",
        b"Http2_Settings")),
    ),
    *(
        Row(f"credentials-spelt-{number}", sent, 200, True, seen(b"/v1/projects/a/x"))
        for number, sent in enumerate(
            (
                bearing(b"AUTHORIZATION:Basic " + PAIR + b"  \r\n"),
                bearing(b"authorization:   bAsIc   " + PAIR + b"\r\n"),
            ),
            1,
        )
    ),
]  # fmt: skip
"""One form of credentials is accepted; all others get one answer, whatever the cause."""

ROWS = [*TARGETS, *CREDENTIALS]
