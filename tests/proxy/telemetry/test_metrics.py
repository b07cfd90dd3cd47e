"""The metrics of a node, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.auth.records import CachedRecords
from proxy.domain.model import Reason
from proxy.domain.settings import ACCESS_CONTROL
from proxy.store.open import open_store
from proxy.store.protocols import Store
from proxy.telemetry.accesslog import AccessLog, requested
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.outcome import Outcome
from proxy.telemetry.recorder import Telemetry
from proxy.telemetry.usage import UsageRecorder


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A new store."""
    tmp_path.chmod(0o700)
    made = await open_store(f"sqlite:///{tmp_path}/wardgate.db", create=True)
    yield made
    await made.close()


@pytest.fixture
def usage(store: Store) -> UsageRecorder:
    """What has counted nothing yet."""
    return UsageRecorder(store)


@pytest.fixture
async def records(store: Store) -> CachedRecords:
    """The records of the store, which follow its changes."""
    made = CachedRecords(store)
    store.subscribe(made.apply)
    await made.start()
    return made


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """(name, the values of its labels) → value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


async def test_answers_and_refusals_are_counted(
    records: CachedRecords, usage: UsageRecorder
) -> None:
    """Answers by the class of their status, refusals by their reason; nothing else is a label."""
    telemetry = Telemetry(AccessLog("off"))
    metrics = Metrics(telemetry, records, usage, lambda: 0)
    for status, reason in ((200, None), (204, None), (401, Reason.FORGED), (401, Reason.FORGED)):
        line = requested("192.0.2.1", b"GET", b"/")
        telemetry.record(Outcome(b"an-id", line, status, 0, 0, 0.0, reason=reason))
    found = samples(metrics)
    total = "wardgate_requests_total"
    classes = {name[1]: count for name, count in found.items() if name[0] == total}
    assert classes == {"1xx": 0, "2xx": 2, "3xx": 0, "4xx": 2, "5xx": 0}
    refused = {name[1:]: count for name, count in found.items() if "refused_total" in name[0]}
    assert refused == {("forged",): 2}


async def test_the_number_of_clients_is_that_of_the_moment(
    records: CachedRecords, usage: UsageRecorder
) -> None:
    """It is asked for whenever the metrics are read."""
    connected = 0
    metrics = Metrics(Telemetry(AccessLog("off")), records, usage, lambda: connected)
    for connected in (3, 0):
        assert samples(metrics)["wardgate_connections",] == connected


async def test_whether_access_control_is_on_follows_the_setting(
    store: Store, records: CachedRecords, usage: UsageRecorder
) -> None:
    """On without a setting."""
    metrics = Metrics(Telemetry(AccessLog("off")), records, usage, lambda: 0)
    assert samples(metrics)["wardgate_access_control",] == 1
    for value, expected in (("off", 0), ("on", 1)):
        async with store.write() as change:
            await change.put_setting(ACCESS_CONTROL, value)
        assert samples(metrics)["wardgate_access_control",] == expected


async def test_requests_that_are_missing_from_the_usage_are_counted(
    records: CachedRecords, usage: UsageRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those for which there was no room."""
    metrics = Metrics(Telemetry(AccessLog("off")), records, usage, lambda: 0)
    monkeypatch.setattr("proxy.telemetry.usage.MAX_GATHERED", 1)
    for status in (200, 200, 400, 500):
        usage.counter(0, status).requests += 1
    assert samples(metrics)["wardgate_usage_lost_requests_total",] == 2
