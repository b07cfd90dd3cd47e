"""The admin server over HTTP: who is not one, who cannot be reached, and to whom no secret goes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import aiohttp
import pytest
import trustme

from tests.admin.cli.served import Done, Served, serving
from tests.programs import free_port

KEY = {"WARDGATE_ACCESS_KEY": "A", "WARDGATE_SECRET_KEY": "s3cret"}


@dataclass
class Stranger:
    """A server that answers every connection's first request with the same bytes."""

    url: str
    heads: list[bytes] = field(default_factory=list)


@contextmanager
def stranger(answer: Callable[[bytes], bytes]) -> Iterator[Stranger]:
    """Somebody who listens on this machine; `answer` makes an answer of a request's head."""
    heads: list[bytes] = []

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while line := self.rfile.readline():
                head += line
                if line == b"\r\n":
                    heads.append(head)
                    self.rfile.read(length_of(head))  # or closing would reset what was answered
                    self.wfile.write(answer(head))
                    return

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Stranger(f"http://127.0.0.1:{server.server_address[1]}", heads)
        finally:
            server.shutdown()
            thread.join()


def length_of(head: bytes) -> int:
    """How long the body behind a request's head is."""
    told = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head)
    return int(told[1]) if told else 0


def response(
    body: object, status: str = "200 OK", kind: str = "application/json", more: str = ""
) -> bytes:
    """An answer, after which the connection ends."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n"
    return f"{head}Connection: close\r\n{more}\r\n".encode() + text


def asking(served: Served, answer: bytes) -> Done:
    """What comes of asking somebody who answers so."""
    with stranger(lambda _: answer) as server:
        done = served.run("keys", "list", WARDGATE_URL=server.url, **KEY)
    assert "s3cret" not in done.err
    return done


@pytest.mark.parametrize(
    "answer",
    [
        response(b"<html>", kind="text/html"),
        response(b"<html>", "502 Bad Gateway", "text/html"),
        response(b"<html>"),
        response(b"\xff{"),
        response([]),
        response({"hello": "world"}),
        response({"type": "collection"}),
        response({"type": "collection", "data": {}, "pagination": None}),
        response({"type": "collection", "data": [{}], "pagination": {"next": None}}),
        response({"type": "collection", "data": [], "pagination": {"next": 5}}),
        response({"type": "collection", "data": [], "pagination": {"next": "http://["}}),
        response({"type": "apiVersion"}),
        response(b"[" * 100_000),
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_somebody_else_answers(served: Served, answer: bytes) -> None:
    """Exit status 1: this is no admin server."""
    done = asking(served, answer)
    assert (done.status, done.out) == (1, "")
    assert "is no Wardgate admin server" in done.err


@pytest.mark.parametrize(
    "command",
    [
        ("keys", "create"),
        ("keys", "create", "--output", "json"),
        ("keys", "show", "1c1"),
        ("keys", "activate", "1c1"),
        ("keys", "rotate", "1c1", "--yes"),
        ("keys", "explain", "GET", "/", "--key", "1c1", "--quiet"),
        ("accounts", "create", "a", "--with-key"),
        ("environments", "create", "e", "--quiet"),
        ("settings", "show", "access_control", "--quiet"),
    ],
)
@pytest.mark.parametrize("answer", [{"type": "apiKey"}, {"type": "apiKey", "id": "1c1"}])
def test_an_answer_of_another_kind(
    served: Served, command: tuple[str, ...], answer: dict[str, str]
) -> None:
    """Half an answer is told like none, or shown as far as it goes."""
    with stranger(lambda _: response(answer)) as server:
        done = served.run(*command, WARDGATE_URL=server.url, **KEY)
    if done.status == 1:
        assert "is no Wardgate admin server" in done.err
    else:
        assert (done.status, done.err, answer.get("id")) == (0, "", "1c1")


@pytest.mark.parametrize("cut", [0, 20, 80])
def test_an_answer_that_breaks_off(served: Served, cut: int) -> None:
    """Is none: exit status 1 or 5, in one sentence."""
    done = asking(served, response({"type": "collection", "data": []})[:cut])
    assert done.status in {1, 5}
    assert done.err.count("\n") == 1


def test_a_redirect_is_not_followed(served: Served) -> None:
    """Whoever it leads to sees no request at all."""
    with stranger(lambda _: response({"type": "collection", "data": []})) as other:
        done = asking(
            served, response({}, "307 Temporary Redirect", more=f"Location: {other.url}/\r\n")
        )
        assert done.status == 1
        assert "redirect" in done.err
        assert other.heads == []


def test_a_next_page_elsewhere_is_asked_for_here(served: Served) -> None:
    """Of the URLs in answers, the host is ignored. Pages without rows may still have a next."""
    key = {"id": "1c1", "state": "active"}

    with stranger(lambda _: response({})) as other:

        def answer(head: bytes) -> bytes:
            last = b"marker=2" in head
            following = None if last else f"{other.url}/v2-beta/apikeys?marker=2"
            page = {"type": "collection", "data": [key] if last else []}
            return response(page | {"pagination": {"next": following, "partial": not last}})

        with stranger(answer) as server:
            done = served.run("keys", "list", "--quiet", WARDGATE_URL=server.url, **KEY)
        assert (done.status, done.out) == (0, "1c1\n")
        assert [head.split()[1] for head in server.heads][1] == b"/v2-beta/apikeys?marker=2"
        assert other.heads == []


def test_a_list_that_never_ends(served: Served) -> None:
    """Is given up."""
    page = {"type": "collection", "data": [], "pagination": {"next": "/v2-beta/apikeys?marker=1"}}
    done = asking(served, response(page))
    assert done.status == 1
    assert "never ends" in done.err


def test_proxies_of_the_environment_are_not_used(served: Served) -> None:
    """They would be told the secret."""
    with stranger(lambda _: response({})) as other:
        proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), other.url)
        assert served.process("keys", "list", **proxies).status == 0
        assert other.heads == []


def test_errors_of_the_admin_server_as_text(served: Served) -> None:
    """Message, detail and field, with nothing in them that a terminal acts upon."""
    error = {"type": "error", "message": "No", "detail": "\x1b[31mred\u202e", "fieldName": "name"}
    done = asking(served, response(error, "422 Unprocessable"))
    assert (done.status, done.err) == (1, "wardgate: No: \\x1b[31mred\\u202e (name)\n")


@pytest.mark.parametrize(
    ("status", "exit_status"),
    [(401, 3), (403, 3), (404, 4), (405, 1), (409, 1), (500, 1), (503, 1)],
)
def test_exit_status_of_refusals(served: Served, status: int, exit_status: int) -> None:
    """Refused, not found, or failed."""
    error = {"type": "error", "message": "No", "detail": None}
    assert asking(served, response(error, f"{status} No")).status == exit_status


def test_nobody_listens(served: Served) -> None:
    """Exit status 5, and the system's reason."""
    url = f"http://127.0.0.1:{free_port()}"
    done = served.process("keys", "list", WARDGATE_URL=url, **KEY)
    assert (done.status, done.out) == (5, "")
    assert done.err == f"wardgate: cannot reach {url}: Connection refused\n"
    socket = served.process("keys", "list", WARDGATE_URL="unix:/no/such", **KEY)
    assert (socket.status, socket.err) == (
        5,
        "wardgate: cannot reach unix:/no/such: No such file or directory\n",
    )


def test_a_name_that_is_none(served: Served) -> None:
    """Exit status 5."""
    url = "https://no-such-admin.invalid"
    done = served.process("keys", "list", WARDGATE_URL=url, **KEY)
    assert done.status == 5
    assert "no-such-admin.invalid" in done.err


def test_somebody_who_says_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is waited for, but not for ever: exit status 5."""
    monkeypatch.setattr("admin.cli.client.TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    gateway = threading.Event()

    def wait(_: bytes) -> bytes:
        gateway.wait(30)
        return b""

    with stranger(wait) as server:
        done = served.run("keys", "list", WARDGATE_URL=server.url, **KEY)
        gateway.set()
    assert done.status == 5
    assert "does not answer in time" in done.err


def test_plain_http_to_another_machine(served: Served) -> None:
    """Is wrong usage, before anything is sent."""
    done = served.process("keys", "list", WARDGATE_URL="http://192.0.2.1", **KEY)
    assert done.status == 2
    assert "--insecure-http" in done.err


def test_the_unix_socket(served: Served) -> None:
    """The same admin server, through its file; .netrc calls it localhost."""
    done = served.process("keys", "list", "--quiet", WARDGATE_URL=f"unix:{served.socket}")
    assert done.status == 0
    assert done.out.startswith("1c1\n")


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An admin server with a certificate for 127.0.0.1 of an authority in ca.pem."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(folder / "other.pem"))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    tls = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    with serving(folder, tls=tls) as served:
        yield served


def test_tls(over_tls: Served) -> None:
    """Certificates are verified: by the authorities in --ca-file where it is given."""
    folder = over_tls.folder
    assert over_tls.process("keys", "list", "--ca-file", str(folder / "ca.pem")).status == 0
    for option in ([], ["--ca-file", str(folder / "other.pem")]):
        done = over_tls.process("keys", "list", *option)
        assert done.status == 5
        assert "TLS failed" in done.err
    by_name = over_tls.url.replace("127.0.0.1", "localhost")
    wrong = ("keys", "list", "--ca-file", str(folder / "ca.pem"), "--url", by_name)
    done = over_tls.process(*wrong)
    assert done.status == 5
    assert "localhost" in done.err


def test_one_side_speaks_tls(served: Served, over_tls: Served) -> None:
    """Exit status 5 or 1, and never a traceback."""
    plain = served.process("keys", "list", WARDGATE_URL=served.url.replace("http:", "https:"))
    assert plain.status == 5
    assert "TLS failed" in plain.err
    other = over_tls.process("keys", "list", WARDGATE_URL=over_tls.url.replace("https:", "http:"))
    assert other.status in {1, 5}


def test_files_of_authorities(over_tls: Served, tmp_path: Path) -> None:
    """One that is not there, or holds none, is wrong usage."""
    (tmp_path / "empty").touch()
    for name in ("none", "empty"):
        done = over_tls.run("keys", "list", "--ca-file", str(tmp_path / name))
        assert done.status == 2
        assert name in done.err
