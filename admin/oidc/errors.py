"""Why a login does not succeed. (Tested by the tests of what raises it.)"""

from __future__ import annotations

from typing import Final

from proxy.domain.errors import WardgateError

UNREACHABLE: Final = "The login provider does not answer at the moment. Try again later."
UNUSABLE: Final = "The login provider's answer cannot be used. The log of the server has the cause."


class LoginFailed(WardgateError):
    """A login does not succeed. The message is for the person who tried.

    `cause` is for the log: it never holds a code, a token or a secret. `status` is the page's.
    """

    def __init__(self, message: str, cause: str, status: int) -> None:
        super().__init__(message)
        self.cause = cause
        self.status = status


def unreachable(cause: str) -> LoginFailed:
    """The provider does not answer."""
    return LoginFailed(UNREACHABLE, cause, 503)


def unusable(cause: str) -> LoginFailed:
    """The provider's answer is not what it has to be."""
    return LoginFailed(UNUSABLE, cause, 502)
