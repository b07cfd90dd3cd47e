"""What the admin server refuses: one table of errors, in the words of Rancher's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.domain.model import WardgateError

ERRORS: Final[Mapping[str, tuple[int, str]]] = {
    "BadRequest": (400, "The request is malformed"),
    "InvalidBodyContent": (400, "The body is not a JSON object"),
    "Unauthorized": (401, "Unauthorized"),
    "CrossSite": (403, "Changes are not taken from pages of other origins"),
    "Forbidden": (403, "This key may not do this"),
    "NotFound": (404, "There is nothing here"),
    "MethodNotAllowed": (405, "The method is not allowed here"),
    "RequestTimeout": (408, "The request did not arrive in time"),
    "LastAdminKey": (409, "This would leave no admin with a key that lasts"),
    "LastOwner": (409, "This would leave the environment without an owner"),
    "ContentTooLarge": (413, "The request body is too large"),
    "UnsupportedMediaType": (415, "Bodies are taken as plain JSON"),
    "MisdirectedRequest": (421, "The admin server does not answer to this host name"),
    "ActionNotAvailable": (422, "The action is not available in this state"),
    "InvalidAction": (422, "There is no such action"),
    "InvalidCharacters": (422, "The value holds characters that are not allowed"),
    "InvalidDateFormat": (422, "The value is not a date and time"),
    "InvalidFormat": (422, "The value is not of the expected form"),
    "InvalidMarker": (422, "The marker does not belong to this collection"),
    "InvalidOption": (422, "The value is not one of those allowed"),
    "InvalidReference": (422, "The value refers to nothing"),
    "InvalidType": (422, "The value is of the wrong type"),
    "MaxLengthExceeded": (422, "The value is too long"),
    "MaxLimitExceeded": (422, "The value is too high"),
    "MinLengthExceeded": (422, "The value is too short"),
    "MinLimitExceeded": (422, "The value is too low"),
    "MissingRequired": (422, "A value is required"),
    "NotNullable": (422, "The value cannot be null"),
    "NotUnique": (422, "The value is taken"),
    "TooManyRequests": (429, "Too many wrong credentials; try again later"),
    "InternalError": (500, "The admin server failed; its log says why"),
    "ServiceUnavailable": (503, "Not at the moment; try again"),
}
"""Code → status and message."""


class Refused(WardgateError):
    """The admin server does not do what was asked. `code` is one of `ERRORS`.

    `detail` is one line on this very case, `field` the field of the body that is to blame, `allow`
    the methods that are allowed instead.
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
