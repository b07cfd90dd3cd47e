"""Reasons: every one has a code of its own, a status that is answered, and a place in the docs."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from proxy.domain.model import Reason
from proxy.domain.reasons import BaseReason
from proxy.gateway.failures import OF_RESPONSES, Failure
from proxy.http1.error_response import REFUSALS
from proxy.http1.faults import Fault
from tests import reasons

EVERY: list[BaseReason] = [*Reason, *Fault, *Failure]


def test_no_two_reasons_share_a_code() -> None:
    """Whoever reads a code in the log finds one explanation for it."""
    assert [code for code, times in Counter(each.code for each in EVERY).items() if times > 1] == []


@pytest.mark.parametrize("reason", EVERY, ids=lambda reason: reason.code)
def test_a_reason_has_a_code_a_status_and_one_sentence(reason: BaseReason) -> None:
    """The code is a word for logs and labels, the status one that the gateway answers with."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", reason.code)
    assert reason.status in REFUSALS or reason is Failure.CLIENT_CLOSED
    assert re.fullmatch(r"[A-Z].*[^.]\.", reason.explanation)


def test_every_fault_that_a_response_can_have_is_a_failure_of_the_upstream() -> None:
    """Those that no response can have name a part of a request."""
    of_requests = {
        Fault.REQUEST_LINE,
        Fault.METHOD_UNSUPPORTED,
        Fault.TARGET,
        Fault.VERSION,
        Fault.VERSION_UNSUPPORTED,
        Fault.REQUEST_LINE_SIZE,
        Fault.FIELD_SIZE,
        Fault.FIELD_COUNT,
        Fault.FIELD_ALIAS,
        Fault.HOST,
        Fault.EXPECT,
        Fault.BODY_SIZE,
        Fault.ORIGINAL,
        Fault.ASKED_BY,
        Fault.OFFER,
    }
    assert set(OF_RESPONSES) == set(Fault) - of_requests
    assert {failure.status for failure in OF_RESPONSES.values()} == {502}


def test_the_page_in_the_docs_is_made_from_the_code() -> None:
    """`make reasons` makes it anew."""
    page = Path(__file__).parents[1] / "docs" / "reasons.md"
    assert page.read_text() == reasons.text()
