"""The fields that tell clients what is left, as the draft has them."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.gcra import Rate
from proxy.domain.limiting import Metered, Reading
from proxy.domain.model import Reason
from proxy.http1.ratelimit import ratelimit_lines, refusal_lines

RATE = Metered("key-rate", "1c1", Rate.parse("100/s", 200), Reason.RATE)
BURST = Reading(RATE, 200, 2, 57, 1)
DAILY = Reading(RATE._replace(policy="environment-quota"), 10_000, 86_400, 0, 5_000)
ITEM = r'"[a-z-]+";[qr]=[0-9]{1,15};[wt]=[0-9]{1,15}'
LIST = re.compile(f"{ITEM}(, {ITEM})*")
"""A list of strings with parameters that are whole numbers (RFC 9651 sections 3.1, 3.3)."""


def test_an_answer_says_what_each_limit_is_and_what_is_left_of_it() -> None:
    """One line for the policies, which stay the same, and one for what changes."""
    assert ratelimit_lines([BURST, DAILY]) == (
        b'RateLimit-Policy: "key-rate";q=200;w=2, "environment-quota";q=10000;w=86400\r\n'
        b'RateLimit: "key-rate";r=57;t=1, "environment-quota";r=0;t=5000\r\n'
    )
    assert ratelimit_lines([]) == b""


def test_a_refusal_says_when_to_try_again() -> None:
    """No limit that it shows lasts for longer."""
    assert refusal_lines([BURST, DAILY], [DAILY]) == (
        b"Retry-After: 5000\r\n"
        b'RateLimit-Policy: "key-rate";q=200;w=2, "environment-quota";q=10000;w=86400\r\n'
        b'RateLimit: "environment-quota";r=0;t=5000\r\n'
    )


@given(st.lists(st.integers(0, 10**15 - 1), min_size=4, max_size=4))
def test_the_fields_are_structured(numbers: list[int]) -> None:
    """Whatever the limits are."""
    quota, window, left, seconds = numbers
    lines = ratelimit_lines([Reading(RATE, quota, window, left, seconds), DAILY]).decode()
    for line in lines.splitlines():
        name, _, value = line.partition(": ")
        assert name in {"RateLimit", "RateLimit-Policy"}
        assert LIST.fullmatch(value)
