"""docs/reasons.md, made from the enumerations: `make reasons`."""

from __future__ import annotations

import re

from proxy.domain.model import Reason
from proxy.domain.reasons import BaseReason
from proxy.gateway.failures import Failure
from proxy.http1.error_response import REFUSALS
from proxy.http1.faults import Fault

HEAD = """\
# Reasons

The `reason` says why a request was refused or failed. It is in the request's line in the access
log, in the label `reason` of the metric `wardgate_refused_total`, and in the output of `wardgate
keys explain`. The client gets only the status and a text that depends on the status alone, so that
no answer helps an attacker.

Names such as `line_size` are settings: [config.example.yaml](../config.example.yaml) explains them.
The *head* of a message is its first line and its header fields. [The threat
model](threat-model.md) explains what a *seal* and an *imported* key are.

This page is made from the code by `make reasons`, and a test compares the two.
"""

SECTIONS: tuple[tuple[str, str, type[BaseReason]], ...] = (
    (
        "Denied",
        "The gateway understood the request, and does not permit it.",
        Reason,
    ),
    (
        "Malformed",
        "The request breaks the rules of HTTP, exceeds a limit, or could be read differently by "
        "different servers. Numbers in brackets are sections of RFC 9112. A response of the "
        "upstream with the same fault has a reason of the next section, such as `upstream-field`.",
        Fault,
    ),
    (
        "Failed",
        "The request or its answer could not be completed. If the answer had begun already, the "
        "client does not get the status below: its connection is reset, and the log has the status "
        "of the answer that had begun.",
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
    phrase = re.split("[:;]", REFUSALS[reason.status][1])[0]  # not HTTPStatus: Pythons differ
    return f"{reason.status} {phrase}"


if __name__ == "__main__":
    print(text(), end="")
