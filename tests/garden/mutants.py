"""Random requests, from a seed, of kinds that parsers read differently.

Half of them are odd but valid, so that the gateway passes them on and an origin has to read them
(`ODD_...`); the other half have something that the gateway must refuse (`WILD_...`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

OTHER = b"GET /v1/projects/b/stolen HTTP/1.1\r\nHost: h\r\nX-Nonce: stolen\r\n\r\n"
"""A request that no key here may make: it is hidden in bodies."""
METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")

ODD_SEGMENTS = (
    b"...", b"..x", b".x", b"x..", b"%20", b"%61", b"%C3%A9", b"%7B%22%7D", b"a:b", b"@", b"*",
    b"~", b"x,y=z", b"!$&'()", b"+", b"v1", b"projects", b"b", b"B", b"%62", b"%EF%BC%8F",
    b"%C5%BF", b"x.json", b"x.", b"%E2%80%AE", b"%F0%9F%98%80", b"%2A", b"%3Fx", b"%23x", b"%3D",
    b"%26", b"%40", b"%3A80", b"%7E", b"%7C", b"%3C", b"%22",
)  # fmt: skip
WILD_SEGMENTS = (
    b"%20..", b"..%20", b"x%2f..%2f..%2fb", b"..;a=b", b"x%252f..%252f..%252fb",
    b"%252e%252e%252fb", b"..", b".", b"%2e%2e", b".%2e", b"%2E.", b"..;", b"..;x=y", b";x=y",
    b"%2f", b"..%2f", b"%5c",
    b"\\", b"..\\", b"..%5c", b"", b"%00", b"..%00", b"%0a", b"%0d%0aX:y", b"%09..", b"%252e%252e",
    b"%252f", b"%c0%ae%c0%ae", b"%c0%af", b"%e0%80%af", b"%u002e", b"%", b"%zz", b"#", b"?",
    b"%EF%BC%8E%EF%BC%8E", b"%EF%BC%8F..%EF%BC%8F..%EF%BC%8Fb", b"%E2%80%A5", b".%E2%80%8B.",
    b"\xff", b"\xc3\xa9", b"\x7f", b"%3b", b"%3B..", b"\t", b" ", b"|", b"{", b"..%3b", b"%ff",
)  # fmt: skip
ODD_QUERIES = (
    b"", b"?", b"??", b"?x=/v1/projects/b", b"?/../../b", b"?%2e%2e/%zz%00", b"?a;b=c",
    b"?environment=b", b"?_method=DELETE", b'?"<>\\^`{|}', b"?x=%0d%0a", b"?x&&=&y",
)  # fmt: skip
WILD_QUERIES = (b"?#", b"#/../../b", b"?x#y", b"?\xff", b"?\x00", b"? HTTP/1.1", b"?\t")
PREFIXES = (b"/v1/projects/a/", b"/v2-beta/projects/a/")
WILD_PREFIXES = (
    b"/v1/projects/b/", b"/V1/projects/b/", b"/v1/project%73/b/", b"/%76%31/projects/b/",
    b"/v1//projects/b/", b"//v1/projects/b/", b"/v1/./projects/b/", b"/x/../v1/projects/b/",
    b"/v1;x/projects/b/", b"/v1/projects/a%2fb/", b"/v1/projects/a/../b/", b"/v1/projects/%61/",
    b"/v1/projects/A/", b"/v1\\projects\\b/", b"\\v1/projects/b/", b"http://h/v1/projects/b/",
    b"http://127.0.0.1/v1/projects/b/", b"//h/v1/projects/b/", b"*", b"/v1/projects/",
    b"/v1/projects/a;/b/", b"/v1%2fprojects/b/", b"/.;/v1/projects/b/", b"/v1/PROJECTS/b/",
    b"/;/v1/projects/b/", b"v1/projects/b/", b"/?/v1/projects/b/", b"/#/v1/projects/b/",
    b"/v2%2Dbeta/projects/b/", b"/v1/projects/a", b"/v1/project%C5%BF/b/", b"/v1/projects./b/",
    b"/v1/projects%EF%BC%8Fb/", b"/%EF%BD%961/projects/b/",
)  # fmt: skip

FORGED = (
    b"X-Wardgate-Key", b"X-Wardgate-Role", b"X-Wardgate-Environment", b"X-Forwarded-For",
    b"X-Original-URL", b"X-HTTP-Method-Override", b"Remote-User", b"X-Rewrite-URL",
    b"X-Forwarded-Prefix", b"X-Forwarded-Host",
)  # fmt: skip
MOVING = (
    b"SCRIPT_NAME", b"X-Script-Name", b"Path-Info", b"Path-Translated", b"Request-URI",
    b"X-Original-URI", b"Daphne-Root-Path",
)  # fmt: skip
"""Forged, too: a server that trusts one of these takes the path from it, or removes it from the
path."""
ROOT = b"X-Vhm-Root"
"""Forged, too: Pyramid begins at the resource that it names."""
MARKS = (b"-", b"_", b".", b"~", b"!", b"'", b"+", b"|")
ODD_FIELDS = (
    b"X: \xff\xfe", b"X:", b"X:\t y \t", b"!#$%&'*+-.^_`|~: y", b"x_y: z", b"Via: 1.1 x",
    b"Cookie: a=b", b"Connection: keep-alive", b"Connection: x-wardgate-key, x-request-id, host",
    b"Connection: x-nonce-", b"Keep-Alive: timeout=1", b"TE: trailers", b"Trailer: X",
    b"Proxy-Connection: close", b"Range: bytes=0-0", b"Upgrade: h2c",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA",
    b"Content-Type: application/x-www-form-urlencoded", b"Content-Encoding: identity",
    b"Accept-Encoding: *", b"If-None-Match: *", b"Expect: 100-continue", b"X-Y: 1\r\nx-y: 2",
    b"Accept: */*;q=\"", b"Origin: null", b"Max-Forwards: 0", b"Cache-Control: no-transform",
    b"Depth: 1", b"Destination: /v1/projects/b/x",
)  # fmt: skip
WILD_FIELDS = (
    b"X : y", b"X\t: y", b" X: y", b"X: a\r\n b", b"X", b": y", b"X: a\nY: b", b"X: a\rY: b",
    b"X: \x00", b"X\x00: y", b"X(: y", b"Host: evil", b"Content_Length: 0",
    b"Transfer_Encoding: chunked", b"Transfer-Encoding : chunked", b"Content.Length: 0",
    b"Expect: x", b"Connection: Upgrade\r\nUpgrade: websocket", b"X: \x0b", b"X\x0b: y",
    b"Authorization: Basic eDp5", b"Connection: close\x00", b"Transfer-Encoding\x00: chunked",
    b"\xa0X: y",
)  # fmt: skip
WILD_LENGTHS = (
    b"+%d", b"-%d", b"0x%x", b"%d,%d", b"%d %d", b"%d_0", b"%d.0", b"%d;", b"\x0b%d", b"%d\t",
    b'"%d"', b"1%d", b"%d\r\nContent-Length: %d", b"%d\r\nContent-Length: 0",
    b"0\r\nContent-Length: %d", b"%d\r\n %d", b"", b"1844674407370955161%d",
)  # fmt: skip
WILD_CODINGS = (
    b"xchunked", b"identity", b"chunked, identity", b"chunked, chunked", b"chunked;q=1",
    b'"chunked"', b"\x0bchunked", b"chunked\t", b"chunked ", b", chunked", b"gzip, chunked", b"",
    b"chunked\r\nTransfer-Encoding: chunked", b"chunked\r\nTransfer-Encoding: identity",
    b"\r\n chunked", b"chunked\x00", b"chunked\r\nContent-Length: 0",
    b"chunked\r\nContent-Length: 5", b"identity\r\nContent-Length: 5",
)  # fmt: skip
WILD_LINES = (
    b"%b  %b HTTP/1.1", b"%b\t%b HTTP/1.1", b"%b %b HTTP/1.1 ", b" %b %b HTTP/1.1",
    b"%b %b HTTP/1.2", b"%b %b HTTP/2.0", b"%b %b http/1.1", b"%b %b HTTP/0.9", b"%b %b",
    b"%b %b HTTP/1.1\rX: y", b"%b %b HTTP/1.1\nX: y", b"\r\n\r\n%b %b HTTP/1.1",
    b"\n%b %b HTTP/1.1", b"%b %b /v1/projects/b/x HTTP/1.1", b"%b %b HTTP/1.10",
    b"%b\x0b%b HTTP/1.1", b"%b:%b HTTP/1.1",
)  # fmt: skip
WILD_METHODS = (b"get", b"TRACE", b"CONNECT", b"FOO", b"G\x00T", b"PROPFIND", b"GET_", b"PUT\t")
TRAILERS = (b"", b"", b"", b"X: y\r\n", b"X-Wardgate-Key: forged\r\nAuthorization: Basic eDp5\r\n")
WILD_TRAILERS = (b"Content-Length: 5\r\n", b"X : y\r\n", b"X: y\n", b"X\r\n", b" X: y\r\n")
WILD_SIZES = (
    b"0x%x", b"+%x", b" %x", b"%x ", b"%x\t", b"%x;a\nb", b"%x;a\rb", b"%x\n", b"-%x", b"%x_",
    b"1000000000000000%x",
)  # fmt: skip
WILD_ENDS = (b"", b"\n", b"XX", b"\r", b"\n\r")
WILD_BYTES = b"\r\n\t \x00\x0b\x0c\x7f\x85\xa0\xff:;,/\\?#%.\"'_-"


@dataclass
class Mutant:
    """What a client sends on one connection, and the body of the request with each nonce."""

    sent: bytes = b""
    before: list[bytes] = field(default_factory=list)
    """What the client sends there before, each once the answer to the last one has come."""
    bodies: dict[str, bytes] = field(default_factory=dict)
    """Where a length alone says how long it is, a body has all that follows appended."""


class Mutator:
    """Makes mutants. The same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._count = 0

    def mutant(self, credentials: bytes) -> Mutant:
        """One to three requests with `credentials`, a whole field line, and a plain one behind."""
        mutant = Mutant()
        starts: dict[str, int] = {}
        if self._random.random() < 0.3:
            self._relatives(credentials, mutant)
        for _ in range(self._random.choice((1, 1, 1, 2, 3))):
            self._request(credentials, mutant, starts)
        self._count += 1
        last = (
            b"GET /v1/projects/a/last HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Nonce: n%d\r\n"
        )
        mutant.bodies[f"n{self._count}"] = b""
        mutant.sent += last % self._count + credentials + b"\r\n"
        mutant.bodies |= {nonce: mutant.sent[at:] for nonce, at in starts.items()}
        return mutant

    # --- parts ---

    def _relatives(self, credentials: bytes, mutant: Mutant) -> None:
        """Requests that differ in a value, as the gateway repeats them, and one more that differs
        in another way, or not."""
        chance, pick = self._random.random, self._random.choice
        lines = [b"Host: h", b"X-Nonce: @", credentials[:-2], *self._fields("")]
        self._random.shuffle(lines)
        head = b"%b %b HTTP/1.1" % (pick((b"GET", b"GET", b"DELETE")), self._target(""))
        for number in range(pick((4, 5, 6))):  # a fourth one is repeated
            self._count += 1
            nonce = b"n%d" % self._count
            mutant.bodies[nonce.decode()] = b""
            raw = b"\r\n".join([head, *lines, b"", b""]).replace(b"@", nonce)
            if number:
                mutant.before.append(mutant.sent)
            mutant.sent = raw
        kind = pick(("same", "byte", "field", "value", "head"))
        if kind == "byte":
            mutant.sent = self._bite(mutant.sent)
        elif kind == "head":
            mutant.sent = mutant.sent.replace(head, pick(WILD_LINES) % (b"GET", self._target("")))
        elif kind != "same":
            changed = pick(WILD_FIELDS if chance() < 0.5 else ODD_FIELDS)
            if kind == "value":
                changed = b"X-Nonce:" + changed.partition(b":")[2]
                mutant.sent = mutant.sent.replace(b"X-Nonce: " + nonce, changed)
            else:
                mutant.sent = mutant.sent[:-2] + changed + b"\r\n\r\n"

    def _request(self, credentials: bytes, mutant: Mutant, starts: dict[str, int]) -> None:
        chance, pick = self._random.random, self._random.choice
        self._count += 1
        nonce = b"n%d" % self._count
        wild = chance() < 0.5
        kind = pick(("path", "prefix", "query", "field", "framing", "line", "byte")) if wild else ""
        method = pick(WILD_METHODS) if kind == "line" and chance() < 0.3 else pick(METHODS)
        template = pick(WILD_LINES) if kind == "line" else b"%b %b HTTP/1.1"
        if not wild and chance() < 0.05:
            template = pick((b"\r\n%b %b HTTP/1.1", b"%b %b HTTP/1.0"))
        lines = [b"Host: h", b"X-Nonce: " + nonce, credentials[:-2], *self._fields(kind)]
        framing, body, coded = self._body(kind)
        lines += framing
        self._random.shuffle(lines)
        head = template % (method, self._target(kind))
        if kind != "byte" and chance() < 0.2:
            lines = [self._recase(line) for line in lines]
        raw = b"\r\n".join([head, *lines, b"", b""]) + coded
        mutant.sent += self._bite(raw) if kind == "byte" else raw
        if coded is body:
            starts[nonce.decode()] = len(mutant.sent) - len(body)
        else:
            mutant.bodies[nonce.decode()] = body

    def _target(self, kind: str) -> bytes:
        chance, pick = self._random.random, self._random.choice
        prefix = pick(WILD_PREFIXES) if kind == "prefix" else pick(PREFIXES)
        count = self._random.randrange(4)
        segments = [pick(ODD_SEGMENTS) if chance() < 0.7 else b"x" for _ in range(count)]
        if kind == "path":
            segments.insert(self._random.randrange(count + 1), pick(WILD_SEGMENTS))
        path = prefix + b"/".join(segments)
        if kind == "path" and chance() < 0.3:
            path = path.replace(b"/a/", b"/a" + pick(WILD_SEGMENTS) + b"/", 1)
        query = pick(WILD_QUERIES) if kind == "query" else pick(ODD_QUERIES)
        return path + (query if kind == "query" or chance() < 0.4 else b"")

    def _fields(self, kind: str) -> list[bytes]:
        chance, pick = self._random.random, self._random.choice
        lines = [pick(ODD_FIELDS) for _ in range(self._random.randrange(3))]
        if kind == "field":
            lines.append(pick(WILD_FIELDS))
        for _ in range(self._random.randrange(3)):
            name = pick((*FORGED, *MOVING, ROOT))
            value = b": /v1/projects/a" if name in MOVING else b": forged"
            if name == ROOT:
                value = b": /v1/projects/b/@@x"
            name = name.replace(b"-", pick(MARKS))
            lines.append((name if chance() < 0.5 else name.lower()) + value)
        return lines

    def _body(self, kind: str) -> tuple[list[bytes], bytes, bytes]:
        """(the framing lines, the body, the body as it is sent)."""
        chance, pick = self._random.random, self._random.choice
        body = pick((b"", b"x", OTHER, b"0\r\n\r\n" + OTHER, b"\r\n" + OTHER, b"x" * 700))
        if kind == "framing" and chance() < 0.5:
            template = pick(WILD_LENGTHS)
            count = len(body)
            length = template % ((count,) * (template.count(b"%d") + template.count(b"%x")))
            return [b"Content-Length: " + length], body, body
        if chance() < 0.4 or not body:
            if not body and chance() < 0.7:
                return [], b"", b""
            return (
                [b"Content-Length: " + pick((b"%d", b"%d", b"00%d", b"  %d  ")) % len(body)],
                body,
                body,
            )
        coding = pick(WILD_CODINGS) if kind == "framing" and chance() < 0.5 else b"chunked"
        return [b"Transfer-Encoding: " + coding], body, self._chunks(body, kind == "framing")

    def _chunks(self, body: bytes, wild: bool) -> bytes:
        chance, pick = self._random.random, self._random.choice
        cut = self._random.randrange(len(body) + 1) if body else 0
        coded = b""
        for piece in filter(None, (body[:cut], body[cut:])):
            size = pick((b"%x", b"%X", b"000%x", b"%x;a=b", b'%x;a="b;c"'))
            if wild and chance() < 0.3:
                size = pick(WILD_SIZES)
            end = pick(WILD_ENDS) if wild and chance() < 0.2 else b"\r\n"
            coded += size % len(piece) + b"\r\n" + piece + end
        trailers = pick(WILD_TRAILERS) if wild and chance() < 0.3 else pick(TRAILERS)
        return coded + pick((b"0", b"000", b"0;x")) + b"\r\n" + trailers + b"\r\n"

    def _recase(self, line: bytes) -> bytes:
        name, colon, value = line.partition(b":")
        return pick_case(self._random, name) + colon + value

    def _bite(self, raw: bytes) -> bytes:
        """Change or insert a byte or two in the head."""
        end = raw.index(b"\r\n\r\n") + 4
        for _ in range(self._random.randrange(1, 3)):
            at = self._random.randrange(end)
            byte = bytes((self._random.choice(WILD_BYTES),))
            raw = raw[:at] + byte + raw[at + self._random.randrange(2) :]
        return raw


def pick_case(source: random.Random, name: bytes) -> bytes:
    """`name` with each letter in upper or lower case at random."""
    return bytes(source.choice((byte, *bytes((byte,)).swapcase())) for byte in name)
