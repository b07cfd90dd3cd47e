"""Each outcome is a line in the access log and counts in the metrics."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.model import Reason
from proxy.gateway.failures import Failure
from proxy.http1.faults import Fault
from proxy.telemetry.accesslog import AccessLog, line_form, requested
from proxy.telemetry.outcome import Outcome
from proxy.telemetry.recorder import MANY, Passed, Telemetry
from proxy.telemetry.usage import Counter as UsageCounter

REASONS = [*Reason, *Fault, *Failure]


def outcome(status: int, reason: Reason | Fault | Failure | None = None) -> Outcome:
    """The outcome of a request."""
    return Outcome(b"an-id", requested("192.0.2.1", b"GET", b"/"), status, 0, 0, 0.0, reason=reason)


outcomes = st.one_of(
    st.builds(outcome, st.integers(100, 599)),
    st.sampled_from(REASONS).map(lambda reason: outcome(reason.status, reason)),
)


@given(st.lists(outcomes))
def test_each_outcome_is_counted_once_by_its_class_and_once_by_its_reason(
    recorded: list[Outcome],
) -> None:
    """A request that was neither refused nor failed has no reason."""
    telemetry = Telemetry(AccessLog("off"))
    for one in recorded:
        telemetry.record(one, telemetry.latency(one.status))
    assert {hundreds: found.count for (_, _, hundreds), found in telemetry.latencies.items()} == (
        Counter(one.status // 100 for one in recorded)
    )
    assert telemetry.by_reason == Counter(one.reason.code for one in recorded if one.reason)


def test_each_outcome_is_a_line_of_the_access_log(tmp_path: Path) -> None:
    """With its status, and with the code of its reason where it has one."""
    telemetry = Telemetry(AccessLog(str(tmp_path / "log")))
    for one in (outcome(200), *(outcome(reason.status, reason) for reason in REASONS)):
        telemetry.record(one, telemetry.latency(one.status))
    telemetry.log.close()
    lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert [(line["status"], line.get("reason")) for line in lines] == [
        (200, None),
        *((reason.status, reason.code) for reason in REASONS),
    ]


def passed(telemetry: Telemetry, number: int, counter: UsageCounter) -> Passed:
    """A request that took 30 ms, with bodies of 2 and of `number` bytes."""
    form = line_form(requested("192.0.2.1", b"GET", b"/%d" % number), 200, 2, b"", b'""')
    now, latency = time.monotonic(), telemetry.latency(200)
    return form, b"id", 2, number, 0.03, now, counter, latency


@given(st.lists(st.booleans(), max_size=3 * MANY))
def test_what_is_passed_on_counts_before_anything_later_is_looked_at(kinds: list[bool]) -> None:
    """It has its usage, its latency and its line, in order, as every outcome has; and however many
    they are, few wait for that."""
    telemetry, counter, began = Telemetry(AccessLog("off")), UsageCounter(), time.time()
    telemetry.log._on = True
    for number, is_passed in enumerate(kinds):
        if is_passed:
            telemetry.pass_on(passed(telemetry, number, counter))
            assert len(telemetry.passed) < MANY
        else:
            telemetry.record(outcome(500 + number % 100), telemetry.latency(500))
            assert not telemetry.passed
    assert sum(each.count for each in telemetry.latencies.values()) == len(kinds)
    sent = [number for number, is_passed in enumerate(kinds) if is_passed]
    assert (counter.requests, counter.received, counter.sent) == (
        len(sent),
        2 * len(sent),
        sum(sent),
    )
    assert abs(counter.seconds - 0.03 * len(sent)) < 1e-6
    lines = [json.loads(line) for line in telemetry.log._lines]
    assert [line["out"] if line["status"] == 200 else None for line in lines] == [
        number if is_passed else None for number, is_passed in enumerate(kinds)
    ]
    times = [datetime.fromisoformat(line["time"]).timestamp() for line in lines]
    assert all(began - 0.01 < each < time.time() + 0.01 for each in times)
