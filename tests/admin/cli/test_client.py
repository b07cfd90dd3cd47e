"""The HTTP client: what is no admin server, what cannot be reached, and where no secret goes."""

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
class OtherServer:
    """A server that answers every connection's first request with the same bytes."""

    url: str
    heads: list[bytes] = field(default_factory=list)


@contextmanager
def other_server(answer: Callable[[bytes], bytes]) -> Iterator[OtherServer]:
    """A server on this machine; `answer` makes the answer from the head of a request."""
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
            yield OtherServer(f"http://127.0.0.1:{server.server_address[1]}", heads)
        finally:
            server.shutdown()
            thread.join()


def length_of(head: bytes) -> int:
    """The length of the body that follows a head."""
    found = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", head)
    return int(found[1]) if found else 0


def response(
    body: object, status: str = "200 OK", kind: str = "application/json", more: str = ""
) -> bytes:
    """An answer, after which the connection ends."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n"
    return f"{head}Connection: close\r\n{more}\r\n".encode() + text


def done_with(served: Served, answer: bytes) -> Done:
    """The result of a command whose request gets this answer."""
    with other_server(lambda _: answer) as server:
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
def test_a_server_that_is_not_wardgate_is_reported(served: Served, answer: bytes) -> None:
    """Exit status 1."""
    done = done_with(served, answer)
    assert (done.status, done.out) == (1, "")
    assert "is not a Wardgate admin server" in done.err


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
def test_an_incomplete_resource_is_reported_or_shown_as_far_as_it_goes(
    served: Served, command: tuple[str, ...], answer: dict[str, str]
) -> None:
    """For every command."""
    with other_server(lambda _: response(answer)) as server:
        done = served.run(*command, WARDGATE_URL=server.url, **KEY)
    if done.status == 1:
        assert "is not a Wardgate admin server" in done.err
    else:
        assert (done.status, done.err, answer.get("id")) == (0, "", "1c1")


@pytest.mark.parametrize("cut", [0, 20, 80])
def test_an_incomplete_answer_is_reported_in_one_sentence(served: Served, cut: int) -> None:
    """Exit status 1 or 5."""
    done = done_with(served, response({"type": "collection", "data": []})[:cut])
    assert done.status in {1, 5}
    assert done.err.count("\n") == 1


def test_a_redirect_is_not_followed(served: Served) -> None:
    """The server that it names gets no request."""
    with other_server(lambda _: response({"type": "collection", "data": []})) as other:
        done = done_with(
            served, response({}, "307 Temporary Redirect", more=f"Location: {other.url}/\r\n")
        )
        assert done.status == 1
        assert "redirect" in done.err
        assert other.heads == []


def test_the_next_page_is_requested_from_the_configured_server(served: Served) -> None:
    """The host in an answer's URL is ignored. An empty page may have a next page."""
    key = {"id": "1c1", "state": "active"}

    with other_server(lambda _: response({})) as other:

        def answer(head: bytes) -> bytes:
            last = b"marker=2" in head
            next_url = None if last else f"{other.url}/v2-beta/apikeys?marker=2"
            page = {"type": "collection", "data": [key] if last else []}
            return response(page | {"pagination": {"next": next_url, "partial": not last}})

        with other_server(answer) as server:
            done = served.run("keys", "list", "--quiet", WARDGATE_URL=server.url, **KEY)
        assert (done.status, done.out) == (0, "1c1\n")
        assert [head.split()[1] for head in server.heads][1] == b"/v2-beta/apikeys?marker=2"
        assert other.heads == []


def test_a_list_whose_next_page_is_itself_is_an_error(served: Served) -> None:
    """It would never end."""
    page = {"type": "collection", "data": [], "pagination": {"next": "/v2-beta/apikeys?marker=1"}}
    done = done_with(served, response(page))
    assert done.status == 1
    assert "never ends" in done.err


def test_proxies_from_the_environment_are_not_used(served: Served) -> None:
    """They would see the secret."""
    with other_server(lambda _: response({})) as other:
        proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), other.url)
        assert served.process("keys", "list", **proxies).status == 0
        assert other.heads == []


def test_an_error_of_the_admin_server_is_shown_as_plain_text(served: Served) -> None:
    """Its message, detail and field, without control characters."""
    error = {"type": "error", "message": "No", "detail": "\x1b[31mred\u202e", "fieldName": "name"}
    done = done_with(served, response(error, "422 Unprocessable"))
    assert (done.status, done.err) == (1, "wardgate: No: \\x1b[31mred\\u202e (name)\n")


@pytest.mark.parametrize(
    ("status", "exit_status"),
    [(401, 3), (403, 3), (404, 4), (405, 1), (409, 1), (500, 1), (503, 1)],
)
def test_the_exit_status_follows_the_status_of_the_answer(
    served: Served, status: int, exit_status: int
) -> None:
    """3 for refused, 4 for not found, and 1 for anything else."""
    error = {"type": "error", "message": "No", "detail": None}
    assert done_with(served, response(error, f"{status} No")).status == exit_status


def test_a_server_that_does_not_listen_is_unreachable(served: Served) -> None:
    """Exit status 5, the system's reason, and what to check."""
    url = f"http://127.0.0.1:{free_port()}"
    done = served.process("keys", "list", WARDGATE_URL=url, **KEY)
    assert (done.status, done.out) == (5, "")
    hint = "check --url, and that `wardgate serve` is running there"
    assert done.err == f"wardgate: cannot reach {url}: Connection refused; {hint}\n"
    socket = served.process("keys", "list", WARDGATE_URL="unix:/no/such", **KEY)
    assert (socket.status, socket.err) == (
        5,
        f"wardgate: cannot reach unix:/no/such: No such file or directory; {hint}\n",
    )


def test_a_host_name_that_cannot_be_resolved_is_unreachable(served: Served) -> None:
    """Exit status 5."""
    url = "https://no-such-admin.invalid"
    done = served.process("keys", "list", WARDGATE_URL=url, **KEY)
    assert done.status == 5
    assert "no-such-admin.invalid" in done.err


def test_a_server_that_does_not_answer_in_time_is_unreachable(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 5."""
    monkeypatch.setattr("admin.cli.client.TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    may_answer = threading.Event()

    def wait(_: bytes) -> bytes:
        may_answer.wait(30)
        return b""

    with other_server(wait) as server:
        done = served.run("keys", "list", WARDGATE_URL=server.url, **KEY)
        may_answer.set()
    assert done.status == 5
    assert "did not answer in time" in done.err


def test_no_request_is_sent_over_plain_http_to_another_machine(served: Served) -> None:
    """Exit status 2, and the option that permits it."""
    done = served.process("keys", "list", WARDGATE_URL="http://192.0.2.1", **KEY)
    assert done.status == 2
    assert "--insecure-http" in done.err


def test_a_unix_socket_reaches_the_same_admin_server(served: Served) -> None:
    """In .netrc it is called localhost."""
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


def test_certificates_are_verified(over_tls: Served) -> None:
    """By the authorities in --ca-file if it is given, and against the name in the URL."""
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


def test_a_server_with_tls_only_on_one_side_is_an_error(served: Served, over_tls: Served) -> None:
    """Exit status 5 or 1."""
    plain = served.process("keys", "list", WARDGATE_URL=served.url.replace("http:", "https:"))
    assert plain.status == 5
    assert "TLS failed" in plain.err
    other = over_tls.process("keys", "list", WARDGATE_URL=over_tls.url.replace("https:", "http:"))
    assert other.status in {1, 5}


def test_a_ca_file_without_certificates_is_a_usage_error(over_tls: Served, tmp_path: Path) -> None:
    """As is one that does not exist."""
    (tmp_path / "empty").touch()
    for name in ("none", "empty"):
        done = over_tls.run("keys", "list", "--ca-file", str(tmp_path / name))
        assert done.status == 2
        assert name in done.err
