"""The errors of the admin API: one table, with the codes of Rancher's API.

A message is the same for every error of its code; the detail says what is particular to one.

Tested in `tests/admin/api/test_middleware.py` and by the tests of each resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.domain.errors import WardgateError

ERRORS: Final[Mapping[str, tuple[int, str]]] = {
    "BadRequest": (400, "Bad request"),
    "ListTooCostly": (400, "Bad request: to read this page of the list takes too long"),
    "TooManyRows": (400, "Bad request: the answer would have more than 10,000 rows"),
    "InvalidBodyContent": (400, "Bad request: the body must be a JSON object"),
    "Unauthorized": (401, "Unauthorized"),
    "CrossSite": (403, "Forbidden: a web page of another origin sent this change"),
    "InvalidCSRFToken": (403, "Forbidden: the page that sent this change is too old"),
    "Forbidden": (403, "Forbidden: this key does not have the right"),
    "NotFound": (404, "Not found"),
    "MethodNotAllowed": (405, "Method not allowed"),
    "RequestTimeout": (408, "Request timeout: the body did not arrive in time"),
    "Conflict": (409, "Conflict"),
    "LastAdminKey": (409, "Conflict: no admin would be left with a key that lasts"),
    "LastOwner": (409, "Conflict: the environment would be left without an owner"),
    "ContentTooLarge": (413, "Content too large: a body has at most 1 MiB, a form 64 KiB"),
    "UnsupportedMediaType": (
        415,
        "Unsupported media type: a body must be JSON, or a form of the console, without a "
        "Content-Encoding",
    ),
    "ExpectationFailed": (417, "Expectation failed: only 100-continue is supported"),
    "MisdirectedRequest": (
        421,
        "Misdirected request: the admin server does not serve this host name",
    ),
    "ActionNotAvailable": (422, "The action is not available in this state"),
    "InvalidAction": (422, "The resource has no such action"),
    "InvalidCharacters": (422, "The value holds characters that are not allowed"),
    "InvalidDateFormat": (422, "The value is not a date and time"),
    "InvalidFormat": (422, "The value does not have the expected form"),
    "InvalidMarker": (422, "The marker does not belong to this list"),
    "InvalidOption": (422, "The value is not one of those allowed"),
    "InvalidReference": (422, "The value refers to a resource that does not exist"),
    "InvalidType": (422, "The value has the wrong type"),
    "MaxLengthExceeded": (422, "The value is too long"),
    "MaxLimitExceeded": (422, "The value is too high"),
    "MinLengthExceeded": (422, "The value is too short"),
    "MinLimitExceeded": (422, "The value is too low"),
    "MissingRequired": (422, "A value is required"),
    "NotNullable": (422, "The value cannot be null"),
    "NotUnique": (422, "The value is taken"),
    "TooManyRequests": (429, "Too many requests: too many wrong credentials; try again later"),
    "InternalError": (500, "Internal server error: the admin server's log has the cause"),
    "ServiceUnavailable": (503, "Service unavailable"),
}
"""Code → (status, message)."""


class Refused(WardgateError):
    """A request is refused. `code` is one of `ERRORS`.

    `detail` is one line on this case, `field` the name of the body's field or of the URL's
    parameter that is wrong, `allow` the methods that are allowed instead.
    """

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        field: str | None = None,
        allow: tuple[str, ...] = (),
    ) -> None:
        self.status, self.message = ERRORS[code]
        super().__init__(detail or self.message)
        self.code = code
        self.detail = detail
        self.field = field
        self.allow = allow


def no_environment(name: str) -> Refused:
    """The refusal for an environment that does not exist, or that the caller may not see.

    `name` is what the request calls it. Rancher's CLI looks an environment up by its name only
    after a 404.
    """
    return Refused("NotFound", f'no environment "{name}" that this key reaches')
