"""Where real proxies do otherwise than the gateway with the hostile targets, and why.

The names are those of `tests.hostile.targets`. A proxy reads a request before it asks, and may
refuse it for itself, or make another one of it: then that one is asked about and sent.
"""

from __future__ import annotations

from typing import Final

ABSOLUTE: Final = {"not-origin-form-2", "not-origin-form-3"}
"""http://h/v1/projects/a/x: the proxy takes the path out of the URL, and sends the path alone."""
ABSOLUTE_ELSEWHERE: Final = {"not-origin-form-1": 403, "not-origin-form-4": 403}
"""The same with a path of another environment, or of no route: that path is refused."""

ALLOWED: Final[dict[str, set[str]]] = {"nginx": ABSOLUTE}
"""Refused by the gateway, and permitted by way of the proxy."""

REFUSED: Final[dict[str, dict[str, int]]] = {"nginx": ABSOLUTE_ELSEWHERE}
"""Refused by both, with another status of the proxy."""

CASES: Final[dict[str, dict[str, int]]] = {
    "nginx": {"two keys": 400}  # it accepts Authorization once
}
"""Refused by both, with another status of the proxy: of the table of cases."""
