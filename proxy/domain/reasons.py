"""Why a request is refused: the shape that the reasons of every layer share.

A reason is a member of an enumeration, never free text, so that the log, the metrics and `explain`
use the same words, and docs/reasons.md has all of them. Each layer has its own: `model.Reason` for
what the domain denies, `http1.faults.Fault` for what is wrong with a message, and
`gateway.failures.Failure` for what went wrong on the way.

Tested in `tests/test_reasons.py`.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

GUESSED: Final = True
"""Of a reason that guesses get: the access log has only some lines a second with these."""


class BaseReason(Enum):
    """A reason: the status of the response, the code in the access log, one sentence for people."""

    def __init__(self, status: int, code: str, explanation: str, guessed: bool = False) -> None:
        self.status = status
        self.code = code
        self.explanation = explanation
        self.guessed = guessed
