"""What the responses to a repeated request become: for the client, and in the access log.

Tested in `tests/proxy/gateway/test_repeated_responses.py`.
"""

from __future__ import annotations

from proxy.gateway.course import Course
from proxy.gateway.interfaces import Shared
from proxy.http1.template import BLANK, as_format
from proxy.http1.whole_response import WholeResponses
from proxy.telemetry.accesslog import line_form


class RepeatedResponses(WholeResponses):
    """Reads whole responses to one request, and has the formats for what becomes of the last one.
    The same request gets the same response more likely than the same connection to the upstream,
    which other clients use, too."""

    __slots__ = ("_course", "_prefix", "_received", "_writer", "line", "message", "moment")

    def __init__(self, course: Course, received: int) -> None:
        """`received`: bytes of the request's body."""
        route = course.verdict.route
        assert route is not None
        writer = course.response.again(BLANK)
        # Where something looks at the values of fields, the formats have none left open.
        super().__init__(fills=not (route.prefix or writer.rules or writer.cors is not None))
        self._course, self._received = course, received
        self._writer, self._prefix = writer, route.prefix
        self.moment: object = None
        """The moment of `Shared` at which the formats were made; None where they are not those of
        the last response yet."""
        self.message = self.line = b""
        """The formats of the message for the client, and of the line in the log."""

    def prepare(self, shared: Shared, group: int) -> bool:
        """Work out what becomes of the last response now. Returns whether that is done: only where
        the course can still be taken, and the status is of this group, such as 2 for 2xx."""
        response, course, memo = self.response, self._course, self._course.memo
        if (
            response is None
            or response.status // 100 != group
            or shared.wall >= course.until
            or shared.runtime is not course.runtime
        ):
            return False
        self.line = line_form(
            memo.requested, response.status, self._received, course.identity, memo.agent
        )
        if self.fills:
            response = response._replace(lines=response.blanked)
        if self._prefix or response.fields.located:
            response = memo.rewrite(response, course.pool.origin, self._prefix)
        self.message = as_format(self._writer.message(response, BLANK, body_ends=True))
        self.moment = shared.moment
        return True

    def _remember(self, data: bytes) -> bool:
        self.moment = None
        return super()._remember(data)
