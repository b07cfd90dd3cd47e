"""Each outcome is a line in the access log and counts in the metrics."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.model import Reason
from proxy.gateway.failures import Failure
from proxy.http1.faults import Fault
from proxy.telemetry.accesslog import AccessLog, requested
from proxy.telemetry.outcome import Outcome
from proxy.telemetry.recorder import Telemetry

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
