"""docs/reasons.md, made from the enumerations: `python -m tests.reasons > docs/reasons.md`."""

from __future__ import annotations

from http import HTTPStatus

from proxy.domain.model import Reason
from proxy.domain.reasons import BaseReason
from proxy.gateway.failures import Failure
from proxy.http1.faults import Fault

HEAD = """\
# Reasons

Why a request was refused or failed: the `reason` of its line in the access log, the label of
`wardgate_refused_total`, and the `reason` of an explanation (`wardgate keys explain`). The client
gets the status and a text that depends on the status alone, so that no answer helps an attacker.

This page is made from the code by `make reasons`, and a test compares the two.
"""

SECTIONS: tuple[tuple[str, str, type[BaseReason]], ...] = (
    (
        "Denied",
        "The gateway understood the request and does not let it pass.",
        Reason,
    ),
    (
        "Malformed",
        "Not every server would read the request in the same way. Numbers in brackets are sections "
        "of RFC 9112. A few of these occur in responses alone: the log has them as in the next "
        "section.",
        Fault,
    ),
    (
        "Failed",
        "The request was permitted, or would have been, and something went wrong. Where its answer "
        "had begun already, its connection is reset, and the status in the log is the answer's.",
        Failure,
    ),
)


def text() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(*section) for section in SECTIONS)])


def _section(title: str, about: str, reasons: type[BaseReason]) -> str:
    rows = [f"| `{each.code}` | {_status(each)} | {each.explanation} |" for each in reasons]
    table = ["| reason | status | what it means |", "|---|---|---|", *rows]
    return "\n".join([f"## {title}", "", about, "", *table, ""])


def _status(reason: BaseReason) -> str:
    if reason.status == 499:
        return "499 (nobody receives it)"
    return f"{reason.status} {HTTPStatus(reason.status).phrase}"


if __name__ == "__main__":
    print(text(), end="")
