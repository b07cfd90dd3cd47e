"""The fields RateLimit and RateLimit-Policy: what is left of limits, for the client. Pure.

As in draft-ietf-httpapi-ratelimit-headers-11 of 2026-05-23,
https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/ (sections 3 and 4). A rate
is described as the requests (`q`) of the shortest window (`w`, in whole seconds) in which its burst
comes; `t` says when more is left than the `r` of now, so that Retry-After is never before it
(section 6).
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.domain.limiting import Reading


def ratelimit_lines(readings: Sequence[Reading]) -> bytes:
    """The field lines of an answer; nothing where there are no limits."""
    if not readings:
        return b""
    return _policies(readings) + _limits(readings)


def refusal_lines(readings: Sequence[Reading], refused: Sequence[Reading]) -> bytes:
    """The field lines of a refusal: all policies, but only the limits that have nothing left, so
    that none of them lasts for longer than Retry-After."""
    seconds = max(each.seconds for each in refused)
    return b"Retry-After: %d\r\n" % seconds + _policies(readings) + _limits(refused)


def _policies(readings: Sequence[Reading]) -> bytes:
    items = (f'"{each.metered.policy}";q={each.quota};w={each.window}' for each in readings)
    return f"RateLimit-Policy: {', '.join(items)}\r\n".encode()


def _limits(readings: Sequence[Reading]) -> bytes:
    items = (f'"{each.metered.policy}";r={each.left};t={each.seconds}' for each in readings)
    return f"RateLimit: {', '.join(items)}\r\n".encode()
