"""What can be wrong with a message: each fault, with the status that a request with it gets.

For the same faults in the response of an upstream the client gets 502.
Numbers in brackets are sections of RFC 9112 unless another document is named.

Tested in `tests/test_reasons.py`.
"""

from __future__ import annotations

from proxy.domain.reasons import BaseReason


class Fault(BaseReason):
    """Why a message is refused."""

    REQUEST_LINE = (
        400,
        "request-line",
        "The request line is not a method, a target and a version with one space between them.",
    )
    METHOD_UNSUPPORTED = 405, "method-unsupported", "The gateway does not forward this method."
    TARGET = (
        400,
        "target",
        "The request target has characters or escapes that upstreams read in different ways.",
    )
    VERSION = (
        400,
        "version",
        "The version in the request line is malformed, or is an HTTP/1.x other than 1.0 and 1.1.",
    )
    VERSION_UNSUPPORTED = (
        505,
        "version-unsupported",
        "The major version of HTTP in the request is not 1.",
    )
    LINE_END = 400, "line-end", "A line does not end in CRLF [2.2]."
    REQUEST_LINE_SIZE = 414, "request-line-size", "The request line is longer than `line_size`."
    FIELD_SIZE = 431, "field-size", "A field line is longer than `line_size`."
    FIELD_COUNT = 431, "field-count", "The head has more field lines than `fields` allows."
    HEAD_SIZE = 431, "head-size", "The head is larger than `head_size`."
    FIELD = 400, "field", "A field line is not a name, a colon and a value [5]."
    FIELD_ALIAS = (
        400,
        "field-alias",
        "Some upstreams take the name of a field for another, such as `Content_Length` for "
        "Content-Length, and that field sets where the message ends, how the connection is used, "
        "or who the client is.",
    )
    LIST_SIZE = 400, "list-size", "A comma-separated field has more than 100 members."
    HOST = 400, "host", "Host is missing, repeated or malformed [3.2]."
    EXPECT = 417, "expect", "Expect asks for something other than 100-continue."
    CONTENT_LENGTH = 400, "content-length", "Content-Length is repeated or not a number [6.3]."
    TRANSFER_ENCODING = (
        400,
        "transfer-encoding",
        "Transfer-Encoding is not just `chunked`, or comes with Content-Length or HTTP/1.0 [6.1].",
    )
    TRANSFER_CODING = 501, "transfer-coding", "The transfer coding is known but not supported."
    ORIGINAL = (
        400,
        "original",
        "A proxy asks by forward-auth, and does not tell the method, the target and the client "
        "each in exactly one field, as `forward_auth` says.",
    )
    ASKED_BY = (
        403,
        "asked-by",
        "A request to the forward-auth listener came from an address that is not in `peers`.",
    )
    OFFER = (
        403,
        "offer",
        "A proxy asks by forward-auth about an offer of a protocol (Upgrade) that the route does "
        "not list. The gateway would ignore the offer, but the proxy may pass it on.",
    )
    UPGRADE = (
        400,
        "upgrade",
        "The request asks for a WebSocket, but is not a GET, has a body, or does not have exactly "
        "one valid WebSocket key (RFC 6455 section 4.1).",
    )
    BODY_SIZE = (
        413,
        "body-size",
        "The body is larger than `body_size`, or a proxy that asks by forward-auth sends one.",
    )
    CHUNK_SIZE = 400, "chunk-size", "The size line of a chunk is malformed or too long [7.1]."
    CHUNK_TOO_LARGE = 413, "chunk-too-large", "A chunk is larger than a body may be."
    CHUNK_END = 400, "chunk-end", "A chunk's data is not followed by CRLF [7.1]."
    TRAILERS = (
        400,
        "trailers",
        "The trailer section (fields after a chunked body) is malformed or too large, or has a "
        "field that decides where the message ends.",
    )
    STATUS_LINE = 502, "status-line", "The status line of a response is malformed [4]."
    INTERIM = (
        502,
        "interim",
        "There are too many interim (1xx) responses, or one of them announces a body.",
    )


class Malformed(Exception):
    """A message that the grammar refuses."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.code)
        self.fault = fault
